"""Attacks run on the quick EVM."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.quick_evm import quick_evm


@pytest.fixture(autouse=True, scope="module")
def _quickly() -> Iterator[None]:
    with quick_evm():
        yield
