"""Audits.take_seat, leave_seat: deposits in and out."""

from __future__ import annotations

import boa

from tests.support.auditing import KEY, Auditing
from tests.support.market import REQUEST_BOND, SEAT, Claim, event, reverts


def test_default_behavior(auditing: Auditing) -> None:
    auditor = auditing.sit("fourth")
    taken = event(auditing.contract, "SeatTaken")
    assert (taken.auditor, taken.seat, taken.key) == (auditor, 3, KEY)
    assert auditing.contract.seat(3).auditor == auditor
    assert auditing.contract.seat(3).since == boa.env.evm.patch.timestamp
    assert auditing.contract.key_of(auditor) == KEY
    assert auditing.contract.seat_count() == 4
    assert auditing.assay(auditing.contract.address) == 4 * SEAT
    auditing.contract.leave_seat(3, sender=auditor)
    left = event(auditing.contract, "SeatLeft")
    assert (left.auditor, left.seat) == (auditor, 3)
    assert auditing.assay(auditor) == SEAT + REQUEST_BOND
    assert auditing.contract.seat(3).auditor == "0x" + "00" * 20


def test_a_seat_that_was_left_is_taken_again(auditing: Auditing) -> None:
    auditing.contract.leave_seat(1, sender=auditing.contract.seat(1).auditor)
    auditing.contract.leave_seat(0, sender=auditing.contract.seat(0).auditor)
    first, second, third = (auditing.sit(name) for name in "xyz")
    assert [auditing.contract.seat(i).auditor for i in (0, 1, 3)] == [first, second, third]
    assert auditing.contract.seat_count() == 4


def test_revert_no_key_or_no_deposit(auditing: Auditing) -> None:
    with reverts("audits: no key"):
        auditing.contract.take_seat(bytes(32), sender=auditing.market.stranger)
    with reverts("erc20: insufficient allowance"):
        auditing.contract.take_seat(KEY, sender=auditing.market.stranger)


def test_revert_leave_of_another(auditing: Auditing) -> None:
    with reverts("audits: caller holds another seat"):
        auditing.contract.leave_seat(0, sender=auditing.contract.seat(1).auditor)
    with reverts("audits: caller holds another seat"):
        auditing.contract.leave_seat(7, sender=auditing.market.stranger)


def test_revert_leave_with_entries(drawn: Auditing, claim: Claim) -> None:
    """Else nobody who is caught would still have a deposit."""
    auditor = drawn.commit(claim)
    seat = drawn.contract.seat_of(drawn.place(claim))
    with reverts("audits: entries are pending"):
        drawn.contract.leave_seat(seat, sender=auditor)
