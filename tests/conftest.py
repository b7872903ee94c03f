"""What every suite shares: where contracts import from, and how property tests are drawn."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import boa.interpret
import pytest
from boa.vm.py_evm import PyEVM
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]

# Contracts import each other from the checkout's root, snekmate from the environment, whatever
# the working directory is. Compiled contracts stay in the checkout.
boa.interpret.set_search_paths([str(ROOT)])
boa.interpret.set_cache_dir(str(ROOT / ".build" / "titanoboa" / "common"))


def _each_call_is_a_transaction() -> None:
    """Transient storage ends with a transaction (EIP-1153); titanoboa 0.2.8 lets it live on, so
    that what one call keeps there would be read by the next ones, hours later by their clock."""
    run = PyEVM.execute_code

    def execute_code(evm: PyEVM, *arguments: Any, **options: Any) -> Any:
        try:
            return run(evm, *arguments, **options)
        finally:
            evm.vm.state.clear_transient_storage()

    PyEVM.execute_code = execute_code


_each_call_is_a_transaction()

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
