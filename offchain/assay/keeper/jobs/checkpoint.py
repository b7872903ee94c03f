"""Rolls the emission's books to the present day, once a day, so that no later call pays for it."""

from __future__ import annotations

from collections.abc import Iterator

from assay.chain.rehearse import Call
from assay.core.vouchers import day_of
from assay.keeper.job import Action, Job
from assay.keeper.site import Site


def plan(site: Site) -> Iterator[Action]:
    def due() -> bool:
        return site.open().rolled < day_of(site.network.now())

    # A day has begun for the chain when a block says so; on an idle one, when the next would.
    if site.open().rolled < day_of(site.now()):
        yield Action(Call(site.network.emissions, "checkpoint"), due)


JOB = Job("checkpoint", plan)
