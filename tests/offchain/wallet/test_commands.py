"""The commands are complete in both front ends, and cost nothing to ask for help."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from assay.wallet.commands import ENTRIES, GOVERNANCE, wallet
from assay.wallet.screen import slug

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts" / "wallet"
NAMES = {entry.name for entry in ENTRIES} | {"governance"}


def test_every_command_has_its_script_for_ape() -> None:
    assert {path.stem.replace("_", "-") for path in SCRIPTS.glob("*.py")} == NAMES
    for path in SCRIPTS.glob("*.py"):
        assert f'command("{path.stem.replace("_", "-")}")' in path.read_text()


@pytest.mark.parametrize("name", sorted(NAMES))
def test_help(name: str) -> None:
    result = CliRunner().invoke(wallet, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert "Usage" in result.output


@pytest.mark.parametrize("entry", [*ENTRIES, *GOVERNANCE], ids=lambda entry: entry.name)
def test_common_options(entry) -> None:  # type: ignore[no-untyped-def]
    """Whoever sends can be rehearsed and needs no terminal; everything has a document."""
    path = [entry.name] if entry in ENTRIES else ["governance", entry.name]
    text = CliRunner().invoke(wallet, [*path, "--help"]).output
    assert "--json" in text
    assert ("--dry-run" in text) == ("--yes" in text) == entry.sends


def test_assay_wallet_passes_everything_on() -> None:
    command = [sys.executable, "-m", "assay.cli.main", "wallet"]
    for words in (["--help"], [], ["stake", "--help"], ["governance", "queue", "--help"]):
        result = subprocess.run(
            [*command, *words], capture_output=True, text=True, timeout=60, check=False
        )
        assert result.returncode == 0, result.stderr
        assert "assay wallet" in result.stdout


def test_the_keystore_front_loads_no_ape() -> None:
    code = "import sys, assay.wallet.commands; sys.exit('ape' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("share of all stake", "share_of_all_stake"),
        ("KARAT's part a day", "karats_part_a_day"),
        ("fee, about", "fee_about"),
    ],
)
def test_keys(name: str, key: str) -> None:
    assert slug(name) == key
