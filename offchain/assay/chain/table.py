"""The games that one account plays, several at once, to the end.

What both players do alike: learn from events which games are theirs, look at each anew on every
turn, send the move that their rules give, survive whatever a single game throws. The rules are
the subclasses': the provider's responder, the challenger's solver.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor

from assay.chain.game_view import GameView
from assay.chain.games import Games, Move
from assay.chain.network import Network
from assay.core import logs
from assay.core.errors import AssayError, ChainError
from assay.core.game import Phase, Player

GAMES_AT_ONCE = 4


class GameTable(ABC):
    """A loop's turn: learn of new games, then move in every game that waits for us.

    Args:
        network: the chain, with the account that plays.
        role: which side of its games the account is.
        address: the account.
        start_block: where to begin reading events; None for the deployment's block.
    """

    def __init__(
        self, network: Network, role: Player, address: str, start_block: int | None = None
    ) -> None:
        self._network = network
        self._games = Games(network)
        self._role = role
        self._address = address
        self._start = start_block
        self._reader = network.reader(start_block)
        self._lock = threading.Lock()
        self._active: set[bytes] = set()
        self._busy: set[bytes] = set()
        self._pool = ThreadPoolExecutor(GAMES_AT_ONCE, thread_name_prefix=role.value)

    def turn(self) -> None:
        """Move wherever it is our turn; games already being attended to are left alone."""
        self._learn()
        with self._lock:
            waiting = [game for game in self._active if game not in self._busy]
            self._busy.update(waiting)
        for game in waiting:
            self._pool.submit(self._attend, game)

    def active(self) -> int:
        """How many games are unresolved, as far as known."""
        with self._lock:
            return len(self._active)

    def close(self) -> None:
        """Finish the moves under way; their games are taken up again at the next start."""
        self._pool.shutdown(wait=True)

    @abstractmethod
    def _next(self, view: GameView) -> Move | None:
        """Our move in an unresolved game; None to wait."""

    def _ended(self, view: GameView) -> None:
        """A game of ours is over."""
        logs.event(
            "game_resolved",
            game=view.game_id,
            job=view.job_id,
            outcome=view.outcome.name.lower(),
            reason=view.reason,
        )

    def _now(self) -> int:
        """An idle chain's newest block may be old; a move tried too early is refused unsent."""
        return max(self._network.now(), int(time.time()))

    def _learn(self) -> None:
        try:
            update = self._reader.poll()
        except ChainError:
            # After a reorganisation deeper than the reader keeps: from the start.
            self._reader = self._network.reader(self._start)
            raise
        with self._lock:
            for event in update.removed:
                if event.name == "GameOpened":
                    self._active.discard(event.args["game_id"])
            for event in update.added:
                if event.name == "GameOpened" and event.args[self._role.value] == self._address:
                    self._active.add(event.args["game_id"])

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
            self._ended(view)
            return
        move = self._next(view)
        if move is None:
            return
        mined = self._games.play(view, move)
        logs.event(
            "game_move",
            game=game_id,
            move=type(move).__name__,
            transaction=mined.hash,
            gas=mined.gas_used,
        )
