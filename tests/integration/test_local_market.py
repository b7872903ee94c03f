"""`scripts/local`: a newcomer's chain with the whole economy and a market, by one command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from assay.chain.anvil import Anvil
from assay.core.settings import LOCAL_CHAIN_ID

PER_DOLLAR = 2 * 10**18  # what the default liquidity comes to


def run(root: Path, folder: Path, rpc_url: str, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "ASSAY_RPC_URL": rpc_url, "ASSAY_DEPLOYMENT": str(folder)}
    return subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, timeout=240, check=False
    )


def test_script_opens_a_market(project_root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "anvil"
    with Anvil() as anvil:
        done = run(project_root, folder, anvil.url, "scripts/local", "--out", str(folder))
        assert done.returncode == 0, done.stderr
        assert (folder / "BurnTaker.json").is_file()
        shown = run(
            project_root,
            folder,
            anvil.url,
            *(sys.executable, "-m", "assay.cli.main", "market", "open", "--json"),
        )
        assert shown.returncode == 0, shown.stderr
        found = json.loads(shown.stdout)
        # The second time doubles the liquidity of the first, at its price.
        assert found["ASSAY"] == 2_000_000
        assert found["dollars"] == 1_000_000
        assert found["ASSAY a dollar"] == PER_DOLLAR / 10**18


def test_not_on_a_public_chain(project_root: Path, tmp_path: Path) -> None:
    with Anvil(chain_id=84_532) as anvil:
        command = (sys.executable, "-m", "assay.cli.main", "market", "router")
        refused = run(project_root, tmp_path, anvil.url, *command)
        assert refused.returncode == 2
        assert (
            f"this is chain 84532; a market is made on a local chain ({LOCAL_CHAIN_ID}) only"
            in (" ".join(refused.stderr.split()))
        )
