"""DisputeGame.prove_element: the verdict on an element of at most one chunk."""

from __future__ import annotations

import pytest

from assay.core.types import EMPTY_TOKEN
from tests.support.market import BOND, REWARD_BPS, SLASH, STEPS, Market, event
from tests.support.toy_game import (
    CHALLENGER_WON,
    PROVE_ELEMENT,
    PROVIDER_WON,
    RESOLVED,
    ToyGame,
    ToyTrace,
    open_game,
)

PLACE = (1, 2, 600)


def test_default_behavior(market: Market, game: ToyGame) -> None:
    """Honest: the challenger's bond goes to the provider, the claim stays as it is."""
    game.play(PLACE, until=PROVE_ELEMENT)
    game.advance(PLACE)
    resolved = event(market.game, "GameResolved")
    assert (resolved.game_id, resolved.claim_id) == (game.game_id, game.claim.claim_id)
    assert (resolved.winner, resolved.outcome) == (market.provider, PROVIDER_WON)
    assert resolved.reason == "element is right"
    assert (game.phase, game.record.outcome) == (RESOLVED, PROVIDER_WON)
    assert market.bond_token.balanceOf(market.provider) == BOND
    assert market.bond_token.balanceOf(market.game.address) == 0
    assert market.game.open_games(game.claim.claim_id) == 0
    assert not market.game.convicted(game.claim.claim_id)
    assert market.providers.bonded(market.provider) == 10 * SLASH


@pytest.mark.parametrize("lie", [1, -1])
def test_conviction_by_a_single_unit(market: Market, game: ToyGame, lie: int) -> None:
    claim = game.claim
    supply = market.bond_token.totalSupply()
    other = open_game(market, claim, ToyTrace(4, {PLACE: lie}), challenger=market.stranger)
    other.play(PLACE, until=PROVE_ELEMENT)
    other.advance(PLACE)
    resolved, slashed = event(market.game, "GameResolved"), event(market.game, "Slashed")
    reward = SLASH * REWARD_BPS // 10_000
    assert (resolved.winner, resolved.outcome) == (market.stranger, CHALLENGER_WON)
    assert resolved.reason == "element is wrong"
    assert (slashed.beneficiary, slashed.reward) == (market.stranger, reward)
    assert slashed.burned == SLASH - reward
    assert market.bond_token.balanceOf(market.stranger) == BOND + reward
    assert market.bond_token.totalSupply() == supply - slashed.burned
    assert market.providers.bonded(market.provider) == 9 * SLASH
    assert market.providers.locked(market.provider) == 2 * SLASH
    assert market.game.convicted(claim.claim_id)
    assert market.settlement.status(claim.batch_id, claim.index) == 2


def test_revert_malformed_opening(game: ToyGame) -> None:
    """The verifier's reason comes through; the move fails and the clock runs on."""
    game.play(PLACE, until=PROVE_ELEMENT)
    terms, step, element, _ = game.proof_arguments(PLACE[2])
    arguments = (terms, step, element, [], EMPTY_TOKEN.abi())
    game.refuses("toy_verifier: openings", "prove_element", *arguments)


def test_revert_reduction(game: ToyGame) -> None:
    game.play((2, 1, 3), until=PROVE_ELEMENT)
    arguments = game.proof_arguments(3)
    game.refuses("dispute_game: many chunks", "prove_element", *arguments, EMPTY_TOKEN.abi())


@pytest.mark.parametrize("field", range(3))
def test_revert_other_element(game: ToyGame, field: int) -> None:
    game.play(PLACE, until=PROVE_ELEMENT)
    terms, step, element, openings = game.proof_arguments(PLACE[2])
    altered = [*element]
    altered[field] += 1
    arguments = (terms, step, tuple(altered), openings, EMPTY_TOKEN.abi())
    game.refuses("dispute_game: wrong opening", "prove_element", *arguments)


def test_revert_other_step(game: ToyGame) -> None:
    game.play(PLACE, until=PROVE_ELEMENT)
    terms, _, element, openings = game.proof_arguments(PLACE[2])
    arguments = (terms, STEPS[0].abi(), element, openings, EMPTY_TOKEN.abi())
    game.refuses("dispute_game: wrong terms", "prove_element", *arguments)


def test_revert_other_pass(game: ToyGame) -> None:
    game.play(PLACE, until=PROVE_ELEMENT)
    terms, step, element, openings = game.proof_arguments(PLACE[2])
    arguments = ((terms[0] + 1, *terms[1:]), step, element, openings, EMPTY_TOKEN.abi())
    game.refuses("dispute_game: wrong terms", "prove_element", *arguments)
