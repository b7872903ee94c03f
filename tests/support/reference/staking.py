"""Staking of ASSAY and the credit minter that locks stake behind KARAT."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from tests.support.reference.base import BPS, DAY, WAD, YEAR, Clock, Tickets, require
from tests.support.reference.curve import Curve
from tests.support.reference.emissions import Emissions
from tests.support.reference.tokens import Karat, Token

LOCKED_BPS = 8_000
MIN_TOTAL = 10**18
MAX_STAKE = 2**96 - 1
PRECISION = 2**60
CURVE_INTERVAL_SECONDS = 30 * DAY
REWARD_SCALE = PRECISION * YEAR * BPS * BPS


@dataclass
class Past:
    """What a value was as any UTC day began."""

    days: list[int] = field(default_factory=list)
    values: list[int] = field(default_factory=list)

    def note(self, day: int, value: int) -> None:
        """The value now; it is what the next day begins with, unless it changes again."""
        if self.days and self.days[-1] == day:
            self.values[-1] = value
        else:
            self.days.append(day)
            self.values.append(value)

    def opening(self, day: int) -> int:
        index = bisect_left(self.days, day)
        return self.values[index - 1] if index else 0


@dataclass
class Holder:
    """`owed` counts the rewards up to the accumulator `paid`, each settlement rounded down."""

    free: int = 0
    locked: int = 0
    owed: int = 0
    paid: int = 0
    past: Past = field(default_factory=Past)

    @property
    def staked(self) -> int:
        return self.free + self.locked

    @property
    def weight(self) -> int:
        return self.free * BPS + self.locked * LOCKED_BPS


@dataclass
class Staking:
    """The pool's accumulator moves when the total stake does; claims and locks read it only.

    address   the contract's own: it holds stakes and tickets
    """

    clock: Clock
    address: str
    token: Token
    emissions: Emissions
    cooldown_seconds: int
    holders: dict[str, Holder] = field(default_factory=lambda: defaultdict(Holder))
    total: int = 0
    accumulator: int = 0
    seen: int = 0
    past: Past = field(default_factory=Past)

    def __post_init__(self) -> None:
        self.tickets = Tickets(self.clock, self.cooldown_seconds)

    # --- views -------------------------------------------------------------------------

    def claimable(self, account: str) -> int:
        holder = self.holders.get(account, Holder())
        return holder.owed + holder.weight * (self._accumulator() - holder.paid) // REWARD_SCALE

    def free_of(self, account: str) -> int:
        return self.holders[account].free if account in self.holders else 0

    def locked_of(self, account: str) -> int:
        return self.holders[account].locked if account in self.holders else 0

    def opening_stake(self, account: str, day: int) -> tuple[int, int]:
        holder = self.holders.get(account, Holder())
        return holder.past.opening(day), self.past.opening(day)

    # --- calls -------------------------------------------------------------------------

    def stake(self, payer: str, account: str, amount: int) -> None:
        require(amount > 0, "nothing to stake")
        require(self.total + amount <= MAX_STAKE, "too much stake")
        self.token.transfer(payer, self.address, amount)
        self._change(account, amount)

    def request_unstake(self, account: str, amount: int) -> int:
        require(amount <= self.free_of(account), "more than the free stake")
        ticket_id = self.tickets.issue(account, amount)
        self._change(account, -amount)
        return ticket_id

    def cancel_ticket(self, account: str, ticket_id: int) -> int:
        amount = self.tickets.take(account, ticket_id)
        self._change(account, amount)
        return amount

    def withdraw(self, account: str, ticket_id: int) -> int:
        self.tickets.check_ripe(account, ticket_id)
        amount = self.tickets.take(account, ticket_id)
        self.token.transfer(self.address, account, amount)
        return amount

    def claim(self, account: str) -> int:
        amount = self._settle(account)
        self.holders[account].owed = 0
        self.emissions.reward_staker(account, amount)
        return amount

    def compound(self, account: str) -> int:
        amount = self._settle(account)
        self.holders[account].owed = 0
        self.emissions.reward_staker(self.address, amount)
        self._change(account, amount)
        return amount

    def lock(self, account: str, amount: int) -> None:
        require(amount <= self.free_of(account), "more than the free stake")
        self._settle(account)
        self.holders[account].free -= amount
        self.holders[account].locked += amount

    def unlock(self, account: str, amount: int) -> None:
        require(amount <= self.locked_of(account), "more than the locked stake")
        self._settle(account)
        self.holders[account].locked -= amount
        self.holders[account].free += amount

    # --- accumulator -------------------------------------------------------------------

    def _accumulator(self) -> int:
        if self.total == 0:
            return self.accumulator
        emitted = self.emissions.staker_numerator() - self.seen
        return self.accumulator + emitted * PRECISION // max(self.total, MIN_TOTAL)

    def _settle(self, account: str) -> int:
        holder = self.holders[account]
        holder.owed = self.claimable(account)
        holder.paid = self._accumulator()
        return holder.owed

    def _change(self, account: str, amount: int) -> None:
        self._settle(account)
        self.accumulator = self._accumulator()
        self.seen = self.emissions.staker_numerator()
        self.total += amount
        holder = self.holders[account]
        holder.free += amount
        self.past.note(self.clock.today, self.total)
        holder.past.note(self.clock.today, holder.staked)


@dataclass(frozen=True)
class Position:
    minted: int = 0
    locked: int = 0


@dataclass
class CreditMinter:
    """KARAT against locked stake, along the curve."""

    clock: Clock
    staking: Staking
    karat: Karat
    curve: Curve
    check_curve: Callable[[Curve], bool]
    positions: dict[str, Position] = field(default_factory=lambda: defaultdict(Position))

    def __post_init__(self) -> None:
        self.curve_set_at = self.clock.now

    def quote_mint(self, locked: int) -> int:
        return self.curve.minted_for(self.karat.token.supply, locked)

    def quote_lock(self, minted: int) -> int:
        return self.curve.lock_for(self.karat.token.supply, minted)

    def mint(self, account: str, locked: int, min_minted: int) -> int:
        minted = self.quote_mint(locked)
        require(minted > 0, "nothing minted")
        require(minted >= min_minted, "less than the minimum")
        self.staking.lock(account, locked)
        self.karat.token.mint(account, minted)
        old = self.positions[account]
        self.positions[account] = Position(old.minted + minted, old.locked + locked)
        return minted

    def quote_burn(self, account: str, amount: int) -> int:
        position = self.positions.get(account, Position())
        require(0 < amount <= position.minted, "more than the caller minted")
        return amount * position.locked // position.minted

    def burn(self, account: str, amount: int) -> int:
        unlocked = self.quote_burn(account, amount)
        self.karat.token.burn(account, amount)
        self.staking.unlock(account, unlocked)
        old = self.positions[account]
        self.positions[account] = Position(old.minted - amount, old.locked - unlocked)
        return unlocked

    def set_curve(self, curve: Curve) -> None:
        require(self.clock.now >= self.curve_set_at + CURVE_INTERVAL_SECONDS, "too recently")
        for old, new in (
            (self.curve.base, curve.base),
            (self.curve.power, curve.power),
            (self.curve.target, curve.target),
        ):
            require(abs(new - old) <= old // 10, "step too large")
        require(self.check_curve(curve), "out of bounds")
        self.curve = replace(curve)
        self.curve_set_at = self.clock.now


def within_bounds(curve: Curve) -> bool:
    """The hard bounds of the three parameters."""
    return (
        WAD <= curve.base <= 10**5 * WAD
        and WAD // 10 <= curve.power <= 10 * WAD
        and 10**3 * WAD <= curve.target <= 10**6 * WAD
    )
