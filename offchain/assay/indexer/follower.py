"""Follows the chain: finds out where the index still stands on it, reads on from there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from assay.chain.ranges import Block, RangeReader
from assay.core import logs, metrics
from assay.core.errors import ChainError
from assay.indexer.index import Index, Stand

HEAD = metrics.gauge("assay_index_head_block", "Newest block of the node.")
INDEXED = metrics.gauge("assay_index_block", "Newest block in the index.")
LAG = metrics.gauge("assay_index_lag_blocks", "Blocks that the index is behind the node.")
LAG_SECONDS = metrics.gauge(
    "assay_index_lag_seconds", "Age of the newest block in the index while it is behind, else 0."
)
EVENTS = metrics.counter("assay_index_events_total", "Events worked in.")
REORGS = metrics.counter("assay_index_reorgs_total", "Reorganisations that undid a range.")
REBUILDS = metrics.counter("assay_index_rebuilds_total", "Times that the index was begun anew.")
CALLS = metrics.counter("assay_index_rpc_calls_total", "Calls of the node.")

Progress = Callable[[Stand, int], None]
"""Told after every range where the index stands, and the head."""


class Follower:
    """A loop's turn: read until the index stands at the head, or until told to stop."""

    def __init__(
        self,
        index: Index,
        reader: RangeReader,
        stopping: threading.Event,
        progress: Progress | None = None,
    ) -> None:
        self._index = index
        self._reader = reader
        self._stopping = stopping
        self._head: int | None = None
        self._progress = progress or (lambda stand, head: None)

    @property
    def head(self) -> int | None:
        """The node's newest block when last asked; None before that."""
        return self._head

    def turn(self) -> None:
        calls = self._reader.calls
        try:
            while not self._stopping.is_set() and self._step():
                pass
        finally:
            CALLS.add(self._reader.calls - calls)

    def _step(self) -> bool:
        """One range, or one undone; False at the head."""
        since = self._index.stand()
        holds = self._index.standing_block(self._reader.block)
        if holds is None:
            self._begin_anew(since)
            return True
        if holds != since:
            self._undo(since, holds)
            return True
        head = self._reader.head()
        if head.number > since.block:
            self._read(since, head)
        self._report(self._index.stand(), head)
        return self._index.stand().block < head.number

    def _read(self, since: Stand, head: Block) -> None:
        chunk = self._reader.read(since.block + 1, head.number)
        before = self._reader.block(since.block) if since.hash else None
        if since.hash and (before is None or before.hash != since.hash):
            raise ChainError(f"block {since.block} changed while the next were read; looking again")
        if self._index.add(since, chunk):
            EVENTS.add(len(chunk.events))
            self._progress(self._index.stand(), head.number)

    def _undo(self, since: Stand, holds: Stand) -> None:
        if self._index.undo(since, holds):
            REORGS.add()
            logs.warning("reorganised", undone=since.block - holds.block, stands_at=holds.block)

    def _begin_anew(self, since: Stand) -> None:
        REBUILDS.add()
        logs.warning("begun_anew", stood_at=since.block, reason="reorganised below what is kept")
        self._index.clear()

    def _report(self, stand: Stand, head: Block) -> None:
        self._head = head.number
        HEAD.set(head.number)
        INDEXED.set(stand.block)
        behind = max(head.number - stand.block, 0)
        LAG.set(behind)
        LAG_SECONDS.set((lambda: time.time() - stand.timestamp) if behind else 0.0)
