"""Deploying the whole network on Anvil; a deployment file is trusted no further than the chain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from web3 import Web3

from assay.chain.anvil import Anvil, dev_account
from assay.chain.artifacts import Artifact, compiled
from assay.chain.deploy import DEMO, _creation_code, deploy
from assay.chain.deployment import Deployment
from assay.chain.game_view import read_game
from assay.chain.network import Network
from assay.chain.node import connect
from assay.chain.sender import Sender, SendPolicy
from assay.core.errors import (
    CompileError,
    ConfigError,
    ContractReverted,
    DeploymentMismatch,
    InputError,
)
from assay.core.settings import ChainSettings

FAST = SendPolicy(poll_seconds=0.01)
EIP_170_BYTES = 24_576


@pytest.fixture(scope="module")
def node() -> Iterator[Anvil]:
    with Anvil() as anvil:
        yield anvil


@pytest.fixture(scope="module")
def sender(node: Anvil) -> Sender:
    return Sender(connect(node.url), dev_account(), FAST)


@pytest.fixture(scope="module")
def deployment(sender: Sender) -> Deployment:
    return deploy(sender.web3, sender, DEMO, "test")


@pytest.fixture
def network(sender: Sender, deployment: Deployment) -> Network:
    return Network(sender.web3, deployment, sender)


def test_file_says_what_is_on_chain(
    deployment: Deployment, node: Anvil, tmp_path: Path, sender: Sender
) -> None:
    path = tmp_path / "deployments" / "test.json"
    deployment.save(path)
    assert Deployment.load(path) == deployment
    settings = ChainSettings(rpc_url=node.url, deployment=path)
    connected = Network.connect(settings)
    assert connected.settlement.window_seconds() == DEMO.window_seconds
    assert connected.settlement.slash_per_claim() == DEMO.slash_per_claim
    assert connected.settlement.reward_bps() == DEMO.reward_bps
    assert connected.game.challenger_bond() == DEMO.challenger_bond
    assert connected.game.clock_seconds() == DEMO.clock_seconds
    assert connected.providers.unbonding_seconds() == DEMO.unbonding_seconds
    assert connected.escrow.withdrawal_seconds() == DEMO.withdrawal_seconds


def test_every_contract_keeps_the_size_limit(deployment: Deployment, sender: Sender) -> None:
    for name, contract in deployment.contracts.items():
        code = sender.web3.eth.get_code(sender.web3.to_checksum_address(contract.address))
        assert 0 < len(code) <= EIP_170_BYTES, name


def test_links_are_closed_for_ever(network: Network) -> None:
    settlement = network.settlement.address
    assert network.providers.read("settlement") == settlement
    assert network.escrow.read("settlement") == settlement
    assert network.settlement.read("game") == network.game.address
    assert network.game.read("settlement") == settlement
    for link in (
        lambda: network.providers.set_settlement(settlement),
        lambda: network.escrow.set_settlement(settlement),
        lambda: network.settlement.set_game(network.game.address),
    ):
        with pytest.raises(ContractReverted, match="already set"):
            link()


def test_other_code_is_noticed(network: Network, deployment: Deployment, node: Anvil) -> None:
    snapshot = node.rpc("evm_snapshot")
    node.rpc("anvil_setCode", network.verifier.address, "0x00")
    with pytest.raises(DeploymentMismatch, match=r"StepVerifier at 0x\w+ has code"):
        deployment.verify(network.web3)
    node.rpc("evm_revert", snapshot)
    deployment.verify(network.web3)


def test_other_chain_is_noticed(network: Network, deployment: Deployment) -> None:
    elsewhere = replace(deployment, chain_id=1)
    with pytest.raises(DeploymentMismatch, match=r"is chain 31337, .* is on chain 1"):
        elsewhere.verify(network.web3)


def test_contract_that_answers_nothing(network: Network, deployment: Deployment) -> None:
    nowhere = replace(deployment.contract("Escrow"), address="0x" + "11" * 20)
    contracts = {**deployment.contracts, "Escrow": nowhere}
    lost = Network(network.web3, replace(deployment, contracts=contracts))
    with pytest.raises(DeploymentMismatch, match=r"Escrow\.balance_of"):
        lost.escrow.balance_of(dev_account().address)


def test_reading_without_an_account(network: Network, deployment: Deployment) -> None:
    reader = Network(network.web3, deployment)
    assert reader.settlement.next_nonce(dev_account().address) == 0
    with pytest.raises(ConfigError, match=r"Settlement\.post_batch needs an account"):
        reader.settlement.post_batch(bytes(32), 1)


def test_batch_without_a_bond_changes_nothing(network: Network, sender: Sender) -> None:
    with pytest.raises(ContractReverted) as caught:
        network.settlement.post_batch(b"\1" * 32, 1)
    assert caught.value.call == "Settlement.post_batch"
    assert "assay provider register" in caught.value.remedy
    assert network.settlement.next_nonce(sender.address) == 0


def test_unknown_game(network: Network) -> None:
    with pytest.raises(InputError, match="no game 0x1111") as caught:
        read_game(network, b"\x11" * 32)
    assert caught.value.code == "unknown_game"


@pytest.mark.parametrize("content", ["", "[]", '{"contracts": {}}', '{"contracts": {"A": {}}}'])
def test_malformed_file(content: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match="is no deployment file"):
        Deployment.load(path)
    with pytest.raises(ConfigError, match="cannot read the deployment file"):
        Deployment.load(tmp_path / "none.json")


def test_constructor_arguments_are_never_guessed() -> None:
    escrow: Artifact = compiled("Escrow")
    with pytest.raises(CompileError, match=r"takes \(payment_token, withdrawal_seconds\)"):
        _creation_code(Web3(), escrow, {"payment_token": "0x" + "11" * 20, "delay": 1})
