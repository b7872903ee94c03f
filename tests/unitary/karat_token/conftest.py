"""KARAT with a minter and a ledger that say what a test wants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boa
import pytest

from tests.support.economy import KARAT_COOLDOWN
from tests.support.evm import deployer

KARAT = 10**18

LEDGER = """
# pragma version 0.4.3
karat_micro: HashMap[address, uint256]

@external
def commit(account: address, karat_micro: uint256):
    self.karat_micro[account] = karat_micro

@view
@external
def committed_of(account: address) -> (uint256, uint256):
    return self.karat_micro[account], 10_000
"""


@dataclass(repr=False)
class Karat:
    """`minter` is a contract's address, in whose name tests call; the ledger is a stub."""

    token: Any
    ledger: Any
    minter: str
    deployer: str
    holder: str
    stranger: str

    def give(self, account: str, amount: int) -> None:
        self.token.mint(account, amount, sender=self.minter)

    def stake(self, account: str, amount: int) -> None:
        self.give(account, amount)
        self.token.stake(amount, sender=account)

    def books(self) -> tuple[int, int, int]:
        """Staked, in tickets, held by the contract for both."""
        held = self.token.balanceOf(self.token.address)
        return self.token.total_staked(), self.token.total_tickets(), held


@pytest.fixture(scope="session")
def deployed_karat() -> Karat:
    accounts = [boa.env.generate_address(role) for role in ("deployer", "holder", "stranger")]
    ledger = boa.loads(LEDGER)
    minter = deployer("mocks/TestToken")("stands for a minter", "MINT")
    with boa.env.prank(accounts[0]):
        token = deployer("tokens/KaratToken")(KARAT_COOLDOWN)
        token.set_links(minter, ledger)
    return Karat(token, ledger, minter.address, *accounts)


@pytest.fixture
def karat(deployed_karat: Karat) -> Iterator[Karat]:
    with boa.env.anchor():
        yield deployed_karat
