"""What the chain pays from the gateway's account, and whom it is charged to.

A provider can keep a claim to itself until its job has lapsed, or refuse a job and answer it all
the same. So nobody's word decides: each payment for a job that nobody was charged for is charged
to the job's owner, once, whichever replica sees it first. Events are read again until they are
`reorg_depth` blocks old; up to where they are, the database knows. A payment that a
reorganisation takes back is not given back: anybody can have the claim paid again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from eth_utils.abi import event_abi_to_log_topic
from fastapi.concurrency import run_in_threadpool

from assay.chain.events import Event, Source
from assay.chain.network import Network
from assay.chain.ranges import RangeReader
from assay.core import logs
from assay.core.errors import AssayError
from assay.gateway import receipts
from assay.gateway.desk import Desk

PAUSE_SECONDS = 1.0
POSITION = "outlays"
AT_ONCE = 500
"""Payments that are looked up together."""


class Outlays:
    """One replica's look at the chain's payments."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._reader = _reader(desk.network, str(desk.signer.account.address))
        self._head = ""
        self._taken: set[tuple[str, int]] = set()

    async def run(self) -> None:
        """Until cancelled. Any number of replicas may do so at once."""
        while True:
            try:
                await self.turn()
            except AssayError as error:
                logs.warning("outlays_unread", error=error.message)
            await asyncio.sleep(PAUSE_SECONDS)

    async def turn(self) -> None:
        """Charge what was paid since the last turn; learn whom to shun."""
        store = self._desk.store
        self._desk.router.catalogue.shunned = await store.distrusted()
        head = await run_in_threadpool(self._reader.head)
        if head.hash == self._head:
            return
        known = await self._start()
        settled = head.number - self._desk.network.reorg_depth
        seen: set[tuple[str, int]] = set()
        first = known + 1
        while first <= head.number:
            last = settled if first <= settled else head.number
            chunk = await run_in_threadpool(self._reader.read, first, last)
            seen |= {event.key for event in chunk.events}
            fresh = [event for event in chunk.events if event.key not in self._taken]
            for start in range(0, len(fresh), AT_ONCE):
                await self._take(fresh[start : start + AT_ONCE])
            if chunk.last.number <= settled:
                await store.set_position(POSITION, chunk.last.number, chunk.last.hash)
            first = chunk.last.number + 1
        self._taken, self._head = seen, head.hash

    async def _start(self) -> int:
        """The last block that need not be read; all are if it is not the chain's any more."""
        found = await self._desk.store.position(POSITION)
        if found is not None:
            block = await run_in_threadpool(self._reader.block, found[0])
            if block is not None and block.hash == found[1]:
                return found[0]
        return self._desk.network.deployment.block - 1

    async def _take(self, events: Sequence[Event]) -> None:
        store, paid = self._desk.store, {event.args["job_id"]: event for event in events}
        held = await store.held(list(paid))
        await asyncio.gather(*(self._settle(job_id, _amount(paid[job_id])) for job_id in held))
        # After it: a job that lapsed meanwhile is among the released ones now.
        charges = (store.charge(j, e.args["provider"], _amount(e)) for j, e in paid.items())
        await asyncio.gather(*charges)
        self._desk.router.catalogue.shunned = await store.distrusted()

    async def _settle(self, job_id: bytes, paid: int) -> None:
        """A job that was paid before it lapsed. The provider may still show the answer."""
        found = await self._desk.store.find(job_id)
        if found is not None and found[1] is None:
            await receipts.ask_provider(self._desk, *found)
        await self._desk.store.pay(job_id, paid)


def _amount(event: Event) -> int:
    return int(event.args["credit"] + event.args["usdc"])


def _reader(network: Network, consumer: str) -> RangeReader:
    """Of `CreditLedger.Paid`, which names who paid in a topic; others' payments are not read."""
    (ledger,) = network.sources(["CreditLedger"])
    (entry,) = (entry for entry in ledger.abi if entry.get("name") == "Paid")
    topics = [
        "0x" + event_abi_to_log_topic(cast(Any, entry)).hex(),
        None,
        "0x" + consumer[2:].zfill(64),
    ]
    source: Source = replace(ledger, abi=[entry])
    return RangeReader(network.web3, [source], topics=topics)
