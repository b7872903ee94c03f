"""A game for somebody who watches: its state, both clocks, its moves with their gas.

Only reads. What a reveal or a pick said is taken from the events, so nobody has to be asked.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assay.chain.events import Event
from assay.chain.game_view import GameView, read_game
from assay.chain.moves import MinedMove, describe, read_move
from assay.chain.network import Network
from assay.core.game import Player

DESCENTS = (
    "Answered",
    "NodePicked",
    "StepRevealed",
    "TileRevealed",
    "ElementPicked",
    "SampleChallenged",
)
"""Events that bring a game a level nearer to its element."""


@dataclass(frozen=True)
class ReportedMove:
    """One transaction of a game; `by` is a side, or the address of somebody else."""

    block: int
    transaction: str
    move: str
    by: str
    gas: int
    calldata: int
    what: str


@dataclass(frozen=True)
class Level:
    """One level of the way down: the event, and what it says."""

    event: str
    what: str


@dataclass(frozen=True)
class Report:
    """A game as of now; seconds left to each side, of `clock_seconds` at its beginning."""

    view: GameView
    left: Mapping[Player, int]
    clock_seconds: int
    moves: tuple[ReportedMove, ...]
    path: tuple[Level, ...]

    @property
    def gas(self) -> int:
        return sum(move.gas for move in self.moves)

    def facts(self) -> dict[str, Any]:
        """Names and values, for people and for documents."""
        view, record = self.view, self.view.record
        element, turn = view.element, view.state.turn
        return {
            "game": view.game_id,
            "claim": view.claim_id,
            "job": view.job_id,
            "provider": record.provider,
            "challenger": record.challenger,
            "token_index": record.token_index,
            "phase": view.state.phase.name.lower(),
            "turn": turn.value if turn else None,
            "deadline": view.state.deadline or None,
            "seconds_left": {side.value: seconds for side, seconds in self.left.items()},
            "outcome": view.outcome.name.lower(),
            "reason": view.reason or None,
            "step": record.step_index if record.step_known else None,
            "element": [element.row, element.column] if element else None,
            "claimed_value": element.value if element else None,
            "gas": self.gas,
        }


class Reporter:
    """Reads a game again and again; each transaction is looked up once."""

    def __init__(self, network: Network, game_id: bytes) -> None:
        self._network = network
        self._game_id = game_id
        self._clock_seconds = network.game.clock_seconds()
        self._mined: dict[str, MinedMove] = {}

    def read(self) -> Report:
        """The game at the newest block; InputError if there is none of this id."""
        view = read_game(self._network, self._game_id)
        return Report(
            view=view,
            left=self._left(view),
            clock_seconds=self._clock_seconds,
            moves=tuple(self._moves(view)),
            path=tuple(
                Level(event.name, describe(event))
                for event in view.events
                if event.name in DESCENTS
            ),
        )

    def _left(self, view: GameView) -> dict[Player, int]:
        """By the chain's clock; by ours where the newest block is older than that."""
        chain_now = self._network.now()
        clocks = view.record.clocks(chain_now)
        left = {Player.PROVIDER: clocks.provider_left, Player.CHALLENGER: clocks.challenger_left}
        turn = view.state.turn
        if turn is not None:
            now = max(chain_now, int(time.time()))
            left[turn] = max(clocks.deadline - now, 0)
        return left

    def _moves(self, view: GameView) -> list[ReportedMove]:
        roles = {
            view.record.provider: Player.PROVIDER.value,
            view.record.challenger: Player.CHALLENGER.value,
        }
        first: dict[str, Event] = {}
        for event in view.events:
            first.setdefault(event.transaction, event)
        return [self._move(event, roles) for event in first.values()]

    def _move(self, event: Event, roles: Mapping[str, str]) -> ReportedMove:
        if event.transaction not in self._mined:
            self._mined[event.transaction] = read_move(self._network, event.transaction)
        mined = self._mined[event.transaction]
        by = roles.get(mined.sender, mined.sender)
        return ReportedMove(
            mined.block, mined.hash, mined.function, by, mined.gas, mined.calldata_bytes,
            describe(event),
        )  # fmt: skip
