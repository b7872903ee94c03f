"""Settlement.convict: the game's alone."""

from __future__ import annotations

import pytest

from tests.support.market import REWARD_BPS, SLASH, Claim, Market, event, reverts
from tests.support.toy_game import PROVE_ELEMENT, ToyTrace, open_game

LIE = (0, 0, 1)


def test_default_behavior(market: Market, claim: Claim) -> None:
    game = open_game(market, claim, ToyTrace(4, {LIE: 1})).play(LIE, until=PROVE_ELEMENT)
    game.advance(LIE)
    convicted = event(market.game, "ClaimConvicted")
    assert (convicted.claim_id, convicted.batch_id) == (claim.claim_id, claim.batch_id)
    assert (convicted.opener, convicted.index) == (game.challenger, 1)
    assert (convicted.slashed, convicted.reward) == (SLASH, SLASH * REWARD_BPS // 10_000)
    assert market.settlement.status(claim.batch_id, claim.index) == 2


@pytest.mark.parametrize("role", ["provider", "challenger", "deployer", "stranger"])
def test_revert_not_the_game(market: Market, claim: Claim, role: str) -> None:
    sender = getattr(market, role)
    with reverts("settlement: caller is not the game"):
        market.settlement.convict(claim.batch_id, 1, sender, sender=sender)
    assert market.providers.bonded(market.provider) == 10 * SLASH


def test_revert_ended_claim(market: Market, claim: Claim) -> None:
    """The game never asks for it; if it did, nothing would be slashed twice."""
    market.after_window()
    market.finalise(claim)
    with reverts("settlement: claim is not open"):
        market.settlement.convict(claim.batch_id, 1, market.challenger, sender=market.game.address)
