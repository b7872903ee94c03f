"""Staking.claim: what `claimable` says, to the wei, of no more than the stakers' part."""

from __future__ import annotations

import pytest

from tests.support.economy import ETHER, GENESIS
from tests.support.evm import DAY, event, now, travel_to
from tests.unitary.staking.conftest import SCALE, STAGE_SECONDS, Pool


def test_default_behavior(begun: Pool) -> None:
    """Alone, a staker gets all but the rounding."""
    begun.stake(ETHER)
    balance = begun.token.balanceOf(begun.staker)
    travel_to(now() + 12_345)
    preview = begun.staking.claimable(begun.staker)
    assert begun.claim() == preview
    claimed = event(begun.staking, "RewardClaimed")
    assert (claimed.account, claimed.amount, claimed.compounded) == (begun.staker, preview, False)
    assert begun.token.balanceOf(begun.staker) == balance + preview
    assert 0 <= begun.numerator() // SCALE - preview <= 1
    assert begun.staking.claimable(begun.staker) == 0
    assert begun.staking.stake_of(begun.staker) == ETHER


def test_pro_rata(begun: Pool) -> None:
    begun.stake(ETHER)
    begun.stake(3 * ETHER, begun.rival)
    travel_to(now() + 3 * DAY)
    part = begun.numerator()
    assert 0 <= part // (4 * SCALE) - begun.claim() <= 1
    assert 0 <= part * 3 // (4 * SCALE) - begun.claim(begun.rival) <= 1


def test_every_boundary(begun: Pool) -> None:
    """Claims one second before, at and after each change of rate."""
    begun.stake(7 * ETHER)
    begun.stake(ETHER, begun.rival)
    claimed = count = 0
    for start, _ in begun.stages[1:]:
        for offset in (-1, 0, 1):
            travel_to(start + offset)
            preview = begun.staking.claimable(begun.staker)
            assert begun.claim() == preview
            claimed, count = claimed + preview, count + 1
            assert 0 <= begun.numerator() * 7 // (8 * SCALE) - claimed <= count
    # The one who claims once loses a wei at most, whatever others did.
    assert 0 <= begun.numerator() // (8 * SCALE) - begun.claim(begun.rival) <= 1


@pytest.mark.parametrize("years", [1, 50])
def test_after_idle_years(begun: Pool, years: int) -> None:
    begun.stake(ETHER)
    travel_to(now() + years * 365 * DAY)
    preview = begun.staking.claimable(begun.staker)
    assert begun.claim() == preview
    assert 0 <= begun.numerator() // SCALE - preview <= 1


def test_claims_of_others_change_nothing(begun: Pool) -> None:
    begun.stake(ETHER)
    begun.stake(ETHER, begun.rival)
    for _ in range(5):
        travel_to(now() + 777)
        before = begun.staking.claimable(begun.staker)
        begun.claim(begun.rival)
        assert begun.staking.claimable(begun.staker) == before
    assert 0 <= begun.numerator() // (2 * SCALE) - begun.claim() <= 1


def test_twice_in_a_block(begun: Pool) -> None:
    begun.stake(ETHER)
    travel_to(now() + 100)
    assert begun.claim() > 0
    supply = begun.token.totalSupply()
    assert begun.claim() == 0
    assert not begun.staking.get_logs()
    assert begun.token.totalSupply() == supply


def test_nothing_staked(begun: Pool) -> None:
    travel_to(now() + STAGE_SECONDS)
    assert begun.claim(begun.stranger) == 0
    assert begun.token.totalSupply() == GENESIS


def test_after_leaving(begun: Pool) -> None:
    """A reward waits for whoever has left."""
    begun.stake(ETHER)
    travel_to(now() + 100)
    begun.unstake(ETHER)
    owed = begun.staking.claimable(begun.staker)
    travel_to(now() + STAGE_SECONDS)
    assert begun.claim() == owed
    assert 0 <= begun.numerator(0, begun.stages[0][0] + 100) // SCALE - owed <= 1
