"""CreditLedger.collect_many: many channels of one payee; what cannot be collected is skipped."""

from __future__ import annotations

from typing import Any

import pytest
from eth_account.signers.local import LocalAccount

from tests.support.credit import DOLLAR, KARAT, Credit, account
from tests.support.evm import begin_day, today
from tests.support.market import reverts


@pytest.fixture
def owners(credit: Credit) -> list[LocalAccount]:
    """Five owners with a channel of $10 a day and $1 each, a day old."""
    owners = [account(f"owner {index}") for index in range(5)]
    for each in owners:
        credit.give_karat(each.address, 10 * KARAT)
        credit.open(10 * DOLLAR, owner=each.address, deposit=DOLLAR)
    begin_day()
    return owners


def vouchers(credit: Credit, owners: list[LocalAccount], cumulative: int, **changes: Any) -> Any:
    return [
        credit.sign(cumulative, owner=each.address, signer=each, **changes).abi() for each in owners
    ]


def logs(credit: Credit, name: str) -> list[Any]:
    return [log for log in credit.ledger.get_logs() if type(log).__name__ == name]


def test_default_behavior(credit: Credit, owners: list[LocalAccount]) -> None:
    signed = vouchers(credit, owners, 10 * DOLLAR + 5)
    assert credit.ledger.collect_many(signed) == 50 * DOLLAR + 25
    collected = logs(credit, "Collected")
    assert [log.owner for log in collected] == [each.address for each in owners]
    assert all((log.credit, log.usdc) == (10 * DOLLAR, 5) for log in collected)
    assert all(log.day == today() for log in collected)
    assert credit.ledger.credit_of(credit.payee, today()) == 50 * DOLLAR
    assert credit.ledger.balance_of(credit.payee) == 25


def test_both_days(credit: Credit, owners: list[LocalAccount]) -> None:
    signed = vouchers(credit, owners, 3) + vouchers(credit, owners[:2], 4, day=today() - 1)
    assert credit.ledger.collect_many(signed) == 23
    assert credit.ledger.credit_of(credit.payee, today()) == 15
    assert credit.ledger.credit_of(credit.payee, today() - 1) == 8


def test_adds_to_what_is_there(credit: Credit, owners: list[LocalAccount]) -> None:
    credit.ledger.collect_many(vouchers(credit, owners, 10 * DOLLAR + 1))
    assert credit.ledger.collect_many(vouchers(credit, owners[:2], 10 * DOLLAR + 3)) == 4
    assert credit.ledger.credit_of(credit.payee, today()) == 50 * DOLLAR
    assert credit.ledger.balance_of(credit.payee) == 9


def test_one_channel_several_times(credit: Credit, owners: list[LocalAccount]) -> None:
    signed = [vouchers(credit, owners[:1], cumulative)[0] for cumulative in (3, 5, 4, 9)]
    assert credit.ledger.collect_many(signed) == 9
    assert [log.credit for log in logs(credit, "Collected")] == [3, 2, 4]
    (skipped,) = logs(credit, "VoucherSkipped")
    assert skipped.state.collected_credit == 5


def test_none(credit: Credit) -> None:
    assert credit.ledger.collect_many([]) == 0


def test_stale_client_learns_the_state(credit: Credit, owners: list[LocalAccount]) -> None:
    """All that the next voucher is made from, in the event."""
    owner = owners[0]
    credit.ledger.collect_many(vouchers(credit, [owner], 10 * DOLLAR + 7))
    credit.ledger.collect_many(vouchers(credit, [owner], 5, day=today() - 1))
    assert credit.ledger.collect_many(vouchers(credit, [owner], 10 * DOLLAR + 7)) == 0
    (skipped,) = logs(credit, "VoucherSkipped")
    assert (skipped.owner, skipped.payee) == (owner.address, credit.payee)
    assert skipped.reason == "credit_ledger: stale voucher"
    state = skipped.state
    assert (state.day, state.collected_credit, state.collected_usdc) == (today(), 10 * DOLLAR, 7)
    assert (state.credit_limit, state.deposit) == (10 * DOLLAR, DOLLAR - 7)
    assert state == credit.state(owner=owner.address)
    assert credit.ledger.collect_many(vouchers(credit, [owner], 5, day=today() - 1)) == 0
    (skipped,) = logs(credit, "VoucherSkipped")
    assert (skipped.state.day, skipped.state.collected_credit) == (today() - 1, 5)


def test_every_fault_is_skipped(credit: Credit, owners: list[LocalAccount]) -> None:
    owner, other = owners[0], owners[1]
    credit.ledger.collect_many(vouchers(credit, [other], 11 * DOLLAR))
    nobody = account("nobody")
    signed = [
        *vouchers(credit, [owner], 5, payee=credit.market.stranger),
        *vouchers(credit, [owner], 5, day=today() - 2),
        *vouchers(credit, [owner], 5, day=today() + 1),
        *vouchers(credit, [owner], 5, day=2**256 - 1),
        *vouchers(credit, [nobody], 5),
        *vouchers(credit, [owner], 0),
        credit.sign(6, owner=owner.address, signer=other).abi(),
        (credit.sign(6, owner=owner.address).voucher.abi(), b"no signature"),
        *vouchers(credit, [other], 12 * DOLLAR),
    ]
    # The first voucher says whose call it is.
    assert credit.ledger.collect_many(vouchers(credit, [owner], 5) + signed) == 5
    skipped = logs(credit, "VoucherSkipped")
    assert [log.reason.removeprefix("credit_ledger: ") for log in skipped] == [
        "voucher of another payee",
        "voucher of another day",
        "voucher of another day",
        "voucher of another day",
        "no channel on that day",
        "stale voucher",
        "wrong signature",
        "wrong signature",
        "channel is exhausted",
    ]
    assert [log.state.day for log in skipped] == [today()] * 9


def test_own_allowance_among_others(credit: Credit, owners: list[LocalAccount]) -> None:
    """Only the caller's own voucher may go without a signature."""
    owner = owners[0].address
    credit.open(owner=owner, payee=owner, deposit=9)
    credit.open(owner=owners[1].address, payee=owner, deposit=9)
    signed = [
        (credit.sign(4, owner=each.address, payee=owner).voucher.abi(), b"") for each in owners[:2]
    ]
    assert credit.ledger.collect_many(signed, sender=credit.market.stranger) == 0
    assert credit.ledger.collect_many(signed, sender=owner) == 4


def test_most_of_a_call(credit: Credit, owners: list[LocalAccount]) -> None:
    """256 vouchers; the calls are refused beyond."""
    signed = vouchers(credit, owners[:1], 5) * 256
    assert credit.ledger.collect_many(signed) == 5
    assert len(logs(credit, "VoucherSkipped")) == 255


def test_same_result_as_one_by_one(credit: Credit, owners: list[LocalAccount]) -> None:
    signed = vouchers(credit, owners, 10 * DOLLAR + 9) + vouchers(
        credit, owners, 8, day=today() - 1
    )
    total = sum(credit.ledger.collect(each) for each in signed)
    assert total == 5 * (10 * DOLLAR + 17)
    with reverts("credit_ledger: stale voucher"):
        credit.ledger.collect(signed[0])
