"""Escrow.request_withdrawal and withdraw: a notice frees nothing before its time."""

from __future__ import annotations

import boa

from tests.support.market import DELAY, Market, event, reverts

JOB = b"\x01" * 32


def test_default_behavior(market: Market) -> None:
    ticket_id = market.escrow.request_withdrawal(400_000, sender=market.consumer)
    requested = event(market.escrow, "WithdrawalRequested")
    assert (requested.consumer, requested.ticket_id) == (market.consumer, ticket_id)
    assert (requested.amount, requested.ready_at) == (400_000, market.now + DELAY)
    assert market.escrow.balance_of(market.consumer) == 1_000_000
    assert market.escrow.available(market.consumer) == 600_000
    assert market.escrow.ticket(market.consumer, 0) == (400_000, market.now + DELAY)

    boa.env.time_travel(seconds=DELAY)
    assert market.escrow.withdraw(0, sender=market.consumer) == 400_000
    assert event(market.escrow, "Withdrawn").amount == 400_000
    assert market.payment_token.balanceOf(market.consumer) == 400_000
    assert market.escrow.available(market.consumer) == 600_000


def test_claims_come_first(market: Market) -> None:
    """What is under notice still pays; the ticket then gives what is left."""
    market.escrow.request_withdrawal(900_000, sender=market.consumer)
    pay = market.escrow.pay
    pay(JOB, market.consumer, market.provider, 300_000, sender=market.settlement.address)
    assert market.escrow.available(market.consumer) == 0
    boa.env.time_travel(seconds=DELAY)
    assert market.escrow.withdraw(0, sender=market.consumer) == 700_000
    assert market.escrow.balance_of(market.consumer) == 0


def test_nothing_left_for_the_ticket(market: Market) -> None:
    market.escrow.request_withdrawal(900_000, sender=market.consumer)
    pay = market.escrow.pay
    pay(JOB, market.consumer, market.provider, 1_000_000, sender=market.settlement.address)
    boa.env.time_travel(seconds=DELAY)
    assert market.escrow.withdraw(0, sender=market.consumer) == 0
    assert market.escrow.ticket(market.consumer, 0) == (0, 0)


def test_old_notice_makes_nothing_available(market: Market) -> None:
    """A ripe ticket could be collected at any second: a provider must not count on it."""
    market.escrow.request_withdrawal(1_000_000, sender=market.consumer)
    boa.env.time_travel(seconds=2 * DELAY)
    assert market.escrow.available(market.consumer) == 0
    market.fund_consumer(50)
    assert market.escrow.available(market.consumer) == 50


def test_revert_more_than_available(market: Market) -> None:
    """No notice in advance for deposits yet to come."""
    with reverts("escrow: balance too small"):
        market.escrow.request_withdrawal(1_000_001, sender=market.consumer)
    market.escrow.request_withdrawal(600_000, sender=market.consumer)
    with reverts("escrow: balance too small"):
        market.escrow.request_withdrawal(400_001, sender=market.consumer)
    assert market.escrow.available(market.consumer) == 400_000


def test_revert_nothing(market: Market) -> None:
    with reverts("tickets: nothing to withdraw"):
        market.escrow.request_withdrawal(0, sender=market.consumer)


def test_revert_early(market: Market) -> None:
    market.escrow.request_withdrawal(5, sender=market.consumer)
    boa.env.time_travel(seconds=DELAY - 1)
    with reverts("tickets: not ready"):
        market.escrow.withdraw(0, sender=market.consumer)


def test_revert_twice_or_anothers(market: Market) -> None:
    market.escrow.request_withdrawal(5, sender=market.consumer)
    boa.env.time_travel(seconds=DELAY)
    with reverts("tickets: no such ticket"):
        market.escrow.withdraw(0, sender=market.stranger)
    market.escrow.withdraw(0, sender=market.consumer)
    with reverts("tickets: no such ticket"):
        market.escrow.withdraw(0, sender=market.consumer)
