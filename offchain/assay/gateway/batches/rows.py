"""What is stored of batches, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

RUNNING = ("validating", "in_progress", "finalizing", "cancelling")
ENDED = ("completed", "failed", "expired", "cancelled")


class State(IntEnum):
    """Of a line."""

    WAITING = 0
    ANSWERED = 1
    FAILED = 2
    EXPIRED = 3


@dataclass(frozen=True)
class Batch:
    """One row. `owner` may see it; `account` and `key_id` pay. Times are Unix seconds."""

    batch_id: str
    owner: str
    account: str | None
    key_id: str | None
    endpoint: str
    input_file: str
    metadata: str | None
    status: str
    errors: str | None
    output_file: str | None
    error_file: str | None
    created: int
    expires: int
    in_progress: int | None
    finalizing: int | None
    cancelling: int | None
    ended: int | None
    holder: str | None = None
    held_until: float = 0.0


@dataclass(frozen=True)
class Counts:
    """Lines of a batch."""

    total: int = 0
    completed: int = 0
    failed: int = 0


@dataclass(frozen=True)
class Entry:
    """A line as it is stored. `body` and `answer` are JSON."""

    line: int
    custom_id: str
    body: str
    state: State
    status_code: int | None
    request_id: str | None
    answer: str | None


@dataclass(frozen=True)
class Answer:
    """What becomes of a line; `body` is JSON."""

    line: int
    state: State
    status_code: int
    request_id: str
    body: str
