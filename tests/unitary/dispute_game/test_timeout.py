"""DisputeGame.timeout: whoever does not move loses, whoever says so."""

from __future__ import annotations

import boa
import pytest

from tests.support.market import BOND, CLOCK, EXTENSION, REWARD_BPS, SLASH, Market, event, reverts
from tests.support.toy_game import (
    CHALLENGER_WON,
    PICK_NODE,
    PROVE_ELEMENT,
    PROVIDER_WON,
    REVEAL_NODES,
    ToyGame,
)


def test_default_behavior(market: Market, game: ToyGame) -> None:
    """A silent provider is convicted."""
    boa.env.time_travel(seconds=CLOCK + 1)
    game.timeout(sender=market.stranger)
    resolved = event(market.game, "GameResolved")
    assert (resolved.winner, resolved.outcome) == (game.challenger, CHALLENGER_WON)
    assert resolved.reason == "provider ran out of time"
    assert game.record.provider_left == 0
    reward = SLASH * REWARD_BPS // 10_000
    assert market.bond_token.balanceOf(game.challenger) == BOND + reward
    assert market.bond_token.balanceOf(market.stranger) == 0
    assert market.game.convicted(game.claim.claim_id)


def test_silent_challenger_loses_its_bond(market: Market, game: ToyGame) -> None:
    game.answer()
    boa.env.time_travel(seconds=CLOCK + 1)
    game.timeout(sender=market.stranger)
    resolved = event(market.game, "GameResolved")
    assert (resolved.winner, resolved.outcome) == (market.provider, PROVIDER_WON)
    assert resolved.reason == "challenger ran out of time"
    assert market.bond_token.balanceOf(market.provider) == BOND
    assert not market.game.convicted(game.claim.claim_id)


@pytest.mark.parametrize("phase", [PICK_NODE, REVEAL_NODES, PROVE_ELEMENT])
def test_only_the_side_to_move_is_charged(market: Market, game: ToyGame, phase: int) -> None:
    """The other side may have spent nearly all its time; it is not its turn."""
    game.play((1, 2, 600), until=phase)
    boa.env.time_travel(seconds=CLOCK + 1)
    game.timeout()
    expected = PROVIDER_WON if phase == PICK_NODE else CHALLENGER_WON
    assert game.record.outcome == expected


def test_revert_clock_is_running(market: Market, game: ToyGame) -> None:
    for _ in range(2):
        with reverts("dispute_game: clock is running"):
            game.timeout()
        boa.env.time_travel(seconds=CLOCK)


def test_failed_moves_reset_no_deadline(market: Market, game: ToyGame) -> None:
    """Twenty bad transactions later the clock says what it would have said without them."""
    start = market.now
    for _ in range(20):
        boa.env.time_travel(seconds=CLOCK // 20)
        game.refuses(
            "dispute_game: wrong terms",
            "answer",
            *game.any_arguments("answer")[:1],
            (1, []),
            [],
            *game.any_arguments("answer")[3:],
        )
    assert game.record.clocks(market.now) == (0, CLOCK, start + CLOCK)
    boa.env.time_travel(seconds=1)
    game.timeout()
    assert game.record.outcome == CHALLENGER_WON


def test_last_second_move_leaves_time_to_answer(market: Market, game: ToyGame) -> None:
    """The challenger has used all its time but is still given the extension for each turn."""
    game.answer()
    boa.env.time_travel(seconds=CLOCK)
    game.advance((45, 0, 0))
    assert game.record.challenger_left == 0
    boa.env.time_travel(seconds=CLOCK)
    game.advance((45, 0, 0))
    assert (game.record.provider_left, game.record.challenger_left) == (0, EXTENSION)
    boa.env.time_travel(seconds=EXTENSION)
    with reverts("dispute_game: clock is running"):
        game.timeout()
    game.advance((45, 0, 0))
    assert (game.record.provider_left, game.record.challenger_left) == (EXTENSION, 0)


def test_no_game_outlasts_its_bound(market: Market, game: ToyGame) -> None:
    """Both sides use every second they ever get."""
    start = market.now
    target = (2, 1, 3)
    while game.record.outcome == 0:
        boa.env.time_travel(seconds=game.record.clocks(market.now)[2] - market.now)
        game.advance(target)
    assert market.now - start <= market.game.longest_game_seconds()
    assert market.now - start > 2 * CLOCK
