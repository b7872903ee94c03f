"""One provider at a time has a folder, and others see who."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from assay.core.errors import ConfigError
from assay.provider.home import Home

HOLDER = """
import sys
from pathlib import Path
from assay.provider.home import Home
with Home(Path(sys.argv[1])).held():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_refused_and_a_killed_one_leaves_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path / "data")
    assert home.process() is None
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(home.folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        assert home.process() == holder.pid
        with pytest.raises(ConfigError, match=rf"process {holder.pid}\) serves from"), home.held():
            pass
        holder.kill()
    assert home.process() is None
    with home.held():
        assert home.process() is not None
    assert home.process() is None


def test_who_looks_at_once_sees_the_same(tmp_path: Path) -> None:
    """A process that ended leaves its id; somebody else's look must not bring it back to life."""
    home = Home(tmp_path / "data")
    with home.held():
        pass
    with home._lock.open("r+") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        assert home.process() is None


def test_leaving_is_on_disk(tmp_path: Path) -> None:
    home = Home(tmp_path / "data")
    assert not home.leaving
    home.leave()
    assert Home(home.folder).leaving
    home.stay()
    home.stay()
    assert not home.leaving
