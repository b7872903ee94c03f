"""DisputeGame.close: a claim dead in one game ends the others, and costs nobody else anything."""

from __future__ import annotations

import boa

from tests.support.market import BOND, CLOCK, Market, event, reverts
from tests.support.toy_game import (
    CLOSED,
    PICK_NODE,
    RESOLVED,
    REVEAL_TILE,
    ToyGame,
    convict,
    open_game,
)


def test_default_behavior(market: Market, game: ToyGame) -> None:
    convict(market, game.claim)
    game.close(sender=market.stranger)
    closed = event(market.game, "GameClosed")
    assert (closed.game_id, closed.claim_id) == (game.game_id, game.claim.claim_id)
    assert closed.challenger == game.challenger
    assert (game.phase, game.record.outcome) == (RESOLVED, CLOSED)
    assert market.bond_token.balanceOf(game.challenger) == BOND
    assert market.game.open_games(game.claim.claim_id) == 0


def test_in_any_phase_whatever_the_clocks_say(market: Market, game: ToyGame) -> None:
    games = [game]
    for phase in (PICK_NODE, REVEAL_TILE):
        challenger = boa.env.generate_address("challenger")
        games.append(open_game(market, game.claim, challenger=challenger))
        games[-1].play((1, 0, 0), until=phase)
    convict(market, game.claim)
    boa.env.time_travel(seconds=2 * CLOCK)
    for other in games:
        other.close()
        assert market.bond_token.balanceOf(other.challenger) == BOND
    assert market.bond_token.balanceOf(market.game.address) == 0


def test_revert_not_convicted(game: ToyGame) -> None:
    game.refuses("dispute_game: not convicted", "close")
    boa.env.time_travel(seconds=2 * CLOCK)
    game.refuses("dispute_game: not convicted", "close")


def test_revert_twice(market: Market, game: ToyGame) -> None:
    convict(market, game.claim)
    game.close()
    with reverts("dispute_game: game is over"):
        game.close()
    assert market.bond_token.balanceOf(game.challenger) == BOND


def test_revert_for_the_convicting_game(market: Market, game: ToyGame) -> None:
    other = convict(market, game.claim)
    with reverts("dispute_game: game is over"):
        other.close()
