"""Settlement.abandon: no bond stays locked behind a claim that cannot be paid."""

from __future__ import annotations

from dataclasses import replace

from tests.support.market import SLASH, Claim, Market, event, reverts
from tests.support.toy_game import convict, open_game

ABANDONED = 3


def test_default_behavior(market: Market, claim: Claim) -> None:
    market.after_window()
    market.settlement.abandon(claim.batch_id, 1, sender=market.provider)
    abandoned = event(market.settlement, "ClaimAbandoned")
    assert (abandoned.claim_id, abandoned.batch_id) == (claim.claim_id, claim.batch_id)
    assert abandoned.index == 1
    assert market.settlement.status(claim.batch_id, claim.index) == ABANDONED
    assert market.providers.locked(market.provider) == 2 * SLASH
    assert market.ledger.balance_of(market.consumer) == 1_000_000


def test_revert_early(market: Market, claim: Claim) -> None:
    """Else a liar would take its claim back at the first sight of a challenger."""
    with reverts("settlement: window still open"):
        market.settlement.abandon(claim.batch_id, 1, sender=market.provider)


def test_revert_game_open(market: Market, claim: Claim) -> None:
    open_game(market, claim)
    market.after_window()
    with reverts("settlement: a game is open"):
        market.settlement.abandon(claim.batch_id, 1, sender=market.provider)


def test_revert_convicted(market: Market, claim: Claim) -> None:
    convict(market, claim)
    market.after_window()
    with reverts("settlement: claim is not open"):
        market.settlement.abandon(claim.batch_id, 1, sender=market.provider)
    assert market.providers.locked(market.provider) == 2 * SLASH


def test_revert_finalised_or_twice(market: Market, claim: Claim) -> None:
    market.after_window()
    market.finalise(claim)
    with reverts("settlement: claim is not open"):
        market.settlement.abandon(claim.batch_id, 1, sender=market.provider)
    market.settlement.abandon(claim.batch_id, 2, sender=market.provider)
    with reverts("settlement: claim is not open"):
        market.settlement.abandon(claim.batch_id, 2, sender=market.provider)
    assert market.providers.locked(market.provider) == SLASH


def test_revert_abandoned_is_not_paid(market: Market, claim: Claim) -> None:
    market.after_window()
    market.settlement.abandon(claim.batch_id, 1, sender=market.provider)
    with reverts("settlement: claim is not open"):
        market.finalise(claim)
    assert not market.is_paid(claim)


def test_revert_not_the_provider(market: Market, claim: Claim) -> None:
    market.after_window()
    with reverts("settlement: caller is not the provider"):
        market.settlement.abandon(claim.batch_id, 1, sender=market.stranger)
    with reverts("settlement: caller is not the provider"):
        market.settlement.abandon(b"\x42" * 32, 1, sender=market.provider)


def test_revert_no_such_claim(market: Market, claim: Claim) -> None:
    market.after_window()
    for index in (3, 2**256 - 1):
        with reverts("settlement: no such claim"):
            market.settlement.abandon(claim.batch_id, index, sender=market.provider)


def test_every_claim_has_a_status_of_its_own(market: Market) -> None:
    """Also where statuses share a word, and where the next word begins."""
    market.fund_provider(130 * SLASH)
    receipt = market.claim()
    claims = [replace(receipt) for _ in range(130)]
    batch_id = market.post(*claims)
    market.after_window()
    ended = {0, 1, 62, 63, 64, 127, 128, 129}
    for index in ended:
        market.settlement.abandon(batch_id, index, sender=market.provider)
    found = {i for i in range(130) if market.settlement.status(batch_id, i) == ABANDONED}
    assert found == ended
    assert {market.settlement.status(batch_id, i) for i in range(130)} == {0, ABANDONED}
    assert market.settlement.status(b"\x01" * 32, 0) == 0
