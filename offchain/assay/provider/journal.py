"""The provider's write-ahead journal: claims and batches in one SQLite file.

A claim is on disk before its consumer sees the receipt; a batch is on disk before its
transaction is sent, under the batch nonce that the chain will accept only once. So a kill at any
instant loses no receipt and posts none twice.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from assay.core.hashes import receipt_leaf
from assay.core.merkle import MerkleTree
from assay.core.types import Job, Receipt
from assay.core.wire import ClaimData, parse_job, parse_receipt, to_json

SCHEMA = """
CREATE TABLE IF NOT EXISTS claims (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id BLOB NOT NULL UNIQUE,
    job TEXT NOT NULL,
    signature BLOB NOT NULL,
    salt BLOB NOT NULL,
    prompt TEXT NOT NULL,
    output TEXT NOT NULL,
    receipt TEXT NOT NULL,
    receipt_signature BLOB NOT NULL,
    created REAL NOT NULL,
    batch_nonce INTEGER REFERENCES batches(nonce),
    place INTEGER,
    state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'final', 'dead'))
);
CREATE INDEX IF NOT EXISTS claims_by_nonce
    ON claims (json_extract(job, '$.consumer'), json_extract(job, '$.nonce'));
CREATE INDEX IF NOT EXISTS claims_by_batch ON claims (batch_nonce, place);
CREATE INDEX IF NOT EXISTS claims_unpaid
    ON claims (json_extract(job, '$.consumer'), json_extract(receipt, '$.price'))
    WHERE state = 'open';
