"""The files of one provider, all in its `data_dir`, and who has them.

provider.sqlite   the journal
outbox.json       transactions under way
prices.json       prices that were changed since the start (`provider.prices`)
provider.lock     held by the process that serves; has its process id
leaving           there once the provider is to take no more jobs (`assay provider exit`)
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from assay.core.errors import ConfigError

ATTEMPTS = 10


class Home:
    """Where a provider's state lies."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.journal = folder / "provider.sqlite"
        self.outbox = folder / "outbox.json"
        self.fees = folder / "fees.sqlite"
        self.prices = folder / "prices.json"
        self._lock = folder / "provider.lock"
        self._leaving = folder / "leaving"

    @contextmanager
    def held(self) -> Iterator[None]:
        """While this process serves. ConfigError if another one does: two would sign with one
        account and post claims twice."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._lock.open("a+") as file:
            if not _taken_soon(file.fileno()):
                raise ConfigError(
                    f"another provider (process {self.process()}) serves from {self.folder}; stop "
                    "it, or give this one a folder of its own (ASSAY_DATA_DIR)"
                )
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    def process(self) -> int | None:
        """The id of the process that serves; None if there is none."""
        try:
            with self._lock.open("r+") as file:
                if _taken(file.fileno(), fcntl.LOCK_SH):  # several may look at once
                    return None
                return int(file.read() or 0)
        except (FileNotFoundError, ValueError):
            return None

    @property
    def leaving(self) -> bool:
        """Whether no more jobs are to be taken."""
        return self._leaving.exists()

    def leave(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._leaving.touch()

    def stay(self) -> None:
        self._leaving.unlink(missing_ok=True)


def _taken_soon(handle: int) -> bool:
    """As `_taken`; somebody who only looks whether it is free holds it for an instant."""
    for _ in range(ATTEMPTS):
        if _taken(handle):
            return True
        time.sleep(0.1)
    return False


def _taken(handle: int, kind: int = fcntl.LOCK_EX) -> bool:
    """Take the lock, which ends with the file's closing; False if another process has it."""
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
