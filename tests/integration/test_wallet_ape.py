"""`ape run wallet …` as a user runs it: Ape's accounts, Ape's connection, the same commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from assay.chain.anvil import dev_account
from tests.integration.bank import ETHER, PART, Bank

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "of a test"


@pytest.fixture(scope="module")
def ape_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ape's data folder, with one account in a keyfile: the development account 4."""
    folder = tmp_path_factory.mktemp("ape")
    keyfile = folder / "accounts" / "whale.json"
    keyfile.parent.mkdir()
    content = Account.encrypt(dev_account(4).key, PASSWORD, kdf="scrypt", iterations=2**12)
    keyfile.write_text(json.dumps(content))
    return folder


def ape(
    bank: Bank, folder: Path, *words: str, answer: str = ""
) -> subprocess.CompletedProcess[str]:
    here = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{here}{os.pathsep}{os.environ['PATH']}",
        "APE_DATA_FOLDER": str(folder),
        "APE_ACCOUNTS_whale_PASSPHRASE": PASSWORD,
        "ASSAY_DEPLOYMENT": str(bank.folder),
    }
    command = [here / "ape", "run", "wallet", *words, "--network", bank.anvil.url]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        input=answer,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def document(result: subprocess.CompletedProcess[str], code: int = 0) -> dict[str, Any]:
    """Stdout must be one document and nothing else."""
    assert result.returncode == code, result.stderr + result.stdout
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_airdrop_and_stake(bank: Bank, ape_folder: Path) -> None:
    holder = bank.address("holder")
    who = ("--account", "TEST::1")
    result = ape(bank, ape_folder, "airdrop", *who, answer="y\n")
    assert result.returncode == 0, result.stderr
    assert "Claim 5,000,000 ASSAY" in result.stdout and "mined in block" in result.stdout
    assert bank.network.assay.balance_of(holder) == PART

    rehearsed = document(ape(bank, ape_folder, "stake", "12.5", *who, "--dry-run", "--json"))
    assert rehearsed["dry_run"] is True
    assert bank.network.staking.stake_of(holder) == 0
    staked = document(ape(bank, ape_folder, "stake", "12.5", *who, "--yes", "--json"))
    assert staked["account"] == holder
    assert staked["steps"] == rehearsed["steps"]
    assert bank.network.staking.stake_of(holder) == 125 * ETHER // 10


def test_keyfile_account(bank: Bank, ape_folder: Path) -> None:
    """With --yes Ape signs without asking for each transaction."""
    who = ("--account", "whale", "--yes", "--json")
    sent = document(ape(bank, ape_folder, "airdrop", *who))
    assert sent["account"] == bank.address("whale")
    assert bank.network.airdrop.claimed(bank.address("whale"))


def test_keyfile_account_that_does_not_sign(bank: Bank, ape_folder: Path) -> None:
    result = ape(bank, ape_folder, "airdrop", "--account", "whale", answer="y\nn\n")
    assert result.returncode == 2
    assert "did not sign" in result.stderr
    assert not bank.network.airdrop.claimed(bank.address("whale"))


def test_refusal(bank: Bank, ape_folder: Path) -> None:
    result = ape(bank, ape_folder, "stake", "1", "--account", "TEST::1", "--yes", "--json")
    assert document(result, 2)["error"]["code"] == "too_little"
    assert "Traceback" not in result.stderr


def test_show_and_governance(bank: Bank, ape_folder: Path) -> None:
    shown = document(ape(bank, ape_folder, "show", bank.address("holder"), "--json"))
    assert shown["holdings"]["airdrop_to_claim"] == {"amount": "5000000", "unit": "ASSAY"}
    listed = document(ape(bank, ape_folder, "governance", "show", "--json"))
    assert listed["operations"] == []
