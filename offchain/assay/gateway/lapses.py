"""Jobs whose deadline has passed while they still hold money back: settled or released.

The replica that served them was killed, or their provider broke off. If the provider shows that it
has posted the claim, its consumer is charged; if it says that there is none, nobody is. Whether
that is true the chain says in time (`outlays`).
"""

from __future__ import annotations

import asyncio

from assay.core import logs
from assay.core.errors import AssayError
from assay.gateway import receipts
from assay.gateway.desk import Desk
from assay.gateway.store import SignedJob
from assay.gateway.upstream import knows_job

PAUSE_SECONDS = 5.0
GRACE_SECONDS = 30
"""A claim that is posted just before the deadline takes a while to be seen."""
PATIENCE_SECONDS = 3_600
"""A provider that is away, or cannot show its claim yet, is waited for so long after the deadline,
and after our own start: it may be we who were away."""


async def run(desk: Desk) -> None:
    """Settle what lapses, until cancelled. Any number of replicas may do so at once."""
    started = desk.chain_time.block
    while True:
        try:
            await turn(desk, started)
        except AssayError as error:
            logs.warning("lapses_failed", error=error.message)
        await asyncio.sleep(PAUSE_SECONDS)


async def turn(desk: Desk, started: int) -> None:
    """By the chain's time alone: only once it is past the deadline can no claim be posted.

    `started`: the chain's time when this process began to ask.
    """
    away: set[str] = set()
    for job_id in await desk.store.lapsed(desk.chain_time.block - GRACE_SECONDS):
        found = await desk.store.find(job_id)
        claimed: bool | None = False
        if found is not None and found[1] is None:
            claimed = await _claimed(desk, found[0], away, started)
        if claimed is False:
            await desk.store.release(job_id)
        if claimed is not None:
            logs.event("lapsed", job=job_id, charged=claimed)


async def _claimed(desk: Desk, signed: SignedJob, away: set[str], started: int) -> bool | None:
    """Whether the provider has shown a claim, and the job is charged; None: it may do so yet.

    `away`: who did not answer this turn, and is not asked again in it.
    """
    known = None
    if signed.provider_url not in away:
        known = await knows_job(desk.client, signed.provider_url, signed.job_id)
    if known is None:
        away.add(signed.provider_url)
    if known:
        answered, _ = await receipts.ask_provider(desk, signed, None)
        if answered is not None:
            return True
    patience = max(signed.job.deadline, started) + PATIENCE_SECONDS
    return False if known is False or desk.chain_time.block > patience else None
