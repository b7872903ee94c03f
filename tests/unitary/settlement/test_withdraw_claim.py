"""Settlement.withdraw_claim: a provider that finds its own claim wrong takes it back early."""

from __future__ import annotations

import boa
import pytest

from tests.support.auditing import Auditing
from tests.support.market import SLASH, WINDOW, Claim, Market, event, reverts
from tests.support.toy_game import convict, open_game

WITHDRAWN = 4
FEE = SLASH // 20


def withdraw(market: Market, claim: Claim, sender: str | None = None) -> None:
    market.settlement.withdraw_claim(claim.batch_id, claim.index, sender=sender or market.provider)


@pytest.mark.parametrize("seconds", [0, WINDOW // 8])
def test_default_behavior(market: Market, claim: Claim, seconds: int) -> None:
    supply, bonded = market.bond_token.totalSupply(), market.providers.bonded(market.provider)
    boa.env.time_travel(seconds=seconds)
    assert market.settlement.withdrawal_until(claim.batch_id) - market.now == WINDOW // 8 - seconds
    withdraw(market, claim)
    withdrawn = event(market.settlement, "ClaimWithdrawn")
    assert (withdrawn.claim_id, withdrawn.batch_id) == (claim.claim_id, claim.batch_id)
    assert (withdrawn.index, withdrawn.fee) == (1, FEE)
    assert market.settlement.status(claim.batch_id, claim.index) == WITHDRAWN
    assert market.providers.bonded(market.provider) == bonded - FEE
    assert market.providers.locked(market.provider) == 2 * SLASH
    assert market.bond_token.totalSupply() == supply - FEE


def test_nobody_is_charged_and_no_game_opens(market: Market, claim: Claim) -> None:
    withdraw(market, claim)
    market.fund_challenger()
    with reverts("settlement: claim is withdrawn"):
        market.game.open(*claim.opening(), sender=market.challenger)
    market.after_window()
    with reverts("settlement: claim is not open"):
        market.finalise(claim)
    with reverts("settlement: claim is not open"):
        market.settlement.abandon(claim.batch_id, claim.index, sender=market.provider)
    nonce = claim.job.nonce
    assert not market.settlement.paid(market.consumer, market.provider, nonce)
    assert market.ledger.balance_of(market.consumer) == 1_000_000


def test_revert_late(market: Market, claim: Claim) -> None:
    boa.env.time_travel(seconds=WINDOW // 8 + 1)
    with reverts("settlement: too late to withdraw"):
        withdraw(market, claim)


def test_revert_game_open(market: Market, claim: Claim) -> None:
    open_game(market, claim)
    with reverts("settlement: a game is open"):
        withdraw(market, claim)


def test_revert_convicted(market: Market, claim: Claim) -> None:
    convict(market, claim)
    assert market.now <= market.settlement.withdrawal_until(claim.batch_id)
    with reverts("settlement: claim is not open"):
        withdraw(market, claim)


def test_revert_twice(market: Market, claim: Claim) -> None:
    withdraw(market, claim)
    with reverts("settlement: claim is not open"):
        withdraw(market, claim)


def test_revert_not_the_provider_or_no_such_claim(market: Market, claim: Claim) -> None:
    with reverts("settlement: caller is not the provider"):
        withdraw(market, claim, market.stranger)
    with reverts("settlement: no such claim"):
        market.settlement.withdraw_claim(claim.batch_id, 3, sender=market.provider)


def test_no_draw_covers_a_claim_that_can_be_withdrawn(market: Market, claim: Claim) -> None:
    """Who is audited is not known while the claim can be taken back."""
    auditing = Auditing(market)
    auditing.sit()
    boa.env.time_travel(seconds=WINDOW // 8 - 1)
    market.audits.begin_round()
    assert market.audits.round(1).begun_at < market.settlement.withdrawal_until(claim.batch_id)
    withdraw(market, claim)


def test_nothing_is_drawn_of_a_withdrawn_claim(market: Market, claim: Claim) -> None:
    auditing = Auditing(market)
    auditing.sit()
    withdraw(market, claim)
    auditing.draw()
    with reverts("audits: claim is not open"):
        auditing.commit(claim)
