"""What runs on a fleet's machines: one model, one batch, stepped from afar. Knows no Ray."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from assay.core.errors import InputError, ModelError
from assay.core.types import SamplingParams
from assay.engine.backends import BackendName
from assay.engine.engine import Engine
from assay.engine.importer import import_checkpoint
from assay.exact.model import ExactModel

STEP_SECONDS = 0.02
"""A call steps for so long at least, so that small models do not wait for the network."""


@dataclass(frozen=True)
class Order:
    """What a worker is to serve. `path` is the checkpoint's on its machine; `fingerprint` says
    which integers it must give there. The rest as of `ProviderSettings`."""

    path: Path
    fingerprint: bytes
    slots: int
    positions: int | None
    threads: int | None
    backend: BackendName
    pin: bool
    draft_path: Path | None
    guesses: int


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
    """Loads its model and steps a batch of it.

    Raises:
        ModelError: the checkpoint there is not the provider's.
    """

    def __init__(self, order: Order) -> None:
        model = import_checkpoint(order.path)
        found = fingerprint(model)
        if found != order.fingerprint:
            raise ModelError(
                f"{order.path} on {socket.gethostname()} gives the integers {found.hex()[:16]}…, "
                f"the provider's gives {order.fingerprint.hex()[:16]}…; copy the provider's folder"
            )
        engine = Engine(
            model,
            order.threads,
            order.backend,
            slots=order.slots,
            positions=order.positions,
            pin=order.pin,
            draft=import_checkpoint(order.draft_path) if order.draft_path else None,
            guesses=order.guesses,
        )
        self._batch = engine.batch(order.slots)
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


def fingerprint(model: ExactModel) -> bytes:
    """A hash of all that a model computes with. Not the model root: that takes a tree of hashes."""
    digest = sha256()
    for part in _parts(model):
        digest.update(part)
    return digest.digest()


def _parts(part: object) -> Iterator[bytes | memoryview]:
    if isinstance(part, np.ndarray):
        yield f"{part.dtype.str}{part.shape}".encode()
        yield np.ascontiguousarray(part).data.cast("B") if part.size else b""
    elif isinstance(part, tuple):
        yield f"tuple {len(part)}".encode()
        for item in part:
            yield from _parts(item)
    elif is_dataclass(part) and not isinstance(part, type):
        yield type(part).__name__.encode()
        for field in fields(part):
            yield from _parts(getattr(part, field.name))
    else:
        yield repr(part).encode() + b"\n"
