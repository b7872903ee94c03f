"""Streams of events as HTTP answers: a status of their own, headers, and comments that keep the
connection alive.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from assay.core.errors import AssayError
from assay.core.shortcut import Unwatched
from assay.core.wire import hexed
from assay.gateway import measures, sse
from assay.gateway.accounts import limits
from assay.gateway.desk import Underway

RECEIPT_HEADER = "x-assay-receipt"
PROVIDER_HEADER = "x-assay-provider"
CREDIT_HEADER = "x-assay-credit-remaining"
OVERHEAD_HEADER = "x-assay-overhead-ms"
KEEP_ALIVE_SECONDS = 10.0

Jobs = Sequence[Underway]
Events = Callable[[Jobs], AsyncGenerator[str, None]]


async def streamed(
    opening: Coroutine[Any, Any, Jobs], events: Events, start: float, more: Mapping[str, str]
) -> Unwatched:
    """The events of jobs. If these begin, or are refused, before a proxy may lose patience, that
    decides on the status; after it, a refusal is an event.

    Args:
        start: of the request, by `time.perf_counter`.
        more: further headers.
    """
    task = asyncio.create_task(opening)
    await asyncio.wait({task}, timeout=KEEP_ALIVE_SECONDS)
    headers = {"cache-control": "no-cache", **more}
    if task.done():
        jobs = task.result()
        headers |= answer_headers(jobs, time.perf_counter() - start)
        found = events(jobs)
    else:
        found = _late(task, events)
    return Unwatched(kept_alive(found), media_type="text/event-stream", headers=headers)


def answer_headers(jobs: Jobs, seconds: float) -> dict[str, str]:
    """What an answer says besides its body; of several jobs, those of the first, for all are in
    the answer. `seconds` passed until the first token."""
    return headers_of(jobs, max(seconds - max(job.waited for job in jobs), 0.0))


def headers_of(jobs: Jobs, overhead: float) -> dict[str, str]:
    """The same. `overhead`: seconds until the first token that were the gateway's own."""
    first = jobs[0]
    measures.OVERHEAD.observe(overhead)
    found = {
        RECEIPT_HEADER: hexed(first.signed.job_id),
        PROVIDER_HEADER: first.signed.job.provider,
        OVERHEAD_HEADER: f"{overhead * 1_000:.3f}",
    }
    admitted = jobs[-1].admitted
    if admitted is not None:
        found |= limits.headers("requests", admitted.requests)
        found |= limits.headers("tokens", admitted.tokens)
    if admitted is not None and admitted.credit is not None:
        found[CREDIT_HEADER] = str(admitted.credit)
    return found


async def _late(task: asyncio.Task[Jobs], events: Events) -> AsyncGenerator[str, None]:
    """The events of jobs that no provider has begun yet."""
    try:
        jobs = await task
    except AssayError as error:
        yield sse.error_event(error)
        return
    async with aclosing(events(jobs)) as found:
        async for item in found:
            yield item


async def kept_alive(
    source: AsyncGenerator[str, None], seconds: float = KEEP_ALIVE_SECONDS
) -> AsyncIterator[str]:
    """The stream, with a comment whenever nothing else comes for so long.

    What has come while the last was sent goes out together.
    """
    pump = _Pump(source)
    task = asyncio.create_task(pump.run())
    try:
        while not (pump.ended and not pump.pieces):
            try:
                async with asyncio.timeout(seconds):
                    await pump.changed.wait()
            except TimeoutError:
                yield sse.KEEP_ALIVE
                continue
            if pieces := pump.take():
                yield pieces
        await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class _Pump:
    """Reads a stream to its end: an answer is bounded, and paid for however slowly read."""

    def __init__(self, source: AsyncGenerator[str, None]) -> None:
        self._source = source
        self.pieces: list[str] = []
        self.changed = asyncio.Event()
        self.ended = False

    async def run(self) -> None:
        try:
            async with aclosing(self._source) as source:
                async for piece in source:
                    self.pieces.append(piece)
                    self.changed.set()
        finally:
            self.ended = True
            self.changed.set()

    def take(self) -> str:
        if not self.ended:
            self.changed.clear()
        taken = "".join(self.pieces)
        self.pieces.clear()
        return taken
