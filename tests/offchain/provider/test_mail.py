"""Tokens from the worker's threads to a consumer's stream: what goes out together, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from assay.core.errors import AssayError
from assay.provider.jobs import Item
from assay.provider.mail import Mail, Stream

END = AssayError("the end")
LONG, SHORT = 3600.0, 0.001


def read(apart: float, write: Callable[[Stream, asyncio.Event], None]) -> list[Sequence[Item]]:
    """What a stream gives while a thread writes; the event is set once its first items are read."""

    async def run() -> list[Sequence[Item]]:
        stream, begun = Mail().stream(apart), asyncio.Event()
        with ThreadPoolExecutor(1) as pool:
            writing = asyncio.get_running_loop().run_in_executor(pool, write, stream, begun)
            found = []
            async for items in stream.together():
                found.append(items)
                begun.set()
            await writing
        return found

    return asyncio.run(asyncio.wait_for(run(), 60))


def wait(stream: Stream, event: asyncio.Event) -> None:
    asyncio.run_coroutine_threadsafe(event.wait(), stream.loop).result(60)


def test_the_first_token_goes_at_once_and_the_end_waits_for_nothing() -> None:
    def write(stream: Stream, begun: asyncio.Event) -> None:
        stream.put(1)
        wait(stream, begun)
        stream.put(2)
        turn = asyncio.run_coroutine_threadsafe(asyncio.sleep(0.01), stream.loop)
        turn.result(60)  # by now a reader who does not wait has it
        for item in (3, END):
            stream.put(item)

    assert read(LONG, write) == [[1], [2, 3, END]]


def test_nothing_is_lost_or_reordered_however_slow_the_end() -> None:
    def write(stream: Stream, begun: asyncio.Event) -> None:
        for token in range(500):
            stream.put(token)
            if token % 100 == 0:
                wait(stream, begun)
        stream.put(END)

    found = [item for items in read(SHORT, write) for item in items]
    assert found == [*range(500), END]


def test_tokens_go_on_without_an_end() -> None:
    """A stream that pauses between two tokens is written to all the same."""

    async def run() -> Sequence[Item]:
        stream = Mail().stream(SHORT)
        stream.put(1)
        reading = stream.together()
        assert await anext(reading) == [1]
        stream.put(2)
        return await anext(reading)

    assert asyncio.run(asyncio.wait_for(run(), 60)) == [2]
