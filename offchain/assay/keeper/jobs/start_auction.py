"""Starts a burn auction when one may start and there is a lot to sell."""

from __future__ import annotations

from collections.abc import Iterator

from assay.chain.rehearse import Call
from assay.keeper.job import Action, Job
from assay.keeper.site import Site


def plan(site: Site) -> Iterator[Action]:
    network = site.network

    def due() -> bool:
        auction = network.auction
        if auction.is_live() or site.now() < auction.next_start():
            return False
        held = network.usdc.balance_of(auction.address)
        return held >= auction.parameters().min_lot_usd_micro

    if due():
        yield Action(Call(network.auction, "start"), due)


JOB = Job("start_auction", plan)
