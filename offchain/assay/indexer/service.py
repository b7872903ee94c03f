"""The indexer as a process: follows the chain into its database and serves the read API."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from assay.chain.network import Network
from assay.chain.ranges import Pace, RangeReader
from assay.core import logs
from assay.core.errors import ChainError
from assay.core.service import BACKOFF_LIMIT_SECONDS, HttpEndpoint, Loop, Service, run_service
from assay.core.settings import IndexerSettings
from assay.indexer.app import make_app
from assay.indexer.follower import Follower, Progress
from assay.indexer.index import Index, Stand

REBUILD_ATTEMPTS = 10
"""Failures in a row after which `rebuild` gives up; each wait is twice the one before."""


def run(settings: IndexerSettings) -> None:
    """Follow and serve until SIGTERM."""
    logs.configure("indexer", settings.log_format)
    run_service(IndexerService(settings))


@dataclass(frozen=True)
class Position:
    """Where an index stands beside the node, and how many rows it has, by table."""

    origin: str
    block: int
    timestamp: int
    head: int
    rows: dict[str, int]

    @property
    def lag(self) -> int:
        return max(self.head - self.block, 0)


class IndexerService(Service):
    """All that it remembers is in the database, and follows from the chain."""

    name = "indexer"

    def __init__(self, settings: IndexerSettings) -> None:
        super().__init__()
        self._settings = settings

    def setup(self) -> None:
        reader, self._index = opened(self._settings)
        self._follower = Follower(self._index, reader, self.stopping)
        logs.event("ready", block=self._index.stand().block)

    def loops(self) -> Sequence[Loop]:
        return (Loop("follow", self._settings.poll_seconds, self._follower.turn),)

    def http(self) -> HttpEndpoint:
        settings = self._settings
        app = make_app(
            self._index.engine, self._health, settings.cache_seconds, tuple(settings.cors_origins)
        )
        return HttpEndpoint(app, settings.host, settings.port, settings.tls())

    def stop(self) -> None:
        self._index.close()

    def _health(self) -> dict[str, Any]:
        block, head = self._index.stand().block, self._follower.head
        status = "starting" if head is None else "following" if block >= head else "behind"
        newest = max(block, 0) if head is None else head
        lag = max(newest - block, 0)
        return {"status": status, "block": block, "head": newest, "lag_blocks": lag}


def position(settings: IndexerSettings) -> Position:
    """Where the index stands now; reads the database and the node."""
    reader, index = opened(settings)
    try:
        stand, head = index.stand(), reader.head()
        return Position(index.origin, stand.block, stand.timestamp, head.number, index.counts())
    finally:
        index.close()


def rebuild(settings: IndexerSettings, progress: Progress) -> Stand:
    """Forget everything and read the chain again, to its head; where the index stands then."""
    reader, index = opened(settings)
    try:
        index.clear()
        _catch_up(Follower(index, reader, threading.Event(), progress), settings.poll_seconds)
        return index.stand()
    finally:
        index.close()


def opened(settings: IndexerSettings) -> tuple[RangeReader, Index]:
    """The reader of the deployment's events, and the index of them."""
    network = Network.connect(settings.model_copy(update={"keystore": None}))
    sources = network.sources(network.own_contracts())
    pace = Pace(settings.calls_per_second)
    reader = RangeReader(network.web3, sources, settings.blocks_per_call, pace)
    start = network.deployment.block if settings.start_block is None else settings.start_block
    origin = f"chain {network.chain_id}, Settlement {network.settlement.address}"
    return reader, Index(settings.url(), origin, start, settings.reorg_depth)


def _catch_up(follower: Follower, seconds: float) -> None:
    for attempt in range(REBUILD_ATTEMPTS):
        try:
            return follower.turn()
        except ChainError as error:
            if attempt == REBUILD_ATTEMPTS - 1:
                raise
            logs.warning("rebuild_waits", code=error.code, error=error.message)
            time.sleep(min(seconds * 2**attempt, BACKOFF_LIMIT_SECONDS))
