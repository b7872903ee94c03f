"""What every suite shares: where contracts import from, and how property tests are drawn."""

from __future__ import annotations

import os
from pathlib import Path

import boa.interpret
import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]

# Contracts import each other from the checkout's root, snekmate from the environment, whatever
# the working directory is. Compiled contracts stay in the checkout.
boa.interpret.set_search_paths([str(ROOT)])
boa.interpret.set_cache_dir(str(ROOT / ".build" / "titanoboa" / "common"))

# No deadline: the first example compiles or warms up. In CI the draw is the same every time;
# elsewhere it differs, and a failure prints what reproduces it.
settings.register_profile(
    "assay",
    deadline=None,
    derandomize="CI" in os.environ,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("assay")


@pytest.fixture(scope="session")
def project_root() -> Path:
    """The checkout."""
    return ROOT
