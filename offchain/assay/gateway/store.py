"""The gateway's memory: every job it signed and what came back, in one SQLite file.

A job is written before it is sent, so that its receipt can be fetched even if the gateway is
killed while the answer streams. Prompts and salts stay in this file: a receipt can be recomputed
by whoever holds it.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.core.types import Job, Receipt
from assay.core.wire import parse_job, parse_receipt, to_json

SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    job_id BLOB PRIMARY KEY,
    model TEXT NOT NULL,
    job TEXT NOT NULL,
    signature BLOB NOT NULL,
    salt BLOB NOT NULL,
    prompt TEXT NOT NULL,
    provider_url TEXT NOT NULL,
    created REAL NOT NULL,
    output TEXT,
    receipt TEXT,
    receipt_signature BLOB,
    batch TEXT
);
"""


@dataclass(frozen=True)
class SignedJob:
    """A job as the gateway sends it. `salt` hides the prompt's tokens from the chain."""

    job_id: bytes
    model: str
    job: Job
    signature: bytes
    salt: bytes
    prompt: tuple[int, ...]
    provider_url: str
    created: float


@dataclass(frozen=True)
class Answered:
    """What the provider returned: the tokens, the receipt over them and its signature."""

    output: tuple[int, ...]
    receipt: Receipt
    signature: bytes


class Store:
    """Safe to share between threads."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.row_factory = sqlite3.Row
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.executescript(SCHEMA)

    def close(self) -> None:
        with self._lock:
            self._database.close()

    def add(self, signed: SignedJob) -> None:
        with self._lock:
            self._database.execute(
                "INSERT INTO jobs (job_id, model, job, signature, salt, prompt, provider_url, "
                "created) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    signed.job_id,
                    signed.model,
                    json.dumps(to_json(signed.job)),
                    signed.signature,
                    signed.salt,
                    json.dumps(signed.prompt),
                    signed.provider_url,
                    signed.created,
                ),
            )

    def drop(self, job_id: bytes) -> None:
        """Forget a job that its provider refused: there will be no receipt."""
        with self._lock:
            self._database.execute(
                "DELETE FROM jobs WHERE job_id = ? AND receipt IS NULL", (job_id,)
            )

    def answer(self, job_id: bytes, answered: Answered) -> None:
        with self._lock:
            self._database.execute(
                "UPDATE jobs SET output = ?, receipt = ?, receipt_signature = ? WHERE job_id = ?",
                (
                    json.dumps(answered.output),
                    json.dumps(to_json(answered.receipt)),
                    answered.signature,
                    job_id,
                ),
            )

    def set_batch(self, job_id: bytes, batch: Mapping[str, Any]) -> None:
        """Keep a batch and proof that were checked, so that they outlive the provider."""
        with self._lock:
            self._database.execute(
                "UPDATE jobs SET batch = ? WHERE job_id = ?", (json.dumps(batch), job_id)
            )

    def batch(self, job_id: bytes) -> dict[str, Any] | None:
        with self._lock:
            row = self._database.execute(
                "SELECT batch FROM jobs WHERE job_id = ?", (job_id,)
            ).fetchone()
        return json.loads(row["batch"]) if row and row["batch"] else None

    def find(self, job_id: bytes) -> tuple[SignedJob, Answered | None] | None:
        with self._lock:
            row = self._database.execute(
                "SELECT * FROM jobs WHERE job_id = ?", (job_id,)
            ).fetchone()
        if row is None:
            return None
        return _signed(row), _answered(row)


def _signed(row: sqlite3.Row) -> SignedJob:
    return SignedJob(
        job_id=row["job_id"],
        model=row["model"],
        job=parse_job(json.loads(row["job"])),
        signature=row["signature"],
        salt=row["salt"],
        prompt=tuple(json.loads(row["prompt"])),
        provider_url=row["provider_url"],
        created=row["created"],
    )


def _answered(row: sqlite3.Row) -> Answered | None:
    if row["receipt"] is None:
        return None
    return Answered(
        output=tuple(json.loads(row["output"])),
        receipt=parse_receipt(json.loads(row["receipt"])),
        signature=row["receipt_signature"],
    )
