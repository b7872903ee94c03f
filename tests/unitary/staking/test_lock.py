"""Staking.lock and unlock: the credit minter, between free and locked."""

from __future__ import annotations

from itertools import pairwise

from tests.support.economy import ETHER
from tests.support.evm import DAY, event, now, reverts, today, travel_to
from tests.unitary.staking.conftest import SCALE, Pool


def test_default_behavior(begun: Pool) -> None:
    begun.stake(10 * ETHER)
    travel_to(now() + 100)
    owed = begun.staking.claimable(begun.staker)
    begun.lock(4 * ETHER)
    locked = event(begun.staking, "Locked")
    assert (locked.account, locked.amount) == (begun.staker, 4 * ETHER)
    assert begun.staking.free_of(begun.staker) == 6 * ETHER
    assert begun.staking.locked_of(begun.staker) == 4 * ETHER
    begun.unlock(ETHER)
    unlocked = event(begun.staking, "Unlocked")
    assert (unlocked.account, unlocked.amount) == (begun.staker, ETHER)
    assert begun.staking.free_of(begun.staker) == 7 * ETHER
    assert begun.staking.locked_of(begun.staker) == 3 * ETHER
    assert begun.staking.stake_of(begun.staker) == begun.staking.total_stake() == 10 * ETHER
    assert begun.staking.claimable(begun.staker) == owed


def test_locked_stake_earns_four_fifths(begun: Pool) -> None:
    """The rest is never minted: nobody else gets more."""
    begun.stake(2 * ETHER)
    begun.stake(ETHER, begun.rival)
    begun.stake(ETHER, begun.whale)
    begun.lock(ETHER, begun.rival)
    travel_to(now() + 5 * DAY)
    part = begun.numerator()
    assert 0 <= part * 2 // (4 * SCALE) - begun.claim() <= 1
    assert 0 <= part * 8 // (4 * 10 * SCALE) - begun.claim(begun.rival) <= 1
    assert 0 <= part // (4 * SCALE) - begun.claim(begun.whale) <= 1
    unminted = part // SCALE - begun.emissions.minted_to_stakers()
    assert 0 <= unminted - part * 2 // (4 * 10 * SCALE) <= 3


def test_part_of_a_stake(begun: Pool) -> None:
    """From the second of the lock, to the second of the unlock."""
    begun.stake(10 * ETHER)
    moments = [now()]
    for change in (begun.lock, begun.unlock, lambda _: None):
        travel_to(now() + 1_000)
        moments.append(now())
        change(5 * ETHER)
    spans = [begun.numerator(begin, end) for begin, end in pairwise(moments)]
    expected = (spans[0] * 10 + spans[1] * 9 + spans[2] * 10) // (10 * SCALE)
    assert 0 <= expected - begun.claim() <= 3


def test_openings_stay(begun: Pool) -> None:
    """Locked stake gives capacity as free stake does."""
    begun.stake(10 * ETHER)
    travel_to((today() + 1) * DAY + 1)
    begun.lock(10 * ETHER)
    travel_to((today() + 1) * DAY + 1)
    for day in (today(), today() - 1):
        assert begun.staking.opening_stake(begun.staker, day) == (10 * ETHER, 10 * ETHER)


def test_compound_is_free(begun: Pool) -> None:
    begun.stake(ETHER)
    begun.lock(ETHER)
    travel_to(now() + 100)
    amount = begun.staking.compound(sender=begun.staker)
    assert begun.staking.free_of(begun.staker) == amount > 0
    assert begun.staking.locked_of(begun.staker) == ETHER


def test_revert_more_than_the_free_stake(begun: Pool) -> None:
    begun.stake(10 * ETHER)
    begun.stake(10 * ETHER, begun.rival)
    begun.unstake(ETHER)
    for amount in (9 * ETHER + 1, 2**256 - 1):
        with reverts("staking: more than the free stake"):
            begun.lock(amount)
    begun.lock(9 * ETHER)
    with reverts("staking: more than the free stake"):
        begun.lock(1)


def test_revert_more_than_the_locked_stake(begun: Pool) -> None:
    begun.stake(10 * ETHER)
    begun.lock(4 * ETHER)
    for amount in (4 * ETHER + 1, 2**256 - 1):
        with reverts("staking: more than the locked stake"):
            begun.unlock(amount)
    begun.unlock(4 * ETHER)


def test_revert_not_the_minter(begun: Pool) -> None:
    begun.stake(10 * ETHER)
    for caller in (begun.staker, begun.owner, begun.deployer, begun.stranger):
        with reverts("staking: caller is not the minter"):
            begun.staking.lock(begun.staker, 1, sender=caller)
        with reverts("staking: caller is not the minter"):
            begun.staking.unlock(begun.staker, 0, sender=caller)
