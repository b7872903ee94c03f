"""What runs on a fleet's machines: one model, one batch, stepped from afar. Knows no Ray."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass

from assay.core.errors import InputError
from assay.core.types import SamplingParams
from assay.engine.order import Order

STEP_SECONDS = 0.02
"""A call steps for so long at least, so that small models do not wait for the network."""


@dataclass(frozen=True)
class Task:
    """A job for a worker; `output` are its tokens so far."""

    id: bytes
    prompt: tuple[int, ...]
    params: SamplingParams
    output: tuple[int, ...] = ()


@dataclass(frozen=True)
class Token:
    task: bytes
    token: int
    finished: bool


@dataclass(frozen=True)
class Progress:
    """What a call has brought: tokens in their order, and tasks that cannot be computed."""

    tokens: tuple[Token, ...]
    refused: tuple[tuple[bytes, InputError], ...]


@dataclass(frozen=True)
class Facts:
    """Where a worker runs."""

    node: str
    process: int


class FleetWorker:
    """Loads its model and steps a batch of it. Raises what `Order.make` does."""

    def __init__(self, order: Order) -> None:
        self._batch = order.make().batch(order.slots)
        self._tasks: dict[int, bytes] = {}

    def facts(self) -> Facts:
        return Facts(socket.gethostname(), os.getpid())

    def step(self, tasks: tuple[Task, ...]) -> Progress:
        """Take in tasks, at most as many as there are slots free, and compute for a moment."""
        refused: list[tuple[bytes, InputError]] = []
        for task in tasks:
            try:
                self._tasks[self._batch.add(task.prompt, task.params, task.output)] = task.id
            except InputError as error:
                refused.append((task.id, error))
        return Progress(tuple(self._computed()), tuple(refused))

    def _computed(self) -> Iterator[Token]:
        deadline = time.monotonic() + STEP_SECONDS
        while len(self._batch):
            for emitted in self._batch.step():
                task = self._tasks[emitted.request]
                yield Token(task, emitted.token, emitted.finished)
                if emitted.finished:
                    del self._tasks[emitted.request]
            if time.monotonic() > deadline:
                return
