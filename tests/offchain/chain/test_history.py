"""All events of a kind, also from a node that answers for few blocks at a time."""

from __future__ import annotations

import pytest
from web3 import Web3
from web3.contract import Contract

from assay.chain import history as module
from assay.chain.anvil import Anvil
from assay.chain.contract import ContractClient
from assay.chain.deployment import DeployedContract
from assay.chain.history import history
from assay.chain.sender import Sender
from assay.core.errors import ChainError
from tests.offchain.chain.limited import limited

TOTALS = [1, 3, 6]


@pytest.fixture
def client(anvil: Anvil, web3: Web3, sender: Sender, probe: Contract) -> ContractClient:
    """A probe that has counted three times, with blocks between."""
    deployed = DeployedContract(str(probe.address), list(probe.abi))  # type: ignore[arg-type]
    found = ContractClient(web3, "Probe", deployed, sender)
    for amount in (1, 2, 3):
        found.write("add", amount)
        anvil.rpc("anvil_mine", 40)
    return found


def behind(client: ContractClient, url: str, blocks: int) -> ContractClient:
    """The same contract behind a node that refuses longer ranges."""
    deployed = DeployedContract(client.address, list(client.contract.abi))  # type: ignore[arg-type]
    return ContractClient(limited(url, blocks), "Probe", deployed, None)


def test_in_order(client: ContractClient) -> None:
    assert [event.args["total"] for event in history(client, "Counted", 0)] == TOTALS


def test_filtered_by_the_node(client: ContractClient, sender: Sender) -> None:
    own = history(client, "Counted", 0, by=sender.address)
    assert [event.args["total"] for event in own] == TOTALS
    assert history(client, "Counted", 0, by="0x" + 40 * "1") == []


def test_from_a_block_on(client: ContractClient) -> None:
    second = history(client, "Counted", 0)[1]
    assert [e.args["total"] for e in history(client, "Counted", second.block)] == TOTALS[1:]


@pytest.mark.parametrize("blocks", [1, 7, 50])
def test_node_with_a_limit(anvil: Anvil, client: ContractClient, blocks: int) -> None:
    found = history(behind(client, anvil.url, blocks), "Counted", 0)
    assert [event.args["total"] for event in found] == TOTALS


def test_node_with_too_low_a_limit(
    anvil: Anvil, client: ContractClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_CALLS", 10)
    with pytest.raises(ChainError, match="too few blocks"):
        history(behind(client, anvil.url, 1), "Counted", 0)
