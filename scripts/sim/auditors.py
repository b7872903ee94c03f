"""Auditors: how many claims they are given, and who of them does not look."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Auditors:
    """A pool of fixed size; who is caught leaves, and another comes.

    Args:
        drawn: share of claims of each price that are audited.
        each: auditors of a drawn claim.
        lazy_share: of those who come, that approve without looking.
        pool: auditors at any time.
        traps: share of drawn claims whose answer is known to be wrong; approving one is the end
            of an auditor.
    """

    def __init__(
        self, drawn: Floats, each: int, lazy_share: float, pool: int, traps: float
    ) -> None:
        self.drawn, self.each = drawn, each
        self._coming_lazy, self._pool, self._traps = lazy_share, pool, traps
        self.lazy = round(pool * lazy_share)
        self.caught = 0

    @property
    def lazy_share(self) -> float:
        return self.lazy / self._pool

    @property
    def sees(self) -> float:
        """Chance that one auditor at least of a drawn claim looks."""
        return 1.0 - self.lazy_share**self.each

    def work(self, claims: int, rng: np.random.Generator) -> None:
        """Audit so many drawn claims; every auditor has its part of them."""
        each = claims * self.each / self._pool
        caught = int(rng.binomial(self.lazy, 1.0 - (1.0 - self._traps) ** each))
        self.caught += caught
        self.lazy += int(rng.binomial(caught, self._coming_lazy)) - caught


def least_stake(saved_usd: float, traps: float) -> float:
    """What being caught must cost so that not looking does not pay: the work that one who never
    looks is spared until the first trap, 1 / traps audits on average."""
    return saved_usd / traps
