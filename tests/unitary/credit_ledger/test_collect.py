"""CreditLedger.collect: KARAT, then capacity, then the channel's dollars, as far as they go."""

from __future__ import annotations

import boa
import pytest

from tests.support.credit import DOLLAR, KARAT, Credit
from tests.support.economy import CAPACITY, ETHER
from tests.support.evm import DAY, begin_day, today, travel_to
from tests.support.market import event, reverts

KARAT_PART = 60 * DOLLAR
CAPACITY_PART = CAPACITY // 2 // 10  # a tenth of half the network
DEPOSIT = 7 * DOLLAR
ALL = KARAT_PART + CAPACITY_PART + DEPOSIT


@pytest.fixture(autouse=True)
def owner(credit: Credit) -> str:
    """A channel of all three kinds, a day old."""
    owner = credit.owner.address
    credit.give_karat(owner, 100 * KARAT)
    credit.economy.stake(owner, 1_000_000 * ETHER)
    credit.open(KARAT_PART, 1_000, key=credit.key.address, deposit=DEPOSIT)
    begin_day()
    return owner


def test_default_behavior(credit: Credit, owner: str) -> None:
    assert credit.collect(5 * DOLLAR) == 5 * DOLLAR
    collected = event(credit.ledger, "Collected")
    assert (collected.owner, collected.payee) == (owner, credit.payee)
    assert (collected.day, collected.credit, collected.usdc) == (today(), 5 * DOLLAR, 0)
    assert credit.ledger.credit_of(credit.payee, today()) == 5 * DOLLAR
    assert credit.ledger.available(credit.payee) == 5 * DOLLAR
    assert credit.ledger.balance_of(credit.payee) == 0
    assert credit.state().collected_credit == 5 * DOLLAR


def test_spend_order(credit: Credit) -> None:
    """Credit to the last unit before a unit of dollars."""
    credit_part = KARAT_PART + CAPACITY_PART
    for cumulative, credit_due, usdc_due in (
        (KARAT_PART, KARAT_PART, 0),
        (KARAT_PART + 1, 1, 0),
        (credit_part - 1, CAPACITY_PART - 2, 0),
        (credit_part + 1, 1, 1),
        (ALL, 0, DEPOSIT - 1),
    ):
        assert credit.collect(cumulative) == credit_due + usdc_due
        collected = event(credit.ledger, "Collected")
        assert (collected.credit, collected.usdc) == (credit_due, usdc_due)
    state = credit.state()
    assert tuple(state)[:5] == (today(), credit_part, DEPOSIT, credit_part, 0)
    assert credit.ledger.credit_of(credit.payee, today()) == credit_part
    assert credit.ledger.balance_of(credit.payee) == DEPOSIT


def test_all_at_once(credit: Credit) -> None:
    assert credit.collect(ALL) == ALL
    collected = event(credit.ledger, "Collected")
    assert (collected.credit, collected.usdc) == (KARAT_PART + CAPACITY_PART, DEPOSIT)


def test_as_far_as_it_goes(credit: Credit) -> None:
    """What was not covered can be collected by the same voucher once there is more."""
    assert credit.collect(ALL + 5) == ALL
    with reverts("credit_ledger: channel is exhausted"):
        credit.collect(ALL + 5)
    credit.open(KARAT_PART, 1_000, key=credit.key.address, deposit=3)
    assert credit.collect(ALL + 5) == 3
    credit.open(KARAT_PART + 1, 1_000, key=credit.key.address)
    assert credit.collect(ALL + 5) == 1
    assert event(credit.ledger, "Collected").credit == 1


def test_extreme_voucher(credit: Credit) -> None:
    assert credit.collect(2**256 - 1) == ALL
    assert credit.collect(2**256 - 1, day=today() - 1) == KARAT_PART


def test_dollars_only(credit: Credit) -> None:
    credit.open(deposit=9, payee=credit.market.stranger)
    assert credit.collect(4, payee=credit.market.stranger) == 4
    assert credit.ledger.balance_of(credit.market.stranger) == 4
    assert credit.collect(40, payee=credit.market.stranger) == 5


def test_yesterday_and_today_are_apart(credit: Credit) -> None:
    yesterday = today() - 1
    assert credit.collect(KARAT_PART, day=yesterday) == KARAT_PART
    assert credit.collect(KARAT_PART) == KARAT_PART
    assert credit.ledger.credit_of(credit.payee, yesterday) == KARAT_PART
    assert credit.ledger.credit_of(credit.payee, yesterday + 1) == KARAT_PART
    # There was no stake when yesterday began: after KARAT come the dollars.
    assert credit.collect(ALL, day=yesterday) == DEPOSIT
    state = credit.state(yesterday)
    assert (state.collected_credit, state.collected_usdc) == (KARAT_PART, DEPOSIT)
    assert credit.state().collected_usdc == 0


def test_tally_moves_on_with_the_days(credit: Credit) -> None:
    day = today()
    credit.collect(10, day=day)
    begin_day()
    assert credit.state(day).collected_credit == 10
    assert credit.collect(15, day=day) == 5
    assert credit.collect(3) == 3
    assert credit.collect(16, day=day) == 1
    begin_day()
    assert credit.state(day + 1).collected_credit == 3
    assert credit.state().collected_credit == 0
    begin_day(5)
    assert credit.state().collected_credit == credit.state(today() - 1).collected_credit == 0
    assert credit.state().deposit == DEPOSIT


