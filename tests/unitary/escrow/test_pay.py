"""Escrow.pay: the settlement's alone, as far as there are funds."""

from __future__ import annotations

import pytest

from tests.support.market import Market, event, reverts

JOB = b"\x01" * 32


def test_default_behavior(market: Market) -> None:
    settlement = market.settlement.address
    paid = market.escrow.pay(JOB, market.consumer, market.provider, 250, sender=settlement)
    logged = event(market.escrow, "Paid")
    assert paid == logged.amount == 250
    assert (logged.job_id, logged.consumer, logged.provider) == (
        JOB,
        market.consumer,
        market.provider,
    )
    assert logged.shortfall == 0
    assert market.payment_token.balanceOf(market.provider) == 250
    assert market.escrow.balance_of(market.consumer) == 999_750


def test_shortfall_is_logged(market: Market) -> None:
    settlement = market.settlement.address
    price = 1_000_300
    assert market.escrow.pay(JOB, market.consumer, market.provider, price, sender=settlement) == (
        1_000_000
    )
    assert event(market.escrow, "Paid").shortfall == 300
    assert market.escrow.balance_of(market.consumer) == 0


def test_no_funds_at_all(market: Market) -> None:
    settlement = market.settlement.address
    assert market.escrow.pay(JOB, market.stranger, market.provider, 9, sender=settlement) == 0
    assert event(market.escrow, "Paid").shortfall == 9
    assert market.payment_token.balanceOf(market.provider) == 0


@pytest.mark.parametrize("role", ["provider", "deployer", "stranger", "consumer"])
def test_revert_not_the_settlement(market: Market, role: str) -> None:
    sender = getattr(market, role)
    with reverts("escrow: caller is not the settlement"):
        market.escrow.pay(JOB, market.consumer, market.provider, 1, sender=sender)
    assert market.escrow.balance_of(market.consumer) == 1_000_000
