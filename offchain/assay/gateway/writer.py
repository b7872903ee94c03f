"""Group commit: every write that waits goes into one transaction, and is answered after it.

A request waits for the database twice: before its job is sent, and before its last token is
passed on. One commit each would cost one flush of the disk each. Here one thread takes all that
wait, hands those of the same kind together to the function that writes them, commits once, and
answers. While it commits the next ones gather, so the busier it is, the more share a flush.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine

from assay.core import logs
from assay.core.database import translated, writing
from assay.core.errors import DatabaseUnavailable, InputError

MAX_TOGETHER = 256
"""Writes of one transaction."""
MAX_WAITING = 20_000
"""Writes that may wait; a further one is refused."""

Item = TypeVar("Item")
Result = TypeVar("Result")

Write = Callable[[Connection, Sequence[Item]], Sequence[Result | Exception]]
"""Writes items of one kind: a result for each, or the exception that its caller shall see.

It raises only if all of them fail; the transaction is then undone.
"""


Done = Future[Any] | asyncio.Future[Any]


@dataclass(frozen=True)
class _Waiting:
    write: Write[Any, Any]
    item: Any
    done: Done


class Writer:
    """The only writer of a database in this process. Safe to share between threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._held: Connection | None = None
        self._thread = threading.Thread(target=self._run, name="database-writer", daemon=True)
        self._thread.start()

    async def write(self, write: Write[Item, Result], item: Item) -> Result:
        """What `write` gives for the item, once it is committed; raises its exception.

        The write is done even if the caller is cancelled while it waits.
        """
        done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._put(_Waiting(write, item, done))
        return await done

    def submit(self, write: Write[Item, Result], item: Item) -> Future[Result]:
        """As `write`, for threads. `DatabaseUnavailable` if the writer is closed or swamped."""
        done: Future[Result] = Future()
        done.set_running_or_notify_cancel()
        self._put(_Waiting(write, item, done))
        return done

    def _put(self, waiting: _Waiting) -> None:
        with self._changed:
            if self._closing:
                raise DatabaseUnavailable("the gateway is shutting down; repeat the request")
            if len(self._waiting) >= MAX_WAITING:
                raise DatabaseUnavailable(
                    f"{MAX_WAITING} writes wait for the database; repeat the request later"
                )
            self._waiting.append(waiting)
            self._changed.notify()

    def close(self) -> None:
        """Write what waits, then end; the engine stays open."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while waiting := self._next():
            for batch in self._transactions(waiting):
                try:
                    self._commit(batch)
                except Exception as error:
                    if len(batch) == 1 or isinstance(error, DatabaseUnavailable):
                        _fail(batch, error)
                    else:
                        self._one_by_one(batch)
        self._let_go()

    def _transactions(self, waiting: Sequence[_Waiting]) -> Sequence[Sequence[_Waiting]]:
        """What is committed together. Where other replicas write too, one kind at a time: each
        takes its locks in one order, two in a row would not."""
        if self._engine.dialect.name == "sqlite":
            return [waiting]
        return list(_by_kind(waiting).values())

    def _next(self) -> list[_Waiting]:
        """What waits, oldest first; nothing once the writer is closed and all is written."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            count = min(len(self._waiting), MAX_TOGETHER)
            return [self._waiting.popleft() for _ in range(count)]

    def _commit(self, batch: Sequence[_Waiting]) -> None:
        outcomes: list[Outcome] = []
        with self._transaction() as connection:
            for write, items in _by_kind(batch).items():
                found = write(connection, [waiting.item for waiting in items])
                outcomes += zip((one.done for one in items), found, strict=True)
        _answer(outcomes)

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """SQLite's connection is kept: to take it from the pool takes as long as the writes. One to
        a server is taken anew each time, so that the pool sees whether it still lives."""
        if self._engine.dialect.name != "sqlite":
            with writing(self._engine) as connection:
                yield connection
            return
        try:
            with translated():
                if self._held is None:
                    self._held = self._engine.connect().execution_options(writes=True)
                with self._held.begin():
                    yield self._held
        except BaseException:
            self._let_go()
            raise

    def _let_go(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            held.close()

    def _one_by_one(self, batch: Sequence[_Waiting]) -> None:
        """One write has undone the transaction: it fails alone, the others are written."""
        for waiting in batch:
            try:
                self._commit([waiting])
            except Exception as error:
                _fail([waiting], error)


def _by_kind(batch: Sequence[_Waiting]) -> dict[Write[Any, Any], list[_Waiting]]:
    kinds: dict[Write[Any, Any], list[_Waiting]] = {}
    for waiting in batch:
        kinds.setdefault(waiting.write, []).append(waiting)
    return kinds


Outcome = tuple[Done, Any]


def _answer(outcomes: Sequence[Outcome]) -> None:
    """Tell all that wait; those of an event loop together, as waking it costs more than they do."""
    of_loops: dict[asyncio.AbstractEventLoop, list[Outcome]] = {}
    for done, outcome in outcomes:
        if isinstance(done, Future):
            _settle(done, outcome)
        else:
            of_loops.setdefault(done.get_loop(), []).append((done, outcome))
    for loop, found in of_loops.items():
        with suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(_settle_all, found)


def _settle_all(outcomes: Sequence[Outcome]) -> None:
    for done, outcome in outcomes:
        if not done.done():  # whoever waited was cancelled
            _settle(done, outcome)


def _settle(done: Done, outcome: Any) -> None:
    if isinstance(outcome, Exception):
        done.set_exception(outcome)
    else:
        done.set_result(outcome)


def _fail(batch: Sequence[_Waiting], error: Exception) -> None:
    if not isinstance(error, DatabaseUnavailable | InputError):
        logs.LOGGER.exception("write_failed")
    _answer([(waiting.done, error) for waiting in batch])
