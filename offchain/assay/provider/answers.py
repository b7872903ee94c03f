"""What a provider owes to audits of its claims: data that is demanded on chain, and its word.

Whatever must be done can be read from the chain anew: a restart forgets nothing. What is late is
lost, so each turn does all that is due.
"""

from __future__ import annotations

from collections.abc import Sequence

from assay.chain.audits import PIECE, AuditState, Shown
from assay.chain.network import Network
from assay.chain.settlement import ClaimStatus
from assay.core import logs
from assay.core.errors import AssayError, DeepReorganisation
from assay.core.hashes import OUTPUT_SIDE, PROMPT_SIDE
from assay.core.merkle import depth_of
from assay.core.tokens import TokenList
from assay.core.types import PRIVATE_DATA, ZERO_HASH
from assay.core.wire import ClaimData
from assay.provider.cheat import Honest
from assay.provider.journal import Journal, claim_data
from assay.trace.commitment import Commitment, known

ANSWERS, COMMITS, VOUCHES = 3, 4, 5
"""Eighths of the window (contracts/interfaces/IAudits.vyi)."""
PIECE_DEPTH = PIECE.bit_length() - 1
NOBODY = "0x" + "00" * 20

Claim = tuple[bytes, int]
"""Batch id and index."""


class AuditAnswers:
    """A loop's turn: learn which claims are audited, then answer for each."""

    def __init__(
        self,
        network: Network,
        journal: Journal,
        commitments: Sequence[Commitment],
        cheat: Honest,
        address: str,
    ) -> None:
        self._network = network
        self._journal = journal
        self._commitments: dict[bytes, Commitment] = {
            commitment.model_root: commitment for commitment in commitments
        }
        self._cheat = cheat
        self._address = address
        self._reader = network.reader(contracts=("Audits",))
        self._claims: set[Claim] = set()

    def turn(self) -> None:
        self._learn()
        for claim in list(self._claims):
            try:
                if self._done(*claim):
                    self._claims.discard(claim)
            except AssayError as error:
                logs.warning(
                    "audit_unanswered", batch=claim[0], index=claim[1], error=error.message
                )

    def _learn(self) -> None:
        try:
            update = self._reader.poll()
        except DeepReorganisation:
            self._reader = self._network.reader(contracts=("Audits",))
            raise
        for event in update.added:
            mine = event.args.get("provider") == self._address
            if mine and event.name in ("DataRequested", "Committed"):
                self._claims.add((event.args["batch_id"], event.args["index"]))

    def _done(self, batch_id: bytes, index: int) -> bool:
        """Do what is due about a claim; True once nothing more can become due."""
        network = self._network
        claim_id = network.settlement.claim_id(batch_id, index)
        state, now = network.audits.audit(claim_id), network.now()
        over = now > network.audits.deadline(batch_id, VOUCHES) or state.witness != ZERO_HASH
        ended = network.settlement.status(batch_id, index) is not ClaimStatus.OPEN
        if over or ended or state.excused or not self._cheat.answers_games:
            return True
        data = self._data(batch_id, index)
        if data is None:
            return True
        if data.job.data_mode == PRIVATE_DATA:
            self._show(data)
            return True
        if state.requester != NOBODY and now <= network.audits.deadline(batch_id, ANSWERS):
            self._publish(data, state)
        if state.first != NOBODY and now > network.audits.deadline(batch_id, COMMITS):
            self._vouch(data)
            return True
        return False

    def _data(self, batch_id: bytes, index: int) -> ClaimData | None:
        batch = self._journal.batch(batch_id)
        data = claim_data(self._journal, batch, index) if batch else None
        if data is None:
            logs.warning("audit_of_unknown_claim", batch=batch_id, index=index)
        return data

    def _of(self, data: ClaimData) -> Commitment:
        return known(self._commitments, data.job.model_root)

    def _shown(self, data: ClaimData) -> Shown:
        return Shown(data.receipt, data.proof, data.job, self._of(data).header)

    def _show(self, data: ClaimData) -> None:
        self._network.audits.show(data.batch_id, data.index, self._shown(data))
        logs.event("claim_shown", job=data.receipt.job_id)

    def _publish(self, data: ClaimData, state: AuditState) -> None:
        """Show the claim unless it is shown, then its tokens from where an earlier turn ended."""
        if not state.shown:
            self._show(data)
        lists = [(PROMPT_SIDE, data.prompt)]
        if not self._of(data).header.embeds:
            lists.append((OUTPUT_SIDE, data.output))
        before = 0
        for side, tokens in lists:
            tree = TokenList(tokens, data.salt, side)
            for first in range(0, len(tokens), PIECE):
                if before + first >= state.published:
                    self._piece(data, tree, first)
            before += len(tokens)
        logs.warning("data_published", job=data.receipt.job_id, tokens=before)

    def _piece(self, data: ClaimData, tree: TokenList, first: int) -> None:
        path = tree.open(first).path[min(depth_of(len(tree.tokens)), PIECE_DEPTH) :]
        tokens = tree.tokens[first : first + PIECE]
        self._network.audits.publish(data.batch_id, data.index, tokens, data.salt, path)

    def _vouch(self, data: ClaimData) -> None:
        commitment = self._of(data)
        before = () if commitment.header.embeds else data.output[:-1]
        witness = self._cheat.trace(commitment, data.prompt, before).witness
        self._network.audits.vouch(data.batch_id, data.index, self._shown(data), witness)
        logs.event("claim_vouched", job=data.receipt.job_id, witness=witness)
