"""The games that one account plays, many at once, to the end.

What both players do alike: learn from events which games are theirs, look at each anew on every
turn, send the move that their rules give, survive whatever a single game throws. The rules are
the subclasses': the provider's responder, the challenger's solver.

Looking and sending mostly wait for the node, so many games do it at once, the dearest first.
What takes computing (a trace) is done by threads of its own, so that a long one holds up no move.
"""

from __future__ import annotations

import heapq
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from assay.chain.events import Event
from assay.chain.game_view import GameView
from assay.chain.games import Games, Move
from assay.chain.network import Network
from assay.chain.urgency import Urgency
from assay.core import logs, metrics
from assay.core.errors import AssayError, DeepReorganisation
from assay.core.game import Phase, Player, Timeout

GAMES_AT_ONCE = 32
BUILDS_AT_ONCE = 2
ALERT_SECONDS = 3_600.0

Rank = tuple[float, float]
"""The lowest is attended to first: `GameTable._rank`."""

GAMES = metrics.gauge(
    "assay_games", "Unresolved games of this account, by its side and the phase.", "side", "phase"
)
DEADLINE = metrics.gauge(
    "assay_deadline_seconds",
    "Seconds to the nearest deadline of a move of this account; +Inf without one.",
    "side",
)
ENDED = metrics.counter("assay_games_ended_total", "Games that are over.", "side", "outcome")
MOVES = metrics.counter("assay_game_moves_total", "Moves that were mined.", "side", "move")
FAILED = metrics.counter("assay_game_moves_failed_total", "Turns that ended in an error.", "side")
HEAD = metrics.gauge("assay_head_block", "Newest block that was read.")
HEAD_AGE = metrics.gauge("assay_head_age_seconds", "Age of the newest block that was read.")


@dataclass(frozen=True)
class Seen:
    """A game when it was last looked at; `deadline` of our turn, on the monotonic clock; `bonds`
    that it was opened with."""

    phase: Phase
    deadline: float | None
    bonds: int


