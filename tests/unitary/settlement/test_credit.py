"""Settlement and credit: paid up to the model's reference price, by the day of posting."""

from __future__ import annotations

import pytest

from assay.core.hashes import model_root
from tests.support.credit import DOLLAR, KARAT, Credit
from tests.support.evm import DAY, begin_day, today, travel_to
from tests.support.market import Claim, Market, earned, event, toy_model

PRICE = 1151
"""3 prompt tokens at $50, 5 output tokens at $200.000001 a million, rounded up."""

AT_PRICE = (50_000_000, 200_000_001)


@pytest.fixture
def consumer(market: Market) -> Credit:
    """The market's consumer with $10 of credit, collected of its own KARAT for today."""
    credit = Credit(market, owner=market.signer)
    credit.begin()
    credit.payee = market.consumer
    credit.give_karat(market.consumer, 10 * KARAT)
    credit.open(10 * DOLLAR)
    credit.collect(10 * DOLLAR)
    return credit


def set_price(market: Market, price_input: int, price_output: int) -> None:
    root = model_root(toy_model())
    market.models.set_reference_price(root, price_input, price_output, sender=market.owner)


def finalise(market: Market, posted_at: int) -> Claim:
    """A claim posted then, and finalised when its window is over."""
    travel_to(posted_at)
    claim = market.claim()
    market.post(claim)
    market.after_window()
    assert market.finalise(claim) == PRICE
    return claim


def test_paid_in_credit(market: Market, consumer: Credit) -> None:
    set_price(market, *AT_PRICE)
    claim = finalise(market, market.now)
    paid = event(market.settlement, "Paid")
    assert (paid.job_id, paid.consumer) == (claim.receipt.job_id, market.consumer)
    assert (paid.credit, paid.usdc, paid.fee, paid.shortfall) == (PRICE, 0, 0, 0)
    assert event(market.settlement, "ClaimFinalised").paid == PRICE
    assert event(market.settlement, "WorkRecorded").amount_usd_micro == PRICE
    assert market.ledger.credit_of(market.consumer, today()) == 10 * DOLLAR - PRICE
    assert market.emissions.work_of(market.provider, today()) == PRICE


def test_without_a_reference_price(market: Market, consumer: Credit) -> None:
    finalise(market, market.now)
    paid = event(market.settlement, "Paid")
    assert (paid.credit, paid.usdc) == (0, PRICE)
    assert market.ledger.earnings_of(market.provider) == earned(PRICE)


@pytest.mark.parametrize(
    ("prices", "credit"),
    [
        ((50_000_000, 200_000_000), 1150),
        ((50_000_000, 0), 150),
        ((1, 0), 1),
        ((0, 200_000_001), 1001),
        ((1_000_000_000, 1_000_000_000), PRICE),
    ],
)
def test_overpriced_token_is_capped(
    market: Market, consumer: Credit, prices: tuple[int, int], credit: int
) -> None:
    """Credit pays the same tokens at reference prices, rounded up; dollars the rest."""
    set_price(market, *prices)
    finalise(market, market.now)
    paid = event(market.settlement, "Paid")
    assert (paid.credit, paid.usdc) == (credit, PRICE - credit)
    assert market.emissions.work_of(market.provider, today()) == credit


def test_by_the_day_of_posting(market: Market, consumer: Credit) -> None:
    """Posted in the last second of the day after: credit. Posted a second later: dollars."""
    set_price(market, *AT_PRICE)
    over = (today() + 2) * DAY
    finalise(market, over - 1)
    assert market.now >= over
    assert event(market.settlement, "Paid").credit == PRICE
    finalise(market, market.now)
    assert event(market.settlement, "Paid").credit == 0


def test_finalised_long_after(market: Market, consumer: Credit) -> None:
    set_price(market, *AT_PRICE)
    claim = market.claim()
    market.post(claim)
    begin_day(40)
    market.finalise(claim)
    assert event(market.settlement, "Paid").credit == PRICE
    assert market.emissions.work_of(market.provider, today()) == PRICE


def test_shortfall_of_both(market: Market, consumer: Credit) -> None:
    """The cap binds and the dollars are gone: the claim is final all the same."""
    set_price(market, 1, 0)
    arguments = (b"", market.consumer, market.stranger, 1_000_000 - 5, 0, market.now)
    market.ledger.pay(*arguments, sender=market.settlement.address)
    claim = market.claim()
    market.post(claim)
    market.after_window()
    assert market.finalise(claim) == 6
    assert event(market.settlement, "Paid").shortfall == PRICE - 6
    assert market.settlement.status(claim.batch_id, claim.index) == 1
