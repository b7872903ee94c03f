"""The clock: whose time runs, what the last second is worth, and that an end is an end.

Seconds are those of `support.market`: 600 a side, at least 60 a turn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import boa
import pytest
from boa import BoaError

from assay.chain.record import Record
from tests.attacks.arena import ANY_RECORD, Defect, dispute
from tests.support.evm import reverts
from tests.support.market import BOND, CLOCK, EXTENSION, Claim, Market
from tests.support.toy_game import (
    CHALLENGER_WON,
    PICK_NODE,
    PROVIDER_WON,
    ToyGame,
    ToyTrace,
    convict,
    open_game,
)

GAME, STATE, CLOCKS = "disputes/DisputeGame", "modules/game_state", "modules/clock"
LIE = (1, 2, 600)

CHARGES_THE_OTHER_SIDE = Defect(
    GAME,
    "    if challenger_moves:\n        charged.challenger_left -=",
    "    if not challenger_moves:\n        charged.challenger_left -=",
    CLOCKS,
)
JUDGES_THE_OTHER_CLOCK = Defect(
    GAME,
    "    assert block.timestamp > clock.deadline(turn.clock, challenger_moves), (\n",
    "    assert block.timestamp > clock.deadline(turn.clock, not challenger_moves), (\n",
    STATE,
)
CONDEMNS_THE_WAITING_SIDE = Defect(
    GAME, "    if challenger_is_late:\n", "    if not challenger_is_late:\n"
)
NO_EXTENSION = Defect(
    GAME,
    "self._challenger_moves(phase), EXTENSION_SECONDS\n",
    "self._challenger_moves(phase), 0\n",
    STATE,
)
LATE_MOVES_COUNT = Defect(
    GAME,
    "    assert block.timestamp <= clock.deadline(turn.clock, challenger_moves), (\n"
    '        "dispute_game: clock expired"\n    )\n',
    "",
    STATE,
)
NO_END = Defect(
    GAME, '    assert turn.phase != RESOLVED, "dispute_game: game is over"\n', "", STATE
)
KEEPS_BONDS = Defect(
    GAME,
    "    self._return_bonds(record, challenger)\n    log IDisputeGame.GameClosed",
    "    log IDisputeGame.GameClosed",
    "modules/stakes",
)
ONLY_THE_OPENER_RESOLVES = Defect(
    GAME,
    "    if challenger_is_late:\n",
    "    assert msg.sender == game_state._challenger(given)\n    if challenger_is_late:\n",
)

Attack = Callable[[Market, Claim], bool]


def timed_out(game: ToyGame) -> bool:
    """Whether a stranger's `timeout` goes through now."""
    try:
        game.timeout(sender=game.market.stranger)
    except BoaError:
        return False
    return True


def stall(market: Market, claim: Claim) -> bool:
    """A false challenger thinks long, so that the provider, who is quick, runs out of time."""
    game = open_game(market, claim).answer()
    boa.env.time_travel(seconds=CLOCK - 1)
    game.advance(LIE)
    boa.env.time_travel(seconds=2 * EXTENSION)
    return timed_out(game) and game.record.outcome == CHALLENGER_WON


def resolve_by_the_other_clock(market: Market, claim: Claim) -> bool:
    """The challenger has used up its own time, and ends the game in the provider's turn."""
    game = open_game(market, claim).answer()
    boa.env.time_travel(seconds=CLOCK)
    game.advance(LIE)
    boa.env.time_travel(seconds=1)
    return timed_out(game) and game.record.outcome == CHALLENGER_WON


def set_the_clock(market: Market, claim: Claim) -> bool:
    """A false challenger says that the provider's turn began long ago."""
    game = open_game(market, claim)
    record = Record(*game.standing)
    long_ago = record.turn - ((game.record.turn_started - 1) << 128)
    game.standing = replace(record, turn=long_ago).abi()
    return timed_out(game) and game.record.outcome == CHALLENGER_WON


def fall_silent(market: Market, claim: Claim) -> bool:
    """A lying provider does not answer; does that cost the challenger its bond?"""
    game = open_game(market, claim, ToyTrace(4, {LIE: 1}))
    boa.env.time_travel(seconds=CLOCK + 1)
    return timed_out(game) and game.record.outcome == PROVIDER_WON


