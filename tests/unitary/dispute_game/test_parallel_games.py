"""Attacks through more than one game: puppets, copies, and many at once."""

from __future__ import annotations

import boa

from tests.support.market import BOND, REWARD_BPS, SLASH, Claim, Market, reverts
from tests.support.toy_game import CHALLENGER_WON, PROVIDER_WON, ToyGame, ToyTrace, open_game

LIE = (1, 2, 600)


def test_lost_puppet_game_changes_nothing_for_others(market: Market, claim: Claim) -> None:
    """The provider opens first through a puppet, points beside the lie and loses."""
    trace = ToyTrace(4, {LIE: 1})
    puppet = open_game(market, claim, trace, challenger=market.stranger)
    puppet.play((0, 0, 0))
    assert puppet.record.outcome == PROVIDER_WON
    with reverts("settlement: window still open"):
        market.finalise(claim)

    challenger = open_game(market, claim, trace)
    market.after_window()
    with reverts("settlement: a game is open"):
        market.finalise(claim)
    boa.env.time_travel(seconds=-market.settlement.window_seconds() - 1)
    challenger.play(LIE)
    assert challenger.record.outcome == CHALLENGER_WON
    assert market.settlement.status(claim.batch_id, claim.index) == 2


def test_convicting_oneself_burns_more_than_half(market: Market, claim: Claim) -> None:
    """Slashed by its own puppet, a provider is poorer by what was burned."""
    wealth = market.providers.bonded(market.provider)
    puppet = open_game(market, claim, ToyTrace(4, {LIE: 1}), challenger=market.stranger)
    puppet.play(LIE)
    left = market.providers.bonded(market.provider) + market.bond_token.balanceOf(market.stranger)
    assert wealth + BOND - left == SLASH - SLASH * REWARD_BPS // 10_000 > SLASH // 2


def test_reward_goes_to_the_opener_whoever_resolves(market: Market, claim: Claim) -> None:
    game = open_game(market, claim)
    boa.env.time_travel(seconds=601)
    game.timeout(sender=market.stranger)
    assert market.bond_token.balanceOf(market.stranger) == 0
    assert market.bond_token.balanceOf(game.challenger) == BOND + SLASH * REWARD_BPS // 10_000


def test_copied_opening_is_a_game_of_its_own(market: Market, claim: Claim) -> None:
    """Same claim, token and salt by another caller: neither blocks nor captures the first."""
    trace = ToyTrace(4, {LIE: 1})
    copy = open_game(market, claim, trace, challenger=market.stranger)
    original = open_game(market, claim, trace)
    assert copy.game_id != original.game_id
    copy.answer()
    arguments = copy.pick_arguments(0)
    original.answer()
    original.refuses("dispute_game: not your turn", "pick_node", *arguments, sender=market.stranger)


def test_moves_are_no_proof_in_another_game(market: Market, claim: Claim) -> None:
    """Nodes of one trace cannot be spliced into a game over another."""
    game = open_game(market, claim).answer()
    other = open_game(market, claim, ToyTrace(4, {LIE: 1}), challenger=market.stranger).answer()
    game.refuses("dispute_game: wrong opening", "pick_node", *other.pick_arguments(0))
    for each in (game, other):
        each.advance((1, 0, 0))
    game.refuses("dispute_game: wrong opening", "reveal_nodes", *other.reveal_arguments())


def test_many_false_challenges_feed_the_provider(market: Market, claim: Claim) -> None:
    """Each game has clocks of its own; answering one takes nothing from another."""
    games: list[ToyGame] = []
    for _ in range(8):
        challenger = boa.env.generate_address("challenger")
        games.append(open_game(market, claim, challenger=challenger))
    for game in games:
        game.play((2, 1, 3))
        assert game.record.outcome == PROVIDER_WON
    assert market.bond_token.balanceOf(market.provider) == 8 * BOND
    assert market.bond_token.balanceOf(market.game.address) == 0
    market.after_window()
    market.finalise(claim)


def test_conviction_takes_one_slash_only(market: Market, claim: Claim) -> None:
    """A second game that also finds the lie finds the claim dead."""
    trace = ToyTrace(4, {LIE: 1})
    first = open_game(market, claim, trace)
    second = open_game(market, claim, trace, challenger=market.stranger).play(LIE, until=7)
    first.play(LIE)
    arguments = second.any_arguments("prove_element")
    second.refuses("dispute_game: claim is convicted", "prove_element", *arguments)
    assert market.providers.bonded(market.provider) == 9 * SLASH
