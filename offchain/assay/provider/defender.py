"""Plays every game against this provider's claims, several at once, unattended."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

from assay.chain.events import EventReader
from assay.chain.game_view import GameView
from assay.chain.games import Games
from assay.chain.network import Network
from assay.core import logs
from assay.core.errors import AssayError, ChainError
from assay.core.game import Phase, Player, ProviderMove, Timeout
from assay.core.hashes import OUTPUT_SIDE, PROMPT_SIDE
from assay.core.tokens import TokenList
from assay.provider.cheat import Honest
from assay.provider.journal import Entry, Journal
from assay.provider.responder import Defence, next_move
from assay.trace.commitment import ModelCommitment

GAMES_AT_ONCE = 4
TRACES_KEPT = 4
"""A trace holds every step's output; games over the same token share it."""


class Defender:
    """A loop's turn: learn of new games, then move in every game that waits for us."""

    def __init__(
        self,
        network: Network,
        journal: Journal,
        commitment: ModelCommitment,
        cheat: Honest,
        address: str,
    ) -> None:
        self._network = network
        self._games = Games(network)
        self._reader: EventReader = network.reader()
        self._journal = journal
        self._commitment = commitment
        self._cheat = cheat
        self._address = address
        self._lock = threading.Lock()
        self._active: set[bytes] = set()
        self._busy: set[bytes] = set()
        self._defences: OrderedDict[tuple[bytes, int], Defence] = OrderedDict()
        self._pool = ThreadPoolExecutor(GAMES_AT_ONCE, thread_name_prefix="defend")

    def turn(self) -> None:
        self._learn()
        with self._lock:
            waiting = [game for game in self._active if game not in self._busy]
            self._busy.update(waiting)
        for game in waiting:
            self._pool.submit(self._attend, game)

    def active(self) -> int:
        with self._lock:
            return len(self._active)

    def close(self) -> None:
        """Finish the moves under way; their games are taken up again at the next start."""
        self._pool.shutdown(wait=True)

    def _learn(self) -> None:
        try:
            update = self._reader.poll()
        except ChainError:
            self._reader = self._network.reader()  # after a deep reorganisation: from the start
            raise
        with self._lock:
            for event in update.removed:
                if event.name == "GameOpened":
                    self._active.discard(event.args["game_id"])
            for event in update.added:
                if event.name == "GameOpened" and event.args["provider"] == self._address:
                    self._active.add(event.args["game_id"])
                elif event.name in ("GameResolved", "GameClosed"):
                    self._active.discard(event.args["game_id"])

    def _attend(self, game_id: bytes) -> None:
        try:
            self._move(game_id)
        except AssayError as error:
            logs.warning("game_move_failed", game=game_id, code=error.code, error=error.message)
        except Exception:
            logs.LOGGER.exception("game_crashed")
        finally:
            with self._lock:
                self._busy.discard(game_id)

    def _move(self, game_id: bytes) -> None:
        view = self._games.view(game_id)
        if view.state.phase is Phase.RESOLVED:
            with self._lock:
                self._active.discard(game_id)
            return
        move = self._next(view)
        if move is not None:
            mined = self._games.play(view, move)
            logs.event(
                "game_move",
                game=game_id,
                move=type(move).__name__,
                transaction=mined.hash,
                gas=mined.gas_used,
            )

    def _next(self, view: GameView) -> ProviderMove | Timeout | None:
        state = view.state
        if state.turn is Player.CHALLENGER:
            now = max(self._network.now(), int(time.time()))
            return Timeout() if now > state.deadline else None
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
