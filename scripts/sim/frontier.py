"""Where cheating stops to pay: audit rate by slash, for the cheat that pays most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.sim import rules
from scripts.sim.scenario import Audits, Demand
from scripts.sim.strategies import CHEATS, Strategy, Terms

Floats = NDArray[np.float64]
RATES = np.geomspace(0.002, 1.0, 55)
SLASHES = np.geomspace(1.0, 1_000.0, 61)
BUDGETS = (0.01, 0.02, 0.03, 0.04, 0.05)
LAZY = (0.1, 0.25, 0.5, 0.75)


@dataclass(frozen=True)
class Policy:
    """How claims of each price are audited: the share that is drawn, auditors, canaries.

    No constant of the contracts: the constants are only as good as the audits they are given.
    """

    drawn: tuple[float, ...]
    audits: Audits
    canary_share: float

    @classmethod
    def of(cls, demand: Demand, burn: float, audits: Audits, canaries: float) -> Policy:
        """What deters at every price of the demand."""
        drawn = tuple(rules.audit_rate(price, burn, audits) for price, _ in demand.prices)
        return cls(drawn, audits, canaries)

    def cost(self, demand: Demand, verify_share: float) -> float:
        """As a share of sales."""
        return rules.audit_cost(demand, self.drawn, self.audits, verify_share)

    def within(self, budget: float, demand: Demand, verify_share: float) -> Policy:
        """Cut in proportion where it costs more than a share `budget` of sales."""
        times = min(budget / self.cost(demand, verify_share), 1.0)
        return replace(self, drawn=tuple(rate * times for rate in self.drawn))

    def scaled(self, base_rate: float) -> Policy:
        """The same proportions between prices at another base rate; none above all claims."""
        times = base_rate / self.audits.base_rate
        return replace(self, drawn=tuple(min(rate * times, 1.0) for rate in self.drawn))


@dataclass(frozen=True)
class Best:
    """The cheat that pays most, and where: per wrong claim, dollars over the claim's price."""

    value: float
    kind: str
    price: float


def per_claim(
    kind: Strategy, price: float, drawn: float, policy: Policy, terms: Terms
) -> tuple[float, float]:
    """Expected (advantage over the honest answer, profit) of one wrong claim; the provider's
    other claims stay unchecked and it convicts itself, both in its favour."""
    seen = kind.seen(price, drawn, policy.audits, policy.canary_share)
    alone = replace(kind, puppet=True)
    terms = replace(terms, game_usd=0.0)
    return terms.advantage(alone, price, seen), terms.profit(alone, price, seen)


def best(prices: Sequence[float], policy: Policy, terms: Terms) -> Best:
    """The most that any cheat gains, by either measure, over the price of its claim."""
    found = [
        Best(max(per_claim(kind, price, drawn, policy, terms)) / price, kind.name, price)
        for kind in CHEATS
        for price, drawn in zip(prices, policy.drawn, strict=True)
        if kind.cheats_at(price)
    ]
    return max(found, key=lambda entry: entry.value)


def surface(prices: Sequence[float], policy: Policy, terms: Terms, token_usd: float) -> Floats:
    """(rates, slashes): `best` at each."""
    return np.array(
        [
            [
                best(
                    prices, policy.scaled(float(rate)), replace(terms, slash=float(s) * token_usd)
                ).value
                for s in SLASHES
            ]
            for rate in RATES
        ]
    )


def edge(gains: Floats) -> list[float | None]:
    """For each rate the least slash of the grid at which, and beyond which, nothing pays."""
    found: list[float | None] = []
    for row in gains:
        pays = np.nonzero(row >= 0)[0]
        first = int(pays[-1]) + 1 if len(pays) else 0
        found.append(float(SLASHES[first]) if first < len(SLASHES) else None)
    return found


@dataclass(frozen=True)
class Frontier:
    """Around what is deployed: `terms` and `policy` with the token at `low_usd`."""

    demand: Demand
    policy: Policy
    terms: Terms
    low_usd: float
    verify_share: float

    @property
    def prices(self) -> list[float]:
        return [price for price, _ in self.demand.prices]

    def document(self, market_usd: float) -> dict[str, Any]:
        """The surface, its edge, and what a smaller budget or lazier auditors would do."""
        gains = surface(self.prices, self.policy, self.terms, self.low_usd)
        today = replace(self.terms, slash=self.terms.slash * market_usd / self.low_usd)
        return {
            "what": "most that a cheat gains over its claim's price; below 0 none pays",
            "most_profitable": _row(best(self.prices, self.policy, self.terms)),
            "at_the_markets_price": _row(best(self.prices, self.policy, today)),
            "budgets": [self.budget(share) for share in BUDGETS],
            "lazy": [self.lazy(share, each) for share in LAZY for each in (1, 2, 3)],
            "base_rates": [round(float(rate), 5) for rate in RATES],
            "slashes": [round(float(slash), 3) for slash in SLASHES],
            "gain": [[round(float(value), 3) for value in row] for row in gains],
            "least_slash": [None if slash is None else round(slash, 2) for slash in edge(gains)],
        }

    def budget(self, share: float) -> dict[str, Any]:
        """The best cheat if audits may cost so much of sales."""
        policy = self.policy.within(share, self.demand, self.verify_share)
        return {"budget": share, **_row(best(self.prices, policy, self.terms))}

    def lazy(self, share: float, each: int) -> dict[str, Any]:
        """What audits must cost if so many auditors do not look and `each` are drawn a claim."""
        audits = replace(self.policy.audits, lazy_share=share, auditors=each)
        burn = self.terms.burn
        policy = Policy.of(self.demand, burn, audits, self.policy.canary_share)
        return {
            "lazy_share": share,
            "auditors": each,
            "cost_share": round(policy.cost(self.demand, self.verify_share), 4),
            "dearest_claim_usd": round(rules.dearest_claim(burn, audits), 2),
        }


def _row(found: Best) -> dict[str, Any]:
    return {"kind": found.kind, "claim_usd": found.price, "gain": round(found.value, 4)}
