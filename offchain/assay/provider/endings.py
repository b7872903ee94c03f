"""Claims whose end the chain took back: they are open again, and the finaliser brings them to it.

A claim that is paid is looked at no more. So a reorganisation that undoes the payment must be
noticed by its event: the last `reorg_depth` blocks are read again at every turn. What a
reorganisation undid while the process was down, or deeper than that, shows in the newest claims'
states, which are compared with the chain's at the start.
"""

from __future__ import annotations

from assay.chain.events import EventReader
from assay.chain.network import Network
from assay.chain.node import node_errors, url_of
from assay.chain.settlement import ClaimStatus
from assay.core import logs
from assay.core.errors import ChainError, NodeUnavailable
from assay.provider.journal import Entry, Journal

NAMES = frozenset(("ClaimFinalised", "ClaimConvicted", "ClaimAbandoned", "ClaimWithdrawn"))
COMPARED = 256
"""Claims that ended last, which a start compares with the chain."""


class Endings:
    """A loop's turn; a turn that cannot reach the node raises, and the next one begins anew."""

    def __init__(self, network: Network, journal: Journal) -> None:
        self._network = network
        self._journal = journal
        self._reader: EventReader | None = None

    def turn(self) -> set[bytes] | None:
        """Batches in which a claim's end came or went since the last turn; None: in any."""
        if self._reader is None:
            self._begin()
            return None
        try:
            update = self._reader.poll()
        except NodeUnavailable:
            raise
        except ChainError:  # a reorganisation deeper than is read again
            self._begin()
            return None
        for event in update.removed:
            if event.name in NAMES:
                self._undone(bytes(event.args["batch_id"]), int(event.args["index"]))
        changed = (event for event in (*update.removed, *update.added) if event.name in NAMES)
        return {bytes(event.args["batch_id"]) for event in changed}

    def _begin(self) -> None:
        """Read events from here on; then compare, so that nothing falls in between."""
        network = self._network
        sources = network.sources(["Settlement"])
        with node_errors(url_of(network.web3)):
            head = network.web3.eth.block_number
        start = max(network.deployment.block, head - network.reorg_depth)
        reader = EventReader(network.web3, sources, start, network.reorg_depth)
        reader.poll()
        for entry in self._journal.ended(COMPARED):
            batch = self._journal.batch_of(entry)
            if batch is not None and entry.place is not None:
                status = network.settlement.status(batch.batch_id, entry.place)
                if status is ClaimStatus.OPEN:
                    self._reopen(entry)
        self._reader = reader

    def _undone(self, batch_id: bytes, index: int) -> None:
        batch = self._journal.batch(batch_id)
        entries = self._journal.claims_of(batch) if batch is not None else []
        if index < len(entries) and entries[index].state != "open":
            self._reopen(entries[index])

    def _reopen(self, entry: Entry) -> None:
        self._journal.set_state(entry.job_id, "open")
        logs.warning("claim_reopened", job=entry.job_id)
