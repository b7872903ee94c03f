"""The journal, read beside the process that writes it: for reports and checks. Changes nothing."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from assay.core.errors import ConfigError
from assay.core.hashes import receipt_leaf
from assay.core.merkle import MerkleTree
from assay.core.wire import parse_receipt

Stage = Literal["pending", "posted", "final", "dead"]
"""In no batch that is on chain; in one, its window or a game running; paid; not to be paid."""

CLAIMS = """
SELECT job_id, json_extract(job, '$.model_root') AS model,
       json_extract(receipt, '$.price') AS price,
       json_extract(job, '$.prompt_tokens') AS prompt_tokens,
       json_extract(receipt, '$.output_tokens') AS output_tokens, created,
       CASE WHEN state != 'open' THEN state WHEN batches.posted = 1 THEN 'posted'
            ELSE 'pending' END AS stage, batches.batch_id AS batch_id
FROM claims LEFT JOIN batches ON claims.batch_nonce = batches.nonce
WHERE created >= ? ORDER BY number
"""
OPEN_BATCHES = """
SELECT batches.batch_id, batches.count, batches.posted,
       SUM(claims.state = 'open') AS open, SUM(json_extract(claims.receipt, '$.price')
       * (claims.state = 'open')) AS price
FROM batches JOIN claims ON claims.batch_nonce = batches.nonce
GROUP BY batches.nonce HAVING open > 0 ORDER BY batches.nonce
"""
LEAVES = "SELECT receipt FROM claims WHERE batch_nonce = ? ORDER BY place"


@dataclass(frozen=True)
class ClaimRecord:
    """One served job. `price` in micro-USD, `created` Unix time, `batch_id` once it has one."""

    job_id: bytes
    model_root: str
    price: int
    prompt_tokens: int
    output_tokens: int
    created: float
    stage: Stage
    batch_id: bytes | None


@dataclass(frozen=True)
class OpenBatch:
    """A batch with claims that have not ended, and what those cost together in micro-USD."""

    batch_id: bytes
    count: int
    posted: bool
    open: int
    price: int


class Records:
    """Reads one journal; every call sees what is on disk then."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def claims(self, since: float = 0.0) -> list[ClaimRecord]:
        """Those served since a Unix time, oldest first."""
        with self._reading() as database:
            return [
                ClaimRecord(
                    job_id=row["job_id"],
                    model_root=row["model"],
                    price=int(row["price"]),
                    prompt_tokens=int(row["prompt_tokens"]),
                    output_tokens=int(row["output_tokens"]),
                    created=row["created"],
                    stage=row["stage"],
                    batch_id=row["batch_id"],
                )
                for row in database.execute(CLAIMS, (since,))
            ]

    def open_batches(self) -> list[OpenBatch]:
        with self._reading() as database:
            return [
                OpenBatch(r["batch_id"], r["count"], bool(r["posted"]), r["open"], int(r["price"]))
                for r in database.execute(OPEN_BATCHES)
            ]

    def faults(self) -> list[str]:
        """What is damaged: pages of the file, or batches whose claims do not give their root."""
        with self._reading() as database:
            found = [row[0] for row in database.execute("PRAGMA integrity_check")]
            if found != ["ok"]:
                return [str(text) for text in found]
            return list(_wrong_roots(database))

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """Nothing is there before the provider has served for the first time."""
        if not self._path.exists():
            with closing(sqlite3.connect(":memory:")) as empty:
                empty.row_factory = sqlite3.Row
                empty.executescript(_EMPTY)
                yield empty
            return
        try:
            uri = f"file:{quote(str(self._path.resolve()))}?mode=ro"
            with closing(sqlite3.connect(uri, uri=True)) as database:
                database.row_factory = sqlite3.Row
                yield database
        except sqlite3.Error as error:
            raise ConfigError(
                f"the journal {self._path} cannot be read ({error}); restore it from a copy before "
                "claims in it are challenged, and look at the disk"
            ) from error


_EMPTY = """
CREATE TABLE claims (number, job_id, job, receipt, created, state, batch_nonce, place);
CREATE TABLE batches (nonce, batch_id, root, count, posted);
"""


def _wrong_roots(database: sqlite3.Connection) -> Iterator[str]:
    for batch in database.execute("SELECT nonce, root, count FROM batches"):
        leaves = [
            receipt_leaf(parse_receipt(json.loads(row["receipt"])))
            for row in database.execute(LEAVES, (batch["nonce"],))
        ]
        if len(leaves) != batch["count"] or MerkleTree(leaves).root != batch["root"]:
            yield f"batch {batch['nonce']}: {len(leaves)} claims do not give its root"
