"""DisputeGame.prove_combine: the stated partials give the element, or they do not."""

from __future__ import annotations

import pytest

from assay.core.partials import packed
from tests.support.market import BOND, Market, event
from tests.support.toy_game import (
    CHALLENGER_WON,
    PICK_ELEMENT,
    PROVE_ELEMENT,
    PROVIDER_WON,
    ToyGame,
    ToyTrace,
    open_game,
)

PLACE = (2, 1, 3)


def test_default_behavior(market: Market, game: ToyGame) -> None:
    game.play(PLACE, until=PROVE_ELEMENT)
    game.move("prove_combine", *game.proof_arguments(3))
    assert event(market.game, "GameResolved").reason == "partials give the element"
    assert game.record.outcome == PROVIDER_WON
    assert market.bond_token.balanceOf(market.provider) == BOND


@pytest.mark.parametrize("lie", [1, -1])
def test_conviction_of_a_wrong_element(market: Market, game: ToyGame, lie: int) -> None:
    trace = ToyTrace(4, {PLACE: lie})
    other = open_game(market, game.claim, trace, challenger=market.stranger)
    other.play(PLACE, until=PROVE_ELEMENT)
    other.move("prove_combine", *other.proof_arguments(3))
    assert event(market.game, "GameResolved").reason == "partials do not give the element"
    assert other.record.outcome == CHALLENGER_WON
    assert market.game.convicted(game.claim.claim_id)


def test_misstated_partials_that_give_the_element(market: Market, game: ToyGame) -> None:
    """Two errors that cancel out: either proof acquits."""
    game.play(PLACE, until=PICK_ELEMENT)
    element, data, _ = game.element_arguments(3)
    game.move("pick_element", element, data, packed([10, 13, 13]))
    terms, step, shown, openings = game.proof_arguments(3)
    game.move("prove_combine", terms, step, (*shown[:3], packed([10, 13, 13])), openings)
    assert game.record.outcome == PROVIDER_WON


def test_partials_that_cannot_be_joined_leave_the_other_proof(
    market: Market, game: ToyGame
) -> None:
    """The verifier refuses to join them: only that move fails, and a chunk still acquits."""
    stated = packed([-(2**63), -(2**63), 13])
    game.play(PLACE, until=PICK_ELEMENT)
    element, data, _ = game.element_arguments(3)
    game.move("pick_element", element, data, stated)
    terms, step, shown, openings = game.proof_arguments(3)
    altered = (*shown[:3], stated)
    game.refuses("toy_verifier: negative", "prove_combine", terms, step, altered, openings)
    game.move("prove_chunk", terms, step, altered, 1, openings)
    assert event(market.game, "GameResolved").reason == "a partial is misstated"
    assert game.record.outcome == PROVIDER_WON


@pytest.mark.parametrize("place", [(1, 2, 600), (3, 1, 0)])
def test_revert_at_most_one_chunk(game: ToyGame, place: tuple[int, int, int]) -> None:
    game.play(place, until=PROVE_ELEMENT)
    arguments = game.proof_arguments(place[2])
    game.refuses("dispute_game: prove the element", "prove_combine", *arguments)


def test_revert_malformed_opening(game: ToyGame) -> None:
    game.play(PLACE, until=PROVE_ELEMENT)
    arguments = game.proof_arguments(3)[:3]
    game.refuses("toy_verifier: openings", "prove_combine", *arguments, [])


@pytest.mark.parametrize("partials", [[], [36], [11, 25], [11, 12, 14], [11, 12, 13, 0]])
def test_revert_other_partials(game: ToyGame, partials: list[int]) -> None:
    """The provider cannot choose what the challenger has said."""
    game.play(PLACE, until=PROVE_ELEMENT)
    terms, step, element, openings = game.proof_arguments(3)
    arguments = (terms, step, (*element[:3], packed(partials)), openings)
    game.refuses("dispute_game: wrong opening", "prove_combine", *arguments)


def test_revert_other_value(game: ToyGame) -> None:
    game.play(PLACE, until=PROVE_ELEMENT)
    terms, step, element, openings = game.proof_arguments(3)
    arguments = (terms, step, (1, 3, 37, element[3]), openings)
    game.refuses("dispute_game: wrong opening", "prove_combine", *arguments)


@pytest.mark.parametrize("which", ["pass", "step"])
def test_revert_other_terms(game: ToyGame, which: str) -> None:
    game.play(PLACE, until=PROVE_ELEMENT)
    terms, step, element, openings = game.proof_arguments(3)
    if which == "pass":
        terms = (terms[0] + 1, *terms[1:])
    else:
        step = (step[0] + 1, *step[1:])
    game.refuses("dispute_game: wrong terms", "prove_combine", terms, step, element, openings)
