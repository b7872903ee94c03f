"""CreditLedger.request_withdrawal and withdraw: a notice frees nothing before its time."""

from __future__ import annotations

import boa
import pytest

from tests.support.credit import NOBODY, Credit, deploy_ledger
from tests.support.evm import DAY
from tests.support.market import DELAY, event, reverts
from tests.support.odd_tokens import answering_token


@pytest.fixture
def holder(credit: Credit) -> str:
    """An account with a dollar in the ledger."""
    credit.economy.deposit(credit.market.stranger, 1_000_000)
    return credit.market.stranger


def test_default_behavior(credit: Credit, holder: str) -> None:
    ledger = credit.ledger
    ticket_id = ledger.request_withdrawal(400_000, sender=holder)
    requested = event(ledger, "WithdrawalRequested")
    ready_at = credit.market.now + DELAY
    assert (requested.account, requested.ticket_id) == (holder, ticket_id)
    assert (requested.amount, requested.ready_at) == (400_000, ready_at)
    assert ledger.balance_of(holder) == 1_000_000
    assert ledger.available(holder) == 600_000
    assert ledger.ticket(holder, 0) == (400_000, ready_at)
    assert ledger.ticket_count(holder) == 1

    boa.env.time_travel(seconds=DELAY)
    assert ledger.withdraw(0, holder, sender=holder) == 400_000
    withdrawn = event(ledger, "Withdrawn")
    assert (withdrawn.account, withdrawn.ticket_id) == (holder, 0)
    assert (withdrawn.to, withdrawn.amount) == (holder, 400_000)
    assert credit.market.usdc.balanceOf(holder) == 400_000
    assert ledger.balance_of(holder) == ledger.available(holder) == 600_000


def test_to_another(credit: Credit, holder: str) -> None:
    """Whom the token refuses can still have its dollars sent elsewhere."""
    ledger, usdc, other = credit.ledger, credit.market.usdc, boa.env.generate_address("other")
    ledger.request_withdrawal(5, sender=holder)
    boa.env.time_travel(seconds=DELAY)
    usdc.blacklist(holder, True, sender=credit.market.deployer)
    with reverts("test_usd: blacklisted"):
        ledger.withdraw(0, holder, sender=holder)
    assert ledger.withdraw(0, other, sender=holder) == 5
    assert usdc.balanceOf(other) == 5


def test_each_ticket_has_its_own_clock(credit: Credit, holder: str) -> None:
    ledger = credit.ledger
    ledger.request_withdrawal(5, sender=holder)
    boa.env.time_travel(seconds=DELAY - 1)
    ledger.request_withdrawal(1, sender=holder)
    boa.env.time_travel(seconds=1)
    assert ledger.withdraw(0, holder, sender=holder) == 5
    with reverts("tickets: not ready"):
        ledger.withdraw(1, holder, sender=holder)


def test_claims_come_first(credit: Credit, holder: str) -> None:
    """What is under notice still pays; the ticket then gives what is left."""
    ledger = credit.ledger
    ledger.request_withdrawal(900_000, sender=holder)
    assert credit.pay(300_000, consumer=holder) == 300_000
    assert ledger.available(holder) == 0
    boa.env.time_travel(seconds=DELAY)
    assert ledger.withdraw(0, holder, sender=holder) == 700_000
    assert ledger.balance_of(holder) == 0


def test_nothing_left_for_the_ticket(credit: Credit, holder: str) -> None:
    credit.ledger.request_withdrawal(900_000, sender=holder)
    credit.pay(1_000_000, consumer=holder)
    boa.env.time_travel(seconds=DELAY)
    assert credit.ledger.withdraw(0, holder, sender=holder) == 0
    assert credit.ledger.ticket(holder, 0) == (0, 0)


def test_old_notice_makes_nothing_available(credit: Credit, holder: str) -> None:
    """A ripe ticket could be collected at any second: a provider must not count on it."""
    credit.ledger.request_withdrawal(1_000_000, sender=holder)
    boa.env.time_travel(seconds=2 * DELAY)
    assert credit.ledger.available(holder) == 0
    credit.economy.deposit(holder, 50)
    assert credit.ledger.available(holder) == 50


def test_a_channel_is_no_way_out(credit: Credit, holder: str) -> None:
    """Its dollars come from the wallet: what providers count on stays where it is."""
    ledger, market = credit.ledger, credit.market
    arguments = (market.provider, 0, 0, NOBODY, market.now + DAY, 1_000_000)
    with reverts("erc20: insufficient allowance"):
        ledger.set_channel(*arguments, sender=holder)
    assert ledger.available(holder) == 1_000_000


def test_revert_more_than_available(credit: Credit, holder: str) -> None:
    """No notice in advance for deposits yet to come."""
    ledger = credit.ledger
    with reverts("credit_ledger: balance too small"):
        ledger.request_withdrawal(1_000_001, sender=holder)
    ledger.request_withdrawal(600_000, sender=holder)
    with reverts("credit_ledger: balance too small"):
        ledger.request_withdrawal(400_001, sender=holder)
    assert ledger.available(holder) == 400_000


def test_revert_nothing(credit: Credit, holder: str) -> None:
    with reverts("tickets: nothing to withdraw"):
        credit.ledger.request_withdrawal(0, sender=holder)


def test_revert_early(credit: Credit, holder: str) -> None:
    credit.ledger.request_withdrawal(5, sender=holder)
    boa.env.time_travel(seconds=DELAY - 1)
    with reverts("tickets: not ready"):
        credit.ledger.withdraw(0, holder, sender=holder)


def test_revert_twice_or_anothers(credit: Credit, holder: str) -> None:
    credit.ledger.request_withdrawal(5, sender=holder)
    boa.env.time_travel(seconds=DELAY)
    with reverts("tickets: no such ticket"):
        credit.ledger.withdraw(0, holder, sender=credit.market.provider)
    credit.ledger.withdraw(0, holder, sender=holder)
    with reverts("tickets: no such ticket"):
        credit.ledger.withdraw(0, holder, sender=holder)


def test_revert_no_recipient(credit: Credit, holder: str) -> None:
    """Dollars sent to the ledger itself would be nobody's."""
    credit.ledger.request_withdrawal(5, sender=holder)
    boa.env.time_travel(seconds=DELAY)
    for nobody in (NOBODY, credit.ledger.address):
        with reverts("credit_ledger: no recipient"):
            credit.ledger.withdraw(0, nobody, sender=holder)
    assert credit.ledger.ticket(holder, 0)[0] == 5


def test_revert_token_refuses(credit: Credit) -> None:
    token, holder = answering_token(), credit.market.stranger
    ledger = deploy_ledger(credit.economy, payment_token=token)
    token.mint(holder, 10)
    ledger.deposit(10, sender=holder)
    ledger.request_withdrawal(10, sender=holder)
    boa.env.time_travel(seconds=DELAY)
    token.refuse(True)
    with reverts("credit_ledger: transfer failed"):
        ledger.withdraw(0, holder, sender=holder)
    assert ledger.balance_of(holder) == 10
