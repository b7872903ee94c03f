"""DisputeGame.prove_sample: the verdict on the choice of the token."""

from __future__ import annotations

import pytest

from tests.support.market import Market, event
from tests.support.toy_game import CHALLENGER_WON, OPENING, PROVIDER_WON, ToyGame


def challenged(game: ToyGame, rival: int) -> ToyGame:
    game.answer()
    game.move("challenge_sample", game.terms.abi(), rival)
    return game


@pytest.mark.parametrize("rival", [0, 1, 4, 8])
def test_default_behavior(market: Market, game: ToyGame, rival: int) -> None:
    """Token 4 scores 28 (7 times, mod 50): it stands against itself and what scores less."""
    challenged(game, rival).advance((0, 0, 0))
    assert event(market.game, "GameResolved").reason == "token stands"
    assert game.record.outcome == PROVIDER_WON


@pytest.mark.parametrize("rival", [5, 7, 14])
def test_conviction(market: Market, game: ToyGame, rival: int) -> None:
    challenged(game, rival).advance((0, 0, 0))
    assert event(market.game, "GameResolved").reason == "token is beaten"
    assert game.record.outcome == CHALLENGER_WON
    assert market.game.convicted(game.claim.claim_id)


def test_revert_other_token(game: ToyGame) -> None:
    """The provider cannot defend a better token than it claimed."""
    challenged(game, 5)
    terms, _, openings = game.sample_arguments()
    other = game.claim.output.open(2).abi()
    game.refuses("toy_verifier: token", "prove_sample", terms, other, openings)


def test_revert_malformed_opening(game: ToyGame) -> None:
    challenged(game, 5)
    terms, claimed, _ = game.sample_arguments()
    arguments = (terms, claimed, [OPENING, OPENING])
    game.refuses("toy_verifier: openings", "prove_sample", *arguments)


def test_revert_altered_pass(game: ToyGame) -> None:
    challenged(game, 5)
    terms, claimed, openings = game.sample_arguments()
    arguments = ((*terms[:14], 5, *terms[15:]), claimed, openings)
    game.refuses("dispute_game: wrong terms", "prove_sample", *arguments)
