"""What is open on the chain, from its events: batches, games, channels, work that is not rewarded.

It only says where to look: a job asks the contracts before it sends anything. A reorganisation
that undoes an event makes it read everything again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from assay.chain.events import Event, EventReader
from assay.chain.network import Network
from assay.chain.node import node_errors, url_of
from assay.core import logs
from assay.core.errors import DeepReorganisation
from assay.core.vouchers import day_of

CONTRACTS = ("Settlement", "DisputeGame", "CreditLedger", "EmissionController")


@dataclass
class OpenBatch:
    """A batch of which claims are open: all but those `ended`."""

    provider: str
    count: int
    challenge_until: int
    ended: set[int] = field(default_factory=set)

    def open_claims(self) -> list[int]:
        return [index for index in range(self.count) if index not in self.ended]


@dataclass
class Open:
    """`channels` by owner and payee, `work` by provider and day; `rolled` is the day that the
    emission's books are at."""

    rolled: int
    batches: dict[bytes, OpenBatch] = field(default_factory=dict)
    games: set[bytes] = field(default_factory=set)
    channels: set[tuple[str, str]] = field(default_factory=set)
    work: set[tuple[str, int]] = field(default_factory=set)

    def copy(self) -> Open:
        """To look at while another thread reads on."""
        return Open(
            self.rolled, dict(self.batches), set(self.games), set(self.channels), set(self.work)
        )


class Watch:
    """Follows a deployment's events; safe to share between threads."""

    def __init__(self, network: Network, start_block: int | None) -> None:
        self._network = network
        self._start = network.deployment.block if start_block is None else start_block
        self._lock = threading.RLock()
        self._begin()

    def open(self) -> Open:
        """What is open at the newest block."""
        with self._lock:
            self._read()
            return self._open.copy()

    def _read(self) -> None:
        try:
            update = self._reader.poll()
        except DeepReorganisation as error:
            return self._again(error.message)
        if update.removed:
            return self._again(f"{len(update.removed)} events undone")
        for event in update.added:
            self._fold(event)

    def _begin(self) -> None:
        network = self._network
        self._reader = EventReader(
            network.web3, network.sources(CONTRACTS), self._start, network.reorg_depth
        )
        with node_errors(url_of(network.web3)):
            begun = network.web3.eth.get_block(network.deployment.block)["timestamp"]
        self._open = Open(rolled=day_of(int(begun)))

    def _again(self, why: str) -> None:
        logs.warning("events_read_again", why=why)
        self._begin()
        for event in self._reader.poll().added:
            self._fold(event)

    def _fold(self, event: Event) -> None:
        found = _FOLDS.get(event.name)
        if found is not None:
            found(self._open, event.args)


Args = Mapping[str, Any]


def _batch_posted(known: Open, args: Args) -> None:
    known.batches[bytes(args["batch_id"])] = OpenBatch(
        args["provider"], args["count"], args["challenge_until"]
    )


def _claim_ended(known: Open, args: Args) -> None:
    batch_id = bytes(args["batch_id"])
    batch = known.batches.get(batch_id)
    if batch is not None:
        batch.ended.add(args["index"])
        if len(batch.ended) == batch.count:
            del known.batches[batch_id]


def _game_opened(known: Open, args: Args) -> None:
    known.games.add(bytes(args["game_id"]))


def _game_over(known: Open, args: Args) -> None:
    known.games.discard(bytes(args["game_id"]))


def _channel_set(known: Open, args: Args) -> None:
    known.channels.add((args["owner"], args["payee"]))


def _channel_closed(known: Open, args: Args) -> None:
    known.channels.discard((args["owner"], args["payee"]))


def _day_rolled(known: Open, args: Args) -> None:
    known.rolled = max(known.rolled, args["day"])


def _work_recorded(known: Open, args: Args) -> None:
    known.work.add((args["provider"], args["day"]))


def _work_rewarded(known: Open, args: Args) -> None:
    known.work.discard((args["provider"], args["day"]))


_FOLDS: dict[str, Callable[[Open, Args], None]] = {
    "BatchPosted": _batch_posted,
    "ClaimFinalised": _claim_ended,
    "ClaimConvicted": _claim_ended,
    "ClaimAbandoned": _claim_ended,
    "ClaimWithdrawn": _claim_ended,
    "GameOpened": _game_opened,
    "GameResolved": _game_over,
    "GameClosed": _game_over,
    "ChannelSet": _channel_set,
    "ChannelClosed": _channel_closed,
    "DayRolled": _day_rolled,
    "WorkRecorded": _work_recorded,
    "WorkRewarded": _work_rewarded,
}
