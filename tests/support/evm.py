"""Contracts on titanoboa: deploying from source, reasons of reverts, events, time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import boa
from boa import BoaError

DAY = 86_400


IMPORT = re.compile(r"^from \.+\w* import (\w+)", re.MULTILINE)


@cache
def deployer(source: str) -> Any:
    """A contract's compiled code, ready to deploy: `deployer("staking/Staking")(token, …)`.

    Cached on disk in a folder for exactly these sources: titanoboa 0.2.8 does not see a change in
    a module that only another module imports.
    """
    path = Path("contracts") / f"{source}.vy"
    digest = sha256(b"".join(file.read_bytes() for file in sorted(_sources_of(path)))).hexdigest()
    common = boa.interpret._disk_cache
    boa.interpret.set_cache_dir(str(common.cache_dir.parent / digest[:16]))
    try:
        return boa.load_partial(str(path))
    finally:
        boa.interpret._disk_cache = common


def _sources_of(path: Path) -> set[Path]:
    """A contract's file, and all of ours that it imports, by whatever way."""
    found = {path}
    for name in IMPORT.findall(path.read_text()):
        for folder, suffix in (("modules", "vy"), ("interfaces", "vyi")):
            file = Path("contracts") / folder / f"{name}.{suffix}"
            if file.is_file():
                found |= _sources_of(file)
    return found


@contextmanager
def reverts(reason: str) -> Iterator[None]:
    """The call reverts with exactly this reason, from whichever contract it comes."""
    try:
        yield
    except BoaError as error:
        data = bytes(error.call_trace.output) if hasattr(error, "call_trace") else b""
        assert data, error
        found = data[68 : 68 + int.from_bytes(data[36:68], "big")].decode()
        assert found == reason, f"reverted with {found!r}, expected {reason!r}"
    else:
        raise AssertionError(f"did not revert; expected {reason!r}")


def event(contract: Any, name: str) -> Any:
    """The only event of this name that the contract's last call logged, wherever."""
    found = [log for log in contract.get_logs() if type(log).__name__ == name]
    assert len(found) == 1, f"{len(found)} events {name}"
    return found[0]


def now() -> int:
    """Unix time of the pending block."""
    return int(boa.env.evm.patch.timestamp)


def today() -> int:
    """The current UTC day."""
    return now() // DAY


def travel_to(timestamp: int) -> None:
    """Go to a second, never back."""
    assert timestamp >= now(), f"{timestamp} is before {now()}"
    boa.env.time_travel(seconds=timestamp - now())


def begin_day(days: int = 1) -> int:
    """Go to the first second of the day after `days` midnights; returns that day."""
    travel_to((today() + days) * DAY)
    return today()
