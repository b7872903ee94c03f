"""`assay deploy`, `verify-deployment` and `powers` as a person types them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from assay.chain.anvil import Anvil, dev_account
from assay.chain.deployment import Deployment
from assay.chain.keys import THROWAWAY_STRENGTH, write_keystore
from assay.cli.main import commands
from assay.core.errors import ConfigError

ROLES = 18
PROPOSER = str(dev_account(4).address)


@pytest.fixture(scope="module")
def node() -> Iterator[Anvil]:
    with Anvil() as anvil:
        yield anvil


@pytest.fixture(scope="module")
def folder(node: Anvil, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A local deployment, by the command."""
    place = tmp_path_factory.mktemp("cli") / "anvil"
    result = invoke(node, "deploy", "--out", str(place))
    assert result.exit_code == 0, result.output
    assert "every field read back from the chain" in result.output
    return place


def invoke(node: Anvil, *words: str, answer: str | None = None) -> Result:
    environment = {"ASSAY_RPC_URL": node.url, "ASSAY_DEPLOYMENT": None}
    return CliRunner().invoke(commands, list(words), input=answer, env=environment)


def test_default_behavior(folder: Path) -> None:
    deployment = Deployment.load(folder)
    assert (deployment.network, deployment.chain_id) == ("anvil", 31_337)
    assert len(deployment.contracts) == ROLES
    assert deployment.parameters["window_seconds"] == 24


def test_second_run_is_json(node: Anvil, folder: Path) -> None:
    result = invoke(node, "deploy", "--out", str(folder), "--json")
    document = json.loads(result.stdout)
    assert document["folder"] == str(folder)
    assert len(document["contracts"]) == ROLES
    assert document["parameters"]["fee_bps"] == 500


def test_verification(node: Anvil, folder: Path) -> None:
    result = invoke(node, "verify-deployment", "--deployment", str(folder))
    assert result.exit_code == 0
    assert result.stdout.startswith("PASS: ")


def test_verification_that_fails(node: Anvil, folder: Path) -> None:
    snapshot = node.rpc("evm_snapshot")
    deployment = Deployment.load(folder)
    node.rpc("anvil_setCode", deployment.contract("StepVerifier").address, "0x00")
    result = invoke(node, "verify-deployment", "--deployment", str(folder), "--json")
    node.rpc("evm_revert", snapshot)
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document["passes"] is False
    wrong = [check for check in document["checks"] if check["verdict"] == "DIFFERENT"]
    assert [(check["contract"], check["what"]) for check in wrong] == [
        ("StepVerifier", "code hash"),
        ("StepVerifier", "arithmetic"),  # without code it answers nothing
    ]


def test_powers(node: Anvil, folder: Path) -> None:
    result = invoke(node, "powers", "--deployment", str(folder))
    assert result.exit_code == 0
    text = " ".join(result.stdout.split())
    assert "AssayToken nobody set_minter (set for ever)" in text
    assert "Settlement pay" in text
    assert "PASS: only the timelock holds powers" in text
    document = json.loads(invoke(node, "powers", "--deployment", str(folder), "--json").stdout)
    assert document["passes"] is True


def test_powers_that_are_wrong(node: Anvil, folder: Path) -> None:
    """The same contracts under the name of a chain where money is real."""
    snapshot = node.rpc("evm_snapshot")
    node.rpc("anvil_setChainId", 1)
    deployment = json.loads((folder / "network.json").read_text())
    (folder / "network.json").write_text(json.dumps({**deployment, "chain_id": 1}))
    try:
        result = invoke(node, "powers", "--deployment", str(folder))
    finally:
        node.rpc("anvil_setChainId", 31_337)
        node.rpc("evm_revert", snapshot)
        (folder / "network.json").write_text(json.dumps(deployment))
    assert result.exit_code == 1
    assert "WRONG: a test dollar on chain 1" in result.stdout
    assert "FAIL: 2 powers" in result.stdout


@pytest.fixture
def public(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Anvil, list[str]]]:
    """A node with the id of Base Sepolia, and the options that it needs."""
    write_keystore(dev_account(), tmp_path / "key.json", "password", THROWAWAY_STRENGTH)
    monkeypatch.setenv("ASSAY_KEYSTORE", str(tmp_path / "key.json"))
    monkeypatch.setenv("ASSAY_PASSWORD", "password")
    (tmp_path / "list.csv").write_text(f"{PROPOSER},5\n")
    words = ["deploy", "--network", "base-sepolia", "--out", str(tmp_path / "out")]
    with Anvil(chain_id=84_532) as anvil:
        yield anvil, [*words, "--airdrop", str(tmp_path / "list.csv"), "--proposer", PROPOSER]


def test_public_chain_asks_first(public: tuple[Anvil, list[str]], tmp_path: Path) -> None:
    node, words = public
    result = invoke(node, *words, answer="n\n")
    assert result.exit_code == 1
    assert "base-sepolia, chain 84532" in result.output
    assert "Send the transactions?" in result.output
    assert not (tmp_path / "out").exists()
    result = invoke(node, *words, "--json")
    assert isinstance(result.exception, ConfigError)
    assert "add --yes" in str(result.exception)


def test_public_chain_without_its_options(public: tuple[Anvil, list[str]]) -> None:
    node, words = public
    result = invoke(node, *words[:5])
    assert isinstance(result.exception, ConfigError)
    assert "give --airdrop FILE" in str(result.exception)
