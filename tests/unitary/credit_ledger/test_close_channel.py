"""CreditLedger.close_channel: by anyone, when the last day can no longer be collected."""

from __future__ import annotations

import pytest

from tests.support.credit import DOLLAR, KARAT, NOBODY, Credit
from tests.support.evm import DAY, begin_day, now, today, travel_to
from tests.support.market import event, reverts

IN_USE = "credit_ledger: channel is in use"


@pytest.fixture(autouse=True)
def owner(credit: Credit) -> str:
    """A channel of $60 a day and $7, that expires at noon."""
    credit.give_karat(credit.owner.address, 100 * KARAT)
    expiry = today() * DAY + DAY // 2
    credit.open(60 * DOLLAR, 5_000, key=credit.key.address, expires_at=expiry, deposit=7 * DOLLAR)
    return credit.owner.address


def close(credit: Credit) -> int:
    parties = (credit.owner.address, credit.payee)
    return int(credit.ledger.close_channel(*parties, sender=credit.market.stranger))


def test_default_behavior(credit: Credit, owner: str) -> None:
    begin_day(2)
    assert close(credit) == 7 * DOLLAR
    closed = event(credit.ledger, "ChannelClosed")
    assert (closed.owner, closed.payee, closed.returned) == (owner, credit.payee, 7 * DOLLAR)
    assert credit.ledger.balance_of(owner) == credit.ledger.available(owner) == 7 * DOLLAR
    assert credit.ledger.committed_of(owner) == (0, 0)
    assert tuple(credit.ledger.channel(owner, credit.payee)) == (0, 0, 0, NOBODY, 0)
    assert credit.market.usdc.balanceOf(credit.ledger.address) == 7 * DOLLAR


def test_what_was_collected_is_not_returned(credit: Credit, owner: str) -> None:
    credit.collect(65 * DOLLAR)
    begin_day(2)
    assert close(credit) == 2 * DOLLAR
    assert credit.ledger.balance_of(credit.payee) == 5 * DOLLAR


def test_its_promises_are_free(credit: Credit, owner: str) -> None:
    begin_day(2)
    close(credit)
    credit.market.karat.request_unstake(100 * KARAT, sender=owner)


def test_free_for_another_payee(credit: Credit, owner: str) -> None:
    other = credit.market.stranger
    credit.open(40 * DOLLAR, 5_000, payee=other)
    begin_day(2)
    with reverts("credit_ledger: KARAT promised already"):
        credit.open(100 * DOLLAR, 10_000, payee=other)
    close(credit)
    credit.open(100 * DOLLAR, 10_000, payee=other)
    assert credit.ledger.committed_of(owner) == (100 * DOLLAR, 10_000)


def test_the_last_day_is_collected_whole(credit: Credit) -> None:
    """After the expiry, and until the end of the next day; then it can be closed."""
    last = today()
    travel_to((last + 2) * DAY - 1)
    with reverts(IN_USE):
        close(credit)
    assert credit.collect(10**12, day=last) == 67 * DOLLAR
    travel_to((last + 2) * DAY)
    assert close(credit) == 0


def test_nothing_after_the_last_day(credit: Credit) -> None:
    begin_day()
    with reverts("credit_ledger: no channel on that day"):
        credit.collect(1)
    assert credit.collect(1, day=today() - 1) == 1


def test_opened_anew(credit: Credit, owner: str) -> None:
    """A new channel has neither the old one's days nor its keys."""
    begin_day(2)
    close(credit)
    credit.open(30 * DOLLAR)
    assert credit.state().credit_limit == 30 * DOLLAR
    assert credit.state(today() - 1).credit_limit == 0
    with reverts("credit_ledger: channel is exhausted"):
        credit.collect(1, day=today() - 1)
    with reverts("credit_ledger: wrong signature"):
        credit.collect(1, signer=credit.key)
    assert credit.collect(40 * DOLLAR) == 30 * DOLLAR


@pytest.mark.parametrize("seconds", [0, DAY // 2 + 1, DAY, 2 * DAY - 1])
def test_revert_in_use(credit: Credit, seconds: int) -> None:
    travel_to(now() + seconds)
    with reverts(IN_USE):
        close(credit)


def test_revert_after_it_was_prolonged(credit: Credit) -> None:
    begin_day(2)
    credit.open(60 * DOLLAR, 5_000, expires_at=now() + 1)
    with reverts(IN_USE):
        close(credit)


def test_revert_no_such_channel(credit: Credit, owner: str) -> None:
    with reverts("credit_ledger: no such channel"):
        credit.ledger.close_channel(owner, credit.market.stranger)


def test_revert_twice(credit: Credit) -> None:
    begin_day(2)
    close(credit)
    with reverts("credit_ledger: no such channel"):
        close(credit)
