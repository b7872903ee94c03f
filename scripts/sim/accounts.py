"""Money of a simulated run, by kind of provider: micro-dollars, integers."""

from __future__ import annotations

from typing import Any

import numpy as np

from scripts.sim.network import Network
from scripts.sim.strategies import Terms

MICRO = 10**6


def micro(usd: float) -> int:
    return round(usd * MICRO)


def accounts(network: Network, terms: Terms) -> list[dict[str, Any]]:
    """Money by kind, micro-dollars."""
    prices = np.array([micro(float(price)) for price in network.prices], dtype=np.int64)
    rows = []
    for index, kind in enumerate(network.kinds):
        t = network.tally
        convicted, paid_wrong = int(t.convicted[index].sum()), int(t.paid_wrong[index] @ prices)
        sales = int(t.right[index] @ prices) + paid_wrong
        fee = micro(sales / MICRO * terms.fee_share)
        slash, burn = micro(terms.slash), micro(terms.burn)
        computed = (t.right[index] + t.wrong[index]) @ prices * terms.compute_share
        saved = t.wrong[index] @ prices * terms.compute_share * kind.saved
        rows.append(
            {
                "kind": kind.name,
                "sales": sales,
                "fee": fee,
                "income": sales - fee,
                "compute": round(computed - saved),
                "outside": round(paid_wrong * kind.outside),
                "slashed": convicted * slash,
                "burned": convicted * burn,
                "rewards": 0 if kind.puppet else convicted * (slash - burn),
                "puppets": convicted * (slash - burn) if kind.puppet else 0,
                "gas": convicted * micro(terms.game_usd) if kind.puppet else 0,
            }
        )
    return rows


def advantage(network: Network, terms: Terms, kind: int) -> float:
    """Dollars over the honest answers, of all wrong claims of a kind."""
    t, strategy, prices = network.tally, network.kinds[kind], network.prices
    saved = float(t.wrong[kind] @ prices) * strategy.saved * terms.compute_share
    outside = float(t.paid_wrong[kind] @ prices) * strategy.outside
    unpaid = float(t.convicted[kind] @ prices) * (1.0 - terms.fee_share)
    return saved + outside - unpaid - float(t.convicted[kind].sum()) * terms.lost(strategy)
