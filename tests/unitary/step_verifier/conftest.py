"""The verifier and a probe into its arithmetic, deployed once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boa
import pytest


@pytest.fixture(scope="session")
def verifier(project_root: Path) -> Any:
    disputes = project_root / "contracts/disputes"
    arithmetic = boa.load(str(disputes / "StepArithmetic.vy"))
    return boa.load(str(disputes / "StepVerifier.vy"), arithmetic)


@pytest.fixture(scope="session")
def probe() -> Any:
    return boa.load(str(Path(__file__).with_name("Probe.vy")))
