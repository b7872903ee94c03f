"""The record that every move brings along: the one whose hash the contract keeps, no other."""

from __future__ import annotations

from typing import Any

import boa
import pytest

from assay.chain.record import Record
from tests.support.market import CLOCK, Market
from tests.support.toy_game import (
    ANSWER,
    MOVES,
    PICK_NODE,
    PROVE_ELEMENT,
    REVEAL_TILE,
    ToyGame,
    ToyTrace,
    convict,
    open_game,
)

TARGET = (6, 1, 3)
FIELDS = range(9)


def altered(record: tuple[Any, ...], field: int) -> tuple[Any, ...]:
    """Another value in one field."""
    value = record[field]
    other: Any = value + 1 if isinstance(value, int) else bytes(31) + b"\x07"
    if isinstance(value, str):
        other = boa.env.generate_address("somebody")
    return (*record[:field], other, *record[field + 1 :])


def test_default_behavior(market: Market, game: ToyGame) -> None:
    """Every move says what the next one must bring, down to the last."""
    while game.phase in MOVES:
        before = game.standing
        assert market.game.standing(game.game_id) == Record(*before).hash
        game.advance(TARGET)
        assert game.standing != before
    assert market.game.standing(game.game_id) == Record(*game.standing).hash


@pytest.mark.parametrize("phase", [ANSWER, PICK_NODE, REVEAL_TILE, PROVE_ELEMENT])
@pytest.mark.parametrize("field", FIELDS)
def test_revert_an_altered_field(game: ToyGame, phase: int, field: int) -> None:
    game.play(TARGET, until=phase)
    sender = game.challenger if phase == PICK_NODE else game.market.provider
    game.standing = altered(game.standing, field)
    for name in MOVES[phase]:
        game.refuses("dispute_game: other record", name, *game.any_arguments(name), sender=sender)


@pytest.mark.parametrize("field", FIELDS)
def test_revert_an_altered_field_at_the_end(market: Market, game: ToyGame, field: int) -> None:
    game.answer()
    right = game.standing
    boa.env.time_travel(seconds=CLOCK + 1)
    game.standing = altered(right, field)
    game.refuses("dispute_game: other record", "timeout")
    game.standing = right
    convict(market, game.claim)
    game.standing = altered(right, field)
    game.refuses("dispute_game: other record", "close")


def test_revert_a_record_of_an_earlier_move(game: ToyGame) -> None:
    """A move made for one state of a game does not fit the next one."""
    earlier = game.standing
    game.answer()
    game.standing = earlier
    game.refuses("dispute_game: other record", "answer", *game.answer_arguments())


def test_revert_a_record_of_another_game(market: Market, game: ToyGame) -> None:
    other = open_game(market, game.claim, ToyTrace(4, {(1, 0, 0): 1}), challenger=market.stranger)
    game.standing = other.standing
    game.refuses("dispute_game: other record", "answer", *game.answer_arguments())
