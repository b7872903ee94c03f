"""Compiling: cached by content, errors named; every contract of the network fits the EVM."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.chain import artifacts
from assay.chain.airdrop import AirdropTree
from assay.chain.artifacts import compiled
from assay.chain.parameters import STANDARD, ZERO_ADDRESS, Setup
from assay.chain.plan import Create, plan
from assay.core.errors import CompileError

SOMEBODY = "0x" + "11" * 20
SETUP = Setup(AirdropTree([(SOMEBODY, 1)]), (SOMEBODY,), uniswap_router=SOMEBODY)
SOURCES = [s.source for s in plan(STANDARD, SETUP, ZERO_ADDRESS) if isinstance(s, Create)]

CONTRACT = "# pragma version 0.4.3\nvalue: public(uint256)\n"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with one contract."""
    folder = tmp_path / "contracts" / "network"
    folder.mkdir(parents=True)
    (tmp_path / "contracts" / "interfaces").mkdir()
    (folder / "Thing.vy").write_text(CONTRACT)
    monkeypatch.setenv("ASSAY_ROOT", str(tmp_path))
    artifacts.sources_hash.cache_clear()
    yield tmp_path
    artifacts.sources_hash.cache_clear()


def test_compiles_once(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = compiled("Thing")
    assert first.bytecode.startswith("0x") and first.abi[0]["name"] == "value"
    monkeypatch.setattr(artifacts, "_compile", None)  # would fail if it were called again
    assert compiled("Thing") == first


def test_changed_source_is_compiled_again(checkout: Path) -> None:
    before = artifacts.sources_hash()
    (checkout / "contracts" / "network" / "Thing.vy").write_text(CONTRACT + "other: uint256\n")
    artifacts.sources_hash.cache_clear()
    assert artifacts.sources_hash() != before


def test_syntax_error_names_the_file(checkout: Path) -> None:
    (checkout / "contracts" / "network" / "Thing.vy").write_text("value: nonsense\n")
    with pytest.raises(CompileError, match=r"contracts/network/Thing\.vy does not compile"):
        compiled("Thing")


def test_unknown_and_ambiguous_names(checkout: Path) -> None:
    with pytest.raises(CompileError, match=r"expected one .*Nothing\.vy, found 0"):
        compiled("Nothing")
    (checkout / "contracts" / "interfaces" / "Thing.vy").write_text(CONTRACT)
    with pytest.raises(CompileError, match="found 2"):
        compiled("Thing")


@pytest.mark.parametrize("source", SOURCES)
def test_fits_a_transaction(source: str) -> None:
    """EIP-3860 limits creation code to 49,152 bytes; Anvil enforces EIP-170 at deployment."""
    assert len(compiled(source).bytecode) // 2 <= 49_152
