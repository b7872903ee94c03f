"""CreditLedger.pay: the settlement's alone; credit of two days, then dollars less the fee."""

from __future__ import annotations

import pytest

from tests.support.credit import DOLLAR, KARAT, Credit
from tests.support.economy import FEE_BPS
from tests.support.evm import DAY, begin_day, now, today
from tests.support.market import event, reverts

DOLLARS = 500
JOB = b"\x01" * 32


@pytest.fixture(autouse=True)
def owner(credit: Credit) -> str:
    """A channel of $60 a day, a day old; the payee has 500 micro-dollars besides."""
    credit.give_karat(credit.owner.address, 100 * KARAT)
    credit.open(60 * DOLLAR)
    credit.economy.deposit(credit.payee, DOLLARS)
    begin_day()
    return credit.owner.address


def fee_of(usdc: int, fee_bps: int = FEE_BPS) -> int:
    """Rounded up."""
    return -(-usdc * fee_bps // 10_000)


def test_default_behavior(credit: Credit) -> None:
    credit.collect(100)
    assert credit.pay(250) == 250
    paid = event(credit.ledger, "Paid")
    assert (paid.job_id, paid.consumer) == (JOB, credit.payee)
    assert paid.provider == credit.market.provider
    assert (paid.credit, paid.usdc, paid.fee, paid.shortfall) == (100, 150, fee_of(150), 0)
    assert credit.ledger.credit_of(credit.payee, today()) == 0
    assert credit.ledger.balance_of(credit.payee) == DOLLARS - 150
    assert credit.ledger.earnings_of(credit.market.provider) == 150 - fee_of(150)
    assert credit.ledger.fees() == fee_of(150)
    assert credit.market.emissions.work_of(credit.market.provider, today()) == 100
    assert credit.market.emissions.work(today()) == 100


def test_dollars_only(credit: Credit) -> None:
    assert credit.pay(250) == 250
    assert event(credit.ledger, "Paid").credit == 0
    assert credit.market.emissions.work(today()) == 0


def test_credit_only(credit: Credit) -> None:
    credit.collect(1_000)
    assert credit.pay(250) == 250
    paid = event(credit.ledger, "Paid")
    assert (paid.credit, paid.usdc, paid.fee, paid.shortfall) == (250, 0, 0, 0)
    assert credit.ledger.credit_of(credit.payee, today()) == 750
    assert credit.ledger.earnings_of(credit.market.provider) == credit.ledger.fees() == 0


def test_older_credit_first(credit: Credit) -> None:
    credit.collect(100, day=today() - 1)
    credit.collect(100)
    assert credit.pay(130) == 130
    assert credit.ledger.credit_of(credit.payee, today() - 1) == 0
    assert credit.ledger.credit_of(credit.payee, today()) == 70
    assert credit.pay(90) == 90
    paid = event(credit.ledger, "Paid")
    assert (paid.credit, paid.usdc) == (70, 20)


def test_overpriced_token_is_capped(credit: Credit) -> None:
    """What exceeds the reference price is paid in dollars, or not at all."""
    credit.collect(10_000)
    assert credit.pay(800, credit_cap=100) == 600
    paid = event(credit.ledger, "Paid")
    assert (paid.credit, paid.usdc, paid.shortfall) == (100, DOLLARS, 200)
    assert credit.ledger.credit_of(credit.payee, today()) == 9_900
    assert credit.market.emissions.work_of(credit.market.provider, today()) == 100


def test_model_without_a_reference_price(credit: Credit) -> None:
    credit.collect(10_000)
    assert credit.pay(300, credit_cap=0) == 300
    assert event(credit.ledger, "Paid").credit == 0
    assert credit.ledger.credit_of(credit.payee, today()) == 10_000


def test_cap_above_the_price(credit: Credit) -> None:
    credit.collect(10_000)
    assert credit.pay(300, credit_cap=2**256 - 1) == 300
    assert event(credit.ledger, "Paid").credit == 300


# No rollover.


def test_credit_pays_for_its_day_and_the_next(credit: Credit) -> None:
    """By the day on which the claim was posted, however late it is final."""
    credit.collect(1_000)
    day = today()
    for posted_at in (day * DAY, (day + 1) * DAY - 1, (day + 1) * DAY, (day + 2) * DAY - 1):
        assert credit.pay(10, posted_at=posted_at) == 10
        assert event(credit.ledger, "Paid").credit == 10
    for posted_at in (day * DAY - 1, (day + 2) * DAY, (day + 9) * DAY):
        credit.pay(10, posted_at=posted_at)
        assert event(credit.ledger, "Paid").credit == 0
    begin_day(20)
    credit.pay(10, posted_at=day * DAY)
    assert event(credit.ledger, "Paid").credit == 10
    credit.pay(10, posted_at=now())
    assert event(credit.ledger, "Paid").credit == 0
    assert credit.ledger.available(credit.payee) == credit.ledger.balance_of(credit.payee)


def test_collected_late_is_of_its_day(credit: Credit) -> None:
    """A voucher collected the day after pays no claim of the day after that."""
    begin_day()
    credit.collect(1_000, day=today() - 1)
    begin_day()
    credit.pay(10)
    assert event(credit.ledger, "Paid").credit == 0
    assert credit.ledger.credit_of(credit.payee, today() - 2) == 1_000


def test_credit_does_not_move_on(credit: Credit) -> None:
    """A payee cannot promise collected credit to another, nor withdraw it."""
    credit.collect(60 * DOLLAR)
    with reverts("credit_ledger: KARAT promised already"):
        credit.open(1, owner=credit.payee, payee=credit.market.stranger)
    with reverts("credit_ledger: balance too small"):
        credit.ledger.request_withdrawal(DOLLARS + 1, sender=credit.payee)


def test_available(credit: Credit) -> None:
    """What a claim posted today can count on."""
    credit.collect(100, day=today() - 1)
    credit.collect(20)
    assert credit.ledger.available(credit.payee) == DOLLARS + 120
    credit.ledger.request_withdrawal(DOLLARS - 1, sender=credit.payee)
    assert credit.ledger.available(credit.payee) == 121
    begin_day()
    assert credit.ledger.available(credit.payee) == 21
    begin_day()
    assert credit.ledger.available(credit.payee) == 1


# Want of funds.


def test_shortfall_is_logged(credit: Credit) -> None:
    credit.collect(100)
    assert credit.pay(1_000) == 600
    paid = event(credit.ledger, "Paid")
    assert (paid.credit, paid.usdc, paid.shortfall) == (100, DOLLARS, 400)
    assert credit.ledger.balance_of(credit.payee) == 0


@pytest.mark.parametrize("price", [1, 2**200])
def test_no_funds_at_all(credit: Credit, price: int) -> None:
    assert credit.pay(price, consumer=credit.market.stranger) == 0
    assert event(credit.ledger, "Paid").shortfall == price
    assert credit.ledger.earnings_of(credit.market.provider) == 0


def test_for_nothing(credit: Credit) -> None:
    credit.collect(100)
    assert credit.pay(0) == 0
    paid = event(credit.ledger, "Paid")
    assert (paid.credit, paid.usdc, paid.fee, paid.shortfall) == (0, 0, 0, 0)


def test_token_is_not_called(credit: Credit) -> None:
    """A claim ends whatever the token does: providers fetch what they earn."""
    market = credit.market
    market.usdc.blacklist(market.provider, True, sender=market.deployer)
    market.usdc.pause(True, sender=market.deployer)
    assert credit.pay(100) == 100


# The fee.


@pytest.mark.parametrize(
    ("fee_bps", "usdc", "fee"),
    [
        (500, 1, 1),
        (500, 19, 1),
        (500, 20, 1),
        (500, 21, 2),
        (500, 500, 25),
        (2_000, 1, 1),
        (2_000, 5, 1),
        (2_000, 6, 2),
        (1, 500, 1),
        (0, 500, 0),
    ],
)
def test_fee_is_rounded_up(credit: Credit, fee_bps: int, usdc: int, fee: int) -> None:
    """At most a unit in the protocol's favour, never more than was paid."""
    credit.ledger.set_fee(fee_bps, sender=credit.market.owner)
    assert credit.pay(usdc) == usdc
    paid = event(credit.ledger, "Paid")
    assert paid.fee == fee == fee_of(usdc, fee_bps) <= usdc
    assert credit.ledger.earnings_of(credit.market.provider) == usdc - fee
    assert credit.ledger.fees() == fee


def test_no_fee_on_credit(credit: Credit) -> None:
    credit.collect(1_000)
    credit.pay(1_000)
    assert credit.ledger.fees() == 0


@pytest.mark.parametrize("role", ["provider", "deployer", "owner", "stranger"])
def test_revert_not_the_settlement(credit: Credit, role: str) -> None:
    arguments = (JOB, credit.payee, credit.market.provider, 1, 1, now())
    with reverts("credit_ledger: caller is not the settlement"):
        credit.ledger.pay(*arguments, sender=getattr(credit.market, role))
    assert credit.ledger.balance_of(credit.payee) == DOLLARS
