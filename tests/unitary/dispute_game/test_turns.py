"""Every move in every phase: only the due one, by its side, in time, while the claim lives."""

from __future__ import annotations

import boa
import pytest

from tests.support.market import CLOCK, Market, reverts
from tests.support.toy_game import (
    CHALLENGER_PHASES,
    MOVES,
    PROVE_SAMPLE,
    RESOLVED,
    ToyGame,
    convict,
)

ALL = [name for names in MOVES.values() for name in names]
TARGET = (6, 1, 3)
"""A reduction, reached through all phases but that of the sample."""


@pytest.fixture(params=MOVES, ids=lambda phase: MOVES[phase][0])
def standing(request: pytest.FixtureRequest, game: ToyGame) -> ToyGame:
    """A game in each phase."""
    if request.param == PROVE_SAMPLE:
        game.answer()
        game.move("challenge_sample", game.terms.abi(), 1)
        return game
    return game.play(TARGET, until=request.param)


def mover(game: ToyGame) -> str:
    return game.challenger if game.phase in CHALLENGER_PHASES else game.market.provider


def test_revert_not_this_move(standing: ToyGame) -> None:
    due = MOVES[standing.phase]
    for name in ALL:
        if name not in due:
            arguments = standing.any_arguments(name)
            standing.refuses("dispute_game: not this move", name, *arguments)


def test_revert_by_strangers_and_by_the_other_side(standing: ToyGame) -> None:
    sides = {standing.challenger, standing.market.provider, standing.market.stranger}
    for name in MOVES[standing.phase]:
        for sender in sides - {mover(standing)}:
            arguments = standing.any_arguments(name)
            standing.refuses("dispute_game: not your turn", name, *arguments, sender=sender)


def test_revert_clock_expired(standing: ToyGame) -> None:
    boa.env.time_travel(seconds=CLOCK + 1)
    for name in MOVES[standing.phase]:
        standing.refuses("dispute_game: clock expired", name, *standing.any_arguments(name))


def test_move_in_the_last_second(standing: ToyGame) -> None:
    """The deadline itself still belongs to the side to move."""
    phase = standing.phase
    boa.env.time_travel(seconds=CLOCK)
    standing.advance(TARGET)
    assert standing.phase != phase


def test_revert_claim_is_convicted(market: Market, standing: ToyGame) -> None:
    """A dead claim's games stand still: only `close` is left."""
    convict(market, standing.claim)
    for name in ALL:
        arguments = standing.any_arguments(name)
        standing.refuses("dispute_game: claim is convicted", name, *arguments)
    with reverts("dispute_game: claim is convicted"):
        standing.timeout()


def test_revert_game_is_over(market: Market, game: ToyGame) -> None:
    game.play(TARGET)
    assert game.phase == RESOLVED
    for name in ALL:
        for sender in (market.provider, game.challenger):
            arguments = game.any_arguments(name)
            game.refuses("dispute_game: game is over", name, *arguments, sender=sender)
    for name in ("timeout", "close"):
        game.refuses("dispute_game: game is over", name)


def test_revert_no_such_game(game: ToyGame) -> None:
    game.game_id = b"\x42" * 32
    for name in ALL:
        game.refuses("dispute_game: no such game", name, *game.any_arguments(name))
    for name in ("timeout", "close"):
        game.refuses("dispute_game: no such game", name)
