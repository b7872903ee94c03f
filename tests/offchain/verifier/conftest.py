"""Models that the second verifier's tests share."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from assay.trace.commitment import commit
from tests.offchain.verifier.both import MODELS, Both


@pytest.fixture(scope="session")
def both_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Both]:
    """By the names of `MODELS`, each made once."""
    made: dict[str, Both] = {}

    def get(name: str) -> Both:
        if name not in made:
            made[name] = Both.exported(commit(MODELS[name]()), tmp_path_factory.mktemp("model"))
        return made[name]

    return get
