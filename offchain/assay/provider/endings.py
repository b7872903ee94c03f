"""How claims end on chain, by events: the journal notes each end, and forgets one taken back.

No claim is asked after one by one, of which a provider may have a hundred thousand. A claim that is
paid is looked at no more; so a reorganisation that undoes the payment must be noticed by its event,
and the last `reorg_depth` blocks are read again at every turn. What a reorganisation undid while
the process was down, or deeper than that, shows in the newest claims' states, which are compared
with the chain's at the start.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from assay.chain.events import Event, EventReader
from assay.chain.network import Network
from assay.chain.node import node_errors, url_of
from assay.chain.settlement import ClaimStatus
from assay.core import logs
from assay.core.errors import DeepReorganisation
from assay.provider.journal import Entry, Journal

STATES = {
    "ClaimFinalised": "final",
    "ClaimConvicted": "dead",
    "ClaimAbandoned": "dead",
    "ClaimWithdrawn": "dead",
}
COMPARED = 256
"""Claims that ended last, which a start compares with the chain."""


class Endings:
    """A loop's turn; a turn that cannot reach the node raises, and the next one begins anew.

    Attributes:
        moved: batches that came onto the chain or went from it in the last turn.
    """

    def __init__(self, network: Network, journal: Journal) -> None:
        self._network = network
        self._journal = journal
        self._reader: EventReader | None = None
        self.moved: set[bytes] = set()

    def turn(self) -> bool:
        """Note what ended since the last turn. False if more may have ended before: at the start,
        and after a reorganisation too deep to follow."""
        if self._reader is None:
            self._begin()
            return False
        try:
            update = self._reader.poll()
        except DeepReorganisation:
            self._begin()
            return False
        self.moved = {
            bytes(event.args["batch_id"])
            for event in (*update.removed, *update.added)
            if event.name == "BatchPosted"
        }
        for entry, _ in self._ours(update.removed):
            if entry.state != "open":
                self._reopen(entry)
        ended = list(self._ours(update.added))
        self._journal.set_states([(entry.job_id, STATES[name]) for entry, name in ended])
        for entry, name in ended:
            logs.event("claim_ended", job=entry.job_id, by=name)
        return True

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

    def _ours(self, events: Iterable[Event]) -> Iterator[tuple[Entry, str]]:
        """The journal's claims that events tell of, and the events' names."""
        for event in events:
            if event.name in STATES:
                batch_id, index = bytes(event.args["batch_id"]), int(event.args["index"])
                if (entry := self._journal.claim_in(batch_id, index)) is not None:
                    yield entry, event.name

    def _reopen(self, entry: Entry) -> None:
        self._journal.set_state(entry.job_id, "open")
        logs.warning("claim_reopened", job=entry.job_id)