CREATE INDEX IF NOT EXISTS claims_open ON claims (batch_nonce) WHERE state = 'open';
CREATE TABLE IF NOT EXISTS batches (
    nonce INTEGER PRIMARY KEY,
    batch_id BLOB NOT NULL UNIQUE,
    root BLOB NOT NULL,
    count INTEGER NOT NULL,
    posted INTEGER NOT NULL DEFAULT 0,
    transaction_hash TEXT
);
"""
CLAIM_COLUMNS = (
    "job_id, job, signature, salt, prompt, output, receipt, receipt_signature, created, "
    "batch_nonce, place, state"
)


@dataclass(frozen=True)
class Entry:
    """One claim as it was served; `batch_nonce` and `place` once it is in a batch."""

    job_id: bytes
    job: Job
    signature: bytes
    salt: bytes
    prompt: tuple[int, ...]
    output: tuple[int, ...]
    receipt: Receipt
    receipt_signature: bytes
    created: float
    batch_nonce: int | None = None
    place: int | None = None
    state: str = "open"


@dataclass(frozen=True)
class Batch:
    nonce: int
    batch_id: bytes
    root: bytes
    count: int
    posted: bool
    transaction: str | None


class Journal:
    """Safe to share between threads; one process owns the file.

    Attributes:
        releases: counts changes after which less may be promised or unpaid, and more locked or paid
            on chain.
    """

    releases = 0

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.row_factory = sqlite3.Row
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.execute("PRAGMA foreign_keys = ON")
        self._database.executescript(SCHEMA)

    def close(self) -> None:
        with self._lock:
            self._database.close()

    def add(self, *entries: Entry) -> None:
        """Write claims, all or none; on return they are on disk."""
        with self._transaction() as database:
            database.executemany(
                f"INSERT INTO claims ({CLAIM_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
                [_row(entry) for entry in entries],
            )

    def waiting(self) -> tuple[int, float]:
        """How many claims are in no batch yet, and when the oldest of them was made."""
        with self._lock:
            row = self._database.execute(
                "SELECT COUNT(*), COALESCE((SELECT created FROM claims WHERE batch_nonce IS NULL "
                "ORDER BY number LIMIT 1), 0) FROM claims WHERE batch_nonce IS NULL"
            ).fetchone()
        return int(row[0]), float(row[1])

    def pending(self, limit: int) -> list[Entry]:
        """Claims in no batch yet, oldest first."""
        return self._claims("WHERE batch_nonce IS NULL ORDER BY number LIMIT ?", limit)

    def write_batch(self, batch: Batch, job_ids: Sequence[bytes]) -> None:
        """Record a batch about to be posted and the claims in it, at once."""
        with self._transaction() as database:
            database.execute(
                "INSERT INTO batches (nonce, batch_id, root, count) VALUES (?, ?, ?, ?)",
                (batch.nonce, batch.batch_id, batch.root, batch.count),
            )
            database.executemany(
                "UPDATE claims SET batch_nonce = ?, place = ? WHERE job_id = ?",
                [(batch.nonce, place, job_id) for place, job_id in enumerate(job_ids)],
            )

    def mark_posted(self, nonce: int, transaction: str | None) -> None:
        with self._transaction() as database:
            database.execute(
                "UPDATE batches SET posted = 1, transaction_hash = ? WHERE nonce = ?",
                (transaction, nonce),
            )
        self.releases += 1

    def mark_unposted(self, nonce: int) -> None:
        """The chain does not hold the batch any more."""
        with self._transaction() as database:
            database.execute(
                "UPDATE batches SET posted = 0, transaction_hash = NULL WHERE nonce = ?", (nonce,)
            )
        self.releases += 1

    def dissolve(self, nonce: int) -> None:
        """Forget a batch that the chain will never hold; its claims are pending again."""
        with self._transaction() as database:
            database.execute(
                "UPDATE claims SET batch_nonce = NULL, place = NULL WHERE batch_nonce = ?",
                (nonce,),
            )
            database.execute("DELETE FROM batches WHERE nonce = ? AND posted = 0", (nonce,))
        self.releases += 1

    def move(self, nonce: int, to: int, batch_id: bytes, transaction: str | None) -> None:
        """The chain holds a batch under another nonce than it was written under.

        So it does not hold what was there: that batch's claims are pending again.
        """
        with self._transaction() as database:
            database.execute("PRAGMA defer_foreign_keys = ON")
            database.execute(
                "UPDATE claims SET batch_nonce = NULL, place = NULL WHERE batch_nonce = ?", (to,)
            )
            database.execute("DELETE FROM batches WHERE nonce = ?", (to,))
            database.execute(
                "UPDATE batches SET nonce = ?, batch_id = ?, posted = 1, transaction_hash = ? "
                "WHERE nonce = ?",
                (to, batch_id, transaction, nonce),
            )
            database.execute("UPDATE claims SET batch_nonce = ? WHERE batch_nonce = ?", (to, nonce))
        self.releases += 1

    def set_state(self, job_id: bytes, state: str) -> None:
        self.set_states([(job_id, state)])

    def set_states(self, states: Sequence[tuple[bytes, str]]) -> None:
        """Of several jobs, at once."""
        if not states:
            return
        with self._transaction() as database:
            database.executemany(
                "UPDATE claims SET state = ? WHERE job_id = ?",
                [(state, job_id) for job_id, state in states],
            )
        self.releases += 1

    def unposted_batches(self) -> list[Batch]:
        return self._batches("WHERE posted = 0 ORDER BY nonce")

    def open_batches(self) -> list[Batch]:
        """Posted batches with claims that are neither final nor dead."""
        return self._batches(
            "WHERE posted = 1 AND nonce IN "
            "(SELECT batch_nonce FROM claims WHERE state = 'open') ORDER BY nonce"
        )

    def ended(self, limit: int) -> list[Entry]:
        """Claims that are final or dead, the newest first."""
        return self._claims(
            "WHERE state != 'open' AND batch_nonce IS NOT NULL ORDER BY number DESC LIMIT ?", limit
        )

    def batch(self, batch_id: bytes) -> Batch | None:
        found = self._batches("WHERE batch_id = ?", batch_id)
        return found[0] if found else None

    def has_batch(self, nonce: int) -> bool:
        return bool(self._batches("WHERE nonce = ?", nonce))

    def batch_of(self, entry: Entry) -> Batch | None:
        found = self._batches("WHERE nonce = ?", entry.batch_nonce)
        return found[0] if found else None

    def claim(self, job_id: bytes) -> Entry | None:
        found = self._claims("WHERE job_id = ?", job_id)
        return found[0] if found else None

    def knows(self, consumer: str, nonce: bytes) -> bool:
        """Whether a claim is of a job of this consumer's and nonce."""
        where = "json_extract(job, '$.consumer') = ? AND json_extract(job, '$.nonce') = ?"
        with self._lock:
            row = self._database.execute(
                f"SELECT 1 FROM claims WHERE {where} LIMIT 1", (consumer, f"0x{nonce.hex()}")
            ).fetchone()
        return row is not None

    def claim_in(self, batch_id: bytes, index: int) -> Entry | None:
        """A batch's claim; None if this provider has posted no such."""
        where = "WHERE batch_nonce = (SELECT nonce FROM batches WHERE batch_id = ?) AND place = ?"
        found = self._claims(where, batch_id, index)
        return found[0] if found else None

    def claims_of(self, batch: Batch) -> list[Entry]:
        """In the order of the batch's leaves."""
        return self._claims("WHERE batch_nonce = ? ORDER BY place", batch.nonce)

    def unpaid(self, consumer: str) -> int:
        """What claims of this consumer that are still open will cost: token units."""
        with self._lock:
            row = self._database.execute(
                "SELECT COALESCE(SUM(json_extract(receipt, '$.price')), 0) FROM claims "
                "WHERE state = 'open' AND json_extract(job, '$.consumer') = ?",
                (consumer,),
            ).fetchone()
        return int(row[0])

    def promised(self) -> int:
        """Claims that no batch on chain holds, as far as is known: each will lock a bond."""
        with self._lock:
            row = self._database.execute(
                "SELECT (SELECT COUNT(*) FROM claims WHERE batch_nonce IS NULL AND state = 'open')"
                " + (SELECT COALESCE(SUM(count), 0) FROM batches WHERE posted = 0)"
            ).fetchone()
        return int(row[0])

    def counts(self) -> dict[str, int]:
        """How many claims are pending, posted, final and dead."""
        with self._lock:
            rows = self._database.execute(
                "SELECT CASE WHEN state != 'open' THEN state WHEN batch_nonce IS NULL "
                "THEN 'pending' ELSE 'posted' END AS kind, COUNT(*) AS n FROM claims GROUP BY kind"
            ).fetchall()
        return dict.fromkeys(("pending", "posted", "final", "dead"), 0) | {
            row["kind"]: row["n"] for row in rows
        }

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")  # on a full disk this is what fails
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    def _claims(self, where: str, *values: object) -> list[Entry]:
        with self._lock:
            rows = self._database.execute(
                f"SELECT {CLAIM_COLUMNS} FROM claims {where}", values
            ).fetchall()
        return [_entry(row) for row in rows]

    def _batches(self, where: str, *values: object) -> list[Batch]:
        with self._lock:
            rows = self._database.execute(f"SELECT * FROM batches {where}", values).fetchall()
        return [
            Batch(r["nonce"], r["batch_id"], r["root"], r["count"], bool(r["posted"]),
                  r["transaction_hash"])
            for r in rows
        ]  # fmt: skip


