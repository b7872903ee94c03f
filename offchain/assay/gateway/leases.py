"""What one replica at a time may do, by a row with a time limit that all replicas see."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection, bindparam, or_, update

from assay.gateway.accounts.page import insert_absent
from assay.gateway.tables import leases
from assay.gateway.writer import Writer

CHAIN = "chain"
"""Sending transactions: one account's nonces have one sender at a time."""
PAUSE_SECONDS = 0.1


class Leases:
    """This replica's claims; for threads, not for the event loop.

    `clock`: Unix seconds; replicas' clocks may differ by a few.
    """

    def __init__(self, writer: Writer, clock: Callable[[], float] = time.time) -> None:
        self._writer = writer
        self._clock = clock
        self._holder = secrets.token_hex(16)
        self._lock = threading.Lock()

    @contextmanager
    def holding(self, name: str, seconds: float, wait_seconds: float = 0.0) -> Iterator[bool]:
        """Whether the block has the lease to itself: for `seconds` at most, after waiting."""
        end = time.monotonic() + wait_seconds
        if not self._lock.acquire(timeout=wait_seconds):
            yield False
            return
        held = False
        try:
            while not (held := self._take(name, seconds)) and time.monotonic() < end:
                time.sleep(PAUSE_SECONDS)
            yield held
        finally:
            if held:
                self._take(name, 0.0)
            self._lock.release()

    def _take(self, name: str, seconds: float) -> bool:
        """Hold it for so long from now on, unless another replica does."""
        now = self._clock()
        asked = {"n": name, "h": self._holder, "to": now + seconds, "now": now}
        return self._writer.submit(_take, asked).result()


_TAKE = (
    update(leases)
    .where(
        leases.c.name == bindparam("n"),
        or_(leases.c.holder == bindparam("h"), leases.c.until < bindparam("now")),
    )
    .values(holder=bindparam("h"), until=bindparam("to"))
)


def _take(connection: Connection, asked: Sequence[dict[str, object]]) -> list[bool]:
    free = [{"name": one["n"], "holder": "", "until": 0.0} for one in asked]
    insert_absent(connection, leases, free)
    return [connection.execute(_TAKE, one).rowcount == 1 for one in asked]
