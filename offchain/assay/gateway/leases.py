"""What one replica at a time may do, by a row with a time limit that all replicas see."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection, bindparam, or_, update

from assay.core.database import database_time
from assay.gateway.accounts.page import insert_absent
from assay.gateway.tables import leases
from assay.gateway.writer import Writer

CHAIN = "chain"
"""Sending transactions: one account's nonces have one sender at a time."""
PAUSE_SECONDS = 0.1


class Leases:
    """This replica's claims, by the database's clock; for threads, not for the event loop."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
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
                self._take(name, None)
            self._lock.release()

    def _take(self, name: str, seconds: float | None) -> bool:
        """Hold it for so long from now on, unless another replica does; None: hold it no more."""
        return self._writer.submit(_take, (name, self._holder, seconds)).result()


_TAKE = (
    update(leases)
    .where(
        leases.c.name == bindparam("n"),
        or_(leases.c.holder == bindparam("h"), leases.c.until < bindparam("now")),
    )
    .values(holder=bindparam("h"), until=bindparam("to"))
)


def _take(connection: Connection, asked: Sequence[tuple[str, str, float | None]]) -> list[bool]:
    free = [{"name": name, "holder": "", "until": 0.0} for name, _, _ in asked]
    insert_absent(connection, leases, free)
    now = database_time(connection)
    rows = [
        {"n": name, "h": holder, "to": 0.0 if seconds is None else now + seconds, "now": now}
        for name, holder, seconds in asked
    ]
    return [connection.execute(_TAKE, row).rowcount == 1 for row in rows]
