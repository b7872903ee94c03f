"""Staking.compound: rewards become stake."""

from __future__ import annotations

from tests.support.economy import ETHER
from tests.support.evm import DAY, event, now, today, travel_to
from tests.unitary.staking.conftest import Pool


def test_default_behavior(begun: Pool) -> None:
    begun.stake(ETHER)
    begun.lock(ETHER // 4)
    balance = begun.token.balanceOf(begun.staker)
    travel_to(now() + 12_345)
    preview = begun.staking.claimable(begun.staker)
    assert begun.staking.compound(sender=begun.staker) == preview > 0
    claimed = event(begun.staking, "RewardClaimed")
    assert (claimed.account, claimed.amount, claimed.compounded) == (begun.staker, preview, True)
    assert begun.staking.free_of(begun.staker) == ETHER * 3 // 4 + preview
    assert begun.staking.locked_of(begun.staker) == ETHER // 4
    assert begun.staking.total_stake() == ETHER + preview
    assert begun.token.balanceOf(begun.staker) == balance
    assert begun.staking.claimable(begun.staker) == 0


def test_earns_as_stake_does(begun: Pool) -> None:
    """From then on as if the same amount had been claimed and staked."""
    begun.stake(ETHER)
    begun.stake(ETHER, begun.rival)
    travel_to(now() + 5_000)
    begun.staking.compound(sender=begun.staker)
    begun.stake(begun.claim(begun.rival), begun.rival)
    assert begun.staking.stake_of(begun.staker) == begun.staking.stake_of(begun.rival)
    travel_to(now() + 5_000)
    claimable = [begun.staking.claimable(account) for account in (begun.staker, begun.rival)]
    assert claimable[0] == claimable[1] > 0


def test_counts_from_the_next_day(begun: Pool) -> None:
    begun.stake(ETHER)
    travel_to((today() + 1) * DAY + 5)
    compounded = begun.staking.compound(sender=begun.staker)
    assert begun.staking.opening_stake(begun.staker, today()) == (ETHER, ETHER)
    travel_to((today() + 1) * DAY)
    assert begun.staking.opening_stake(begun.staker, today()) == (ETHER + compounded,) * 2


def test_nothing(begun: Pool) -> None:
    assert begun.staking.compound(sender=begun.stranger) == 0
    assert not begun.staking.get_logs()
    assert begun.staking.stake_of(begun.stranger) == 0
