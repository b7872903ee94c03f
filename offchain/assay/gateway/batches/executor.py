"""One line of a batch, from its body to its answer, whatever happens in between.

A part's job is tied to the line before it is sent. If its end is not known (the gateway was
killed, the provider was silent), the same job is sent again: its provider serves it if it never
had it, and can be paid for it but once. Another job takes its place only when its deadline is over.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fastapi.concurrency import run_in_threadpool

from assay.core import logs
from assay.core.errors import AssayError, InputError, UpstreamError
from assay.core.wire import error_body
from assay.gateway import receipts
from assay.gateway.accounts.caller import Caller
from assay.gateway.answers import Served, collect, gathered
from assay.gateway.batches.book import Book
from assay.gateway.batches.rows import Answer, Batch, Entry, State
from assay.gateway.batches.tasks import task_of
from assay.gateway.desk import Desk, Prepared
from assay.gateway.requests import GenerationRequest
from assay.gateway.store import SignedJob

PARTS_AT_ONCE = 8
PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.25, 5.0
DEADLINE_MARGIN_SECONDS = 30
"""A claim that was posted by its deadline is seen by then."""
RETRIED = frozenset((408, 429, 502, 503, 504))
"""Refusals that pass by themselves."""


@dataclass(frozen=True)
class Executor:
    """Works on lines of batches whose leases this gateway holds."""

    desk: Desk
    book: Book

    async def execute(self, batch: Batch, entry: Entry) -> None:
        """Answer a line and keep the answer; a request that is wrong is answered with the error.

        Goes on until it is cancelled; raises `LeaseLost`.
        """
        request_id = f"{batch.batch_id.removeprefix('batch_')}{entry.line:06d}"
        try:
            body = await self._answered(batch, entry)
            state, status = State.ANSWERED, 200
        except InputError as error:
            body, state, status = error_body(error), State.FAILED, error.status
        answer = Answer(entry.line, state, status, request_id, json.dumps(body))
        await self.book.answer(batch.batch_id, answer)

    async def _answered(self, batch: Batch, entry: Entry) -> Mapping[str, Any]:
        task = task_of(batch.endpoint, json.loads(entry.body))
        caller = Caller(batch.owner, batch.account, batch.key_id)
        prepared = await self._prepared(task.jobs, caller, task.embeds)
        task.check(prepared)
        known = await self.book.jobs(batch.batch_id, entry.line)
        gate = asyncio.Semaphore(PARTS_AT_ONCE)
        parts = [
            _Part(self, batch.batch_id, entry.line, index, known.get(index)).serve(item, gate)
            for index, item in enumerate(prepared)
        ]
        served = await gathered(parts)
        return await run_in_threadpool(task.answer, self.desk.prompts, served)

    async def _prepared(
        self, jobs: Sequence[GenerationRequest], caller: Caller, embeds: bool
    ) -> list[Prepared]:
        """Once there is somebody who serves the model."""
        pause = PAUSE_SECONDS
        while True:
            try:
                return [await self.desk.prepare(_patient(job), caller, embeds) for job in jobs]
            except InputError as error:
                if error.status not in RETRIED:
                    raise
            except AssayError as error:
                logs.warning("batch_waits", error=error.message)
            pause = await _paused(pause)


@dataclass
class _Part:
    """One job of a line. `job_id`: the job that stands for it, if there is one."""

    executor: Executor
    batch_id: str
    line: int
    index: int
    job_id: bytes | None

    async def serve(self, prepared: Prepared, gate: asyncio.Semaphore) -> Served:
        """Try until it is answered; InputError if it never will be."""
        pause = PAUSE_SECONDS
        while True:
            try:
                async with gate:
                    return await self._tried(prepared)
            except AssayError as error:
                if isinstance(error, InputError) and error.status not in RETRIED:
                    raise
                logs.warning("batch_line_failed", line=self.line, error=error.message)
            pause = await _paused(pause)

    async def _tried(self, prepared: Prepared) -> Served:
        if self.job_id is not None and (found := await self._resumed(self.job_id)) is not None:
            return found
        desk, asked = self.executor.desk, prepared.request
        root = prepared.offers[0].model_root
        while not (idle := desk.router.idle(asked.model, root, asked.wishes)):
            await asyncio.sleep(PAUSE_SECONDS)
        return await collect(await desk.send(replace(prepared, offers=tuple(idle)), self._tie))

    async def _tie(self, signed: SignedJob) -> None:
        book = self.executor.book
        await book.tie(self.batch_id, self.line, self.index, signed.job_id, self.job_id)
        self.job_id = signed.job_id

    async def _resumed(self, job_id: bytes) -> Served | None:
        """The answer of a job that was signed before; None if another may take its place."""
        desk = self.executor.desk
        found = await desk.store.find(job_id)
        if found is None:
            return None  # its provider refused it
        signed, answered = found
        registered = await desk.registered(signed.job.model_root)
        if registered is None:
            raise UpstreamError("the model of a job that was sent is not registered any more")
        if answered is None:
            answered, _ = await receipts.ask_provider(desk, signed, None)
        if answered is not None:
            return Served(signed, answered, registered.model)
        now = desk.chain_time.latest
        if now > signed.job.deadline + DEADLINE_MARGIN_SECONDS:
            return None
        try:
            return await collect(await desk.resend(signed, registered.model))
        except InputError as error:
            # It has the job already, or it is late: the deadline decides.
            raise UpstreamError(error.message) from error


def _patient(job: GenerationRequest) -> GenerationRequest:
    """At a batch's price, and the cheapest provider first, unless the line wants another."""
    sort = job.wishes.sort or "price"
    return replace(job, can_wait=True, wishes=replace(job.wishes, sort=sort))


async def _paused(seconds: float) -> float:
    """Wait; how long to wait the next time."""
    await asyncio.sleep(seconds)
    return min(seconds * 2, MAX_PAUSE_SECONDS)
