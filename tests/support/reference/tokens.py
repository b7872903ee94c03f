"""ERC-20 balances, ASSAY's supply, and KARAT with its staking."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.support.reference.base import Clock, Tickets, require

UNITS_PER_MICRO_USD = 10**12


@dataclass
class Token:
    """Balances and supply. Allowances are the harness's business: it approves what is needed."""

    balances: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    minted: int = 0
    burned: int = 0

    @property
    def supply(self) -> int:
        return self.minted - self.burned

    def balance_of(self, account: str) -> int:
        return self.balances.get(account, 0)

    def mint(self, to: str, amount: int) -> None:
        self.minted += amount
        self.balances[to] += amount

    def burn(self, account: str, amount: int) -> None:
        require(self.balance_of(account) >= amount, "balance too small")
        self.balances[account] -= amount
        self.burned += amount

    def transfer(self, sender: str, to: str, amount: int) -> None:
        require(self.balance_of(sender) >= amount, "balance too small")
        self.balances[sender] -= amount
        self.balances[to] += amount


@dataclass
class Karat:
    """KARAT: staked, it spends; what channels were promised cannot leave.

    address        the contract's own, holder of what is staked or under a ticket
    committed_of   the ledger's: micro-USD of KARAT that channels claim today
    """

    clock: Clock
    address: str
    cooldown_seconds: int
    committed_of: Callable[[str], int]
    token: Token = field(default_factory=Token)
    staked: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def __post_init__(self) -> None:
        self.tickets = Tickets(self.clock, self.cooldown_seconds)

    @property
    def total_staked(self) -> int:
        return sum(self.staked.values())

    def staked_of(self, account: str) -> int:
        return self.staked.get(account, 0)

    def stake(self, account: str, amount: int) -> None:
        require(amount > 0, "nothing to stake")
        self.token.transfer(account, self.address, amount)
        self.staked[account] += amount

    def request_unstake(self, account: str, amount: int) -> int:
        left = self.staked_of(account) - amount
        require(left >= 0, "stake too small")
        require(left // UNITS_PER_MICRO_USD >= self.committed_of(account), "allocated to channels")
        ticket_id = self.tickets.issue(account, amount)
        self.staked[account] = left
        return ticket_id

    def cancel_ticket(self, account: str, ticket_id: int) -> int:
        amount = self.tickets.take(account, ticket_id)
        self.staked[account] += amount
        return amount

    def withdraw(self, account: str, ticket_id: int) -> int:
        self.tickets.check_ripe(account, ticket_id)
        amount = self.tickets.take(account, ticket_id)
        self.token.transfer(self.address, account, amount)
        return amount
