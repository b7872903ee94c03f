"""The transactions of one account that may still be mined, by nonce; on disk, if there is a file.

Written before each bid is broadcast, so that a process that was killed finds what it sent: a
transaction that is stuck below the market would hold up all that come after it. Knows no node.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from assay.chain.fees import Fees
from assay.chain.transactions import Pending, as_text
from assay.core import logs


class Outbox:
    """Pending transactions by nonce.

    Args:
        path: the file; None keeps them in memory only.
        origin: what tells this account on this chain from any other: a file of another one is
            not read.
    """

    def __init__(self, path: Path | None = None, origin: str = "") -> None:
        self._path = path
        self._origin = origin
        self._by_nonce: dict[int, Pending] = {}
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._load(path)

    def __iter__(self) -> Iterator[Pending]:
        """In the order of nonces."""
        return iter([self._by_nonce[nonce] for nonce in sorted(self._by_nonce)])

    def put(self, pending: Pending) -> None:
        self._by_nonce[pending.nonce] = pending
        self._save()

    def drop(self, pending: Pending) -> None:
        if self._by_nonce.get(pending.nonce) is pending:
            del self._by_nonce[pending.nonce]
            self._save()

    def clear(self) -> None:
        self._by_nonce.clear()
        self._save()

    def next_nonce(self) -> int:
        return max(self._by_nonce, default=-1) + 1

    def abandoned(self) -> list[Pending]:
        """Those that nobody waits for."""
        return [pending for pending in self if not pending.waited]

    def _save(self) -> None:
        if self._path is None:
            return
        items = [
            {
                "call": pending.call,
                "fields": {key: as_text(value) for key, value in pending.fields.items()},
                "fees": [pending.fees.max_fee, pending.fees.tip],
                "hashes": pending.hashes,
            }
            for pending in self
        ]
        handle, temporary = tempfile.mkstemp(dir=self._path.parent, suffix=".tmp")
        with os.fdopen(handle, "w") as file:
            json.dump({"origin": self._origin, "pending": items}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self._path)

    def _load(self, path: Path) -> None:
        """What an earlier process left; nothing if the file is of another chain or unreadable.

        Without it the node's own count of pending transactions still holds, so a lost file costs
        speed, not correctness.
        """
        try:
            content = json.loads(path.read_text())
            items = content["pending"] if content["origin"] == self._origin else []
            found = [
                Pending(str(i["call"]), dict(i["fields"]), Fees(*i["fees"]), list(i["hashes"]))
                for i in items
            ]
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError) as error:
            logs.warning("outbox_unreadable", path=str(path), error=str(error))
            return
        self._by_nonce = {pending.nonce: pending for pending in found}
        if found:
            logs.event("outbox_found", count=len(found), nonces=sorted(self._by_nonce))
