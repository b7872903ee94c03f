"""Emission: the staged schedule, its daily split between stakers and providers, work rewards.

Everything is a sum over the whole past, day by day and segment by segment: slow, and with nothing
to roll, to pack or to bring up to date.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tests.support.reference.base import BPS, DAY, YEAR, ByDay, Clock, ceil_div, require
from tests.support.reference.tokens import Token

SCALE = YEAR * BPS
WINDOW_DAYS = 7
MIN_USED_BPS = 100
MIN_CAPACITY = 10**6
MAX_CAPACITY = 10**15
MIN_STAKERS_BPS = 1_000

Stage = tuple[int, int]  # start, wei a year
Corner = tuple[int, int]  # used bps, stakers' bps


def interpolate(corners: Sequence[Corner], used_bps: int) -> int:
    """The stakers' share on the line between two corners; what falls is rounded down."""
    for (low, high_share), (high, low_share) in pairwise(corners):
        if used_bps <= high:
            return high_share - (high_share - low_share) * (used_bps - low) // (high - low)
    raise AssertionError("the last corner is at 10,000")


@dataclass
class Emissions:
    """One controller.

    clock      the model's time
    token      is minted
    stages     as deployed: (start, wei a year)
    corners    of the split, in force from the first day
    capacity   micro-USD a day, likewise
    """

    clock: Clock
    token: Token
    stages: list[Stage]
    corners: Sequence[Corner]
    capacity: int

    # What really was in force: (from second, wei a year), in order; cut by `lower_rate`.
    rates: list[Stage] = field(default_factory=list)
    splits: dict[int, Sequence[Corner]] = field(default_factory=dict)
    capacities: ByDay = field(default_factory=ByDay)
    worked: dict[int, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    rewarded: set[tuple[str, int]] = field(default_factory=set)
    minted_to_stakers: int = 0
    minted_to_providers: int = 0
    capacity_set_on: int | None = None
    _closed: tuple[int, int] = (0, 0)  # first day not summed yet, stakers' numerator before it

    def __post_init__(self) -> None:
        self.rates = list(self.stages)
        self.begun = self.clock.now
        self.splits = {0: self.corners}
        self.capacities = ByDay(self.capacity)
        self._closed = (self.clock.today, 0)

    # --- integrals ---------------------------------------------------------------------

    def integral(self, begin: int, end: int) -> int:
        """Sum of rate x seconds at the rates that were in force, from the deployment on."""
        begin = max(begin, self.begun)
        ends = [start for start, _ in self.rates[1:]] + [end]
        total = 0
        for (start, rate), until in zip(self.rates, ends, strict=True):
            total += rate * max(0, min(until, end) - max(start, begin))
        return total

    def emitted(self) -> int:
        return self.integral(0, self.clock.now)

    def staker_numerator(self) -> int:
        day, total = self._closed
        while day < self.clock.today:
            total += self.integral(day * DAY, (day + 1) * DAY) * self.stakers_bps(day)
            day += 1
            self._closed = day, total
        return total + self.integral(day * DAY, self.clock.now) * self.stakers_bps(day)

    # --- a day -------------------------------------------------------------------------

    def work(self, day: int) -> int:
        return sum(self.worked[day].values()) if day in self.worked else 0

    def daily_capacity(self, day: int) -> int:
        return self.capacities.on(day)

    def used_bps(self, day: int) -> int:
        """Mean of min(work / capacity, 1) over the seven days before."""
        days = range(day - WINDOW_DAYS, day)
        return sum(min(self.work(d) * BPS // self.daily_capacity(d), BPS) for d in days) // 7

    def stakers_bps(self, day: int) -> int:
        since = max(start for start in self.splits if start <= day)
        return interpolate(self.splits[since], self.used_bps(day))

    def pool(self, day: int) -> int:
        """Numerator of the providers' part of a day, until now if it is today."""
        end = min(self.clock.now, (day + 1) * DAY)
        return self.integral(day * DAY, end) * (BPS - self.stakers_bps(day))

    def work_of(self, provider: str, day: int) -> int:
        """Work that is not rewarded yet."""
        if (provider, day) in self.rewarded:
            return 0
        return self.worked[day].get(provider, 0) if day in self.worked else 0

    def work_reward(self, provider: str, day: int) -> int:
        work = self.work_of(provider, day)
        if work == 0:
            return 0
        used = max(self.used_bps(day), MIN_USED_BPS)
        least = ceil_div(used * self.daily_capacity(day), BPS)
        return self.pool(day) * work // (max(self.work(day), least) * SCALE)

    # --- calls -------------------------------------------------------------------------

    def reward_staker(self, account: str, amount: int) -> None:
        minted = self.minted_to_stakers + amount
        assert minted <= self.staker_numerator() // SCALE, "the staking model asks too much"
        self.minted_to_stakers = minted
        self.token.mint(account, amount)

    def record_work(self, provider: str, amount_usd_micro: int) -> None:
        today = self.worked[self.clock.today]
        today[provider] = today.get(provider, 0) + amount_usd_micro

    def reward_work(self, provider: str, days: Sequence[int]) -> int:
        require(all(day < self.clock.today for day in days), "day is not over")
        amount = 0
        for day in days:
            reward = self.work_reward(provider, day)
            if reward:
                self.rewarded.add((provider, day))
            amount += reward
        if amount:
            self.minted_to_providers += amount
            self.token.mint(provider, amount)
        return amount

    def lower_rate(self, index: int, rate_per_year: int) -> None:
        """From now on; a stage that has not begun, from its start on."""
        require(index < len(self.stages), "no such stage")
        start, old = self.stages[index]
        last = index == len(self.stages) - 1
        require(last or self.clock.now < self.stages[index + 1][0], "stage is over")
        require(rate_per_year < old, "rate not lower")
        self.stages[index] = (start, rate_per_year)
        since = max(start, self.clock.now)
        later = [rate for rate in self.rates if rate[0] >= self._end_of(index)]
        before = [rate for rate in self.rates if rate[0] < since]
        self.rates = [*before, (since, rate_per_year), *later]

    def set_daily_capacity(self, usd_micro: int) -> None:
        require(MIN_CAPACITY <= usd_micro <= MAX_CAPACITY, "out of bounds")
        today = self.clock.today
        if self.capacity_set_on is not None:
            require(today > self.capacity_set_on + 1, "changed within two days")
        current = self.daily_capacity(today)
        require(current <= 2 * usd_micro and usd_micro <= 2 * current, "step too large")
        self.capacity_set_on = today
        self.capacities.set(today + 1, usd_micro)

    def set_split(self, corners: Sequence[Corner]) -> None:
        used = [corner[0] for corner in corners]
        shares = [corner[1] for corner in corners]
        require(len(corners) > 1 and used[0] == 0 and used[-1] == BPS, "corners")
        require(used == sorted(set(used)), "corners must rise")
        require(shares == sorted(shares, reverse=True), "share must not rise")
        require(shares[0] <= BPS and shares[-1] >= MIN_STAKERS_BPS, "share out of bounds")
        self.splits[self.clock.today + 1] = list(corners)

    def _end_of(self, index: int) -> int:
        return self.stages[index + 1][0] if index + 1 < len(self.stages) else 2**256
