"""Games against one claim: nobody captures it, another's reward, or another's turn.

A claim is wrong and its provider plays games of its own against it, through puppets; or a stranger
watches the pool and sends what an honest challenger sends, first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import boa
import pytest
from boa import BoaError

from assay.chain.record import Record
from tests.attacks.arena import ANY_RECORD, Defect, dispute
from tests.support.market import BOND, CLOCK, REWARD_BPS, SLASH, Claim, Market
from tests.support.toy_game import PROVIDER_WON, RESOLVED, ToyGame, ToyTrace, open_game

GAME, STATE, STAKES = "disputes/DisputeGame", "modules/game_state", "modules/stakes"
LIE = (1, 2, 600)
BESIDE = (0, 0, 0)
REWARD = SLASH * REWARD_BPS // 10_000

SETTLED_BY_ANY_END = Defect(
    GAME,
    "    if outcome == CHALLENGER_WON:\n        in_play",
    "    if outcome != UNDECIDED:\n        in_play",
    STATE,
)
ONE_GAME_A_TOKEN = Defect(GAME, "token_index, challenger, salt))", "token_index))")
ENDS_ALL_GAMES = Defect(
    GAME,
    "self.claims_in_play[claim_id] - 1\n",
    "self.claims_in_play[claim_id] & CONVICTED\n",
    STATE,
)
REWARDS_WHO_RESOLVES = Defect(
    GAME,
    "    challenger: address = game_state._challenger(record)\n"
    "    claim_id: bytes32 = game_state._end(game_id, record, game_state.CHALLENGER_WON)\n",
    "    challenger: address = msg.sender\n"
    "    claim_id: bytes32 = game_state._end(game_id, record, game_state.CHALLENGER_WON)\n",
    STAKES,
)
ANYBODY_MOVES = Defect(
    GAME, '    assert msg.sender == mover, "dispute_game: not your turn"\n', "", STATE
)

Attack = Callable[[Market, Claim], bool]


def lying(market: Market, claim: Claim, challenger: str, salt: bytes = bytes(32)) -> ToyGame:
    trace = ToyTrace(claim.job.prompt_tokens + 1, {LIE: 1})
    return open_game(market, claim, trace, challenger=challenger, salt=salt)


def lose_first(market: Market, claim: Claim) -> bool:
    """The provider's puppet opens first, points beside the lie and loses."""
    puppet = lying(market, claim, market.stranger).play(BESIDE)
    assert puppet.record.outcome == PROVIDER_WON
    return _unchallenged(lambda: lying(market, claim, market.challenger).play(LIE), market, claim)


def take_the_id(market: Market, claim: Claim) -> bool:
    """The puppet has seen the challenger's opening, and sends the same first."""
    lying(market, claim, market.stranger)
    return _unchallenged(lambda: lying(market, claim, market.challenger).play(LIE), market, claim)


def finalise_beside(market: Market, claim: Claim) -> bool:
    """While an honest game goes on, the puppet's ends; the claim is final before the first is."""
    honest = lying(market, claim, market.challenger).play(LIE, until=4)
    lying(market, claim, market.stranger).play(BESIDE)
    while market.now <= market.settlement.challenge_until(claim.batch_id):
        boa.env.time_travel(seconds=CLOCK // 2)
        honest.advance(LIE)
    assert honest.phase != RESOLVED
    try:
        market.finalise(claim)
    except BoaError:
        honest.play(LIE)
        return not market.game.convicted(claim.claim_id)
    return True


def take_the_reward(market: Market, claim: Claim) -> bool:
    """A stranger sends the `timeout` that the challenger was about to send."""
    game = lying(market, claim, market.challenger)
    boa.env.time_travel(seconds=CLOCK + 1)
    game.timeout(sender=market.stranger)
    return bool(market.bond_token.balanceOf(game.challenger) != BOND + REWARD)


def name_oneself(market: Market, claim: Claim) -> bool:
    """The stranger's `timeout` brings a record in which it is the challenger."""
    game = lying(market, claim, market.challenger)
    boa.env.time_travel(seconds=CLOCK + 1)
    record = Record(*game.standing)
    opener = record.opener >> 160 << 160 | int(market.stranger, 16)
    game.standing = replace(record, opener=opener).abi()
    try:
        game.timeout(sender=market.stranger)
    except BoaError:
        return False
    return bool(market.bond_token.balanceOf(market.stranger) == BOND + REWARD)


def play_for_the_challenger(market: Market, claim: Claim) -> bool:
    """The provider makes the challenger's picks: beside the lie."""
    game = lying(market, claim, market.challenger).answer()
    arguments = game.pick_arguments(game.child_towards(BESIDE))
    try:
        game.move("pick_node", *arguments, sender=market.provider)
    except BoaError:
        return False
    game.play(BESIDE)
    return bool(market.bond_token.balanceOf(market.provider) == BOND)


def _unchallenged(challenge: Callable[[], object], market: Market, claim: Claim) -> bool:
    """Whether the lie is paid, although an honest challenger tries to stop it."""
    try:
        challenge()
    except BoaError:
        boa.env.time_travel(seconds=10 * CLOCK)
        if market.game.open_games(claim.claim_id):  # the puppet's, which nobody plays
            return True
        market.finalise(claim)
        return True
    return not market.game.convicted(claim.claim_id)


ATTACKS = [
    pytest.param(lose_first, SETTLED_BY_ANY_END, id="a puppet loses first"),
    pytest.param(take_the_id, ONE_GAME_A_TOKEN, id="a puppet takes the game's id"),
    pytest.param(finalise_beside, ENDS_ALL_GAMES, id="another game's end frees the claim"),
    pytest.param(take_the_reward, REWARDS_WHO_RESOLVES, id="the end is front-run"),
    pytest.param(name_oneself, ANY_RECORD, id="the end is front-run with another challenger"),
    pytest.param(play_for_the_challenger, ANYBODY_MOVES, id="a move by the other side"),
]


@pytest.mark.parametrize(("attack", "defect"), ATTACKS)
def test_no_capture(attack: Attack, defect: Defect) -> None:
    """It fails on the contracts, and succeeds where the defence is missing."""
    with dispute() as sound:
        assert not attack(*sound)
    with dispute(defect) as defective:
        assert attack(*defective)


@pytest.mark.parametrize("first", [0, 1])
def test_games_end_in_any_order(first: int) -> None:
    """Three games about one claim, three ends, whoever proves the lie first: every bond leaves."""
    with dispute() as (market, claim):
        openers = [boa.env.generate_address("opener") for _ in range(3)]
        games = [lying(market, claim, opener) for opener in openers]
        games[0].play(BESIDE)
        games[1].play(LIE, until=7)
        order = [games[(first + turn) % 2 + 1] for turn in range(2)]
        order[0].play(LIE)
        order[1].close(sender=market.stranger)
        assert market.game.open_games(claim.claim_id) == 0
        assert market.bond_token.balanceOf(market.game.address) == 0
        assert market.bond_token.balanceOf(order[0].challenger) == BOND + REWARD
        assert market.bond_token.balanceOf(order[1].challenger) == BOND
