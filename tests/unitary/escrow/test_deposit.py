"""Escrow.deposit and deposit_for."""

from __future__ import annotations

from tests.support.market import Market, event, reverts


def test_default_behavior(market: Market) -> None:
    market.payment_token.mint(market.stranger, 7, sender=market.deployer)
    market.payment_token.approve(market.escrow.address, 7, sender=market.stranger)
    market.escrow.deposit(7, sender=market.stranger)
    deposited = event(market.escrow, "Deposited")
    assert (deposited.consumer, deposited.payer) == (market.stranger, market.stranger)
    assert deposited.amount == 7
    assert (
        market.escrow.balance_of(market.stranger) == market.escrow.available(market.stranger) == 7
    )


def test_for_another(market: Market) -> None:
    market.payment_token.mint(market.stranger, 7, sender=market.deployer)
    market.payment_token.approve(market.escrow.address, 7, sender=market.stranger)
    market.escrow.deposit_for(market.consumer, 7, sender=market.stranger)
    assert event(market.escrow, "Deposited").payer == market.stranger
    assert market.escrow.balance_of(market.consumer) == 1_000_007


def test_revert_nothing(market: Market) -> None:
    with reverts("escrow: nothing to deposit"):
        market.escrow.deposit(0, sender=market.consumer)


def test_revert_no_consumer(market: Market) -> None:
    with reverts("escrow: no consumer"):
        market.escrow.deposit_for("0x" + "00" * 20, 1, sender=market.consumer)


def test_revert_no_tokens(market: Market) -> None:
    market.payment_token.approve(market.escrow.address, 1, sender=market.stranger)
    with reverts("erc20: transfer amount exceeds balance"):
        market.escrow.deposit(1, sender=market.stranger)
    assert market.escrow.balance_of(market.stranger) == 0