def batch_tree(entries: Sequence[Entry]) -> MerkleTree:
    """The tree whose root a batch posts."""
    return MerkleTree([receipt_leaf(entry.receipt) for entry in entries])


def claim_data(journal: Journal, batch: Batch, index: int) -> ClaimData | None:
    """What a challenger gets to see of a claim; None if the batch has no such index."""
    entries = journal.claims_of(batch)
    if not 0 <= index < len(entries):
        return None
    entry = entries[index]
    return ClaimData(
        batch_id=batch.batch_id,
        index=index,
        job=entry.job,
        signature=entry.signature,
        receipt=entry.receipt,
        proof=batch_tree(entries).path(index),
        prompt=entry.prompt,
        output=entry.output,
        salt=entry.salt,
    )


def _row(entry: Entry) -> tuple[object, ...]:
    """In the order of CLAIM_COLUMNS."""
    return (
        entry.job_id,
        json.dumps(to_json(entry.job)),
        entry.signature,
        entry.salt,
        json.dumps(entry.prompt),
        json.dumps(entry.output),
        json.dumps(to_json(entry.receipt)),
        entry.receipt_signature,
        entry.created,
        entry.batch_nonce,
        entry.place,
        entry.state,
    )


def _entry(row: sqlite3.Row) -> Entry:
    return Entry(
        job_id=row["job_id"],
        job=parse_job(json.loads(row["job"])),
        signature=row["signature"],
        salt=row["salt"],
        prompt=tuple(json.loads(row["prompt"])),
        output=tuple(json.loads(row["output"])),
        receipt=parse_receipt(json.loads(row["receipt"])),
        receipt_signature=row["receipt_signature"],
        created=row["created"],
        batch_nonce=row["batch_nonce"],
        place=row["place"],
        state=row["state"],
    )
