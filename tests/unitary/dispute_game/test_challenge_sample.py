"""DisputeGame.challenge_sample: accept the trace, reject the choice of the token."""

from __future__ import annotations

import pytest

from tests.support.market import VOCABULARY, Market, event
from tests.support.toy_game import (
    PICK_NODE,
    PROVE_SAMPLE,
    REVEAL_NODES,
    REVEAL_STEP,
    REVEAL_TILE,
    ToyGame,
    ToyTrace,
    open_game,
)


def test_default_behavior(market: Market, game: ToyGame) -> None:
    game.answer()
    game.move("challenge_sample", game.terms.abi(), 17)
    challenged = event(market.game, "SampleChallenged")
    assert (challenged.game_id, challenged.rival) == (game.game_id, 17)
    assert (game.record.phase, game.record.target) == (PROVE_SAMPLE, 17)


def test_in_any_turn_among_the_steps(game: ToyGame) -> None:
    game.play((45, 0, 0), until=REVEAL_NODES)
    game.advance((45, 0, 0))
    assert (game.phase, game.record.depth_left) == (PICK_NODE, 3)
    game.move("challenge_sample", game.terms.abi(), 17)
    assert game.phase == PROVE_SAMPLE


def test_revert_once_a_step_is_picked(game: ToyGame) -> None:
    game.play((3, 0, 0), until=REVEAL_STEP)
    game.advance((3, 0, 0))
    assert game.phase == PICK_NODE
    arguments = (game.terms.abi(), 17)
    game.refuses("dispute_game: a step is picked", "challenge_sample", *arguments)


def test_revert_after_the_node_is_picked(game: ToyGame) -> None:
    game.play((1, 0, 0), until=REVEAL_TILE)
    arguments = (game.terms.abi(), 17)
    game.refuses(
        "dispute_game: not this move", "challenge_sample", *arguments, sender=game.challenger
    )


def test_revert_other_trace(market: Market, game: ToyGame) -> None:
    """What a challenger said about one answer counts for no other, after a reorganisation."""
    other = open_game(market, game.claim, ToyTrace(4, {(1, 0, 0): 1}), challenger=market.stranger)
    other.answer()
    game.answer()
    game.standing = (*game.standing[:6], other.trace.root, *game.standing[7:])
    game.refuses("dispute_game: other record", "challenge_sample", game.terms.abi(), 17)


@pytest.mark.parametrize("rival", [VOCABULARY, 2**32 - 1])
def test_revert_rival_outside_the_vocabulary(game: ToyGame, rival: int) -> None:
    """The provider could not open its logit."""
    game.answer()
    arguments = (game.terms.abi(), rival)
    game.refuses("dispute_game: no such token", "challenge_sample", *arguments)


def test_revert_altered_pass(game: ToyGame) -> None:
    game.answer()
    terms = list(game.terms.abi())
    terms[14] = 10**6
    arguments = (tuple(terms), VOCABULARY)
    game.refuses("dispute_game: wrong terms", "challenge_sample", *arguments)