def test_until_the_last_second_of_the_next_day(credit: Credit) -> None:
    day = today()
    travel_to((day + 2) * DAY - 1)
    assert credit.collect(5, day=day) == 5
    travel_to((day + 2) * DAY)
    with reverts("credit_ledger: voucher of another day"):
        credit.collect(6, day=day)


def test_no_promise_carries_over(credit: Credit) -> None:
    """A day that went by unused adds nothing to the next."""
    begin_day(3)
    assert credit.collect(2**255) == ALL
    assert credit.collect(2**255, day=today() - 1) == KARAT_PART + CAPACITY_PART
    assert credit.ledger.balance_of(credit.payee) == DEPOSIT


def test_session_key_signs(credit: Credit) -> None:
    assert credit.collect(5, signer=credit.key) == 5


def test_own_allowance_needs_no_signature(credit: Credit, owner: str) -> None:
    credit.open(40 * DOLLAR, payee=owner, deposit=5)
    voucher = credit.sign(40 * DOLLAR + 2, payee=owner).voucher.abi()
    assert credit.ledger.collect((voucher, b""), sender=owner) == 40 * DOLLAR + 2
    assert credit.ledger.credit_of(owner, today()) == 40 * DOLLAR
    assert credit.ledger.balance_of(owner) == 2


def test_revert_own_allowance_by_another(credit: Credit, owner: str) -> None:
    credit.open(40 * DOLLAR, payee=owner)
    voucher = credit.sign(5, payee=owner).voucher.abi()
    for sender in (credit.market.stranger, credit.payee, credit.key.address):
        with reverts("credit_ledger: wrong signature"):
            credit.ledger.collect((voucher, b""), sender=sender)


@pytest.mark.parametrize("who", ["owner", "payee"])
def test_revert_nobody_else_skips_the_signature(credit: Credit, who: str) -> None:
    """Neither the payee of another's channel, nor its owner."""
    voucher = credit.sign(5).voucher.abi()
    sender = credit.owner.address if who == "owner" else credit.payee
    with reverts("credit_ledger: wrong signature"):
        credit.ledger.collect((voucher, b""), sender=sender)


def test_revert_stale(credit: Credit) -> None:
    credit.collect(10)
    for cumulative in (10, 9, 0):
        with reverts("credit_ledger: stale voucher"):
            credit.collect(cumulative)
    assert credit.collect(11) == 1


def test_revert_nothing_collected_yet_and_nothing_due(credit: Credit) -> None:
    with reverts("credit_ledger: stale voucher"):
        credit.collect(0)


@pytest.mark.parametrize("offset", [-2, 1, 2, 1000])
def test_revert_another_day(credit: Credit, offset: int) -> None:
    with reverts("credit_ledger: voucher of another day"):
        credit.collect(5, day=today() + offset)


@pytest.mark.parametrize("day", [0, 2**255, 2**256 - 1])
def test_revert_no_day_at_all(credit: Credit, day: int) -> None:
    with reverts("credit_ledger: voucher of another day"):
        credit.collect(5, day=day)


def test_revert_no_channel(credit: Credit) -> None:
    with reverts("credit_ledger: no channel on that day"):
        credit.collect(5, payee=credit.market.provider)


def test_revert_exhausted(credit: Credit) -> None:
    credit.collect(ALL)
    with reverts("credit_ledger: channel is exhausted"):
        credit.collect(ALL + 1)


@pytest.mark.parametrize("offset", [-2, 1])
def test_revert_state_of_another_day(credit: Credit, offset: int) -> None:
    with reverts("credit_ledger: day is not kept"):
        credit.state(today() + offset)


def test_most_dollars_of_a_day(credit: Credit) -> None:
    """Beyond 2**44 - 1 a day nothing is paid that day, and nothing reverts or wraps."""
    most = 2**44 - 1
    credit.open(payee=credit.market.stranger, deposit=most)
    assert credit.collect(most, payee=credit.market.stranger) == most
    credit.open(payee=credit.market.stranger, deposit=10)
    with reverts("credit_ledger: channel is exhausted"):
        credit.collect(most + 5, payee=credit.market.stranger)
    begin_day()
    assert credit.collect(5, payee=credit.market.stranger) == 5
    assert credit.ledger.balance_of(credit.market.stranger) == most + 5


def test_most_credit_of_a_day(credit: Credit, owner: str) -> None:
    """The same for credit beyond 2**50 - 1: here of a capacity that no setter would allow."""
    begin_day()
    boa.env.set_code(credit.market.emissions.address, boa.loads(HUGE_CAPACITY).bytecode)
    credit.open(0, 9_000, payee=credit.market.stranger)
    assert credit.collect(2**60, payee=credit.market.stranger) == 2**50 - 1
    with reverts("credit_ledger: channel is exhausted"):
        credit.collect(2**60, payee=credit.market.stranger)


HUGE_CAPACITY = """
# pragma version 0.4.3
@view
@external
def daily_capacity(day: uint256) -> uint256:
    return 10**16
"""
