"""Ape sees the project as the services do: the same compiler, the same bytecode."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from assay.chain.artifacts import compiled

ROOT = Path(__file__).resolve().parents[3]
CONTRACTS = sorted(
    path.stem for path in ROOT.glob("contracts/*/*.vy") if path.parent.name != "modules"
)


@pytest.fixture(scope="module")
def ape_bytecode(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Creation code by contract name, as `ape compile` makes it in a copy of the sources."""
    folder = tmp_path_factory.mktemp("ape")
    for name in ("contracts", "ape-config.yaml"):
        (folder / name).symlink_to(ROOT / name)
    here = Path(sys.executable).parent
    subprocess.run(
        [here / "ape", "compile"],
        cwd=folder,
        env={**os.environ, "PATH": f"{here}{os.pathsep}{os.environ['PATH']}"},
        check=True,
        timeout=300,
    )
    manifest = json.loads((folder / ".build" / "__local__.json").read_text())
    types = manifest["contractTypes"]
    return {name: found["deploymentBytecode"]["bytecode"] for name, found in types.items()}


def test_every_contract_is_compiled_and_no_module(ape_bytecode: dict[str, str]) -> None:
    assert sorted(ape_bytecode) == CONTRACTS


@pytest.mark.parametrize("name", CONTRACTS)
def test_ape_and_the_services_deploy_the_same_code(ape_bytecode: dict[str, str], name: str) -> None:
    assert ape_bytecode[name] == compiled(name).bytecode
