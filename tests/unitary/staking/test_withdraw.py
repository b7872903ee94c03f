"""Staking.withdraw: a ripe ticket, once, by its holder."""

from __future__ import annotations

from tests.support.economy import ETHER, STAKE_COOLDOWN
from tests.support.evm import event, now, reverts, travel_to
from tests.unitary.staking.conftest import Pool


def test_default_behavior(begun: Pool) -> None:
    balance = begun.token.balanceOf(begun.staker)
    begun.stake(10 * ETHER)
    begun.unstake(3 * ETHER)
    begun.unstake(ETHER)
    travel_to(now() + STAKE_COOLDOWN)
    assert begun.staking.withdraw(0, sender=begun.staker) == 3 * ETHER
    withdrawn = event(begun.staking, "Withdrawn")
    assert (withdrawn.account, withdrawn.ticket_id) == (begun.staker, 0)
    assert withdrawn.amount == 3 * ETHER
    assert begun.token.balanceOf(begun.staker) == balance - 7 * ETHER
    assert begun.staking.total_tickets() == ETHER
    assert begun.staking.total_stake() == 6 * ETHER
    assert begun.staking.ticket_count(begun.staker) == 2


def test_rewards_are_left(begun: Pool) -> None:
    """A withdrawal draws no rewards and loses none."""
    begun.stake(ETHER)
    travel_to(now() + 100)
    begun.unstake(ETHER)
    owed = begun.staking.claimable(begun.staker)
    travel_to(now() + STAKE_COOLDOWN)
    begun.staking.withdraw(0, sender=begun.staker)
    assert begun.claim() == owed > 0


def test_revert_not_ready(begun: Pool) -> None:
    begun.stake(ETHER)
    begun.unstake(ETHER)
    travel_to(now() + STAKE_COOLDOWN - 1)
    with reverts("tickets: not ready"):
        begun.staking.withdraw(0, sender=begun.staker)
    travel_to(now() + 1)
    begun.staking.withdraw(0, sender=begun.staker)


def test_revert_no_such_ticket(begun: Pool) -> None:
    begun.stake(ETHER)
    begun.unstake(ETHER)
    travel_to(now() + STAKE_COOLDOWN)
    for holder, number in ((begun.staker, 1), (begun.rival, 0)):
        with reverts("tickets: no such ticket"):
            begun.staking.withdraw(number, sender=holder)
    begun.staking.withdraw(0, sender=begun.staker)
    with reverts("tickets: no such ticket"):
        begun.staking.withdraw(0, sender=begun.staker)