def last_second(market: Market, claim: Claim) -> bool:
    """A liar moves in its last second, when the challenger's time is used up as well."""
    game = open_game(market, claim, ToyTrace(4, {LIE: 1})).answer()
    boa.env.time_travel(seconds=CLOCK)
    game.advance(LIE)
    boa.env.time_travel(seconds=CLOCK)
    game.advance(LIE)
    assert game.phase == PICK_NODE
    boa.env.time_travel(seconds=1)
    return timed_out(game) and game.record.outcome == PROVIDER_WON


def after_the_deadline(market: Market, claim: Claim) -> bool:
    """A liar whose time is over front-runs the `timeout` with a move."""
    game = open_game(market, claim, ToyTrace(4, {LIE: 1}))
    boa.env.time_travel(seconds=CLOCK + 1)
    try:
        game.answer()
    except BoaError:
        return not timed_out(game)
    return not timed_out(game)


def resolve_twice(market: Market, claim: Claim) -> bool:
    """A false challenger has lost; later it lets the provider "run out of time"."""
    game = open_game(market, claim).play(LIE)
    assert game.record.outcome == PROVIDER_WON
    open_game(market, claim, challenger=market.stranger)  # a bond that can be taken
    boa.env.time_travel(seconds=10 * CLOCK)
    return timed_out(game) and market.bond_token.balanceOf(game.challenger) >= BOND


def close_twice(market: Market, claim: Claim) -> bool:
    """A bond is paid out, and once more from another game's."""
    game = open_game(market, claim)
    other = open_game(market, claim, challenger=market.stranger)
    convict(market, claim)
    game.close()
    try:
        game.close()
    except BoaError:
        other.close()
    return bool(market.bond_token.balanceOf(game.challenger) > BOND)


def leave_a_bond(market: Market, claim: Claim) -> bool:
    """All games are over; does the contract still hold something?"""
    game = open_game(market, claim)
    convict(market, claim)
    game.close(sender=market.stranger)
    assert market.game.open_games(claim.claim_id) == 0
    return bool(market.bond_token.balanceOf(market.game.address) > 0)


def leave_the_table(market: Market, claim: Claim) -> bool:
    """A challenger opens and goes away: is the claim held up for ever?"""
    game = open_game(market, claim).answer()
    boa.env.time_travel(seconds=10 * CLOCK)
    return not timed_out(game)


ATTACKS = [
    pytest.param(stall, CHARGES_THE_OTHER_SIDE, id="stall on the other's clock"),
    pytest.param(resolve_by_the_other_clock, JUDGES_THE_OTHER_CLOCK, id="the other's deadline"),
    pytest.param(set_the_clock, ANY_RECORD, id="a clock of one's own"),
    pytest.param(fall_silent, CONDEMNS_THE_WAITING_SIDE, id="silence"),
    pytest.param(last_second, NO_EXTENSION, id="the last second"),
    pytest.param(after_the_deadline, LATE_MOVES_COUNT, id="after the deadline"),
    pytest.param(resolve_twice, NO_END, id="a timeout after the end"),
    pytest.param(close_twice, NO_END, id="a second close"),
    pytest.param(leave_a_bond, KEEPS_BONDS, id="a bond left behind"),
    pytest.param(leave_the_table, ONLY_THE_OPENER_RESOLVES, id="nobody left to resolve"),
]


@pytest.mark.parametrize(("attack", "defect"), ATTACKS)
def test_no_time_to_win(attack: Attack, defect: Defect) -> None:
    """It fails on the contracts, and succeeds where the defence is missing."""
    with dispute() as sound:
        assert not attack(*sound)
    with dispute(defect) as defective:
        assert attack(*defective)


def test_bad_transactions_buy_no_time() -> None:
    """One a minute until the deadline, each refused; then the time is over all the same."""
    with dispute() as (market, claim):
        game = open_game(market, claim)
        standing = market.game.standing(game.game_id)
        while market.now < game.record.deadline:
            boa.env.time_travel(seconds=60)
            with reverts("dispute_game: malformed row"):
                game.move("answer", *game.any_arguments("answer"))
        assert market.game.standing(game.game_id) == standing
        boa.env.time_travel(seconds=1)
        assert timed_out(game) and game.record.outcome == CHALLENGER_WON
