"""Closes channels that have expired: their dollars and promises go back to their owners."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from assay.chain.rehearse import Call
from assay.keeper.job import Action, Job
from assay.keeper.site import Site


def plan(site: Site) -> Iterator[Action]:
    for owner, payee in sorted(site.open().channels):
        due = _due(site, owner, payee)
        if due():
            yield Action(Call(site.network.ledger, "close_channel", (owner, payee)), due)


def _due(site: Site, owner: str, payee: str) -> Callable[[], bool]:
    def closable() -> bool:
        channel = site.network.ledger.channel(owner, payee)
        return channel.expires_at > 0 and site.now() >= channel.closable_at

    return closable


JOB = Job("close_channels", plan)
