"""Daily allowances: from staked KARAT, and from the share of the stake as the day began."""

from __future__ import annotations

import pytest

from tests.support.credit import DOLLAR, KARAT, Credit
from tests.support.economy import CAPACITY, ETHER
from tests.support.evm import begin_day, today
from tests.support.market import reverts


@pytest.fixture
def owner(credit: Credit) -> str:
    """100 KARAT staked: $100 a day."""
    credit.give_karat(credit.owner.address, 100 * KARAT)
    return credit.owner.address


def test_default_behavior(credit: Credit, owner: str) -> None:
    """A million staked beside the whale's million is half of the capacity."""
    credit.economy.stake(owner, 1_000_000 * ETHER)
    assert credit.ledger.allowance_of(owner) == (100 * DOLLAR, 0)
    begin_day()
    assert credit.ledger.allowance_of(owner) == (100 * DOLLAR, CAPACITY // 2)
    assert credit.ledger.allowance_of(credit.market.stranger) == (0, 0)


def test_capacity_is_rounded_down(credit: Credit, owner: str) -> None:
    credit.economy.stake(owner, 500_000 * ETHER)
    begin_day()
    assert credit.ledger.allowance_of(owner)[1] == CAPACITY // 3
    credit.open(0, 3_333)
    assert credit.state().credit_limit == CAPACITY * 3_333 // (3 * 10_000)


def test_shares_never_sum_above_the_capacity(credit: Credit, owner: str) -> None:
    stakers = [owner, credit.market.stranger, credit.market.provider]
    for index, staker in enumerate(stakers):
        credit.economy.stake(staker, (index + 1) * 77_777 * ETHER + index)
    begin_day()
    shares = [credit.ledger.allowance_of(staker)[1] for staker in (*stakers, credit.whale)]
    assert CAPACITY - len(shares) < sum(shares) <= CAPACITY


def test_parts_never_sum_above_the_share(credit: Credit, owner: str) -> None:
    credit.economy.stake(owner, 123_457 * ETHER + 1)
    begin_day()
    payees = [credit.payee, credit.market.stranger, credit.market.provider]
    for payee, bps in zip(payees, (3_333, 3_333, 3_334), strict=True):
        credit.open(0, bps, payee=payee)
    parts = [credit.ledger.channel_state(owner, p, today()).credit_limit for p in payees]
    whole = credit.ledger.allowance_of(owner)[1]
    assert whole - len(parts) < sum(parts) <= whole


def test_nothing_staked_at_all(credit: Credit) -> None:
    """Before the first stake of all there is no share to divide by."""
    begin_day()
    assert credit.ledger.allowance_of(credit.market.stranger) == (0, 0)
    credit.open(0, 10_000)
    assert credit.state().credit_limit == 0


def test_flash_stake_gives_no_capacity(credit: Credit, owner: str) -> None:
    """Stake that comes after a day began gives nothing on that day, and takes from nobody."""
    begin_day()
    whales = credit.ledger.allowance_of(credit.whale)[1]
    credit.economy.stake(owner, 10_000_000 * ETHER)
    credit.open(0, 10_000)
    assert credit.ledger.allowance_of(owner)[1] == credit.state().credit_limit == 0
    assert credit.ledger.allowance_of(credit.whale)[1] == whales == CAPACITY
    with reverts("credit_ledger: channel is exhausted"):
        credit.collect(1)


def test_capacity_outlasts_the_stake_by_its_day(credit: Credit, owner: str) -> None:
    credit.economy.stake(owner, 1_000_000 * ETHER)
    begin_day()
    credit.open(0, 10_000)
    credit.market.staking.request_unstake(1_000_000 * ETHER, sender=owner)
    assert credit.collect(CAPACITY) == CAPACITY // 2
    begin_day()
    assert credit.state().credit_limit == 0
    assert credit.state(today() - 1).credit_limit == CAPACITY // 2


def test_capacity_of_yesterday_is_collected_at_yesterdays_size(credit: Credit, owner: str) -> None:
    """The published capacity changes at midnight; a day keeps what it had."""
    credit.economy.stake(owner, 1_000_000 * ETHER)
    begin_day(2)
    credit.open(0, 10_000)
    credit.market.emissions.set_daily_capacity(2 * CAPACITY, sender=credit.market.owner)
    assert credit.state().credit_limit == CAPACITY // 2
    begin_day()
    assert credit.state(today() - 1).credit_limit == CAPACITY // 2
    assert credit.state().credit_limit == CAPACITY
    assert credit.collect(10 * CAPACITY, day=today() - 1) == CAPACITY // 2
    assert credit.collect(10 * CAPACITY) == CAPACITY


# KARAT that is promised cannot be unstaked.


def test_unstake_what_is_not_promised(credit: Credit, owner: str) -> None:
    credit.open(60 * DOLLAR)
    with reverts("karat: allocated to channels"):
        credit.market.karat.request_unstake(40 * KARAT + 1, sender=owner)
    credit.market.karat.request_unstake(40 * KARAT, sender=owner)
    assert credit.ledger.allowance_of(owner)[0] == 60 * DOLLAR
    with reverts("credit_ledger: KARAT promised already"):
        credit.open(60 * DOLLAR + 1)


def test_unstake_the_day_after_lowering(credit: Credit, owner: str) -> None:
    karat = credit.market.karat
    credit.open(100 * DOLLAR)
    credit.open(0)
    with reverts("karat: allocated to channels"):
        karat.request_unstake(1, sender=owner)
    begin_day()
    karat.request_unstake(100 * KARAT, sender=owner)
    assert credit.ledger.allowance_of(owner)[0] == 0


def test_karat_spends_once_a_day(credit: Credit, owner: str) -> None:
    """Lowered, unstaked, withdrawn, sold and staked again: by then the first owner's last day
    is over, though it can still be collected."""
    karat, buyer = credit.market.karat, credit.market.stranger
    credit.open(100 * DOLLAR)
    credit.open(0)
    last = today()
    begin_day()
    karat.request_unstake(100 * KARAT, sender=owner)
    with reverts("tickets: not ready"):
        karat.withdraw(0, sender=owner)
    assert credit.collect(100 * DOLLAR, day=last) == 100 * DOLLAR
    assert credit.state().credit_limit == 0
    begin_day()
    karat.withdraw(0, sender=owner)
    karat.transfer(buyer, 100 * KARAT, sender=owner)
    karat.stake(100 * KARAT, sender=buyer)
    credit.open(100 * DOLLAR, owner=buyer)
    assert credit.state(today() - 1, owner=buyer).credit_limit == 0
    assert credit.state(owner=buyer).credit_limit == 100 * DOLLAR


def test_less_stake_than_promised_may_still_be_lowered(credit: Credit, owner: str) -> None:
    """Whatever happens to the stake, nothing holds an owner to its promises for ever."""
    credit.open(100 * DOLLAR, 10_000)
    drain(credit, owner)
    assert credit.ledger.allowance_of(owner)[0] == 0
    credit.open(50 * DOLLAR, 5_000)
    begin_day()
    assert credit.ledger.committed_of(owner) == (50 * DOLLAR, 5_000)


def drain(credit: Credit, owner: str) -> None:
    """Take all staked KARAT away, which no transaction can."""
    karat = credit.market.karat
    karat.eval(f"self.staked_of[{owner}] = 0")
