"""Staking.opening_stake: as a UTC day began, for today and yesterday."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.economy import ETHER
from tests.support.evm import DAY, begin_day, now, reverts, today, travel_to
from tests.unitary.staking.conftest import Pool


def opening(pool: Pool, account: str, day: int) -> tuple[int, int]:
    own, total = pool.staking.opening_stake(account, day)
    return int(own), int(total)


def test_default_behavior(pool: Pool) -> None:
    """Stake counts from the next day's beginning, and all that day."""
    pool.stake(3 * ETHER)
    pool.stake(ETHER, pool.rival)
    assert opening(pool, pool.staker, today()) == (0, 0)
    assert opening(pool, pool.staker, today() - 1) == (0, 0)
    begin_day()
    assert opening(pool, pool.staker, today()) == (3 * ETHER, 4 * ETHER)
    assert opening(pool, pool.staker, today() - 1) == (0, 0)
    pool.stake(ETHER)
    pool.unstake(2 * ETHER)
    assert opening(pool, pool.staker, today()) == (3 * ETHER, 4 * ETHER)
    begin_day()
    assert opening(pool, pool.staker, today()) == (2 * ETHER, 3 * ETHER)
    assert opening(pool, pool.staker, today() - 1) == (3 * ETHER, 4 * ETHER)
    pool.unstake(2 * ETHER)
    assert opening(pool, pool.staker, today()) == (2 * ETHER, 3 * ETHER)
    assert opening(pool, pool.staker, today() - 1) == (3 * ETHER, 4 * ETHER)
    assert opening(pool, pool.rival, today()) == (ETHER, 3 * ETHER)


def test_idle_days(pool: Pool) -> None:
    pool.stake(3 * ETHER)
    for idle in (1, 1, 5, 1_000):
        begin_day(idle)
        before = 0 if today() == pool.deployed_at // DAY + 1 else 3 * ETHER
        assert opening(pool, pool.staker, today()) == (3 * ETHER, 3 * ETHER)
        assert opening(pool, pool.staker, today() - 1) == (before, before)
    pool.stake(ETHER)
    for day in (today(), today() - 1):
        assert opening(pool, pool.staker, day) == (3 * ETHER, 3 * ETHER)


def test_flash_stake_gives_nothing(pool: Pool) -> None:
    """In and out within a day: no opening, on any day."""
    pool.stake(ETHER, pool.rival)
    begin_day()
    pool.stake(10_000 * ETHER)
    pool.unstake(10_000 * ETHER)
    for _ in range(3):
        for day in (today(), today() - 1):
            assert opening(pool, pool.staker, day)[0] == 0
        begin_day()


def test_a_cancelled_ticket_counts_from_the_next_day(pool: Pool) -> None:
    pool.stake(ETHER)
    pool.unstake(ETHER)
    begin_day()
    pool.staking.cancel_ticket(0, sender=pool.staker)
    assert opening(pool, pool.staker, today()) == (0, 0)
    begin_day()
    assert opening(pool, pool.staker, today()) == (ETHER, ETHER)


def test_the_second_of_midnight(pool: Pool) -> None:
    """The last second of a day counts for the next, its first second does not."""
    travel_to((today() + 1) * DAY - 1)
    pool.stake(ETHER)
    travel_to(now() + 1)
    pool.stake(ETHER, pool.rival)
    assert opening(pool, pool.staker, today()) == (ETHER, ETHER)
    assert opening(pool, pool.rival, today()) == (0, ETHER)


@settings(max_examples=20)
@given(
    moves=st.lists(
        st.tuples(st.integers(0, 2), st.integers(-3, 3), st.integers(0, 3)),
        min_size=1,
        max_size=15,
    )
)
def test_against_a_diary(deployed_pool: Pool, moves: list[tuple[int, int, int]]) -> None:
    """Random stakes of three accounts over random days; their parts add up to the whole."""
    pool = deployed_pool
    accounts = (pool.staker, pool.rival, pool.whale)
    with pool.fresh():
        stakes = dict.fromkeys(accounts, 0)
        diary = {today() - 1: dict(stakes), today(): dict(stakes)}
        for who, amount, days in moves:
            account = accounts[who]
            if amount > 0:
                pool.stake(amount * ETHER, account)
                stakes[account] += amount * ETHER
            elif 0 < -amount * ETHER <= stakes[account]:
                pool.unstake(-amount * ETHER, account)
                stakes[account] += amount * ETHER
            for _ in range(days):
                diary[begin_day()] = dict(stakes)
            for day in (today(), today() - 1):
                total = sum(diary[day].values())
                for holder in accounts:
                    assert opening(pool, holder, day) == (diary[day][holder], total)


def test_revert_neither_today_nor_yesterday(pool: Pool) -> None:
    pool.stake(ETHER)
    begin_day(3)
    for day in (today() + 1, today() - 2, 0):
        with reverts("openings: neither today nor yesterday"):
            pool.staking.opening_stake(pool.staker, day)
