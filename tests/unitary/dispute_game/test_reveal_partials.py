"""DisputeGame.reveal_partials: the parts of a reduction, joined on chain."""

from __future__ import annotations

import pytest

from tests.support.market import Market, event
from tests.support.toy_game import (
    CHALLENGER_WON,
    PICK_CHUNK,
    PROVE_ELEMENT,
    ToyGame,
    ToyTrace,
    open_game,
)

PLACE = (2, 1, 3)


def test_default_behavior(market: Market, game: ToyGame) -> None:
    game.play(PLACE, until=PROVE_ELEMENT)
    game.move("reveal_partials", *game.proof_arguments(3, revealed=True))
    assert list(event(market.game, "PartialsRevealed").partials) == [11, 12, 13]
    assert game.phase == PICK_CHUNK
    assert game.record.node == game.node_of((1, 3, 36, [11, 12, 13]))


def test_conviction_when_they_do_not_give_the_element(market: Market, game: ToyGame) -> None:
    trace = ToyTrace(4, {PLACE: 1})
    other = open_game(market, game.claim, trace, challenger=market.stranger)
    other.play(PLACE, until=PROVE_ELEMENT)
    other.advance(PLACE)
    assert event(market.game, "GameResolved").reason == "partials do not give the element"
    assert other.record.outcome == CHALLENGER_WON
    assert market.game.convicted(game.claim.claim_id)


@pytest.mark.parametrize("partials", [[], [36], [11, 25], [11, 12, 13, 0]])
def test_revert_wrong_number(game: ToyGame, partials: list[int]) -> None:
    game.play(PLACE, until=PROVE_ELEMENT)
    terms, step, element, openings = game.proof_arguments(3)
    arguments = (terms, step, (*element[:3], partials), openings)
    game.refuses("dispute_game: partials missing", "reveal_partials", *arguments)


def test_revert_elementwise(game: ToyGame) -> None:
    game.play((1, 2, 600), until=PROVE_ELEMENT)
    arguments = game.proof_arguments(600)
    game.refuses("dispute_game: prove the element", "reveal_partials", *arguments)


def test_revert_malformed_opening(game: ToyGame) -> None:
    game.play(PLACE, until=PROVE_ELEMENT)
    arguments = game.proof_arguments(3, revealed=True)[:3]
    game.refuses("toy_verifier: openings", "reveal_partials", *arguments, [])


def test_revert_other_value(game: ToyGame) -> None:
    game.play(PLACE, until=PROVE_ELEMENT)
    terms, step, _, openings = game.proof_arguments(3)
    arguments = (terms, step, (1, 3, 37, [11, 12, 14]), openings)
    game.refuses("dispute_game: wrong opening", "reveal_partials", *arguments)
