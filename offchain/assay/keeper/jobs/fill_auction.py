"""Fills the live burn auction through Uniswap, when what is left after it pays for the transaction.

No pool is asked: a fill is rehearsed for several parts of the lot, and the best one is sent with
nearly all of its profit as the least that it may leave. So a sandwich can take `slippage_bps` of
the profit and no more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from eth_abi.abi import decode

from assay.chain.rehearse import Call, gas_price, rehearse
from assay.chain.treasury import BurnTaker
from assay.keeper.job import Action, Job
from assay.keeper.site import Site

BPS = 10_000
ASSAY = 10**18
PARTS = 8
"""All that is left, a half, a quarter, …: a lot may be more than the pool bears at once."""


@dataclass(frozen=True)
class Fill:
    """A part of the lot (micro-USD) and what it would leave now (ASSAY wei), for so much gas."""

    usd_micro: int
    profit: int
    gas: int


def plan(site: Site) -> Iterator[Action]:
    taker, auction = site.network.taker, site.network.auction
    if taker is None or not auction.is_live():
        return
    best = _best(site, taker, auction.auction().left_usd_micro)
    if best is None:
        return
    least = best.profit * (BPS - site.settings.slippage_bps) // BPS
    if least >= _worth_it(site, best.gas):
        yield Action(Call(taker, "fill", (best.usd_micro, least)), auction.is_live)


def _best(site: Site, taker: BurnTaker, left: int) -> Fill | None:
    """The part that leaves most; None if none leaves anything."""
    found = (_rehearsed(site, taker, left >> part) for part in range(PARTS))
    fills = [fill for fill in found if fill is not None and fill.profit > 0]
    return max(fills, key=lambda fill: fill.profit, default=None)


def _rehearsed(site: Site, taker: BurnTaker, usd_micro: int) -> Fill | None:
    if usd_micro == 0:
        return None
    call = Call(taker, "fill", (usd_micro, 0))
    (tried,) = rehearse(site.network.web3, site.address, [call])
    if tried.error is not None or not tried.output:
        return None
    return Fill(usd_micro, int(decode(["uint256"], tried.output)[0]), tried.gas or 0)


def _worth_it(site: Site, gas: int) -> int:
    """The least ASSAY wei that a fill must leave: what the operator asks, and what gas costs."""
    settings = site.settings
    if not settings.token_wei:
        return settings.least_profit
    cost = gas * gas_price(site.network.web3)
    return max(settings.least_profit, -(-cost * ASSAY // settings.token_wei))


JOB = Job("fill_auction", plan)
