"""Plays every game that this challenger opened, many at once, to the end."""

from __future__ import annotations

from collections.abc import Sequence

from assay.chain.game_view import GameView
from assay.chain.network import Network
from assay.chain.table import ALERT_SECONDS, GameTable
from assay.chain.urgency import Urgency
from assay.challenger.audit import check_data
from assay.challenger.evidence import Evidence
from assay.challenger.solver import Guide, Nowhere, next_move
from assay.challenger.truths import Truths
from assay.core.errors import ProofError
from assay.core.game import ChallengerMove, Player
from assay.core.outputs import output_root
from assay.core.wire import ClaimData
from assay.trace.commitment import Commitment, known


class GamePlayer(GameTable):
    """The challenger's side: points at what differs from its own recomputation.

    `truths` are shared with the auditor if given; the rest is `GameTable`'s.
    """

    def __init__(
        self,
        network: Network,
        evidence: Evidence,
        commitments: Sequence[Commitment],
        address: str,
        start_block: int | None,
        truths: Truths | None = None,
        urgency: Urgency | None = None,
        alert_seconds: float = ALERT_SECONDS,
    ) -> None:
        super().__init__(network, Player.CHALLENGER, address, start_block, urgency, alert_seconds)
        self._evidence = evidence
        self._commitments: dict[bytes, Commitment] = {
            commitment.model_root: commitment for commitment in commitments
        }
        self._truths = truths or Truths(commitments)
        self._data: dict[bytes, ClaimData] = {}

    def _next(self, view: GameView) -> ChallengerMove | None:
        return next_move(view.state, self._guide(view), self._now())

    def _ended(self, view: GameView) -> None:
        super()._ended(view)
        with self._lock:
            self._data.pop(view.game_id, None)

    def _unready(self, view: GameView) -> bool:
        if not _must_point(view):
            return False
        with self._lock:
            data = self._data.get(view.game_id)
        return data is None or not self._truths.has(data, view.record.token_index)

    def _build(self, view: GameView) -> None:
        self._guide(view)

    def _guide(self, view: GameView) -> Guide:
        """The recomputed pass, built once we have to point somewhere."""
        if not _must_point(view):
            return Nowhere()
        return self._truths.of(self._claim(view), view.record.token_index)

    def _claim(self, view: GameView) -> ClaimData:
        """The game's claim; ProofError if what we have is not what its batch committed to.

        Data that was lost here is fetched again from the provider, who may send something else by
        now: pointing by it would lose the game.
        """
        with self._lock:
            data = self._data.get(view.game_id)
        if data is None:
            record = view.record
            data = self._evidence.get(record.provider, record.batch_id, record.index)
            root = self._network.settlement.batch(record.batch_id).root
            check_data(data, root, record.provider, view.job_id)
            header = known(self._commitments, data.job.model_root).header
            if not header.embeds:
                found = output_root(header, data.output, data.salt)
                if found != data.receipt.output_root:
                    raise ProofError("the output is not the receipt's")
            with self._lock:
                self._data[view.game_id] = data
        return data


def _must_point(view: GameView) -> bool:
    return view.state.turn is Player.CHALLENGER and not view.state.claim_dead
