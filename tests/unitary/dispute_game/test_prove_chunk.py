"""DisputeGame.prove_chunk: the challenger has misstated one partial, or it has not."""

from __future__ import annotations

import pytest

from assay.core.partials import packed
from tests.support.market import BOND, Market, event
from tests.support.toy_game import (
    CHALLENGER_WON,
    PROVE_ELEMENT,
    PROVIDER_WON,
    ToyGame,
    ToyTrace,
    open_game,
)

PLACE = (2, 1, 3)


@pytest.mark.parametrize("chunk", [0, 1, 2])
def test_default_behavior(market: Market, game: ToyGame, chunk: int) -> None:
    game.play(PLACE, until=PROVE_ELEMENT, misstated=chunk)
    game.move("prove_chunk", *game.chunk_arguments(3, chunk, chunk))
    assert event(market.game, "GameResolved").reason == "a partial is misstated"
    assert game.record.outcome == PROVIDER_WON
    assert market.bond_token.balanceOf(market.provider) == BOND


@pytest.mark.parametrize("chunk", [0, 1, 2])
def test_conviction_of_a_wrong_element(market: Market, game: ToyGame, chunk: int) -> None:
    """Of a wrong element and right partials, no chunk is the provider's to name."""
    other = open_game(market, game.claim, ToyTrace(4, {PLACE: 1}), challenger=market.stranger)
    other.play(PLACE, until=PROVE_ELEMENT)
    other.move("prove_chunk", *other.chunk_arguments(3, chunk))
    assert event(market.game, "GameResolved").reason == "partial is as stated"
    assert other.record.outcome == CHALLENGER_WON
    assert market.game.convicted(game.claim.claim_id)


def test_conviction_beside_the_misstated(market: Market, game: ToyGame) -> None:
    """A right provider that names a right partial has only itself to blame."""
    game.play(PLACE, until=PROVE_ELEMENT, misstated=1)
    game.move("prove_chunk", *game.chunk_arguments(3, 2, misstated=1))
    assert game.record.outcome == CHALLENGER_WON


def test_misstated_partials_acquit_even_the_wrong(market: Market, game: ToyGame) -> None:
    """A challenger that misstates a partial loses its game, and only that."""
    other = open_game(market, game.claim, ToyTrace(4, {PLACE: 1}), challenger=market.stranger)
    other.play(PLACE, misstated=0)
    assert other.record.outcome == PROVIDER_WON
    assert not market.game.convicted(game.claim.claim_id)


@pytest.mark.parametrize("chunk", [3, 255, 2**256 - 1])
def test_revert_no_such_chunk(game: ToyGame, chunk: int) -> None:
    game.play(PLACE, until=PROVE_ELEMENT)
    game.refuses("dispute_game: no such chunk", "prove_chunk", *game.chunk_arguments(3, chunk))


@pytest.mark.parametrize("place", [(1, 2, 600), (3, 1, 0)])
def test_revert_at_most_one_chunk(game: ToyGame, place: tuple[int, int, int]) -> None:
    game.play(place, until=PROVE_ELEMENT)
    arguments = game.chunk_arguments(place[2], 0)
    game.refuses("dispute_game: no such chunk", "prove_chunk", *arguments)


@pytest.mark.parametrize("partials", [[10, 13, 13], [], [11, 12], [12, 12, 13]])
def test_revert_other_partials(game: ToyGame, partials: list[int]) -> None:
    """The provider cannot put a misstatement into the challenger's mouth."""
    game.play(PLACE, until=PROVE_ELEMENT)
    terms, step, element, _, openings = game.chunk_arguments(3, 0)
    arguments = (terms, step, (*element[:3], packed(partials)), 0, openings)
    game.refuses("dispute_game: wrong opening", "prove_chunk", *arguments)


@pytest.mark.parametrize("which", ["pass", "step"])
def test_revert_other_terms(game: ToyGame, which: str) -> None:
    game.play(PLACE, until=PROVE_ELEMENT)
    terms, step, element, chunk, openings = game.chunk_arguments(3, 0)
    if which == "pass":
        terms = (terms[0] + 1, *terms[1:])
    else:
        step = (step[0] + 1, *step[1:])
    game.refuses("dispute_game: wrong terms", "prove_chunk", terms, step, element, chunk, openings)


def test_revert_malformed_opening(game: ToyGame) -> None:
    game.play(PLACE, until=PROVE_ELEMENT)
    terms, step, element, chunk, _ = game.chunk_arguments(3, 0)
    game.refuses("toy_verifier: openings", "prove_chunk", terms, step, element, chunk, [])
