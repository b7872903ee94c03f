"""Reads a set of contracts' events by block ranges, and notices when a reorganisation undoes some.

Every poll reads the last `reorg_depth` blocks again. An event is known by (block hash, log
index): one that is gone from a block number that is read again was undone, and is reported so.
Knows nothing of what events mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from eth_utils.abi import event_abi_to_log_topic
from web3 import Web3
from web3._utils.events import get_event_data
from web3.exceptions import BlockNotFound
from web3.types import LogReceipt

from assay.chain.node import node_errors, url_of
from assay.core.errors import DeepReorganisation, NodeUnavailable

BLOCKS_PER_CALL = 2_000  # public endpoints refuse much longer ranges


@dataclass(frozen=True)
class Event:
    """One decoded log. `args` maps the event's parameters to values, structs to mappings."""

    contract: str
    name: str
    args: Mapping[str, Any]
    block_number: int
    block_hash: str
    transaction: str
    log_index: int
    address: str

    @property
    def key(self) -> tuple[str, int]:
        """Identity: the same log in another block is another event."""
        return self.block_hash, self.log_index


@dataclass(frozen=True)
class Update:
    """What a poll found: events undone by a reorganisation (newest first), then new ones."""

    removed: list[Event]
    added: list[Event]
    head: int


@dataclass(frozen=True)
class Source:
    """A contract to read: its name in messages and events, address and ABI."""

    name: str
    address: str
    abi: Sequence[Mapping[str, Any]]


class EventDecoder:
    """Turns raw logs of known contracts into `Event`s; other logs are None."""

    def __init__(self, web3: Web3, sources: Iterable[Source]) -> None:
        self._codec = web3.codec
        self._events: dict[tuple[str, bytes], tuple[str, Any]] = {}
        for source in sources:
            for entry in source.abi:
                if entry.get("type") == "event":
                    topic = event_abi_to_log_topic(cast(Any, entry))
                    self._events[source.address.lower(), topic] = (source.name, entry)

    def decode(self, log: LogReceipt) -> Event | None:
        topics = log["topics"]
        found = self._events.get((log["address"].lower(), bytes(topics[0]) if topics else b""))
        if found is None:
            return None
        contract, abi = found
        data = get_event_data(self._codec, abi, log)
        return Event(
            contract=contract,
            name=str(abi["name"]),
            args=dict(data["args"]),
            block_number=int(log["blockNumber"]),
            block_hash=log["blockHash"].to_0x_hex(),
            transaction=log["transactionHash"].to_0x_hex(),
            log_index=int(log["logIndex"]),
            address=str(log["address"]),
        )


class EventReader:
    """Follows contracts from `start_block` on.

    Parameters: `reorg_depth` blocks are read again at every poll; a deeper reorganisation raises
    ChainError, and the caller rebuilds from `start_block` with a new reader.
    """

    def __init__(
        self,
        web3: Web3,
        sources: Sequence[Source],
        start_block: int = 0,
        reorg_depth: int = 12,
        blocks_per_call: int = BLOCKS_PER_CALL,
    ) -> None:
        self.web3 = web3
        self._decoder = EventDecoder(web3, sources)
        self._addresses = [source.address for source in sources]
        self._start = start_block
        self._depth = reorg_depth
        self._blocks_per_call = blocks_per_call
        self._next = start_block
        self._anchor: tuple[int, str] | None = None  # newest block that is never read again
        self._recent: dict[tuple[str, int], Event] = {}
        self._head_hash = ""  # of the last poll; it stands for the whole chain below it

    def poll(self) -> Update:
        """Everything since the last poll, undone events included. If it raises, the next one has
        what this one would have had."""
        with node_errors(url_of(self.web3)):
            newest = self.web3.eth.get_block("latest")
            head, head_hash = int(newest["number"]), newest["hash"].to_0x_hex()
            if head_hash == self._head_hash:
                return Update([], [], head)
            self._check_anchor()
            first = max(self._start, min(self._next, head + 1) - self._depth)
            seen = {event.key: event for event in self._read(first, head)}
            anchor = self._anchor_at(head - self._depth)
        known = {key: event for key, event in self._recent.items() if event.block_number >= first}
        removed = [event for key, event in known.items() if key not in seen]
        added = [event for key, event in seen.items() if key not in known]
        self._remember(seen, head)
        self._anchor, self._head_hash = anchor or self._anchor, head_hash
        return Update(sorted(removed, key=_place, reverse=True), sorted(added, key=_place), head)

    def _read(self, first: int, last: int) -> Iterable[Event]:
        for start in range(first, last + 1, self._blocks_per_call):
            stop = min(start + self._blocks_per_call - 1, last)
            logs = self.web3.eth.get_logs(
                cast(Any, {"fromBlock": start, "toBlock": stop, "address": self._addresses})
            )
            yield from filter(None, map(self._event, logs))

    def _event(self, log: LogReceipt) -> Event | None:
        """A log that was read before is not decoded again, which costs most of a poll."""
        known = self._recent.get((log["blockHash"].to_0x_hex(), int(log["logIndex"])))
        return known or self._decoder.decode(log)

    def _remember(self, seen: Mapping[tuple[str, int], Event], head: int) -> None:
        oldest = head + 1 - self._depth  # first block of the next poll, if the head stands still
        self._recent = {key: event for key, event in seen.items() if event.block_number >= oldest}
        self._next = head + 1

    def _anchor_at(self, number: int) -> tuple[int, str] | None:
        """The block before the first one of the next poll; None if that is the first of all."""
        if number < self._start:
            return None
        if not (block_hash := self._block_hash(number)):
            raise NodeUnavailable(f"the node does not have block {number}, below its newest one")
        return number, block_hash

    def _check_anchor(self) -> None:
        if self._anchor is None:
            return
        number, known = self._anchor
        if self._block_hash(number) != known:
            raise DeepReorganisation(
                f"block {number} changed: a reorganisation deeper than {self._depth} blocks; "
                f"read again from block {self._start}, or raise ASSAY_REORG_DEPTH"
            )

    def _block_hash(self, number: int) -> str:
        try:
            return self.web3.eth.get_block(number)["hash"].to_0x_hex()
        except BlockNotFound:
            return ""


def _place(event: Event) -> tuple[int, int]:
    return event.block_number, event.log_index
