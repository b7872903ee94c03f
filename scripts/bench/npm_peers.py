"""What the economy's contracts are compared with, from npm alone: fetched, compiled, kept.

scripts/bench/peers/package-lock.json pins the packages: Synthetix's StakingRewards (solc 0.5.17,
as its pragma asks), OpenZeppelin's ERC20 and ERC4626 (solc 0.8). They go into .bench/peers/, which
is the benchmark's own and not part of the environment; it is made anew when a file in
scripts/bench/peers/ changes.

yearn's stYFI is not among them: neither npm nor PyPI carries its contracts, only a source
repository does, and what cannot be had from a registry cannot be measured again by a reader.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.core.errors import EnvironmentMissing
from scripts import bootstrap

ROOT = Path(__file__).resolve().parents[2]
SOURCES = Path(__file__).resolve().parent / "peers"
HOME = ROOT / ".bench" / "peers"
ARTIFACTS = HOME / "artifacts.json"
STYFI = (
    "not measured: its contracts are in a source repository only, in no registry (npm, PyPI), and"
    " this benchmark is rebuilt from registries"
)


@dataclass(frozen=True)
class Peer:
    """A compiled contract, and by what."""

    name: str
    abi: list[dict[str, Any]]
    bytecode: str
    compiler: str


def peers() -> dict[str, Peer]:
    """All of them, by name; fetches and compiles on the first call. Needs npm's registry then."""
    kept = json.loads(ARTIFACTS.read_text()) if ARTIFACTS.is_file() else {}
    if kept.get("of") != _fingerprint():
        kept = {"of": _fingerprint(), "contracts": _make()}
        ARTIFACTS.write_text(json.dumps(kept))
    return {
        name: Peer(name, made["abi"], made["bytecode"], made["compiler"])
        for name, made in kept["contracts"].items()
    }


def packages() -> dict[str, str]:
    """Package by version, as pinned."""
    stated: dict[str, str] = json.loads((SOURCES / "package.json").read_text())["dependencies"]
    return stated


def _make() -> dict[str, dict[str, Any]]:
    HOME.mkdir(parents=True, exist_ok=True)
    for path in SOURCES.iterdir():
        shutil.copy(path, HOME)
    # Progress goes to stderr: stdout is the benchmark's document.
    with redirect_stdout(sys.stderr), bootstrap.Progress("peers of the benchmark") as progress:
        npm = bootstrap.find_npm(progress)
        options = ("--ignore-scripts", "--no-audit", "--no-fund")
        bootstrap.call([*npm, *options, "ci"], progress, HOME)
        node = "node" if npm == ["npm"] else npm[0]
    result = subprocess.run(
        [node, "compile.js", "."], cwd=HOME, capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise EnvironmentMissing(f"the peers do not compile: {result.stderr.strip()[-500:]}")
    made: dict[str, dict[str, Any]] = json.loads(result.stdout)
    return made


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for path in sorted(SOURCES.iterdir()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
