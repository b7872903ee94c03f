"""An engine in a process of its own: whatever else its owner does, it computes.

The owner's interpreter runs one thread at a time, and a decoder asks for it hundreds of times a
second: beside a busy server it would wait for its turn more than it computes. Here requests go out
and tokens come back over a pipe, and the engine never waits for either. If it dies, its owner
lives, and the next batch is a new process.

    owner -> engine   the `Order`; then (request, prompt, parameters, output so far) at any time
    engine -> owner   None once it is ready, or the error that it has not become so;
                      then lists of (request, token, finished) and of refusals (request, error)
"""

from __future__ import annotations

import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any, NamedTuple

from assay.core.errors import AssayError, InputError
from assay.core.types import SamplingParams
from assay.engine.batch import Batch, Emitted
from assay.engine.order import Order
from assay.exact.model import DecoderShape

AHEAD = 2
"""Requests that the process holds beyond its slots: one that ends is followed without asking."""
TOGETHER_SECONDS = 0.005
"""Tokens that are neither a request's first nor its last wait so long for others, at most."""
START_SECONDS, STEP_SECONDS = 1_800.0, 300.0
"""A process that takes longer to load its model, or for one step of its batch, is lost."""
END_SECONDS = 10.0
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class EngineLost(AssayError):
    """The process has ended by itself."""

    code = "engine_lost"


class Refused(NamedTuple):
    """A request that the engine does not take."""

    request: int
    error: InputError


class EngineProcess:
    """Starts processes of one engine; the first at once.

    Args:
        order: what they compute; a batch has the slots that it names.
        shape: of the ordered model.

    Raises:
        AssayError: what making the engine raised, see `Order.make`, or `EngineLost`.
    """

    ahead = AHEAD

    def __init__(self, order: Order, shape: DecoderShape) -> None:
        self.shape = shape
        self._order = order
        self._batch = RemoteBatch(order)
        self._given = False

    def batch(self, slots: int) -> RemoteBatch:
        """One that nobody had before; seconds, unless it is the first. Ends the one before it."""
        assert slots == self._order.slots
        if self._given:
            self._batch.close()
            self._batch = RemoteBatch(self._order)
        self._given = True
        return self._batch

    def close(self) -> None:
        self._batch.close()


class RemoteBatch:
    """A process with a batch. As a `Batch`, but that a request's refusal comes from `step`.

    Not for use from several threads.
    """

    def __init__(self, order: Order) -> None:
        self._ids = count()
        self._under_way: set[int] = set()
        self._pipe, end = Pipe()
        with end:
            self._process = _started(end.fileno())
        self._answers = select.poll()  # made once: `Connection.poll` makes one at each call
        self._answers.register(self._pipe.fileno(), select.POLLIN)
        try:
            self._send(order)
            error = self._receive(START_SECONDS)
        except BaseException:
            self.close()
            raise
        if error is not None:
            self.close()
            raise error

    def __len__(self) -> int:
        """Requests running or waiting."""
        return len(self._under_way)

    @property
    def process(self) -> int:
        """Its number."""
        return self._process.pid

    def add(self, prompt: Sequence[int], params: SamplingParams, output: Sequence[int] = ()) -> int:
        """Hand over a request; its id. `EngineLost` if nobody takes it."""
        request = next(self._ids)
        self._send((request, tuple(prompt), params, tuple(output)))
        self._under_way.add(request)
        return request

    def step(self) -> list[Emitted | Refused]:
        """Wait until it has computed and take what that gave, perhaps nothing; `EngineLost` if
        nothing will come."""
        found: list[Emitted | Refused] = self._receive(STEP_SECONDS) if self._under_way else []
        for item in found:
            if isinstance(item, Refused) or item.finished:
                self._under_way.discard(item.request)
        return found

    def close(self) -> None:
        """End it, whatever it computes."""
        self._pipe.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _send(self, message: object) -> None:
        try:
            self._pipe.send(message)
        except OSError as error:
            raise self._lost() from error

    def _receive(self, seconds: float) -> Any:
        """The next message; of one that says nothing for so long, none will come."""
        if not self._answers.poll(seconds * 1e3):
            self._process.kill()
        try:
            return self._pipe.recv()
        except (EOFError, OSError) as error:
            raise self._lost() from error

    def _lost(self) -> EngineLost:
        try:
            code: int | None = self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            code = None
        return EngineLost(f"the engine's process {self._process.pid} ended with code {code}")


def _started(descriptor: int) -> subprocess.Popen[bytes]:
    """A process that inherits the pipe's end, and whom no signal ends while it imports."""
    script = f"from assay.engine.process import serve; serve({descriptor})"
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)  # the child's, too
    try:
        return subprocess.Popen(
            [sys.executable, "-P", "-c", script], stdin=subprocess.DEVNULL, pass_fds=(descriptor,)
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def serve(descriptor: int) -> None:
    """The process: makes the engine that is ordered and computes until its owner is gone."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)  # sent to the whole group; the owner drains first
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    pipe = Connection(descriptor)
    try:
        order: Order = pipe.recv()
    except (EOFError, ConnectionError):
        return
    batch: Batch | None = None
    error: AssayError | None = None
    try:
        batch = order.make().batch(order.slots, AHEAD)
    except AssayError as found:
        error = found
    with suppress(ConnectionError):
        pipe.send(error)
        if batch is not None:
            _compute(pipe, batch)


def _compute(pipe: Connection, batch: Batch) -> None:
    """Until the owner is gone."""
    asked: SimpleQueue[tuple[Any, ...] | None] = SimpleQueue()
    # Read at once: an owner that waited for it to be read could not read what is sent to it.
    threading.Thread(target=_read, args=(pipe, asked), daemon=True).start()
    owners_ids: dict[int, int] = {}
    begun: set[int] = set()
    held: list[Emitted | Refused] = []
    sent = time.monotonic()
    while True:
        while not (batch and asked.empty()):
            if (message := asked.get()) is None:
                return
            request, prompt, params, output = message
            try:
                owners_ids[batch.add(prompt, params, output)] = request
            except InputError as error:
                pipe.send([Refused(request, error)])
        found = batch.step()
        urgent = not found
        for emitted in found:
            urgent |= emitted.finished or emitted.request not in begun
            begun.add(emitted.request)
            held.append(emitted._replace(request=owners_ids[emitted.request]))
            if emitted.finished:
                begun.discard(emitted.request)
                del owners_ids[emitted.request]
        now = time.monotonic()
        if urgent or now - sent > TOGETHER_SECONDS:
            pipe.send(held)  # perhaps nothing: its owner may have more requests by now
            held, sent = [], now


def _read(pipe: Connection, asked: SimpleQueue[tuple[Any, ...] | None]) -> None:
    try:
        with suppress(EOFError, OSError):
            while True:
                asked.put(pipe.recv())
    finally:
        asked.put(None)
