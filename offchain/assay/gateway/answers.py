"""From the tokens of jobs to OpenAI's answers, whole and streamed.

A request for `n` answers is `n` jobs, each with a receipt of its own. What is not shown, from a
stop sequence on, is read all the same: the receipt is over every token that is paid for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from fastapi.concurrency import run_in_threadpool

from assay.core import logs
from assay.core.errors import AssayError, UpstreamError
from assay.core.types import Model
from assay.core.wire import hexed
from assay.engine.tokenizer import StreamDecoder
from assay.gateway import measures, sse
from assay.gateway.accounts.caller import Caller
from assay.gateway.calls import CallReader
from assay.gateway.desk import Desk, Underway
from assay.gateway.prompts import Prompts
from assay.gateway.requests import GenerationRequest
from assay.gateway.stops import StopCutter
from assay.gateway.store import Answered, SignedJob

T = TypeVar("T")
LONG_OUTPUT = 512
"""Tokens whose text takes longer than to ask a thread for it."""


@dataclass(frozen=True)
class Served:
    """A job and its checked answer."""

    signed: SignedJob
    answered: Answered
    model: Model


class ChoiceText:
    """One answer's text as it grows: decoded, cut at stop sequences, calls of tools taken out."""

    def __init__(self, prompts: Prompts, request: GenerationRequest, model: Model) -> None:
        self._stops = request.stop
        self._tokenizer = prompts.tokenizer_of(model)
        self._decoder = StreamDecoder(self._tokenizer)
        self._cutter = StopCutter(request.stop)
        self._calls = CallReader(prompts.call_format(model) if request.offers_tools else None)

    def push(self, token: int) -> str:
        return self._calls.push(self._cutter.push(self._decoder.push(token)))

    def push_all(self, tokens: Sequence[int]) -> str:
        """A whole answer: what `push` gives in all."""
        if self._stops:  # of two that overlap, the one that a stream completes first counts
            return "".join(map(self.push, tokens))
        return self._calls.push(self._cutter.push(self._tokenizer.decode(tokens)))

    def finish(self, served: Served) -> sse.Choice:
        """The rest of the text, the calls, and why it ended."""
        rest = self._cutter.push(self._decoder.finish()) + self._cutter.finish()
        given = self._calls.push(rest)
        text, calls = self._calls.finish()
        ended = served.answered.output[-1] in served.model.eos_tokens or self._cutter.stopped
        finish = "tool_calls" if calls else "stop" if ended else "length"
        stem = f"call_{served.signed.job_id.hex()[:24]}"
        found = [call.to_json(f"{stem}{index}") for index, call in enumerate(calls)]
        return sse.Choice(given + text, finish, found)


async def whole_of(
    prompts: Prompts, request: GenerationRequest, shape: sse.Shape, served: Sequence[Served]
) -> dict[str, Any]:
    """As `whole`; a long answer keeps no other request waiting."""
    if sum(len(item.answered.output) for item in served) < LONG_OUTPUT:
        return whole(prompts, request, shape, served)
    return await run_in_threadpool(whole, prompts, request, shape, served)


def whole(
    prompts: Prompts, request: GenerationRequest, shape: sse.Shape, served: Sequence[Served]
) -> dict[str, Any]:
    """The complete answer of a request's jobs."""
    envelope = envelope_of(shape, request, served[0].signed)
    choices = [choice_of(prompts, request, item) for item in served]
    return envelope.whole(choices, usage_of(served), assay_of(served))


def choice_of(prompts: Prompts, request: GenerationRequest, served: Served) -> sse.Choice:
    text = ChoiceText(prompts, request, served.model)
    pieces = text.push_all(served.answered.output)
    last = text.finish(served)
    return sse.Choice(pieces + last.text, last.finish, last.calls)


def envelope_of(shape: sse.Shape, request: GenerationRequest, signed: SignedJob) -> sse.Envelope:
    return sse.Envelope(shape, hexed(signed.job_id), request.model, int(signed.created))


def usage_of(served: Sequence[Served]) -> dict[str, int]:
    """Tokens that are paid: each of `n` jobs pays for the prompt."""
    prompt = sum(len(item.signed.prompt) for item in served)
    return sse.usage(prompt, sum(len(item.answered.output) for item in served))


def assay_of(served: Sequence[Served]) -> dict[str, Any]:
    """Our addition: the receipt, or of several jobs all, with the price in all."""
    receipts = [_backing(item) for item in served]
    if len(receipts) == 1:
        return receipts[0]
    price = sum(item.answered.receipt.price for item in served)
    return {**receipts[0], "price_micro_usd": price, "receipts": receipts}


