"""Providers, claims, audits and convictions, step by step, all providers at once in numpy.

A step is a part of the challenge window. Claims come as Poisson processes, thinned into right
ones, wrong ones that will be found, and wrong ones that will not; a wrong claim that will be
found is found in a uniformly drawn step of its window. Memory is bounded by providers times
prices times the steps of a window, whatever the time. `accounts.py` makes money of the counts.

Left out: what a conviction costs in lost business. A convicted provider comes back under another
name after a while, at no cost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from scripts.sim.auditors import Auditors
from scripts.sim.strategies import Strategy

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class World:
    """How large, how long, how fine.

    claims_day    of one provider
    cheat_share   of providers, in equal parts of all kinds of cheats
    window_days   challenge window, of `window_steps` steps
    return_days   after leaving, until the next entry; beyond the window
    follow_up     share of a convicted provider's open wrong claims that others then find
    canary_share  of claims whose answers gateways know
    """

    providers: int = 100_000
    days: int = 365
    claims_day: float = 4.0
    cheat_share: float = 0.2
    window_days: float = 1.0
    window_steps: int = 4
    return_days: float = 7.0
    follow_up: float = 0.5
    canary_share: float = 0.005
    seed: int = 1

    def __post_init__(self) -> None:
        if self.return_days < self.window_days:
            raise ValueError(
                f"return_days is {self.return_days}; it must be {self.window_days} at least, the "
                "window, so that no claim of an old name is charged to a new one"
            )

    @property
    def steps(self) -> int:
        return round(self.days / self.step_days)

    @property
    def step_days(self) -> float:
        return self.window_days / self.window_steps


@dataclass
class Tally:
    """Numbers of claims by kind of provider and price.

    found_after[kind, s]: entries that were first convicted in their step s. entries[kind]: how
    often a kind entered. Once the last window is over, wrong = paid_wrong + convicted.

    most_open: claims that were in their window at once. audits: drawn claims by price.
    """

    right: Ints
    wrong: Ints
    paid_wrong: Ints
    convicted: Ints
    found_after: Ints
    entries: Ints
    most_open: int = 0
    audits: Floats = field(default_factory=lambda: np.zeros(0))
    lazy_share: list[float] = field(default_factory=list)


class Network:
    """One run. `kinds`: the first is the honest one; `prices`: (dollars, share of claims)."""

    def __init__(
        self,
        world: World,
        kinds: Sequence[Strategy],
        prices: Sequence[tuple[float, float]],
        auditors: Auditors,
    ) -> None:
        self.world, self.kinds, self.auditors = world, tuple(kinds), auditors
        self.rng = np.random.default_rng(world.seed)
        self.prices = np.array([price for price, _ in prices])
        self.lam = np.array([share for _, share in prices]) * world.claims_day * world.step_days
        self.kind = self._assign()
        n, p, w = world.providers, len(prices), world.window_steps
        self.pending = np.zeros((w, n, p), dtype=np.int64)
        self.due = np.zeros((w, n, p), dtype=np.int64)
        self.active: Flags = np.ones(n, dtype=np.bool_)
        self.since = np.zeros(n, dtype=np.int64)
        self.returns = np.full(n, -1, dtype=np.int64)
        self.unconvicted: Flags = np.ones(n, dtype=np.bool_)
        self.posted = np.zeros(w, dtype=np.int64)
        self._tables()
        self.tally = self._tally()

    def run(self, progress: Callable[[int, int], None] = lambda done, of: None) -> Tally:
        """All steps, and one more window, in which nothing new is posted."""
        steps = self.world.steps
        for step in range(steps + self.world.window_steps):
            self.step(step, posting=step < steps)
            progress(step + 1, steps + self.world.window_steps)
        return self.tally

    def step(self, step: int, posting: bool) -> None:
        slot = step % self.world.window_steps
        self._finalise(slot)
        if posting:
            self._enter(step)
            self._post(step, slot)
        else:
            self.posted[slot] = 0
        self._find(step, slot)
        self._leave(step)

    def _assign(self) -> NDArray[np.int8]:
        """Kinds in blocks: the honest first, cheats in equal parts."""
        n, cheats = self.world.providers, len(self.kinds) - 1
        each = round(n * self.world.cheat_share / max(cheats, 1))
        kind = np.zeros(n, dtype=np.int8)
        for number in range(1, cheats + 1):
            first = n - (cheats - number + 1) * each
            kind[first : first + each] = number
        return kind

    def _tables(self) -> None:
        """By kind and price: the share of claims that are wrong; by kind: times, in steps."""
        step_days = self.world.step_days
        self.wrong_share = np.array(
            [[k.wrong_share * k.cheats_at(float(p)) for p in self.prices] for k in self.kinds]
        )
        self.canaries = np.array([k.canaries for k in self.kinds])
        self.once = np.array([k.once for k in self.kinds])
        self.life = np.array([k.days / step_days for k in self.kinds])
        self.begin = np.array([k.begin_day / step_days for k in self.kinds])

    def _tally(self) -> Tally:
        k, p = self.wrong_share.shape

        def zeros() -> Ints:
            return np.zeros((k, p), dtype=np.int64)

        entries = np.bincount(self.kind, minlength=k).astype(np.int64)
        found = np.zeros((k, self.world.steps + self.world.window_steps), dtype=np.int64)
        return Tally(
            zeros(), zeros(), zeros(), zeros(), found, entries, audits=np.zeros(p, dtype=np.float64)
        )

    def _finalise(self, slot: int) -> None:
        """What was posted a window ago and not found is paid."""
        self._add(self.tally.paid_wrong, self.pending[slot])
        self.pending[slot] = 0

    def _enter(self, step: int) -> None:
        back = self.returns == step
        if back.any():
            self.active[back] = self.unconvicted[back] = True
            self.since[back] = step
            self.tally.entries += np.bincount(self.kind[back], minlength=len(self.kinds))

    def _post(self, step: int, slot: int) -> None:
        age = step - self.since
        cheating = np.nonzero(self.active & (age >= self.begin[self.kind]))[0]
        share, seen = self.wrong_share * self.lam, self._seen()
        hidden_at, hidden_price = self._draw(cheating, share * (1.0 - seen))
        found_at, found_price = self._draw(cheating, share * seen)
        np.add.at(self.pending[slot], (hidden_at, hidden_price), 1)
        self._spread(slot, found_at, found_price)
        at = np.concatenate((hidden_at, found_at))
        wrong = np.zeros_like(self.tally.wrong)
        np.add.at(wrong, (self.kind[at], np.concatenate((hidden_price, found_price))), 1)
        right = self._right(cheating, share)
        self._book(slot, right, wrong)
        left = np.zeros_like(self.active)
        left[at] = self.once[self.kind[at]]
        self._retire(left & self.active, step)

    def _draw(self, who: Ints, rate: Floats) -> tuple[Ints, Ints]:
        """Providers and prices of claims that come at a `rate` (kinds, prices) to each of `who`.

        All of a kind have the same rate, so its claims are drawn together and dealt out.
        """
        count = np.bincount(self.kind[who], minlength=len(self.kinds))
        first = np.cumsum(count) - count  # providers are in the order of kinds
        numbers = self.rng.poisson(count[:, None] * rate)
        kind, price = np.nonzero(numbers)
        kind, price = (np.repeat(index, numbers[kind, price]) for index in (kind, price))
        return who[first[kind] + self.rng.integers(0, count[kind])], price

    def _book(self, slot: int, right: Ints, wrong: Ints) -> None:
        self.tally.right += right
        self.tally.wrong += wrong
        self.posted[slot] = right.sum() + wrong.sum()
        self.tally.most_open = max(self.tally.most_open, int(self.posted.sum()))
        self._audit(right.sum(axis=0) + wrong.sum(axis=0))

    def _seen(self) -> Floats:
        """(kinds, prices): the chance that a wrong claim is found, now."""
        missed = 1.0 - self.auditors.drawn * self.auditors.sees
        canary = self.world.canary_share * self.canaries[:, None]
        result: Floats = 1.0 - missed[None, :] * (1.0 - canary)
        return result

    def _spread(self, slot: int, at: Ints, price: Ints) -> None:
        """Each wrong claim that will be found gets a step of its window for that."""
        later = self.rng.integers(0, self.world.window_steps, len(at))
        np.add.at(self.due, ((slot + later) % self.world.window_steps, at, price), 1)

    def _right(self, cheating: Ints, share: Floats) -> Ints:
        """Right claims have no consequences, so a kind's are drawn together."""
        k = len(self.kinds)
        active = np.bincount(self.kind[self.active], minlength=k)[:, None]
        wrong = np.bincount(self.kind[cheating], minlength=k)[:, None]
        drawn: Ints = self.rng.poisson(active * self.lam - wrong * share)
        return drawn

    def _audit(self, claims: Ints) -> None:
        drawn = self.rng.binomial(claims, self.auditors.drawn)
        self.tally.audits += drawn
        self.auditors.work(int(drawn.sum()), self.rng)
        self.tally.lazy_share.append(self.auditors.lazy_share)

    def _find(self, step: int, slot: int) -> None:
        """Convict what is found in this step; then others look at the provider's open claims."""
        found = self.due[slot]
        caught = np.unique(np.nonzero(found)[0])
        if len(caught):
            self._add(self.tally.convicted, found)
            self.due[slot] = 0
            self._note(step, caught)
            more = self.rng.binomial(self.pending[:, caught], self.world.follow_up)
            self.pending[:, caught] -= more
            np.add.at(self.tally.convicted, self.kind[caught], more.sum(axis=0))
            gone = np.zeros(len(self.kind), dtype=np.bool_)
            gone[caught] = True
            self._retire(gone & self.active, step)

    def _note(self, step: int, caught: Ints) -> None:
        """How long after its entry a provider was first convicted."""
        first = caught[self.unconvicted[caught]]
        self.unconvicted[first] = False
        np.add.at(self.tally.found_after, (self.kind[first], step - self.since[first]), 1)

    def _leave(self, step: int) -> None:
        done = self.active & (step - self.since + 1 >= self.life[self.kind])
        self._retire(done, step)

    def _retire(self, who: Flags, step: int) -> None:
        self.active[who] = False
        self.returns[who] = step + round(self.world.return_days / self.world.step_days)

    def _add(self, total: Ints, counts: Ints) -> None:
        """Sum a (providers, prices) array by kind."""
        at, price = np.nonzero(counts)
        np.add.at(total, (self.kind[at], price), counts[at, price])
