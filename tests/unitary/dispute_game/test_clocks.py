"""The clocks of a record: what is left now, and until when."""

from __future__ import annotations

import boa

from tests.support.market import CLOCK, EXTENSION, Market
from tests.support.toy_game import ToyGame


def test_default_behavior(market: Market, game: ToyGame) -> None:
    start = market.now
    boa.env.time_travel(seconds=100)
    assert game.record.clocks(market.now) == (CLOCK - 100, CLOCK, start + CLOCK)
    game.answer()
    boa.env.time_travel(seconds=30)
    assert game.record.clocks(market.now) == (CLOCK - 100, CLOCK - 30, start + 100 + CLOCK)


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
    assert game.record.clocks(market.now) == (CLOCK - 250, CLOCK, 0)


def test_never_below_zero(market: Market, game: ToyGame) -> None:
    start = market.now
    boa.env.time_travel(seconds=10 * CLOCK)
    assert game.record.clocks(market.now) == (0, CLOCK, start + CLOCK)


def test_extension_is_no_gift_to_who_has_time(market: Market, game: ToyGame) -> None:
    boa.env.time_travel(seconds=CLOCK - EXTENSION - 1)
    game.answer()
    game.advance((45, 0, 0))
    assert game.record.provider_left == EXTENSION + 1
