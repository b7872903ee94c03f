"""The bond of a game: dearer the more games its provider has to answer, and paid back whole."""

from __future__ import annotations

import boa
import pytest

from assay.chain.parameters import GAMES_A_BOND
from tests.support.market import BOND, SLASH, Claim, Market, reverts
from tests.support.toy_game import ToyGame, ToyTrace, open_game

LIE = (1, 2, 600)


def fill(market: Market, claim: Claim, games: int) -> list[ToyGame]:
    """Games of one challenger against a claim, each with a salt of its own."""
    opened = []
    for number in range(games):
        held = market.bond_token.balanceOf(market.game.address)
        opened.append(open_game(market, claim, salt=number.to_bytes(32, "big")))
        paid = market.bond_token.balanceOf(market.game.address) - held
        assert paid == BOND * (1 + number // GAMES_A_BOND) == BOND * opened[-1].record.bonds
    return opened


def test_default_behavior(market: Market, claim: Claim) -> None:
    """The next 32 cost one bond more; games that end make room; other providers' cost what they
    did."""
    assert market.game.bond_against(market.provider) == market.game.challenger_bond() == BOND
    opened = fill(market, claim, GAMES_A_BOND + 1)
    assert market.game.bond_against(market.provider) == 2 * BOND
    assert market.game.bond_against(market.stranger) == BOND
    assert market.bond_token.balanceOf(market.game.address) == (GAMES_A_BOND + 2) * BOND
    for game in opened[:2]:
        game.answer()  # now the challenger is to move, and does not
    boa.env.time_travel(seconds=601)
    for game in opened[:2]:
        game.timeout()
        assert market.bond_token.balanceOf(market.provider) == BOND * (opened.index(game) + 1)
    assert market.game.bond_against(market.provider) == BOND


@pytest.mark.parametrize("end", ["acquitted", "convicted", "closed"])
def test_what_was_paid_leaves(market: Market, claim: Claim, end: str) -> None:
    """To whoever is right; all other games' bonds stay until their own ends."""
    opened = fill(market, claim, GAMES_A_BOND)
    game = open_game(market, claim, ToyTrace(4, {LIE: 1}), challenger=market.stranger)
    assert game.record.bonds == 2
    if end == "acquitted":
        game.play((0, 0, 0))
        assert market.bond_token.balanceOf(market.provider) == 2 * BOND
    elif end == "convicted":
        game.play(LIE)
        assert market.bond_token.balanceOf(market.stranger) > 2 * BOND
    else:
        boa.env.time_travel(seconds=601)
        opened[0].timeout()
        game.close()
        assert market.bond_token.balanceOf(market.stranger) == 2 * BOND
    ended = 2 if end == "closed" else 1
    left = (GAMES_A_BOND + 1 - ended) * BOND
    assert market.bond_token.balanceOf(market.game.address) == left


def test_revert_too_little(market: Market, claim: Claim) -> None:
    """Whoever has allowed for one bond pays no two."""
    fill(market, claim, GAMES_A_BOND)
    market.fund_challenger(market.stranger, 2 * BOND)
    market.bond_token.approve(market.game.address, BOND, sender=market.stranger)
    with reverts("erc20: insufficient allowance"):
        market.game.open(*claim.opening(), sender=market.stranger)
    assert market.providers.locked(market.provider) == 3 * SLASH
