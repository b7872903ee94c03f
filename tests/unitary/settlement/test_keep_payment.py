"""Settlement.keep_payment: what audited claims were paid can be read, others cost no word more."""

from __future__ import annotations

import pytest

from tests.support.market import Claim, Market, reverts

OPEN, FINALISED, WITHDRAWN = 0, 1, 4


def keep(market: Market, claim: Claim) -> None:
    market.settlement.keep_payment(claim.batch_id, claim.index, sender=market.audits.address)


def test_default_behavior(market: Market, claim: Claim) -> None:
    keep(market, claim)
    assert market.settlement.status(claim.batch_id, claim.index) == OPEN
    market.after_window()
    paid = market.finalise(claim)
    assert paid > 0
    assert market.settlement.paid_for(claim.claim_id) == paid
    assert market.settlement.status(claim.batch_id, claim.index) == FINALISED


def test_of_other_claims_nothing_is_kept(market: Market, claim: Claim) -> None:
    """Not of a claim that shares the word with one whose payment is."""
    market.settlement.keep_payment(claim.batch_id, claim.index + 1, sender=market.audits.address)
    market.after_window()
    assert market.finalise(claim) > 0
    assert market.settlement.paid_for(claim.claim_id) == 0


def test_twice_is_as_once(market: Market, claim: Claim) -> None:
    keep(market, claim)
    keep(market, claim)
    statuses = [market.settlement.status(claim.batch_id, index) for index in range(3)]
    assert statuses == [OPEN, OPEN, OPEN]


def test_any_status_fits_beside_it(market: Market, claim: Claim) -> None:
    keep(market, claim)
    market.settlement.withdraw_claim(claim.batch_id, claim.index, sender=market.provider)
    statuses = [market.settlement.status(claim.batch_id, index) for index in range(3)]
    assert statuses == [OPEN, WITHDRAWN, OPEN]


@pytest.mark.parametrize("role", ["stranger", "provider", "deployer"])
def test_revert_not_the_audits(market: Market, claim: Claim, role: str) -> None:
    with reverts("settlement: caller is not the audits"):
        market.settlement.keep_payment(claim.batch_id, claim.index, sender=getattr(market, role))
