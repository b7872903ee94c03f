"""Rehearsals: several calls in order, also on a node that cannot simulate."""

from __future__ import annotations

import pytest
from web3 import Web3
from web3.contract import Contract

from assay.chain.anvil import Anvil
from assay.chain.contract import ContractClient
from assay.chain.deployment import DeployedContract
from assay.chain.rehearse import Call, rehearse
from assay.chain.sender import Sender
from tests.offchain.chain.limited import limited


@pytest.fixture
def client(web3: Web3, sender: Sender, probe: Contract) -> ContractClient:
    deployed = DeployedContract(str(probe.address), list(probe.abi))  # type: ignore[arg-type]
    return ContractClient(web3, "Probe", deployed, sender)


@pytest.fixture
def old_node(anvil: Anvil) -> Web3:
    """The same node, without eth_simulateV1."""
    return limited(anvil.url)


def test_later_calls_see_the_earlier_ones(client: ContractClient, sender: Sender) -> None:
    calls = [Call(client, "add", (5,)), Call(client, "add_at", (1, 4)), Call(client, "total")]
    first, second, third = rehearse(client.web3, sender.address, calls)
    assert first.error is None
    assert second.error is not None
    assert second.error.reason == "probe: above the limit"
    assert second.error.call == "Probe.add_at"
    assert int.from_bytes(third.output, "big") == 5
    assert client.read("total") == 0


def test_gas_is_what_it_costs(client: ContractClient, sender: Sender) -> None:
    call = Call(client, "add", (5,))
    rehearsed = rehearse(client.web3, sender.address, [call])[0]
    assert call.send().gas_used == rehearsed.gas


def test_no_calls(client: ContractClient, sender: Sender) -> None:
    assert rehearse(client.web3, sender.address, []) == []


def test_node_that_cannot_simulate(old_node: Web3, client: ContractClient, sender: Sender) -> None:
    """The first call is known, the others are not guessed."""
    calls = [Call(client, "add", (5,)), Call(client, "add_at", (1, 4))]
    first, second = rehearse(old_node, sender.address, calls)
    assert first.error is None and first.gas is not None and first.gas > 21_000
    assert (second.gas, second.error) == (None, None)


def test_refusal_by_a_node_that_cannot_simulate(
    old_node: Web3, client: ContractClient, sender: Sender
) -> None:
    found = rehearse(old_node, sender.address, [Call(client, "add", (0,))])[0]
    assert found.error is not None
    assert found.error.reason == "probe: nothing to add"
