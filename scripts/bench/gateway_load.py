"""The load generator: so many connections, each with one request under way, by raw sockets.

It reads of an answer no more than it must: the status, where the answer ends, and when the first
text arrived. A request is sent as soon as the connection's last one is answered, and so it goes on
after the end until every answer that counts is there: none runs under less load than the others.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

TEXT = re.compile(rb'"content": ?"(?!")')
"""The first text of a stream; the role's event before it has an empty one."""
TOKENS = re.compile(rb'"completion_tokens": ?(\d+)')
"""What an answer says that it has."""
GRACE_SECONDS = 20.0
"""For requests under way when the time is over."""
WARM_UP = 0.2
"""Share of the time that is not counted, at the beginning."""


@dataclass(frozen=True)
class Target:
    """Where requests go, and as whom."""

    url: str
    key: str | None = None

    def request(self, body: dict[str, Any]) -> bytes:
        """A chat completion as bytes."""
        place = urlsplit(self.url)
        data = json.dumps(body).encode()
        lines = [
            f"POST {place.path}/chat/completions HTTP/1.1",
            f"host: {place.netloc}",
            "content-type: application/json",
            f"content-length: {len(data)}",
        ]
        if self.key:
            lines.append(f"authorization: Bearer {self.key}")
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


@dataclass
class Load:
    """What was measured: seconds of each answer, and to the first text of each stream.

    `counted`: all answers, the first ones that are not measured included. `tokens`: of answers
    that say how many they have; one that runs over the beginning or the end counts by the share of
    its time that lies between.
    """

    seconds: float = 0.0
    whole: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    counted: int = 0
    tokens: float = 0.0
    failed: int = 0
    failure: str = ""

    @property
    def rate(self) -> float:
        return len(self.whole) / self.seconds

    def milliseconds(self, percent: float) -> float:
        return percentile(self.whole, percent) * 1e3

    def first_milliseconds(self, percent: float) -> float:
        return percentile(self.first, percent) * 1e3


class Client(asyncio.Protocol):
    """One connection, and what it has of the answer under way."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._held, self._head = b"", -1
        self._length: int | None = None
        self._first: float | None = None
        self._began: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        self._run.lost(self._began, error)

    def data_received(self, data: bytes) -> None:
        self._held += data
        if self._first is None and TEXT.search(self._held):
            self._first = time.perf_counter()
        if self._head < 0:
            self._head = self._held.find(b"\r\n\r\n")
            self._length = content_length(self._held[: self._head]) if self._head >= 0 else None
        if self._head >= 0 and self._ended():
            self._finish()

    def _ended(self) -> bool:
        if self._length is None:
            return self._held.endswith(b"0\r\n\r\n")
        return len(self._held) >= self._head + 4 + self._length

    def _finish(self) -> None:
        assert self._began is not None
        now = time.perf_counter()
        ok = self._held.startswith(b"HTTP/1.1 200")
        # A stream that breaks off later has status 200 and an error event.
        ok = ok and b'"error"' not in self._held[-600:]
        if ok:
            first = None if self._first is None else self._first - self._began
            tokens = TOKENS.search(self._held)
            count = int(tokens[1]) if tokens else 0
            self._run.note(self._began, now - self._began, first, count)
        else:
            self._run.failed(self._held[:600].decode(errors="replace"), self._began)
        self._clear()
        self._next()

    def _clear(self) -> None:
        self._held, self._head = b"", -1
        self._length = self._first = self._began = None

    def _next(self) -> None:
        began = time.perf_counter()
        request = self._run.next(began)
        if request is None:
            self._transport.close()
            return
        self._began = began
        self._transport.write(request)


class Run:
    """One measurement: ends after `seconds`, or after `limit` requests if that is given."""

    def __init__(self, requests: Iterator[bytes], seconds: float, limit: int | None) -> None:
        self.load = Load()
        self.ended = asyncio.Event()
        self._requests, self._limit, self._sent = requests, limit, 0
        self._began = time.perf_counter()
        self._from = self._began + (0.0 if limit else seconds * WARM_UP)
        self._until = self._began + seconds
        self._open = 0
        self._awaited = 0

    def opened(self, connections: int) -> None:
        self._open = connections

    def next(self, now: float) -> bytes | None:
        counts = now < self._until
        if not (counts or self._awaited) or (self._limit and self._sent >= self._limit):
            return None
        self._sent += 1
        self._awaited += counts
        return next(self._requests)

    def note(self, began: float, whole: float, first: float | None, tokens: int) -> None:
        self._settle(began)
        self.load.counted += 1
        inside = min(began + whole, self._until) - max(began, self._from)
        self.load.tokens += tokens * max(inside, 0.0) / whole
        if began >= self._from and began + whole <= self._until:
            self.load.whole.append(whole)
            if first is not None:
                self.load.first.append(first)

    def failed(self, why: str, began: float) -> None:
        self._settle(began)
        self._note_failure(why)

    def give_up(self) -> None:
        self._note_failure(
            f"{self._open} connections were not answered {GRACE_SECONDS:g} s after the end"
        )
        self.load.seconds = self._until - self._from

    def lost(self, began: float | None, error: Exception | None) -> None:
        if began is not None:
            self.failed(f"connection lost: {error}", began)
        self._open -= 1
        if self._open == 0:
            self.load.seconds = min(time.perf_counter(), self._until) - self._from
            self.ended.set()

    def _settle(self, began: float) -> None:
        self._awaited -= began < self._until

    def _note_failure(self, why: str) -> None:
        self.load.failed += 1
        self.load.failure = self.load.failure or why


def drive(
    target: Target,
    bodies: Sequence[dict[str, Any]],
    connections: int,
    seconds: float,
    limit: int | None = None,
) -> Load:
    """Load a target; the bodies go round. With a limit, `seconds` is the most that it may take."""
    return asyncio.run(_drive(target, bodies, connections, seconds, limit))


async def _drive(
    target: Target,
    bodies: Sequence[dict[str, Any]],
    connections: int,
    seconds: float,
    limit: int | None,
) -> Load:
    place = urlsplit(target.url)
    host, port = place.hostname or "", place.port or 80
    run = Run(itertools.cycle([target.request(body) for body in bodies]), seconds, limit)
    run.opened(connections)
    loop = asyncio.get_running_loop()
    for _ in range(connections):
        await loop.create_connection(lambda: Client(run), host, port)
    try:
        await asyncio.wait_for(run.ended.wait(), seconds + GRACE_SECONDS)
    except TimeoutError:
        run.give_up()
    return run.load


def content_length(head: bytes) -> int | None:
    """None of an answer in chunks."""
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return None


def percentile(values: Sequence[float], percent: float) -> float:
    """By the nearest rank."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * percent / 100), len(ordered) - 1)]
