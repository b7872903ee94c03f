"""CreditLedger.set_channel: what rises counts at once, what falls from the next UTC day on."""

from __future__ import annotations

import pytest

from tests.support.credit import DOLLAR, KARAT, NOBODY, Credit
from tests.support.evm import DAY, begin_day, now, today, travel_to
from tests.support.market import event, reverts

MAX_DEPOSIT = 2**44 - 1


@pytest.fixture(autouse=True)
def owner(credit: Credit) -> str:
    """100 KARAT staked: $100 a day."""
    credit.give_karat(credit.owner.address, 100 * KARAT)
    return credit.owner.address


def end_of_day(timestamp: int) -> int:
    """The last second of a UTC day."""
    return (timestamp // DAY + 1) * DAY - 1


def limits(credit: Credit) -> tuple[int, int]:
    """Yesterday's and today's credit limit of the channel."""
    return credit.state(today() - 1).credit_limit, credit.state().credit_limit


def test_default_behavior(credit: Credit, owner: str) -> None:
    expiry = now() + 5 * DAY
    credit.open(60 * DOLLAR, 2_500, key=credit.key.address, expires_at=expiry, deposit=7)
    logged = event(credit.ledger, "ChannelSet")
    assert (logged.owner, logged.payee) == (owner, credit.payee)
    channel = credit.ledger.channel(owner, credit.payee)
    assert channel == logged.channel
    assert (channel.karat_micro, channel.capacity_bps) == (60 * DOLLAR, 2_500)
    assert (channel.deposit, channel.expires_at) == (7, end_of_day(expiry))
    assert channel.session_key == credit.key.address
    assert credit.ledger.committed_of(owner) == (60 * DOLLAR, 2_500)
    assert credit.market.usdc.balanceOf(credit.ledger.address) == 7
    assert credit.ledger.balance_of(owner) == credit.ledger.available(owner) == 0


def test_no_channel_yet(credit: Credit, owner: str) -> None:
    channel = credit.ledger.channel(owner, credit.payee)
    assert tuple(channel) == (0, 0, 0, NOBODY, 0)
    assert credit.ledger.committed_of(owner) == (0, 0)
    assert tuple(credit.state()) == (today(), 0, 0, 0, 0, 0)


def test_new_promise_holds_today_not_yesterday(credit: Credit) -> None:
    credit.open(60 * DOLLAR)
    assert limits(credit) == (0, 60 * DOLLAR)
    begin_day()
    assert limits(credit) == (60 * DOLLAR, 60 * DOLLAR)
    begin_day(10)
    assert limits(credit) == (60 * DOLLAR, 60 * DOLLAR)


def test_raised_at_once(credit: Credit, owner: str) -> None:
    credit.open(10 * DOLLAR, 100)
    begin_day()
    credit.open(30 * DOLLAR, 300)
    assert limits(credit) == (10 * DOLLAR, 30 * DOLLAR)
    assert credit.ledger.committed_of(owner) == (30 * DOLLAR, 300)
    begin_day()
    assert limits(credit) == (30 * DOLLAR, 30 * DOLLAR)


def test_lowered_from_tomorrow_on(credit: Credit, owner: str) -> None:
    credit.open(30 * DOLLAR, 300)
    begin_day()
    credit.open(10 * DOLLAR, 100)
    channel = credit.ledger.channel(owner, credit.payee)
    assert (channel.karat_micro, channel.capacity_bps) == (10 * DOLLAR, 100)
    assert limits(credit) == (30 * DOLLAR, 30 * DOLLAR)
    assert credit.ledger.committed_of(owner) == (30 * DOLLAR, 300)
    begin_day()
    assert limits(credit) == (30 * DOLLAR, 10 * DOLLAR)
    assert credit.ledger.committed_of(owner) == (10 * DOLLAR, 100)
    begin_day()
    assert limits(credit) == (10 * DOLLAR, 10 * DOLLAR)


def test_the_last_second_of_a_day(credit: Credit, owner: str) -> None:
    credit.open(30 * DOLLAR)
    midnight = (today() + 1) * DAY
    travel_to(midnight - 1)
    credit.open(0)
    assert limits(credit) == (0, 30 * DOLLAR)
    travel_to(midnight)
    assert limits(credit) == (30 * DOLLAR, 0)
    assert credit.ledger.committed_of(owner) == (0, 0)


def test_up_and_down_on_one_day(credit: Credit, owner: str) -> None:
    """Today's promise is the highest of the day; tomorrow's is the last one."""
    for amount in (20, 50, 5, 40, 10):
        credit.open(amount * DOLLAR)
    assert limits(credit) == (0, 50 * DOLLAR)
    assert credit.ledger.committed_of(owner) == (50 * DOLLAR, 0)
    begin_day()
    assert limits(credit) == (50 * DOLLAR, 10 * DOLLAR)
    assert credit.ledger.committed_of(owner) == (10 * DOLLAR, 0)


def test_changes_on_days_in_a_row(credit: Credit) -> None:
    for amount, before in ((20, 0), (50, 20), (5, 50)):
        credit.open(amount * DOLLAR)
        assert limits(credit) == (before * DOLLAR, max(amount, before) * DOLLAR)
        begin_day()
    assert limits(credit) == (50 * DOLLAR, 5 * DOLLAR)


def test_channels_share_the_allowance(credit: Credit, owner: str) -> None:
    credit.open(60 * DOLLAR, 6_000)
    other = credit.market.stranger
    with reverts("credit_ledger: KARAT promised already"):
        credit.open(40 * DOLLAR + 1, 0, payee=other)
    with reverts("credit_ledger: capacity promised already"):
        credit.open(0, 4_001, payee=other)
    credit.open(40 * DOLLAR, 4_000, payee=other)
    assert credit.ledger.committed_of(owner) == (100 * DOLLAR, 10_000)


def test_what_was_lowered_is_free_tomorrow(credit: Credit, owner: str) -> None:
    """Moved from one payee to another: the first one keeps its day."""
    credit.open(100 * DOLLAR, 10_000)
    credit.open(0)
    other = credit.market.stranger
    with reverts("credit_ledger: KARAT promised already"):
        credit.open(1, payee=other)
    with reverts("credit_ledger: capacity promised already"):
        credit.open(0, 1, payee=other)
    begin_day()
    credit.open(100 * DOLLAR, 10_000, payee=other)
    assert credit.ledger.committed_of(owner) == (100 * DOLLAR, 10_000)
    assert limits(credit) == (100 * DOLLAR, 0)


def test_dust_of_karat_gives_nothing(credit: Credit, owner: str) -> None:
    credit.give_karat(owner, 10**12 - 1)
    assert credit.ledger.allowance_of(owner)[0] == 100 * DOLLAR
    with reverts("credit_ledger: KARAT promised already"):
        credit.open(100 * DOLLAR + 1)
    credit.give_karat(owner, 1)
    credit.open(100 * DOLLAR + 1)


def test_owners_are_apart(credit: Credit, owner: str) -> None:
    credit.open(100 * DOLLAR)
    other = credit.market.stranger
    credit.give_karat(other, KARAT)
    credit.open(DOLLAR, owner=other)
    assert credit.ledger.committed_of(other) == (DOLLAR, 0)
    assert credit.ledger.committed_of(owner) == (100 * DOLLAR, 0)


def test_deposits_add_up(credit: Credit, owner: str) -> None:
    credit.open(deposit=5)
    credit.open(deposit=6)
    credit.open()
    assert credit.ledger.channel(owner, credit.payee).deposit == 11
    assert credit.market.usdc.balanceOf(credit.ledger.address) == 11


def test_largest_deposit(credit: Credit, owner: str) -> None:
    credit.open(deposit=MAX_DEPOSIT)
    assert credit.ledger.channel(owner, credit.payee).deposit == MAX_DEPOSIT
    with reverts("credit_ledger: deposit too large"):
        credit.open(deposit=1)


def test_expiry_moves_away_freely(credit: Credit, owner: str) -> None:
    credit.open(expires_at=now() + 1)
    credit.open(expires_at=now() + 500 * DAY)
    assert credit.ledger.channel(owner, credit.payee).expires_at == end_of_day(now() + 500 * DAY)


@pytest.mark.parametrize("second", [0, DAY // 2, DAY - 1])
def test_expiry_comes_no_nearer_than_tomorrow(credit: Credit, owner: str, second: int) -> None:
    travel_to(now() + second)
    credit.open(expires_at=now() + 500 * DAY)
    tomorrow = (today() + 1) * DAY
    if second < DAY - 1:
        with reverts("credit_ledger: expiry too near"):
            credit.open(expires_at=tomorrow - 1)
    credit.open(expires_at=tomorrow)
    assert credit.ledger.channel(owner, credit.payee).expires_at == tomorrow + DAY - 1


def test_expiry_of_today_stays(credit: Credit, owner: str) -> None:
    """What ends today anyway need not be prolonged to change other terms."""
    credit.open(expires_at=now() + 100)
    credit.open(5, expires_at=now() + 1)
    assert credit.ledger.channel(owner, credit.payee).expires_at == end_of_day(now())


def test_revived_after_expiry(credit: Credit) -> None:
    """Its promise stood all the time, so its days are there to be collected."""
    credit.open(30 * DOLLAR, expires_at=now() + 100)
    begin_day()
    with reverts("credit_ledger: no channel on that day"):
        credit.collect(5)
    credit.open(30 * DOLLAR, expires_at=now() + 100)
    assert credit.collect(5) == 5


@pytest.mark.parametrize("offset", [0, -1])
def test_revert_expiry_is_past(credit: Credit, offset: int) -> None:
    with reverts("credit_ledger: expiry is past"):
        credit.open(expires_at=now() + offset)


def test_revert_expiry_too_far(credit: Credit) -> None:
    credit.open(expires_at=2**18 * DAY - 1)
    for expiry in (2**18 * DAY, 2**256 - 1):
        with reverts("credit_ledger: expiry too far"):
            credit.open(expires_at=expiry)


def test_revert_no_payee(credit: Credit) -> None:
    with reverts("credit_ledger: no payee"):
        credit.open(payee=NOBODY)


@pytest.mark.parametrize("amount", [100 * DOLLAR + 1, 2**46, 2**64, 2**256 - 1])
def test_revert_more_karat_than_staked(credit: Credit, owner: str, amount: int) -> None:
    with reverts("credit_ledger: KARAT promised already"):
        credit.open(amount)
    assert credit.ledger.committed_of(owner) == (0, 0)


@pytest.mark.parametrize("bps", [10_001, 2**14, 2**256 - 1])
def test_revert_more_than_all_capacity(credit: Credit, bps: int) -> None:
    with reverts("credit_ledger: capacity promised already"):
        credit.open(0, bps)


def test_revert_deposit_without_dollars(credit: Credit, owner: str) -> None:
    credit.market.usdc.approve(credit.ledger.address, 5, sender=owner)
    with reverts("erc20: transfer amount exceeds balance"):
        credit.ledger.set_channel(credit.payee, 0, 0, NOBODY, now() + DAY, 5, sender=owner)
    assert tuple(credit.ledger.channel(owner, credit.payee)) == (0, 0, 0, NOBODY, 0)


def test_largest_values_keep_apart(credit: Credit, owner: str) -> None:
    """Packed words: every field at its largest leaves every other as it is."""
    most, last = 2**46 - 1, 2**18 * DAY - 1
    keys = ["0x" + "ff" * 20, "0x" + "FE" * 20]
    credit.market.karat.eval(f"self.staked_of[{owner}] = {most * 10**12}")
    credit.open(most, 10_000, key=keys[0], expires_at=last, deposit=MAX_DEPOSIT)
    begin_day()
    credit.open(1, 2, key=keys[1], expires_at=last)
    channel = credit.ledger.channel(owner, credit.payee)
    assert (channel.karat_micro, channel.capacity_bps, channel.deposit) == (1, 2, MAX_DEPOSIT)
    assert (int(channel.session_key, 16), channel.expires_at) == (int(keys[1], 16), last)
    assert limits(credit) == (most, most)
    assert credit.ledger.committed_of(owner) == (most, 10_000)
    assert credit.collect(most + 5, day=today() - 1) == most + 5
    assert credit.collect(most + MAX_DEPOSIT) == most + MAX_DEPOSIT - 5
    for day, usdc in ((today() - 1, 5), (today(), MAX_DEPOSIT - 5)):
        state = credit.state(day)
        assert (state.collected_credit, state.collected_usdc) == (most, usdc)
        assert (state.deposit, state.expires_at) == (0, last)
    begin_day()
    assert limits(credit) == (most, 1)
    assert credit.ledger.committed_of(owner) == (1, 2)


def test_many_channels_sum_up(credit: Credit, owner: str) -> None:
    """Whatever happens to the stake, the sums stay those of the channels."""
    most = 2**46 - 1
    credit.market.karat.eval(f"self.staked_of[{owner}] = {3 * most * 10**12}")
    payees = [credit.payee, credit.market.stranger, credit.market.provider]
    for payee in payees:
        credit.open(most, 3_333, payee=payee)
    assert credit.ledger.committed_of(owner) == (3 * most, 9_999)
    for payee in payees[:2]:
        credit.open(7, 1, payee=payee)
    assert credit.ledger.committed_of(owner) == (3 * most, 9_999)
    begin_day()
    assert credit.ledger.committed_of(owner) == (most + 14, 3_335)
