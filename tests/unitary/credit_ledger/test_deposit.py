"""CreditLedger.deposit and deposit_for."""

from __future__ import annotations

import boa
import pytest

from tests.support.credit import NOBODY, Credit, deploy_ledger
from tests.support.market import event, reverts
from tests.support.odd_tokens import answering_token, silent_token


def test_default_behavior(credit: Credit) -> None:
    depositor, ledger = credit.market.stranger, credit.ledger
    credit.give_dollars(depositor, 7)
    ledger.deposit(7, sender=depositor)
    deposited = event(ledger, "Deposited")
    assert (deposited.account, deposited.payer) == (depositor, depositor)
    assert deposited.amount == 7
    assert ledger.balance_of(depositor) == ledger.available(depositor) == 7
    assert credit.market.usdc.balanceOf(ledger.address) == 7


def test_for_another(credit: Credit) -> None:
    payer, consumer = credit.market.stranger, credit.market.consumer
    credit.give_dollars(payer, 7)
    credit.ledger.deposit_for(consumer, 7, sender=payer)
    deposited = event(credit.ledger, "Deposited")
    assert (deposited.account, deposited.payer) == (consumer, payer)
    assert credit.ledger.balance_of(consumer) == 7
    assert credit.ledger.balance_of(payer) == 0


def test_donations_are_nobodys(credit: Credit) -> None:
    """Dollars that are sent here are not counted, by no function, before or after a deposit."""
    ledger, market = credit.ledger, credit.market
    credit.economy.give(ledger.address, usd_micro=1_000)
    credit.give_dollars(market.stranger, 7)
    ledger.deposit(7, sender=market.stranger)
    assert ledger.balance_of(market.stranger) == 7
    assert ledger.fees() == 0
    assert ledger.sweep_fees() == 0
    assert market.usdc.balanceOf(ledger.address) == 1_007


def test_revert_nothing(credit: Credit) -> None:
    with reverts("credit_ledger: nothing to deposit"):
        credit.ledger.deposit(0, sender=credit.market.stranger)


def test_revert_no_account(credit: Credit) -> None:
    with reverts("credit_ledger: no account"):
        credit.ledger.deposit_for(NOBODY, 1, sender=credit.market.stranger)


def test_revert_no_tokens(credit: Credit) -> None:
    depositor = credit.market.stranger
    credit.market.usdc.approve(credit.ledger.address, 1, sender=depositor)
    with reverts("erc20: transfer amount exceeds balance"):
        credit.ledger.deposit(1, sender=depositor)
    assert credit.ledger.balance_of(depositor) == 0


def test_revert_not_approved(credit: Credit) -> None:
    depositor = credit.economy.give(credit.market.stranger, usd_micro=5)
    with reverts("erc20: insufficient allowance"):
        credit.ledger.deposit(5, sender=depositor)


def test_token_without_return_value(credit: Credit) -> None:
    """USDT's kind: silence is consent, and the dollars have to be there."""
    token, depositor = silent_token(), credit.market.stranger
    ledger = deploy_ledger(credit.economy, payment_token=token)
    token.mint(depositor, 10)
    ledger.deposit(10, sender=depositor)
    assert ledger.balance_of(depositor) == token.balanceOf(ledger.address) == 10
    ledger.request_withdrawal(10, sender=depositor)
    boa.env.time_travel(seconds=ledger.withdrawal_seconds())
    ledger.withdraw(0, depositor, sender=depositor)
    assert token.balanceOf(depositor) == 10


@pytest.mark.parametrize("fee_bps", [1_000, 10_000])
def test_revert_fee_on_transfer(credit: Credit, fee_bps: int) -> None:
    token, depositor = answering_token(), credit.market.stranger
    ledger = deploy_ledger(credit.economy, payment_token=token)
    token.mint(depositor, 10)
    token.set_fee(fee_bps)
    with reverts("credit_ledger: token took a fee"):
        ledger.deposit(10, sender=depositor)
    assert ledger.balance_of(depositor) == token.balanceOf(ledger.address) == 0


def test_revert_token_refuses(credit: Credit) -> None:
    token, depositor = answering_token(), credit.market.stranger
    ledger = deploy_ledger(credit.economy, payment_token=token)
    token.mint(depositor, 10)
    token.refuse(True)
    with reverts("credit_ledger: transfer failed"):
        ledger.deposit(10, sender=depositor)


def test_revert_blacklisted_or_paused(credit: Credit) -> None:
    usdc, depositor = credit.market.usdc, credit.market.stranger
    credit.give_dollars(depositor, 10)
    usdc.blacklist(depositor, True, sender=credit.market.deployer)
    with reverts("test_usd: blacklisted"):
        credit.ledger.deposit(1, sender=depositor)
    usdc.blacklist(depositor, False, sender=credit.market.deployer)
    usdc.pause(True, sender=credit.market.deployer)
    with reverts("test_usd: paused"):
        credit.ledger.deposit(1, sender=depositor)
