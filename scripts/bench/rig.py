"""A fresh Anvil to measure on: accounts that need no key, a clock to set, gas as it is charged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth_account import Account
from eth_utils.crypto import keccak
from web3 import Web3
from web3.contract import Contract

from assay.chain.anvil import Anvil
from assay.chain.artifacts import compiled
from assay.chain.node import connect
from scripts.bench.calldata import Calldata

DAY = 86_400
HOUR = 3_600
GAS_LIMIT = 29_000_000
RICH = hex(10**24)


@dataclass(frozen=True)
class Sent:
    """A transaction that succeeded: gas charged, and its calldata."""

    gas: int
    calldata: Calldata
    logs: int


class Rig:
    """Deploys, sends, moves the clock. Transactions are mined one by one, each alone in a block,
    so that every slot and account it touches is cold."""

    def __init__(self, anvil: Anvil) -> None:
        self.anvil = anvil
        self.web3: Web3 = connect(anvil.url)
        anvil.rpc("anvil_autoImpersonateAccount", True)
        self.deployer = self.account("deployer")
        # Midnight after now: days begin where UTC days do.
        now = int(self.web3.eth.get_block("latest")["timestamp"])
        self.now = (now // DAY + 2) * DAY
        self.warp(0)

    @staticmethod
    def key(name: str) -> Any:
        """An account with a key, for signatures; the same on every run."""
        return Account.from_key(keccak(b"assay bench " + name.encode()))

    def account(self, name: str) -> str:
        """Its address, with ether."""
        address = str(self.key(name).address)
        self.anvil.rpc("anvil_setBalance", address, RICH)
        return address

    def warp(self, seconds: int) -> int:
        """Move the clock and mine; returns the time."""
        self.now += seconds
        self.anvil.rpc("evm_setNextBlockTimestamp", self.now)
        self.anvil.rpc("evm_mine")
        return self.now

    def to_next_day(self, seconds: int) -> None:
        """To so many seconds after the next UTC midnight."""
        self.warp((self.now // DAY + 1) * DAY + seconds - self.now)

    @property
    def today(self) -> int:
        return self.now // DAY

    def deploy(self, name: str, *arguments: object) -> Contract:
        """One of our contracts, from source."""
        artifact = compiled(name)
        return self.create(artifact.abi, artifact.bytecode, *arguments)

    def create(self, abi: list[dict[str, Any]], bytecode: str, *arguments: object) -> Contract:
        factory = self.web3.eth.contract(abi=abi, bytecode=bytecode)
        fields: Any = {"from": self.deployer, "gas": GAS_LIMIT}
        receipt = self.web3.eth.wait_for_transaction_receipt(
            factory.constructor(*arguments).transact(fields)
        )
        assert receipt["status"] == 1 and receipt["contractAddress"], "deployment failed"
        return self.web3.eth.contract(address=receipt["contractAddress"], abi=abi)

    def send(self, contract: Contract, function: str, *arguments: object, by: str) -> Sent:
        """Raises AssertionError with the reason if it reverts."""
        call = contract.functions[function](*arguments)
        fields: Any = {"from": by, "gas": GAS_LIMIT}
        receipt = self.web3.eth.wait_for_transaction_receipt(call.transact(fields), poll_latency=0)
        if receipt["status"] != 1:
            call.call(fields)  # raises with the reason
            raise AssertionError(f"{function} reverted")
        sent = self.web3.eth.get_transaction(receipt["transactionHash"])
        # The clock stays: blocks that transactions mine may be seconds later than `now`.
        self.now = max(self.now, self._time())
        return Sent(receipt["gasUsed"], Calldata.of(bytes(sent["input"])), len(receipt["logs"]))

    def code_bytes(self, contract: Contract) -> int:
        return len(self.web3.eth.get_code(contract.address))

    def _time(self) -> int:
        return int(self.web3.eth.get_block("latest")["timestamp"])