class GameTable(ABC):
    """A loop's turn: learn of new games, then move in every game that waits for us.

    Args:
        network: the chain, with the account that plays.
        role: which side of its games the account is.
        address: the account.
        start_block: where to begin reading events; None for the deployment's block.
        urgency: what a game is worth; None sends moves like any transaction.
        alert_seconds: a deadline of ours that is nearer is reported.
    """

    def __init__(
        self,
        network: Network,
        role: Player,
        address: str,
        start_block: int | None = None,
        urgency: Urgency | None = None,
        alert_seconds: float = ALERT_SECONDS,
    ) -> None:
        self._network = network
        self._games = Games(network)
        self._role = role
        self._address = address
        self._start = start_block
        self._urgency = urgency
        self._alert = alert_seconds
        self._reader = network.reader(start_block)
        self._lock = threading.Lock()
        self._active: set[bytes] = set()
        self._over: set[bytes] = set()
        self._busy: set[bytes] = set()
        self._seen: dict[bytes, Seen] = {}
        self._alerted: set[tuple[bytes, int]] = set()
        self._to_build: list[tuple[Rank, bytes, GameView]] = []
        self._movers = ThreadPoolExecutor(GAMES_AT_ONCE, thread_name_prefix=role.value)
        self._builders = ThreadPoolExecutor(BUILDS_AT_ONCE, thread_name_prefix="trace")

    def turn(self) -> None:
        """Move wherever it is our turn; games already being attended to are left alone."""
        self._learn()
        with self._lock:
            waiting = sorted(self._active - self._busy, key=self._rank)
            self._busy.update(waiting)
            self._report()
        for game in waiting:
            self._movers.submit(self._attend, game)

    def active(self) -> int:
        """How many games are unresolved, as far as known."""
        with self._lock:
            return len(self._active)

    def close(self) -> None:
        """Finish the moves under way; their games are taken up again at the next start."""
        self._builders.shutdown(wait=True)
        self._movers.shutdown(wait=True)

    @abstractmethod
    def _next(self, view: GameView) -> Move | None:
        """Our move in an unresolved game; None to wait."""

    @abstractmethod
    def _unready(self, view: GameView) -> bool:
        """Whether `_next` would have to compute for long."""

    @abstractmethod
    def _build(self, view: GameView) -> None:
        """Compute ahead what `_next` needs."""

    def _ended(self, view: GameView) -> None:
        """A game of ours is over."""
        outcome = view.outcome.name.lower()
        ENDED.add(side=self._role.value, outcome=outcome)
        logs.event(
            "game_resolved",
            game=view.game_id,
            job=view.job_id,
            outcome=outcome,
            reason=view.reason,
        )

    def _now(self) -> int:
        """An idle chain's newest block may be old; a move tried too early is refused unsent."""
        return max(self._network.now(), int(time.time()))

    def _learn(self) -> None:
        try:
            update = self._reader.poll()
        except DeepReorganisation:
            # Everything from the start.
            self._reader = self._network.reader(self._start)
            with self._lock:
                self._active.clear()
                self._over.clear()
                self._seen.clear()
            raise
        with self._lock:
            for event in update.removed:
                self._undone(event)
            for event in update.added:
                self._happened(event)
        HEAD.set(update.head)
        born = self._network.now()
        HEAD_AGE.set(lambda: time.time() - born)

    def _happened(self, event: Event) -> None:
        if event.name == "GameOpened" and event.args[self._role.value] == self._address:
            self._active.add(event.args["game_id"])
        elif event.name == "GameResolved" and event.args["game_id"] in self._active:
            self._over.add(event.args["game_id"])

    def _undone(self, event: Event) -> None:
        """A game whose opening is gone is none; one whose end is gone goes on."""
        if event.name == "GameOpened":
            self._forget(event.args["game_id"])
            self._over.discard(event.args["game_id"])
        elif event.name == "GameResolved" and event.args["game_id"] in self._over:
            self._over.discard(event.args["game_id"])
            self._active.add(event.args["game_id"])

    def _forget(self, game_id: bytes) -> None:
        self._active.discard(game_id)
        self._seen.pop(game_id, None)

    def _attend(self, game_id: bytes) -> None:
        handed_over = False
        try:
            handed_over = self._move(game_id)
        except AssayError as error:
            FAILED.add(side=self._role.value)
            logs.warning("game_move_failed", game=game_id, code=error.code, error=error.message)
        except Exception:
            FAILED.add(side=self._role.value)
            logs.LOGGER.exception("game_crashed")
        finally:
            if not handed_over:
                self._release(game_id)

    def _release(self, game_id: bytes) -> None:
        with self._lock:
            self._busy.discard(game_id)

    def _move(self, game_id: bytes) -> bool:
        """Look at the game and move; True if it was left to a builder."""
        view = self._games.view(game_id)
        if view.state.phase is Phase.RESOLVED:
            self._leave(view)
            return False
        self._notice(view)
        if self._unready(view) and self._leave_to_builders(view):
            return True
        move = self._next(view)
        if move is not None:
            self._play(view, move)
        return False

    def _leave(self, view: GameView) -> None:
        """A game that is over is left once its end was read, so that its undoing will be, too."""
        with self._lock:
            if view.game_id not in self._over:
                return
            self._forget(view.game_id)
        self._ended(view)

    def _play(self, view: GameView, move: Move) -> None:
        sender = self._network.sender
        urgency = self._urgency if not isinstance(move, Timeout) else None
        context: AbstractContextManager[None] = nullcontext()
        if sender is not None and urgency is not None:
            left = max(view.state.deadline - self._now(), 0)
            context = sender.under(urgency.policy(sender.policy, left))
        with context:
            mined = self._games.play(view, move)
        name = type(move).__name__
        MOVES.add(side=self._role.value, move=name)
        logs.event(
            "game_move",
            game=view.game_id,
            move=name,
            transaction=mined.hash,
            gas=mined.gas_used,
        )

    # What takes computing.

    def _leave_to_builders(self, view: GameView) -> bool:
        with self._lock:
            heapq.heappush(self._to_build, (self._rank(view.game_id), view.game_id, view))
        try:
            self._builders.submit(self._build_nearest)
        except RuntimeError:  # closing: this thread computes, and moves
            with self._lock:
                self._to_build = [item for item in self._to_build if item[1] != view.game_id]
                heapq.heapify(self._to_build)
            return False
        return True

    def _build_nearest(self) -> None:
        with self._lock:
            _, game_id, view = heapq.heappop(self._to_build)
        try:
            self._build(view)
        except AssayError as error:
            FAILED.add(side=self._role.value)
            logs.warning("game_build_failed", game=game_id, code=error.code, error=error.message)
            self._release(game_id)
        except Exception:
            FAILED.add(side=self._role.value)
            logs.LOGGER.exception("game_build_crashed")
            self._release(game_id)
        else:
            self._movers.submit(self._attend, game_id)

    # Whose clock runs.

    def _notice(self, view: GameView) -> None:
        """Remember phase and deadline; say so if a deadline of ours is near."""
        state, left = view.state, None
        if state.turn is self._role:
            left = state.deadline - self._now()
        deadline = None if left is None else time.monotonic() + left
        with self._lock:
            self._seen[view.game_id] = Seen(state.phase, deadline, view.record.bonds)
        key = (view.game_id, state.deadline)
        if left is not None and left < self._alert and key not in self._alerted:
            self._alerted.add(key)
            phase = state.phase.name.lower()
            logs.warning("deadline_near", game=view.game_id, phase=phase, seconds=left)

    def _rank(self, game_id: bytes) -> Rank:
        """For sorting: new games first, then the dearest, then the nearest deadline, then those
        that wait. A bond grows with the games that are open (`stakes.vy`): who cannot answer all
        must answer the dearest, or a flood of false challenges pays."""
        seen = self._seen.get(game_id)
        if seen is None:
            return float("-inf"), 0.0
        return (0.0, 0.0) if seen.deadline is None else (-seen.bonds, seen.deadline)

    def _report(self) -> None:
        side = self._role.value
        phases = Counter(seen.phase.name.lower() for seen in self._seen.values())
        GAMES.replace({(side, phase): count for phase, count in phases.items()})
        ours = [seen.deadline for seen in self._seen.values() if seen.deadline is not None]
        nearest = min(ours, default=float("inf"))
        DEADLINE.set(lambda: nearest - time.monotonic(), side=side)
