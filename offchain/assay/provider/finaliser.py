"""Brings posted claims to their end: collects payment after the window, notes convictions."""

from __future__ import annotations

import time
from collections.abc import Sequence

from assay.chain.network import Network
from assay.chain.settlement import ClaimStatus, Finalisation
from assay.core import logs
from assay.core.errors import ContractReverted
from assay.provider.journal import Batch, Entry, Journal, batch_tree

CLAIMS_PER_CALL = 16
"""The limit of `finalise_many`."""
ENDED = {
    ClaimStatus.FINALISED: "final",
    ClaimStatus.CONVICTED: "dead",
    ClaimStatus.ABANDONED: "dead",
}


class Finaliser:
    """A loop's turn: look at every posted batch that has open claims."""

    def __init__(self, network: Network, journal: Journal) -> None:
        self._network = network
        self._journal = journal

    def turn(self) -> None:
        # An idle chain's newest block may be old; what was judged too early is tried again.
        now = max(self._network.now(), int(time.time()))
        for batch in self._journal.open_batches():
            until = self._network.settlement.challenge_until(batch.batch_id)
            if until == 0:
                # A reorganisation took the batch back: the poster sends it again.
                self._journal.mark_unposted(batch.nonce)
                logs.warning("batch_vanished", batch=batch.batch_id)
                continue
            ready = self._open_claims(batch, window_over=now > until)
            for start in range(0, len(ready), CLAIMS_PER_CALL):
                self._finalise(batch, ready[start : start + CLAIMS_PER_CALL])

    def _open_claims(self, batch: Batch, window_over: bool) -> list[Finalisation]:
        """Claims that nothing keeps from being paid; notes those that have ended."""
        settlement, game = self._network.settlement, self._network.game
        entries = self._journal.claims_of(batch)
        tree = batch_tree(entries)
        ready = []
        for index, entry in enumerate(entries):
            if entry.state != "open":
                continue
            claim = settlement.claim_id(batch.batch_id, index)
            status = settlement.status(claim)
            if status in ENDED:
                self._ended(entry, claim, status)
            elif window_over and game.open_games(claim) == 0:
                ready.append(_finalisation(index, entry, tree.path(index)))
        return ready

    def _ended(self, entry: Entry, claim: bytes, status: ClaimStatus) -> None:
        self._journal.set_state(entry.job_id, ENDED[status])
        logs.event("claim_ended", job=entry.job_id, claim=claim, status=status.name.lower())

    def _finalise(self, batch: Batch, claims: Sequence[Finalisation]) -> None:
        try:
            mined = self._network.settlement.finalise_many(batch.batch_id, claims)
        except ContractReverted as error:
            if self._network.now() <= self._network.settlement.challenge_until(batch.batch_id):
                return
            if len(claims) == 1:
                self._give_up(batch, claims[0], error)
                return
            for claim in claims:  # one bad claim must not hold up the others
                self._finalise(batch, [claim])
            return
        logs.event(
            "finalised",
            batch=batch.batch_id,
            count=len(claims),
            transaction=mined.hash,
            gas=mined.gas_used,
        )

    def _give_up(self, batch: Batch, claim: Finalisation, error: ContractReverted) -> None:
        """A claim that the contract will not pay: free the bond that it locks."""
        job = claim.receipt.job_id
        logs.warning("finalise_refused", job=job, reason=error.reason)
        self._network.settlement.abandon(batch.batch_id, claim.index)
        logs.warning("claim_abandoned", job=job)


def _finalisation(index: int, entry: Entry, proof: tuple[bytes, ...]) -> Finalisation:
    return Finalisation(index, entry.receipt, proof, entry.job, entry.signature)
