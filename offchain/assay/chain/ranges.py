"""Reads the events of a deployment range by range, for whoever keeps a copy of them.

Unlike `chain.events`, nothing is remembered here: the caller says where it stands, and learns
from block hashes whether that block is still the chain's. Calls are paced, and a range that an
endpoint refuses is halved; endpoints state their limits nowhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from web3 import Web3
from web3.exceptions import BlockNotFound, Web3RPCError
from web3.types import LogReceipt

from assay.chain.events import BLOCKS_PER_CALL, Event, EventDecoder, Source
from assay.chain.node import node_errors, url_of
from assay.core.errors import ChainError, NodeUnavailable


@dataclass(frozen=True)
class Block:
    """A block's number, hash (0x-hex) and Unix time."""

    number: int
    hash: str
    timestamp: int


@dataclass(frozen=True)
class Chunk:
    """Events of a range in order, the times of their blocks by number, and its last block."""

    events: Sequence[Event]
    times: Mapping[int, int]
    last: Block


class Pace:
    """Lets at most so many calls a second pass; 0 lets all pass."""

    def __init__(
        self,
        per_second: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._gap = 1 / per_second if per_second else 0.0
        self._clock, self._sleep = clock, sleep
        self._next = 0.0

    def wait(self) -> None:
        now = self._clock()
        if now < self._next:
            self._sleep(self._next - now)
        self._next = max(now, self._next) + self._gap


class RangeReader:
    """One deployment's events; `calls` counts what was asked of the node.

    `topics`: of these logs only, as `eth_getLogs` takes them (None: any at that place).
    """

    def __init__(
        self,
        web3: Web3,
        sources: Sequence[Source],
        blocks_per_call: int = BLOCKS_PER_CALL,
        pace: Pace | None = None,
        topics: Sequence[str | None] = (),
    ) -> None:
        self._web3 = web3
        self._decoder = EventDecoder(web3, sources)
        self._addresses = [source.address for source in sources]
        self._topics = list(topics)
        self._limit = self._span = blocks_per_call
        self._pace = pace or Pace(0)
        self.calls = 0

    def head(self) -> Block:
        """The newest block."""
        found = self._block("latest")
        assert found is not None, "a chain has a newest block"
        return found

    def block(self, number: int) -> Block | None:
        """The block of this number; None beyond the head."""
        return self._block(number)

    def read(self, first: int, head: int) -> Chunk:
        """Events from block `first` on, as many blocks as the node answers for, `head` at most.

        Raises ChainError if the chain changed meanwhile; then the caller looks again where it
        stands.
        """
        stop = min(first + self._span - 1, head)
        last = self._required(stop)
        logs, stop = self._logs(first, stop)
        if stop != last.number:
            last = self._required(stop)
        times = self._times(logs)
        if self.block(stop) != last:
            raise ChainError(f"block {stop} changed while it was read; it is read again")
        found = (self._decoder.decode(log) for log in logs)
        return Chunk([event for event in found if event is not None], times, last)

    def _logs(self, first: int, stop: int) -> tuple[list[LogReceipt], int]:
        """Raw logs, and the last block that they cover."""
        while True:
            wanted: dict[str, Any] = {
                "fromBlock": first,
                "toBlock": stop,
                "address": self._addresses,
            }
            wanted |= {"topics": self._topics} if self._topics else {}
            try:
                logs = self._ask(partial(self._web3.eth.get_logs, cast(Any, wanted)))
            except NodeUnavailable:
                self._span = max((stop - first + 1) // 2, 1)  # it may have been too much
                raise
            except Web3RPCError as error:
                if stop == first:
                    raise ChainError(
                        f"the node at {url_of(self._web3)} refuses the events of block {first} "
                        f"alone: {error}; use another node (ASSAY_RPC_URL)"
                    ) from error
                self._span = max((stop - first + 1) // 2, 1)
                stop = first + self._span - 1
                continue
            self._span = min(self._span * 2, self._limit)
            return logs, stop

    def _times(self, logs: Sequence[LogReceipt]) -> dict[int, int]:
        """Unix times by block: from the logs where the node states them, else from headers."""
        times: dict[int, int] = {}
        for log in logs:
            number, stated = int(log["blockNumber"]), log.get("blockTimestamp")
            if number not in times:
                times[number] = int(str(stated), 0) if stated else self._required(number).timestamp
        return times

    def _required(self, number: int) -> Block:
        found = self.block(number)
        if found is None:
            raise ChainError(f"block {number} is gone: the chain was reorganised; looking again")
        return found

    def _block(self, which: Any) -> Block | None:
        try:
            found = self._ask(partial(self._web3.eth.get_block, which))
        except BlockNotFound:
            return None
        number, hashed = int(found["number"]), found["hash"].to_0x_hex()
        return Block(number, hashed, int(found["timestamp"]))

    def _ask(self, call: Callable[[], Any]) -> Any:
        self._pace.wait()
        self.calls += 1
        with node_errors(url_of(self._web3)):
            return call()
