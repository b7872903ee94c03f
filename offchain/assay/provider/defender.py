"""Plays every game against this provider's claims, several at once, unattended."""

from __future__ import annotations

from collections.abc import Sequence

from assay.chain.game_view import GameView
from assay.chain.network import Network
from assay.chain.table import ALERT_SECONDS, GameTable
from assay.chain.urgency import Urgency
from assay.core import logs
from assay.core.game import Player, ProviderMove, Timeout
from assay.core.hashes import OUTPUT_SIDE, PROMPT_SIDE
from assay.core.shelf import Shelf
from assay.core.tokens import TokenList
from assay.provider.cheat import Honest
from assay.provider.journal import Entry, Journal
from assay.provider.responder import Defence, next_move
from assay.trace.commitment import Commitment, known

TRACES_KEPT = 4
"""A trace holds every step's output; games over the same token share it."""


class Defender(GameTable):
    """The provider's side: opens what it committed to."""

    def __init__(
        self,
        network: Network,
        journal: Journal,
        commitments: Sequence[Commitment],
        cheat: Honest,
        address: str,
        urgency: Urgency | None = None,
        alert_seconds: float = ALERT_SECONDS,
    ) -> None:
        super().__init__(network, Player.PROVIDER, address, None, urgency, alert_seconds)
        self._journal = journal
        self._commitments: dict[bytes, Commitment] = {
            commitment.model_root: commitment for commitment in commitments
        }
        self._cheat = cheat
        self._defences: Shelf[tuple[bytes, int], Defence] = Shelf(TRACES_KEPT)

    def _next(self, view: GameView) -> ProviderMove | Timeout | None:
        state = view.state
        if state.turn is Player.CHALLENGER:
            return Timeout() if self._now() > state.deadline else None
        if not self._must_answer(view):
            return None
        entry = self._journal.claim(view.job_id)
        if entry is None:
            logs.warning("game_over_unknown_job", game=view.game_id)
            return None
        try:
            return next_move(state, self._defence(entry, view.record.token_index))
        except IndexError as error:
            # The claim says more than was committed: there is nothing to open.
            logs.warning("game_indefensible", game=view.game_id, error=str(error))
            return None

    def _unready(self, view: GameView) -> bool:
        key = (view.job_id, view.record.token_index)
        return self._must_answer(view) and key not in self._defences

    def _build(self, view: GameView) -> None:
        entry = self._journal.claim(view.job_id)
        if entry is not None:
            self._defence(entry, view.record.token_index)

    def _must_answer(self, view: GameView) -> bool:
        state = view.state
        return state.turn is Player.PROVIDER and not state.claim_dead and self._cheat.answers_games

    def _defence(self, entry: Entry, token_index: int) -> Defence:
        key = (entry.job_id, token_index)
        return self._defences.get(key, lambda: self._make(entry, token_index))

    def _make(self, entry: Entry, token_index: int) -> Defence:
        commitment, output = known(self._commitments, entry.job.model_root), None
        if not commitment.header.embeds:
            output = TokenList(entry.output, entry.salt, OUTPUT_SIDE)
        before = output.tokens[:token_index] if output else ()
        return Defence(
            job=entry.job,
            receipt=entry.receipt,
            prompt=TokenList(entry.prompt, entry.salt, PROMPT_SIDE),
            output=output,
            token_index=token_index,
            trace=self._cheat.trace(commitment, entry.prompt, before),
        )
