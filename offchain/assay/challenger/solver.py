"""The challenger's next move, from the game's state and a guide. No I/O.

The state holds what the provider committed to; the guide says where to point. `Truth` points at
the first thing that differs from an honest recomputation, in the program's order, so every input
of the step that it ends at is right and its element alone is wrong. `FixedTarget` points at a
given element, right or wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from assay.core.game import (
    ChallengerMove,
    ChallengeSample,
    Close,
    GameState,
    Phase,
    PickElement,
    PickNode,
    Player,
    Timeout,
    tile_elements,
    tiles_per_row,
)
from assay.core.types import TILE
from assay.trace import witness
from assay.trace.pass_trace import PassTrace


class Guide(Protocol):
    """Where to point; None where there is nothing to point at.

    `partials`: what to state about an element of the shown tile whose reduction has more than one
    chunk; () for any other.
    """

    def child(self, state: GameState) -> int | None: ...

    def element(self, state: GameState) -> int | None: ...

    def partials(self, state: GameState, element: int) -> tuple[int, ...]: ...

    def rival(self, state: GameState) -> int | None: ...


@dataclass(frozen=True)
class Truth:
    """Follows the first difference from an honest trace of the disputed pass.

    Attributes:
        trace: the pass, recomputed.
        token: the token that the pass really yields; claimed: the one in the claim. Equal for an
            embedding, of which the trace is all.
    """

    trace: PassTrace
    token: int = 0
    claimed: int = 0

    def child(self, state: GameState) -> int | None:
        tree = self.trace.steps_tree if state.step is None else self.trace.tensor(state.step).tree
        expected = tree.children(state.level, state.index, state.height)
        return _first_difference(state.children, expected)

    def element(self, state: GameState) -> int | None:
        assert state.step is not None, "a tile belongs to a step"
        row = self.trace.tensor(state.step).values[state.row]
        expected = row[state.first_column : state.first_column + TILE].tolist()
        return _first_difference(tile_elements(state), expected)

    def partials(self, state: GameState, element: int) -> tuple[int, ...]:
        assert state.step is not None, "a tile belongs to a step"
        step = self.trace.commitment.program.steps[state.step]
        if witness.chunk_count(step, self.trace.positions) < 2:
            return ()
        column = state.first_column + element
        return tuple(witness.partials(self.trace, state.step, state.row, column))

    def rival(self, state: GameState) -> int | None:
        return self.token if self.token != self.claimed else None


@dataclass(frozen=True)
class FixedTarget:
    """Points at one element (or, with `rival_token`, at the sampled token), come what may.

    For tests of honest providers: a false challenge at a chosen place, which states `stated` as
    the partials of the element's reduction.
    """

    step: int = 0
    row: int = 0
    column: int = 0
    stated: tuple[int, ...] = ()
    rival_token: int | None = None

    def child(self, state: GameState) -> int | None:
        if self.rival_token is not None:
            return None
        below = state.depth - state.level - state.height
        return (self._leaf(state) >> below) - (state.index << state.height)

    def element(self, state: GameState) -> int | None:
        return self.column % TILE

    def partials(self, state: GameState, element: int) -> tuple[int, ...]:
        return self.stated

    def rival(self, state: GameState) -> int | None:
        return self.rival_token

    def _leaf(self, state: GameState) -> int:
        if state.shape is None:
            return self.step
        return self.row * tiles_per_row(state.shape[1]) + self.column // TILE


class Nowhere:
    """For a side that only watches the clock."""

    def child(self, state: GameState) -> int | None:
        return None

    def element(self, state: GameState) -> int | None:
        return None

    def partials(self, state: GameState, element: int) -> tuple[int, ...]:
        return ()

    def rival(self, state: GameState) -> int | None:
        return None


def next_move(state: GameState, guide: Guide, now: int) -> ChallengerMove | None:
    """The move to make at Unix time `now`; None when there is nothing to do (yet)."""
    for rule in RULES:
        move = rule(state, guide, now)
        if move is not None:
            return move
    return None


Rule = Callable[[GameState, Guide, int], ChallengerMove | None]


def _close_dead_claim(state: GameState, guide: Guide, now: int) -> ChallengerMove | None:
    if state.claim_dead and state.phase is not Phase.RESOLVED:
        return Close()
    return None


def _claim_timeout(state: GameState, guide: Guide, now: int) -> ChallengerMove | None:
    """`deadline` itself still belongs to the provider."""
    if state.turn is Player.PROVIDER and now > state.deadline:
        return Timeout()
    return None


def _pick_node(state: GameState, guide: Guide, now: int) -> ChallengerMove | None:
    if state.phase is not Phase.PICK_NODE:
        return None
    child = guide.child(state)
    return None if child is None else PickNode(child)


def _challenge_sample(state: GameState, guide: Guide, now: int) -> ChallengerMove | None:
    """The whole trace is right, so what is wrong is the choice of the token."""
    if state.phase is not Phase.PICK_NODE or not state.in_steps_tree:
        return None
    rival = guide.rival(state)
    return None if rival is None else ChallengeSample(rival)


def _pick_element(state: GameState, guide: Guide, now: int) -> ChallengerMove | None:
    if state.phase is not Phase.PICK_ELEMENT:
        return None
    element = guide.element(state)
    return None if element is None else PickElement(element, guide.partials(state, element))


RULES: tuple[Rule, ...] = (
    _close_dead_claim,
    _claim_timeout,
    _pick_node,
    _challenge_sample,
    _pick_element,
)


def _first_difference(
    shown: Sequence[bytes] | Sequence[int], expected: Sequence[bytes] | Sequence[int]
) -> int | None:
    for index, value in enumerate(shown):
        if value != expected[index]:
            return index
    return None
