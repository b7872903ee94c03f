"""Plays every game that this challenger opened, several at once, to the end."""

from __future__ import annotations

import numpy as np

from assay.chain.game_view import GameView
from assay.chain.network import Network
from assay.chain.table import GameTable
from assay.challenger.evidence import Evidence
from assay.challenger.solver import Guide, Nowhere, Truth, next_move
from assay.core.game import ChallengerMove, Player
from assay.core.wire import ClaimData
from assay.exact import sampling
from assay.trace.commitment import ModelCommitment
from assay.trace.pass_trace import PassTrace


class GamePlayer(GameTable):
    """The challenger's side: points at what differs from its own recomputation."""

    def __init__(
        self,
        network: Network,
        evidence: Evidence,
        commitment: ModelCommitment,
        address: str,
        start_block: int | None,
    ) -> None:
        super().__init__(network, Player.CHALLENGER, address, start_block)
        self._evidence = evidence
        self._commitment = commitment
        self._guides: dict[bytes, Truth] = {}

    def _next(self, view: GameView) -> ChallengerMove | None:
        return next_move(view.state, self._guide(view), self._now())

    def _ended(self, view: GameView) -> None:
        super()._ended(view)
        with self._lock:
            self._guides.pop(view.game_id, None)

    def _guide(self, view: GameView) -> Guide:
        """The recomputed pass, built once we have to point somewhere."""
        if view.state.turn is Player.PROVIDER or view.state.claim_dead:
            return Nowhere()
        with self._lock:
            guide = self._guides.get(view.game_id)
        if guide is None:
            record = view.record
            data = self._evidence.get(record.provider, record.batch_id, record.index)
            guide = make_truth(self._commitment, data, record.token_index)
            with self._lock:
                self._guides[view.game_id] = guide
        return guide


def make_truth(commitment: ModelCommitment, data: ClaimData, token_index: int) -> Truth:
    """Recompute the pass that should have produced output token `token_index`."""
    trace = PassTrace(commitment, [*data.prompt, *data.output[:token_index]])
    model, job = commitment.model, data.job
    token = sampling.sample(
        trace.tensors[-1].values[0].astype(np.int64),
        job.inv_temperature,
        model.logit_fraction,
        job.seed,
        token_index,
        model.gumbel,
    )
    claimed = data.output[token_index] if token_index < len(data.output) else -1
    return Truth(trace, token, claimed)
