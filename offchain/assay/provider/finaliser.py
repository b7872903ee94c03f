"""Brings posted claims to their end: collects payment after the window, notes convictions."""

from __future__ import annotations

import time
from collections.abc import Sequence

from assay.chain.network import Network
from assay.chain.settlement import CLAIMS_PER_CALL, ClaimStatus, Finalisation
from assay.core import logs
from assay.core.errors import ContractReverted
from assay.core.merkle import MerkleTree, row_path, rows
from assay.provider.endings import Endings
from assay.provider.journal import Batch, Entry, Journal, batch_tree

ENDED = {
    ClaimStatus.FINALISED: "final",
    ClaimStatus.CONVICTED: "dead",
    ClaimStatus.ABANDONED: "dead",
    ClaimStatus.WITHDRAWN: "dead",
}


class Finaliser:
    """A loop's turn: look at every posted batch that has open claims."""

    def __init__(self, network: Network, journal: Journal) -> None:
        self._network = network
        self._journal = journal
        self._endings = Endings(network, journal)
        self._head = b""
        self._until: dict[bytes, int] = {}  # by batch, as of that head
        self._read: set[bytes] = set()  # batches whose claims' ends are in the journal

    def turn(self) -> None:
        """Claims are looked at one by one only where an event says that one has ended, and once
        their window is over."""
        changed = self._endings.turn()
        self._read = set() if changed is None else self._read - changed
        newest = self._network.newest()
        if newest.hash != self._head:
            self._head = newest.hash
            self._until.clear()
        # An idle chain's newest block may be old; what was judged too early is tried again.
        now = max(newest.timestamp, int(time.time()))
        for batch in self._journal.open_batches():
            if batch.batch_id not in self._until:
                self._until[batch.batch_id] = self._network.settlement.challenge_until(
                    batch.batch_id
                )
            until = self._until[batch.batch_id]
            if until == 0:
                # A reorganisation took the batch back: the poster sends it again.
                self._journal.mark_unposted(batch.nonce)
                self._read.discard(batch.batch_id)
                logs.warning("batch_vanished", batch=batch.batch_id)
            elif batch.batch_id not in self._read or now > until:
                self._collect(batch, window_over=now > until)
                self._read.add(batch.batch_id)

    def _collect(self, batch: Batch, window_over: bool) -> None:
        entries = self._journal.claims_of(batch)
        ready = self._open_claims(batch, entries, window_over)
        if ready:
            tree = batch_tree(entries)
            for row in rows(ready, CLAIMS_PER_CALL):
                self._finalise(batch, tree, entries, row)

    def _open_claims(self, batch: Batch, entries: Sequence[Entry], window_over: bool) -> list[int]:
        """Indices of claims that nothing keeps from being paid; notes those that have ended."""
        settlement, game = self._network.settlement, self._network.game
        ready = []
        for index, entry in enumerate(entries):
            if entry.state != "open":
                continue
            status = settlement.status(batch.batch_id, index)
            if status not in ENDED and not window_over:
                continue
            claim = settlement.claim_id(batch.batch_id, index)
            if status in ENDED:
                self._ended(entry, claim, status)
            elif game.open_games(claim) == 0:
                ready.append(index)
        return ready

    def _ended(self, entry: Entry, claim: bytes, status: ClaimStatus) -> None:
        self._journal.set_state(entry.job_id, ENDED[status])
        logs.event("claim_ended", job=entry.job_id, claim=claim, status=status.name.lower())

    def _finalise(
        self, batch: Batch, tree: MerkleTree, entries: Sequence[Entry], row: range
    ) -> None:
        claims = [_finalisation(entry) for entry in entries[row.start : row.stop]]
        ends = row[0], row[-1]
        path = row_path(*ends, *map(tree.path, ends))
        try:
            mined = self._network.settlement.finalise_many(batch.batch_id, row.start, claims, path)
        except ContractReverted as error:
            if self._network.now() <= self._network.settlement.challenge_until(batch.batch_id):
                return
            if len(row) == 1:
                self._give_up(batch, row.start, entries[row.start], error)
                return
            for index in row:  # one bad claim must not hold up the others
                self._finalise(batch, tree, entries, range(index, index + 1))
            return
        logs.event(
            "finalised",
            batch=batch.batch_id,
            count=len(claims),
            transaction=mined.hash,
            gas=mined.gas_used,
        )

    def _give_up(self, batch: Batch, index: int, entry: Entry, error: ContractReverted) -> None:
        """A claim that the contract will not pay: free the bond that it locks."""
        job = entry.receipt.job_id
        logs.warning("finalise_refused", job=job, reason=error.reason)
        self._network.settlement.abandon(batch.batch_id, index)
        logs.warning("claim_abandoned", job=job)


def _finalisation(entry: Entry) -> Finalisation:
    return Finalisation(entry.receipt, entry.job, entry.signature)
