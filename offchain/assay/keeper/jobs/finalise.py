"""Pays claims whose window is over, of any provider, from the data that the provider serves.

Providers do this for themselves; the grace leaves them time. A claim that the contract refuses to
pay (no signature, a wrong price) is for its provider to abandon.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from assay.chain.rehearse import Call
from assay.chain.settlement import CLAIMS_PER_CALL, ClaimStatus, Finalisation
from assay.core import logs
from assay.core.errors import UpstreamError
from assay.core.merkle import row_path, rows
from assay.core.wire import ClaimData
from assay.keeper.job import Action, Job
from assay.keeper.site import ABSENT_SECONDS, Site
from assay.keeper.watch import OpenBatch

FAILURES = 3
"""Claims of a batch without data, after which its provider is left alone for a while."""


def plan(site: Site) -> Iterator[Action]:
    for batch_id, batch in list(site.open().batches.items()):
        if site.postponed(batch_id) or not site.due_since(batch.challenge_until):
            continue
        if site.claims.knows(batch.provider):
            yield from _payments(site, batch_id, batch)
        else:
            site.postpone(batch_id, ABSENT_SECONDS)


def _payments(site: Site, batch_id: bytes, batch: OpenBatch) -> Iterator[Action]:
    payable = (index for index in batch.open_claims() if _payable(site, batch_id, index))
    chunk: dict[int, ClaimData] = {}
    failures = 0
    for index in payable:
        data = _data(site, batch.provider, batch_id, index)
        if data is not None:
            chunk[index] = data
        failures += data is None
        if failures == FAILURES:
            site.postpone(batch_id, ABSENT_SECONDS)
            break
        if len(chunk) == CLAIMS_PER_CALL:
            yield from _in_rows(site, batch_id, chunk)
            chunk = {}
    yield from _in_rows(site, batch_id, chunk)


def _in_rows(site: Site, batch_id: bytes, chunk: Mapping[int, ClaimData]) -> Iterator[Action]:
    for row in rows(list(chunk), CLAIMS_PER_CALL):
        yield _payment(site, batch_id, [chunk[index] for index in row])


def _payment(site: Site, batch_id: bytes, row: Sequence[ClaimData]) -> Action:
    """Of claims that lie side by side."""
    single = len(row) == 1
    first, last = row[0], row[-1]
    path = row_path(first.index, last.index, first.proof, last.proof)
    items = [Finalisation(data.receipt, data.job, data.signature).abi() for data in row]
    return Action(
        Call(site.network.settlement, "finalise_many", (batch_id, first.index, items, list(path))),
        _due(site, batch_id, row),
        key=(batch_id, first.index) if single else None,
        parts=() if single else tuple(_payment(site, batch_id, [data]) for data in row),
    )


def _due(site: Site, batch_id: bytes, row: Sequence[ClaimData]) -> Callable[[], bool]:
    """All or nothing: if somebody ended one of them, the next run takes what is left."""
    return lambda: all(_payable(site, batch_id, data.index) for data in row)


def _payable(site: Site, batch_id: bytes, index: int) -> bool:
    network = site.network
    if site.postponed((batch_id, index)):
        return False
    if network.settlement.status(batch_id, index) is not ClaimStatus.OPEN:
        return False
    return network.game.open_games(network.settlement.claim_id(batch_id, index)) == 0


def _data(site: Site, provider: str, batch_id: bytes, index: int) -> ClaimData | None:
    try:
        return site.claims.fetch(provider, batch_id, index)
    except UpstreamError as error:
        logs.event("no_claim_data", batch=batch_id, index=index, error=error.message)
        site.postpone((batch_id, index))
        return None


JOB = Job("finalise", plan)
