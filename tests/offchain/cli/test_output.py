"""Amounts, JSON forms and errors of the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from assay.cli.output import plain, shown
from assay.cli.provider import token_units
from assay.core.errors import InputError


@dataclass(frozen=True)
class Thing:
    root: bytes
    path: Path
    many: tuple[int, ...]


def assay(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "assay.cli.main", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_json_forms() -> None:
    thing = Thing(b"\x01\xff", Path("/x"), (1, 2))
    assert plain({"thing": thing}) == {"thing": {"root": "0x01ff", "path": "/x", "many": [1, 2]}}


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "yes"), (1234567, "1,234,567"), (b"\xab", "0xab"), (0.5, "0.5"), (None, "None")],
)
def test_cells(value: object, text: str) -> None:
    assert shown(value) == text


@pytest.mark.parametrize(
    ("text", "units"),
    [("5000", 5000 * 10**18), ("1,000.5", 1000_500000000000000000), ("0.000000000000000001", 1)],
)
def test_amounts(text: str, units: int) -> None:
    assert token_units(text, 18) == units


@pytest.mark.parametrize("text", ["", "-1", "1e3", "0", "0.0", "1.2345678", "five", "١"])
def test_bad_amounts(text: str) -> None:
    with pytest.raises(InputError):
        token_units(text, 6)


def test_error_is_a_message_and_a_code(tmp_path: Path) -> None:
    missing = str(tmp_path / "none")
    result = assay("model", "info", missing, "--json")
    assert result.returncode == 2
    assert json.loads(result.stdout)["error"]["code"] == "model"
    assert missing in result.stderr
    assert "Traceback" not in result.stderr


def test_a_model_s_figures() -> None:
    imported = json.loads(assay("model", "import", "--json").stdout)
    assert imported["name"] == "pydoc-4m"
    arguments = ("--prompt", "64", "--answer", "8", "--json")
    figures = json.loads(assay("model", "bench", *arguments).stdout)
    assert [row["requests"] for row in figures["decoding"]] == [1, 8]
    rates = [figures["prefill"], *(row["tokens_per_second"] for row in figures["decoding"])]
    assert min(rates) > 0 and figures["verify_share"] > 0
    assert imported["model_bytes"] < imported["expected_memory_bytes"] < figures["expected_bytes"]


def test_bench_beyond_the_context() -> None:
    result = assay("model", "bench", "--prompt", "4000", "--json")
    assert result.returncode == 2
    assert "exceed the context of" in json.loads(result.stdout)["error"]["message"]


def test_service_without_a_keystore_says_so() -> None:
    result = assay("provider", "register", "5")
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(("prompt", "code"), [(b"", "empty_prompt"), (b"caf\xe9", "invalid_utf8")])
def test_demo_refuses_a_bad_prompt_at_once(prompt: bytes, code: str) -> None:
    command = [sys.executable.encode(), b"-m", b"assay.cli.main", b"demo", b"--json", prompt]
    result = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert result.returncode == 2
    assert json.loads(result.stdout)["error"]["code"] == code


def test_every_command_explains_itself() -> None:
    for command in ("demo", "deploy", "verify", "model", "provider", "challenger", "gateway"):
        result = assay(command, "--help")
        assert result.returncode == 0, result.stderr
        assert "Usage" in result.stdout


@pytest.mark.parametrize("heavy", ["torch", "web3", "fastapi", "vyper"])
def test_nothing_heavy_is_imported_for_help(heavy: str) -> None:
    code = (
        "import sys, assay.cli.main; "
        f"sys.exit('{heavy} was imported' if '{heavy}' in sys.modules else 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
