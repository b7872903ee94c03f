"""The chain's time, without a call for each request: a loop reads it, requests look at it."""

from __future__ import annotations

import time

from assay.chain.network import Network
from assay.core.vouchers import day_of


class ChainTime:
    """Timestamp of the newest block as last read; every attribute is safe to read at any time."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.read()

    def read(self) -> None:
        """Ask the node; raises `NodeUnavailable` and keeps the last answer if it is away."""
        self.block = self._network.now()

    @property
    def day(self) -> int:
        """The UTC day that the ledger counts on now."""
        return day_of(self.block)

    @property
    def latest(self) -> int:
        """The later of chain's and our own time: what a deadline has to lie after."""
        return max(int(time.time()), self.block)
