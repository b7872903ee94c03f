"""A real Anvil for the chain layer, a contract that refuses and logs on demand, a network."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from vyper import compile_code
from web3 import Web3
from web3.contract import Contract

from assay.chain.anvil import Anvil, dev_account
from assay.chain.node import connect
from assay.chain.sender import Sender, SendPolicy
from tests.offchain.chain.economy import Deployed, deployed

PROBE = """
# pragma version 0.4.3
event Counted:
    by: indexed(address)
    total: uint256

total: public(uint256)

@external
def add(amount: uint256):
    assert amount != 0, "probe: nothing to add"
    self.total += amount
    log Counted(by=msg.sender, total=self.total)

@external
def add_at(amount: uint256, limit: uint256):
    assert self.total <= limit, "probe: above the limit"
    self.total += amount

@external
def fail_silently():
    raise
"""


@pytest.fixture(scope="session")
def anvil() -> Iterator[Anvil]:
    with Anvil() as node:
        yield node


@pytest.fixture
def web3(anvil: Anvil) -> Iterator[Web3]:
    """A client; the chain is put back as it was after each test."""
    client = connect(anvil.url)
    snapshot, base = anvil.rpc("evm_snapshot"), client.eth.get_block("latest")["baseFeePerGas"]
    yield client
    anvil.rpc("evm_setAutomine", True)
    anvil.rpc("anvil_dropAllTransactions")
    anvil.rpc("evm_revert", snapshot)
    anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(base))  # a snapshot does not hold it


@pytest.fixture
def policy() -> SendPolicy:
    return SendPolicy(
        receipt_timeout_seconds=10,
        replace_after_seconds=0.3,
        poll_seconds=0.02,
        index_seconds=1,
    )


@pytest.fixture
def sender(web3: Web3, policy: SendPolicy) -> Sender:
    return Sender(web3, dev_account(0), policy)


@pytest.fixture(scope="session")
def probe_code() -> dict[str, object]:
    output: dict[str, object] = compile_code(PROBE, output_formats=["abi", "bytecode"])
    return output


@pytest.fixture
def probe(web3: Web3, sender: Sender, probe_code: dict[str, object]) -> Contract:
    mined = sender.send("Probe.deploy", {"data": probe_code["bytecode"]})
    return web3.eth.contract(address=mined.contract_address, abi=probe_code["abi"])


@pytest.fixture(scope="session")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    with deployed(tmp_path_factory.mktemp("network") / "test") as network:
        yield network


@pytest.fixture
def town(standing: Deployed) -> Iterator[Deployed]:
    """A whole network; the chain is put back as it was after each test."""
    snapshot = standing.anvil.rpc("evm_snapshot")
    yield standing
    standing.anvil.rpc("evm_revert", snapshot)
