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

READ_A_TURN = 512
"""Claims that are asked after in one turn, about: others are paid meanwhile."""


class Finaliser:
    """A loop's turn: look at every posted batch that has open claims."""

    def __init__(self, network: Network, journal: Journal) -> None:
        self._network = network
        self._journal = journal
        self._endings = Endings(network, journal)
        self._until: dict[bytes, int] = {}  # by batch; a reorganisation may change it
        self._unread: set[bytes] = set()  # batches of which claims' ends may have been missed

    def turn(self) -> None:
        """Claims are looked at one by one only where an end may have been missed, or where the
        contract refuses to pay several."""
        known = self._endings.turn()
        batches = self._journal.open_batches()
        if known:
            for batch_id in self._endings.moved:
                self._until.pop(batch_id, None)
        else:
            self._until.clear()
            self._unread = {batch.batch_id for batch in batches}
        left = READ_A_TURN
        # An idle chain's newest block may be old; what was judged too early is tried again.
        now = max(self._network.newest().timestamp, int(time.time()))
        for batch in batches:
            if batch.batch_id not in self._until:
                self._until[batch.batch_id] = self._network.settlement.challenge_until(
                    batch.batch_id
                )
            until = self._until[batch.batch_id]
            if until == 0:
                # A reorganisation took the batch back: the poster sends it again.
                self._journal.mark_unposted(batch.nonce)
                del self._until[batch.batch_id]
                logs.warning("batch_vanished", batch=batch.batch_id)
                continue
            if batch.batch_id in self._unread and left > 0:
                self._read_ends(batch)
                self._unread.discard(batch.batch_id)
                left -= batch.count
            if now > until:
                self._collect(batch)

    def _read_ends(self, batch: Batch) -> None:
        for index, entry in enumerate(self._journal.claims_of(batch)):
            if entry.state == "open":
                self._note_end(batch, index, entry)

    def _collect(self, batch: Batch) -> None:
        entries = self._journal.claims_of(batch)
        tree = batch_tree(entries)
        waiting = [index for index, entry in enumerate(entries) if entry.state == "open"]
        for row in rows(waiting, CLAIMS_PER_CALL):
            self._finalise(batch, tree, entries, row)

    def _note_end(self, batch: Batch, index: int, entry: Entry) -> bool:
        """Whether a claim has ended on chain."""
        status = self._network.settlement.status(batch.batch_id, index)
        if status in ENDED:
            self._journal.set_state(entry.job_id, ENDED[status])
            logs.event("claim_ended", job=entry.job_id, status=status.name.lower())
        return status in ENDED

    def _payable(self, batch: Batch, entries: Sequence[Entry], row: range) -> list[int]:
        """Those that have not ended and are in no game."""
        settlement, game = self._network.settlement, self._network.game
        return [
            index
            for index in row
            if not self._note_end(batch, index, entries[index])
            and game.open_games(settlement.claim_id(batch.batch_id, index)) == 0
        ]

    def _finalise(
        self,
        batch: Batch,
        tree: MerkleTree,
        entries: Sequence[Entry],
        row: range,
        checked: bool = False,
    ) -> None:
        """Pay a row; what the contract refuses is looked at claim by claim.

        A claim is given up only if it is refused after it was found payable: a window or a game
        may have ended since the first refusal.
        """
        claims = [_finalisation(entry) for entry in entries[row.start : row.stop]]
        ends = row[0], row[-1]
        path = row_path(*ends, *map(tree.path, ends))
        try:
            mined = self._network.settlement.finalise_many(batch.batch_id, row.start, claims, path)
        except ContractReverted as error:
            if self._network.now() <= self._network.settlement.challenge_until(batch.batch_id):
                return
            if checked and len(row) == 1:
                self._give_up(batch, row.start, entries[row.start], error)
                return
            payable = self._payable(batch, entries, row)
            # Where nothing explains the refusal, one bad claim must not hold up the others.
            most = CLAIMS_PER_CALL if len(payable) < len(row) else 1
            for part in rows(payable, most):
                self._finalise(batch, tree, entries, part, checked=True)
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
