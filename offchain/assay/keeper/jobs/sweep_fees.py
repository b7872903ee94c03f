"""Sends the protocol's fees from the ledger to the router, once they are worth a transaction."""

from __future__ import annotations

from collections.abc import Iterator

from assay.chain.rehearse import Call
from assay.keeper.job import Action, Job
from assay.keeper.site import Site


def plan(site: Site) -> Iterator[Action]:
    ledger, least = site.network.ledger, site.settings.least_sweep_usd_micro

    def due() -> bool:
        return ledger.fees() >= least

    if due():
        yield Action(Call(ledger, "sweep_fees"), due)


JOB = Job("sweep_fees", plan)
