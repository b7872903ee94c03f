"""Session keys: a first one signs at once, another one from the next UTC day on."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.support.credit import DOLLAR, KARAT, NOBODY, Credit, account
from tests.support.evm import begin_day, today
from tests.support.market import reverts

WRONG = "credit_ledger: wrong signature"


@pytest.fixture(autouse=True)
def owner(credit: Credit) -> str:
    credit.give_karat(credit.owner.address, 100 * KARAT)
    return credit.owner.address


def set_key(credit: Credit, name: str | None) -> None:
    credit.open(100 * DOLLAR, key=account(name).address if name else NOBODY)


def signs(credit: Credit, name: str, day: int | None = None) -> bool:
    """Whether a voucher of that key is collected; one micro-dollar more than the last."""
    day = today() if day is None else day
    cumulative = credit.state(day).collected_credit + 1
    signed = credit.sign(cumulative, day=day, signer=account(name))
    paid = credit.ledger.collect_many([signed.abi()], sender=credit.market.stranger)
    assert paid in (0, 1)
    return bool(paid)


def test_default_behavior(credit: Credit) -> None:
    set_key(credit, "first")
    assert signs(credit, "first")
    assert not signs(credit, "first", today() - 1)
    assert credit.collect(2) == 1  # the owner goes on signing


def test_rotation(credit: Credit) -> None:
    set_key(credit, "first")
    begin_day()
    set_key(credit, "second")
    assert signs(credit, "first")
    assert signs(credit, "first", today() - 1)
    assert not signs(credit, "second")
    begin_day()
    assert signs(credit, "second")
    assert not signs(credit, "first")
    assert signs(credit, "first", today() - 1)
    assert not signs(credit, "second", today() - 1)
    begin_day()
    assert signs(credit, "second", today() - 1)
    assert not signs(credit, "first", today() - 1)


def test_rotation_day_after_day(credit: Credit) -> None:
    """Three keys matter at once: yesterday's, today's, tomorrow's."""
    names = ["first", "second", "third", "fourth"]
    set_key(credit, names[0])
    for old, new in pairwise(names):
        begin_day()
        set_key(credit, new)
        assert signs(credit, old)
        assert not signs(credit, new)
        assert signs(credit, old, today() - 1) == (old == names[0])
        before = names[names.index(old) - 1]
        if old != names[0]:
            assert signs(credit, before, today() - 1)


def test_last_choice_of_a_day_counts(credit: Credit) -> None:
    set_key(credit, "first")
    set_key(credit, "second")
    set_key(credit, "third")
    assert signs(credit, "first")
    begin_day()
    assert signs(credit, "third")
    assert not signs(credit, "second")
    assert not signs(credit, "first")


def test_removed_from_tomorrow_on(credit: Credit, owner: str) -> None:
    set_key(credit, "first")
    set_key(credit, None)
    assert credit.ledger.channel(owner, credit.payee).session_key == NOBODY
    assert signs(credit, "first")
    begin_day()
    assert not signs(credit, "first")
    assert signs(credit, "first", today() - 1)


def test_first_after_a_removal_signs_at_once(credit: Credit) -> None:
    set_key(credit, "first")
    set_key(credit, None)
    begin_day()
    set_key(credit, "second")
    assert signs(credit, "second")
    assert signs(credit, "first", today() - 1)
    set_key(credit, "third")
    assert signs(credit, "second")
    assert not signs(credit, "third")
    assert signs(credit, "first", today() - 1)


def test_keeps_signing_when_other_terms_change(credit: Credit) -> None:
    set_key(credit, "first")
    begin_day()
    credit.open(5 * DOLLAR, key=account("first").address, deposit=9)
    assert signs(credit, "first")
    assert signs(credit, "first", today() - 1)
    begin_day()
    assert signs(credit, "first")


def test_of_one_channel_only(credit: Credit) -> None:
    credit.open(10 * DOLLAR, key=credit.key.address)
    other = credit.market.stranger
    credit.open(10 * DOLLAR, payee=other)
    with reverts(WRONG):
        credit.collect(1, payee=other, signer=credit.key)


def test_no_key_is_not_the_zero_address(credit: Credit) -> None:
    """What is no signature recovers to zero, which no channel means by "no key"."""
    credit.open(10 * DOLLAR, key=NOBODY)
    voucher = credit.sign(1).voucher.abi()
    for signature in (b"", bytes(65), b"\x01" * 64 + b"\x1b"):
        with reverts(WRONG):
            credit.ledger.collect((voucher, signature))
