"""The lock file, the installed packages and the project's own requirements agree."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import distributions, requires, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[3]
HEAVY = ("torch", "transformers", "web3", "ape", "boa", "vyper", "fastapi", "uvicorn")
BLOCKED_IMPORT = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {heavy!r}:
            raise ImportError("not installed: " + name)
sys.meta_path.insert(0, Block())
import assay.cli.main
"""


def locked() -> dict[str, Requirement]:
    """The lines of the lock file that apply to this Python, by canonical name."""
    lines = (ROOT / "requirements" / "lock.txt").read_text().splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    here = [pin for pin in pins if pin.marker is None or pin.marker.evaluate()]
    return {canonicalize_name(pin.name): pin for pin in here}


def test_every_line_of_the_lock_is_one_exact_version() -> None:
    for pin in locked().values():
        assert [bound.operator for bound in pin.specifier] == ["=="]


def test_what_is_installed_is_what_the_lock_says() -> None:
    installed = {canonicalize_name(found.name): found.version for found in distributions()}
    differing = {
        name: (pin.specifier, installed.get(name))
        for name, pin in locked().items()
        if name not in installed or not pin.specifier.contains(installed[name], prereleases=True)
    }
    assert differing == {}


def test_the_lock_meets_every_requirement_of_the_project() -> None:
    pins = locked()
    for line in requires("assay") or []:
        requirement = Requirement(line)
        name = canonicalize_name(requirement.name)
        if name != "assay":
            assert name in pins, f"{name} is required by pyproject.toml and not in the lock"
            assert requirement.specifier.contains(version(name), prereleases=True)


def test_a_consumer_needs_neither_torch_nor_ape_nor_web3() -> None:
    """The command line loads with none of the extras installed."""
    program = BLOCKED_IMPORT.format(heavy=HEAVY)
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
