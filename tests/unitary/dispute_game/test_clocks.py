"""DisputeGame.clocks: what is left now, and until when."""

from __future__ import annotations

import boa

from tests.support.market import CLOCK, EXTENSION, Market
from tests.support.toy_game import ToyGame


def test_default_behavior(market: Market, game: ToyGame) -> None:
    start = market.now
    boa.env.time_travel(seconds=100)
    assert market.game.clocks(game.game_id) == (CLOCK - 100, CLOCK, start + CLOCK)
    game.answer()
    boa.env.time_travel(seconds=30)
    assert market.game.clocks(game.game_id) == (CLOCK - 100, CLOCK - 30, start + 100 + CLOCK)


def test_total_not_per_move(market: Market, game: ToyGame) -> None:
    boa.env.time_travel(seconds=200)
    game.answer()
    game.advance((45, 0, 0))
    boa.env.time_travel(seconds=300)
    game.advance((45, 0, 0))
    assert game.record.provider_left == CLOCK - 500


def test_winning_move_is_charged(market: Market, game: ToyGame) -> None:
    game.play((0, 0, 0), until=7)
    boa.env.time_travel(seconds=250)
    game.advance((0, 0, 0))
    assert game.record.provider_left == CLOCK - 250
    assert market.game.clocks(game.game_id) == (CLOCK - 250, CLOCK, 0)


def test_never_below_zero(market: Market, game: ToyGame) -> None:
    start = market.now
    boa.env.time_travel(seconds=10 * CLOCK)
    assert market.game.clocks(game.game_id) == (0, CLOCK, start + CLOCK)


def test_extension_is_no_gift_to_who_has_time(market: Market, game: ToyGame) -> None:
    boa.env.time_travel(seconds=CLOCK - EXTENSION - 1)
    game.answer()
    game.advance((45, 0, 0))
    assert game.record.provider_left == EXTENSION + 1


def test_unknown_game(market: Market) -> None:
    assert market.game.clocks(b"\x42" * 32) == (0, 0, 0)
