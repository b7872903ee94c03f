"""CreditLedger.withdraw_earnings and sweep_fees: what is owed is fetched."""

from __future__ import annotations

import boa
import pytest

from tests.support.credit import NOBODY, Credit, usdc_owed
from tests.support.market import event, reverts

FEE = 50
EARNED = 950


@pytest.fixture(autouse=True)
def paid(credit: Credit) -> None:
    """A claim of 1,000 is paid."""
    credit.economy.deposit(credit.payee, 1_500)
    credit.pay(1_000)


def test_default_behavior(credit: Credit) -> None:
    provider, usdc = credit.market.provider, credit.market.usdc
    assert credit.ledger.earnings_of(provider) == EARNED
    assert credit.ledger.withdraw_earnings(provider, sender=provider) == EARNED
    withdrawn = event(credit.ledger, "EarningsWithdrawn")
    assert (withdrawn.provider, withdrawn.to, withdrawn.amount) == (provider, provider, EARNED)
    assert usdc.balanceOf(provider) == EARNED
    assert credit.ledger.earnings_of(provider) == 0


def test_twice(credit: Credit) -> None:
    provider = credit.market.provider
    credit.ledger.withdraw_earnings(provider, sender=provider)
    assert credit.ledger.withdraw_earnings(provider, sender=provider) == 0
    assert credit.market.usdc.balanceOf(provider) == EARNED


def test_add_up(credit: Credit) -> None:
    credit.pay(100)
    credit.pay(100)
    assert credit.ledger.earnings_of(credit.market.provider) == EARNED + 190


def test_nobody_elses(credit: Credit) -> None:
    stranger = credit.market.stranger
    assert credit.ledger.withdraw_earnings(stranger, sender=stranger) == 0
    assert credit.ledger.earnings_of(credit.market.provider) == EARNED


def test_blacklisted_provider(credit: Credit) -> None:
    """It blocks nobody, and can have its dollars sent elsewhere."""
    market, other = credit.market, boa.env.generate_address("other")
    market.usdc.blacklist(market.provider, True, sender=market.deployer)
    with reverts("test_usd: blacklisted"):
        credit.ledger.withdraw_earnings(market.provider, sender=market.provider)
    assert credit.pay(100) == 100
    assert credit.ledger.withdraw_earnings(other, sender=market.provider) == EARNED + 95


def test_earnings_are_not_the_consumers(credit: Credit) -> None:
    """Nor the other way: a provider that consumes pays from its balance."""
    assert credit.pay(100, consumer=credit.market.provider) == 0
    assert credit.ledger.available(credit.market.provider) == 0


def test_revert_no_recipient(credit: Credit) -> None:
    for nobody in (NOBODY, credit.ledger.address):
        with reverts("credit_ledger: no recipient"):
            credit.ledger.withdraw_earnings(nobody, sender=credit.market.provider)


def test_sweep_fees(credit: Credit) -> None:
    market = credit.market
    assert credit.ledger.sweep_fees(sender=market.stranger) == FEE
    swept = event(credit.ledger, "FeesSwept")
    assert (swept.router, swept.amount) == (market.router.address, FEE)
    assert market.usdc.balanceOf(market.router.address) == FEE
    assert credit.ledger.fees() == 0
    assert credit.ledger.sweep_fees(sender=market.stranger) == 0
    assert market.usdc.balanceOf(market.router.address) == FEE


def test_sweep_reaches_the_auction(credit: Credit) -> None:
    credit.ledger.sweep_fees()
    credit.market.router.route()
    assert credit.market.usdc.balanceOf(credit.market.auction.address) == FEE


def test_blacklisted_router(credit: Credit) -> None:
    """Fees wait; everybody else goes on."""
    market = credit.market
    market.usdc.blacklist(market.router.address, True, sender=market.deployer)
    with reverts("test_usd: blacklisted"):
        credit.ledger.sweep_fees()
    assert credit.ledger.fees() == FEE
    assert credit.ledger.withdraw_earnings(market.provider, sender=market.provider) == EARNED


def test_all_dollars_are_somebodys(credit: Credit, accounts: list[str]) -> None:
    owed = usdc_owed(credit, accounts, [])
    assert owed == credit.market.usdc.balanceOf(credit.ledger.address) == 1_500
