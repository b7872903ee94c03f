"""Jobs' items on their way from the worker's threads into the event loop, and to consumers.

No thread waits for tokens, so the number of open streams is not bound to a pool's size. What a
step of the engine gives to all its jobs wakes the loop once; what it gives to one of them goes out
at most every so often, the first token and the end at once.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

from assay.core.errors import AssayError
from assay.provider.jobs import Item
from assay.provider.journal import Entry


class Mail:
    """Of all jobs. `put` and `stream` may be called from any thread, and from the event loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: list[tuple[Stream, Item]] = []

    def stream(self, apart: float) -> Stream:
        """For one job, `apart` seconds between two writes; in the event loop."""
        return Stream(self, asyncio.get_running_loop(), apart)

    def put(self, stream: Stream, item: Item) -> None:
        with self._lock:
            self._held.append((stream, item))
            if len(self._held) > 1:
                return  # the loop is called already
        # Once it is closed the consumer is gone; the claim is journalled all the same.
        with suppress(RuntimeError):
            stream.loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        with self._lock:
            held, self._held = self._held, []
        for stream, item in held:
            stream.take_in(item)


class Stream:
    """One job's items."""

    def __init__(self, mail: Mail, loop: asyncio.AbstractEventLoop, apart: float) -> None:
        self.loop = loop
        self._mail = mail
        self._apart = apart
        self._items: list[Item] = []
        self._came = asyncio.Event()
        self._ended = asyncio.Event()

    def put(self, item: Item) -> None:
        """From any thread."""
        self._mail.put(self, item)

    def take_in(self, item: Item) -> None:
        """In the event loop."""
        self._items.append(item)
        self._came.set()
        if isinstance(item, Entry | AssayError):
            self._ended.set()

    async def together(self) -> AsyncIterator[Sequence[Item]]:
        """All items, those together that came since the last write; the last is the end."""
        while True:
            await self._came.wait()
            items, self._items = self._items, []
            self._came.clear()
            yield items
            if isinstance(items[-1], Entry | AssayError):
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(self._apart):
                    await self._ended.wait()
