"""What every suite shares: where contracts import from, and how property tests are drawn."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boa.interpret
import pytest
from boa.environment import Env
from boa.vm.py_evm import PyEVM
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]

# Contracts import each other from the checkout's root, snekmate from the environment, whatever
# the working directory is. Compiled contracts stay in the checkout.
boa.interpret.set_search_paths([str(ROOT)])
boa.interpret.set_cache_dir(str(ROOT / ".build" / "titanoboa" / "common"))

# Without a GPU, Triton's kernels are interpreted. Triton reads this when something first imports
# it, which transformers does.
if not Path("/proc/driver/nvidia").exists():
    os.environ["TRITON_INTERPRET"] = "1"


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


def _what_is_put_back_is_forgotten() -> None:
    """Each call visits every account whose storage was written since the environment began, those
    included that an anchor put back: after a thousand tests a call would take twenty times as long.
    """
    anchored = Env._anchor

    @contextmanager
    def anchor(env: Env) -> Iterator[None]:
        accounts = env.evm.vm.state._account_db
        dirty = set(accounts._dirty_accounts)
        try:
            with anchored(env):
                yield
        finally:
            for address in accounts._dirty_accounts - dirty:
                accounts._dirty_accounts.remove(address)
                del accounts._account_stores[address]

    Env._anchor = anchor


_what_is_put_back_is_forgotten()

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
