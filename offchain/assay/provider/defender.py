"""Plays every game against this provider's claims, several at once, unattended."""

from __future__ import annotations

from collections import OrderedDict

from assay.chain.game_view import GameView
from assay.chain.network import Network
from assay.chain.table import GameTable
from assay.core import logs
from assay.core.game import Player, ProviderMove, Timeout
from assay.core.hashes import OUTPUT_SIDE, PROMPT_SIDE
from assay.core.tokens import TokenList
from assay.provider.cheat import Honest
from assay.provider.journal import Entry, Journal
from assay.provider.responder import Defence, next_move
from assay.trace.commitment import ModelCommitment

TRACES_KEPT = 4
"""A trace holds every step's output; games over the same token share it."""


class Defender(GameTable):
    """The provider's side: opens what it committed to."""

    def __init__(
        self,
        network: Network,
        journal: Journal,
        commitment: ModelCommitment,
        cheat: Honest,
        address: str,
    ) -> None:
        super().__init__(network, Player.PROVIDER, address)
        self._journal = journal
        self._commitment = commitment
        self._cheat = cheat
        self._defences: OrderedDict[tuple[bytes, int], Defence] = OrderedDict()

    def _next(self, view: GameView) -> ProviderMove | Timeout | None:
        state = view.state
        if state.turn is Player.CHALLENGER:
            return Timeout() if self._now() > state.deadline else None
        if not self._cheat.answers_games:
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

    def _defence(self, entry: Entry, token_index: int) -> Defence:
        key = (entry.job_id, token_index)
        with self._lock:
            found = self._defences.get(key)
        if found is None:
            found = self._build(entry, token_index)
            with self._lock:
                self._defences[key] = found
                while len(self._defences) > TRACES_KEPT:
                    self._defences.popitem(last=False)
        return found

    def _build(self, entry: Entry, token_index: int) -> Defence:
        before = entry.output[:token_index]
        return Defence(
            job=entry.job,
            receipt=entry.receipt,
            prompt=TokenList(entry.prompt, entry.salt, PROMPT_SIDE),
            output=TokenList(entry.output, entry.salt, OUTPUT_SIDE),
            token_index=token_index,
            trace=self._cheat.trace(self._commitment, entry.prompt, before),
        )