def _backing(served: Served) -> dict[str, Any]:
    signed = served.signed
    found = {
        "receipt_id": hexed(signed.job_id),
        "provider": signed.job.provider,
        "model_root": hexed(signed.job.model_root),
        "price_micro_usd": served.answered.receipt.price,
    }
    return found if signed.discount_bps is None else found | {"discount_bps": signed.discount_bps}


async def open_all(
    desk: Desk, request: GenerationRequest, caller: Caller, start: float
) -> list[Underway]:
    """All jobs of a request, once each has begun to be answered; if one fails, none.

    Args:
        start: of the request, by `time.perf_counter`.
    """
    with measures.waiting():
        prepared = await desk.prepare(request, caller)
        jobs = [replace(prepared, request=job) for job in request.jobs()]
        found = await gathered([desk.send(job) for job in jobs])
    return [replace(job, items=measures.measured(job, request.model, start)) for job in found]


async def collect(underway: Underway) -> Served:
    """Read a job to its end."""
    async with aclosing(underway.items) as items:
        async for item in items:
            if isinstance(item, Answered):
                return Served(underway.signed, item, underway.model)
    raise UpstreamError(f"{underway.signed.job.provider} ended without a receipt")


async def gathered(coroutines: Sequence[Awaitable[T]]) -> list[T]:
    """All results; the first error, once all have ended."""
    if len(coroutines) == 1:
        return [await coroutines[0]]
    found = await asyncio.gather(*coroutines, return_exceptions=True)
    for result in found:
        if isinstance(result, BaseException):
            raise result
    return [result for result in found if not isinstance(result, BaseException)]


async def events(
    desk: Desk, request: GenerationRequest, shape: sse.Shape, jobs: Sequence[Underway]
) -> AsyncGenerator[str, None]:
    """Server-sent events; an error after the first one is an event, too."""
    envelope, served = envelope_of(shape, request, jobs[0].signed), list[Served]()
    for index in range(len(jobs)):
        yield envelope.first(index)
    try:
        async with aclosing(_merged([choice_events(desk, request, job) for job in jobs])) as all_:
            async for index, item in all_:
                if isinstance(item, str):
                    yield envelope.piece(item, index)
                    continue
                choice, done = item
                served.append(done)
                if choice.text:
                    yield envelope.piece(choice.text, index)
                if choice.calls:
                    yield envelope.calls(choice.calls, index)
                yield envelope.last(choice.finish, assay_of([done]), index)
        if request.include_usage:
            yield envelope.usage(usage_of(served), assay_of(served))
        yield sse.DONE
    except AssayError as error:
        logs.warning("stream_failed", job=jobs[0].signed.job_id, code=error.code)
        yield sse.error_event(error)


async def choice_events(
    desk: Desk, request: GenerationRequest, job: Underway
) -> AsyncGenerator[str | tuple[sse.Choice, Served], None]:
    """Pieces of text, then what is left and the checked answer."""
    text = ChoiceText(desk.prompts, request, job.model)
    async with aclosing(job.items) as items:
        async for item in items:
            if isinstance(item, Answered):
                served = Served(job.signed, item, job.model)
                yield text.finish(served), served
                return
            for token in item:
                if piece := text.push(token):
                    yield piece


async def _merged(
    sources: Sequence[AsyncGenerator[T, None]],
) -> AsyncGenerator[tuple[int, T], None]:
    """Items of all sources as they come, with the source's index; raises what one of them does."""
    if len(sources) == 1:
        async with aclosing(sources[0]) as only:
            async for item in only:
                yield 0, item
        return
    queue: asyncio.Queue[tuple[int, T] | Exception | None] = asyncio.Queue()
    tasks = [asyncio.create_task(_pour(queue, *pair)) for pair in enumerate(sources)]
    try:
        left = len(tasks)
        while left:
            found = await queue.get()
            if isinstance(found, Exception):
                raise found
            if found is None:
                left -= 1
            else:
                yield found
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pour(
    queue: asyncio.Queue[tuple[int, T] | Exception | None],
    index: int,
    source: AsyncGenerator[T, None],
) -> None:
    try:
        async with aclosing(source):
            async for item in source:
                queue.put_nowait((index, item))
        queue.put_nowait(None)
    except Exception as error:
        queue.put_nowait(error)
