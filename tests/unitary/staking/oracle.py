"""Rewards as exact fractions, to compare the contract's roundings with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from fractions import Fraction

LEAST_TOTAL = 10**18
SCALE = 365 * 86_400 * 10_000


class Rewards:
    """Every account's reward, drawn or not, without any rounding.

    numerator   of the stakers' part of the emission, read when something changes
    """

    def __init__(self, numerator: Callable[[], int]) -> None:
        self.numerator = numerator
        self.seen = numerator()
        self.free: dict[str, int] = defaultdict(int)
        self.locked: dict[str, int] = defaultdict(int)
        self.earned: dict[str, Fraction] = defaultdict(Fraction)

    def accrue(self) -> None:
        """Divide what was emitted since the last change."""
        numerator = self.numerator()
        emitted, self.seen = numerator - self.seen, numerator
        accounts = {*self.free, *self.locked}
        total = sum(self.free[account] + self.locked[account] for account in accounts)
        for account in accounts:
            weight = self.free[account] + Fraction(8, 10) * self.locked[account]
            self.earned[account] += emitted * weight / max(total, LEAST_TOTAL) / SCALE

    def add(self, account: str, amount: int) -> None:
        self.accrue()
        self.free[account] += amount

    def lock(self, account: str, amount: int) -> None:
        """A negative amount unlocks."""
        self.accrue()
        self.free[account] -= amount
        self.locked[account] += amount
