"""Sends the router's dollars (fees, subscriptions) to the burn auction."""

from __future__ import annotations

from collections.abc import Iterator

from assay.chain.rehearse import Call
from assay.keeper.job import Action, Job
from assay.keeper.site import Site


def plan(site: Site) -> Iterator[Action]:
    network, least = site.network, site.settings.least_sweep_usd_micro

    def due() -> bool:
        return network.usdc.balance_of(network.router.address) >= least

    if due():
        yield Action(Call(network.router, "route"), due)


JOB = Job("route_fees", plan)
