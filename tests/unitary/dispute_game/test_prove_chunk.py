"""DisputeGame.prove_chunk: the verdict on one partial."""

from __future__ import annotations

import pytest

from tests.support.market import BOND, Market, event
from tests.support.toy_game import (
    CHALLENGER_WON,
    PROVE_CHUNK,
    PROVIDER_WON,
    ToyGame,
    ToyTrace,
    open_game,
)

PLACE = (2, 1, 3)


@pytest.mark.parametrize("chunk", [0, 1, 2])
def test_default_behavior(market: Market, game: ToyGame, chunk: int) -> None:
    game.play(PLACE, until=PROVE_CHUNK, chunk=chunk)
    game.advance(PLACE)
    assert event(market.game, "GameResolved").reason == "partial is right"
    assert game.record.outcome == PROVIDER_WON
    assert market.bond_token.balanceOf(market.provider) == BOND


def test_conviction(market: Market, game: ToyGame) -> None:
    """The partials give the element, but one of them is not what its operands give."""
    trace = ToyTrace(4, partial_lies={(PLACE, 1): -1})
    other = open_game(market, game.claim, trace, challenger=market.stranger)
    other.play(PLACE, until=PROVE_CHUNK, chunk=1)
    other.advance(PLACE)
    assert event(market.game, "GameResolved").reason == "partial is wrong"
    assert other.record.outcome == CHALLENGER_WON
    assert market.game.convicted(game.claim.claim_id)


def test_wrong_chunk_acquits(market: Market, game: ToyGame) -> None:
    """A challenger that points beside the lie loses its game, and only that."""
    trace = ToyTrace(4, partial_lies={(PLACE, 1): -1})
    other = open_game(market, game.claim, trace, challenger=market.stranger)
    other.play(PLACE, chunk=2)
    assert other.record.outcome == PROVIDER_WON
    assert not market.game.convicted(game.claim.claim_id)


def test_revert_other_partials(game: ToyGame) -> None:
    game.play(PLACE, until=PROVE_CHUNK)
    terms, step, element, openings = game.proof_arguments(3, revealed=True)
    for partials in ([10, 13, 13], [], [11, 12]):
        arguments = (terms, step, (*element[:3], partials), openings)
        game.refuses("dispute_game: wrong opening", "prove_chunk", *arguments)


def test_revert_malformed_opening(game: ToyGame) -> None:
    game.play(PLACE, until=PROVE_CHUNK)
    arguments = game.proof_arguments(3, revealed=True)[:3]
    game.refuses("toy_verifier: openings", "prove_chunk", *arguments, [])
