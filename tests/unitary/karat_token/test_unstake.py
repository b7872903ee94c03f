"""KaratToken: request_unstake, cancel_ticket, withdraw; what is promised cannot leave."""

from __future__ import annotations

import boa
import pytest

from tests.support.economy import KARAT_COOLDOWN
from tests.support.evm import DAY, begin_day, event, now, reverts, today, travel_to
from tests.unitary.karat_token.conftest import KARAT, Karat


def test_default_behavior(karat: Karat) -> None:
    karat.stake(karat.holder, 3 * KARAT)
    assert karat.token.request_unstake(KARAT, sender=karat.holder) == 0
    requested = event(karat.token, "UnstakeRequested")
    ready_at = now() + KARAT_COOLDOWN
    assert (requested.account, requested.ticket_id) == (karat.holder, 0)
    assert (requested.amount, requested.ready_at) == (KARAT, ready_at)
    assert karat.token.ticket(karat.holder, 0) == (KARAT, ready_at)
    assert karat.token.ticket_count(karat.holder) == 1
    assert karat.token.staked_of(karat.holder) == 2 * KARAT
    assert karat.books() == (2 * KARAT, KARAT, 3 * KARAT)

    travel_to(ready_at)
    assert karat.token.withdraw(0, sender=karat.holder) == KARAT
    withdrawn = event(karat.token, "Withdrawn")
    assert (withdrawn.account, withdrawn.ticket_id, withdrawn.amount) == (karat.holder, 0, KARAT)
    assert karat.token.balanceOf(karat.holder) == KARAT
    assert karat.token.ticket(karat.holder, 0) == (0, 0)
    assert karat.books() == (2 * KARAT, 0, 2 * KARAT)


def test_tickets_have_clocks_of_their_own(karat: Karat) -> None:
    """Dust requested later delays nothing."""
    karat.stake(karat.holder, KARAT)
    karat.token.request_unstake(KARAT - 1, sender=karat.holder)
    boa.env.time_travel(seconds=KARAT_COOLDOWN - 1)
    assert karat.token.request_unstake(1, sender=karat.holder) == 1
    boa.env.time_travel(seconds=1)
    assert karat.token.withdraw(0, sender=karat.holder) == KARAT - 1
    with reverts("tickets: not ready"):
        karat.token.withdraw(1, sender=karat.holder)


@pytest.mark.parametrize("wait", [0, KARAT_COOLDOWN - 1, KARAT_COOLDOWN, 10 * KARAT_COOLDOWN])
def test_cancel(karat: Karat, wait: int) -> None:
    karat.stake(karat.holder, 3 * KARAT)
    karat.token.request_unstake(KARAT, sender=karat.holder)
    karat.token.request_unstake(KARAT, sender=karat.holder)
    boa.env.time_travel(seconds=wait)
    assert karat.token.cancel_ticket(0, sender=karat.holder) == KARAT
    cancelled = event(karat.token, "TicketCancelled")
    assert (cancelled.account, cancelled.ticket_id, cancelled.amount) == (karat.holder, 0, KARAT)
    assert karat.token.staked_of(karat.holder) == 2 * KARAT
    assert karat.books() == (2 * KARAT, KARAT, 3 * KARAT)
    assert karat.token.ticket(karat.holder, 0) == (0, 0)
    assert karat.token.ticket_count(karat.holder) == 2


def test_allocated_to_the_micro_dollar(karat: Karat) -> None:
    """Half a micro-dollar of KARAT spends nothing, so it does not cover a promise."""
    karat.stake(karat.holder, 2 * KARAT)
    karat.ledger.commit(karat.holder, 10**6)
    with reverts("karat: allocated to channels"):
        karat.token.request_unstake(KARAT + 1, sender=karat.holder)
    karat.token.request_unstake(KARAT, sender=karat.holder)
    with reverts("karat: allocated to channels"):
        karat.token.request_unstake(1, sender=karat.holder)
    karat.ledger.commit(karat.holder, 10**6 - 1)
    karat.token.request_unstake(10**12, sender=karat.holder)
    assert karat.token.staked_of(karat.holder) == KARAT - 10**12


@pytest.mark.parametrize("second", [0, 1, DAY // 2, DAY - 1])
def test_withdrawn_on_another_utc_day(karat: Karat, second: int) -> None:
    """So a KARAT that was spent today cannot be staked and spent by a buyer today."""
    karat.stake(karat.holder, KARAT)
    day = begin_day()
    boa.env.time_travel(seconds=second)
    karat.token.request_unstake(KARAT, sender=karat.holder)
    travel_to(max(now(), (day + 1) * DAY - 1))
    with reverts("tickets: not ready"):
        karat.token.withdraw(0, sender=karat.holder)
    travel_to(karat.token.ticket(karat.holder, 0)[1])
    karat.token.withdraw(0, sender=karat.holder)
    assert today() == day + 1


def test_revert_nothing(karat: Karat) -> None:
    with reverts("tickets: nothing to withdraw"):
        karat.token.request_unstake(0, sender=karat.holder)


@pytest.mark.parametrize("excess", [1, 2**255])
def test_revert_more_than_staked(karat: Karat, excess: int) -> None:
    karat.stake(karat.holder, KARAT)
    karat.stake(karat.stranger, KARAT)
    with reverts("karat: stake too small"):
        karat.token.request_unstake(KARAT + excess, sender=karat.holder)


def test_revert_too_much_for_a_ticket(karat: Karat) -> None:
    """A ticket's word has 192 bits for the amount; no real supply comes near."""
    karat.stake(karat.holder, 2**192)
    with reverts("tickets: amount too large"):
        karat.token.request_unstake(2**192, sender=karat.holder)
    karat.token.request_unstake(2**192 - 1, sender=karat.holder)
    boa.env.time_travel(seconds=KARAT_COOLDOWN)
    assert karat.token.withdraw(0, sender=karat.holder) == 2**192 - 1


def test_revert_early(karat: Karat) -> None:
    karat.stake(karat.holder, KARAT)
    karat.token.request_unstake(KARAT, sender=karat.holder)
    boa.env.time_travel(seconds=KARAT_COOLDOWN - 1)
    with reverts("tickets: not ready"):
        karat.token.withdraw(0, sender=karat.holder)


def test_revert_twice_or_anothers(karat: Karat) -> None:
    karat.stake(karat.holder, KARAT)
    karat.token.request_unstake(KARAT // 2, sender=karat.holder)
    karat.token.request_unstake(KARAT // 2, sender=karat.holder)
    boa.env.time_travel(seconds=KARAT_COOLDOWN)
    for ticket_id in (0, 1):
        with reverts("tickets: no such ticket"):
            karat.token.withdraw(ticket_id, sender=karat.stranger)
        with reverts("tickets: no such ticket"):
            karat.token.cancel_ticket(ticket_id, sender=karat.stranger)
    karat.token.withdraw(0, sender=karat.holder)
    karat.token.cancel_ticket(1, sender=karat.holder)
    for ticket_id in (0, 1):
        with reverts("tickets: no such ticket"):
            karat.token.withdraw(ticket_id, sender=karat.holder)
        with reverts("tickets: no such ticket"):
            karat.token.cancel_ticket(ticket_id, sender=karat.holder)
    assert karat.books() == (KARAT // 2, 0, KARAT // 2)
