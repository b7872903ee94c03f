"""Staking.cancel_ticket: a ticket is stake again."""

from __future__ import annotations

import pytest

from tests.support.economy import ETHER, STAKE_COOLDOWN
from tests.support.evm import event, now, reverts, travel_to
from tests.unitary.staking.conftest import SCALE, Pool


@pytest.mark.parametrize("wait", [0, STAKE_COOLDOWN - 1, STAKE_COOLDOWN, 5 * STAKE_COOLDOWN])
def test_default_behavior(begun: Pool, wait: int) -> None:
    """Ripe or not; the stake earns from then on only."""
    begun.stake(10 * ETHER)
    begun.stake(10 * ETHER, begun.rival)
    begun.unstake(4 * ETHER)
    begun.unstake(6 * ETHER)
    travel_to(now() + wait)
    assert begun.staking.cancel_ticket(1, sender=begun.staker) == 6 * ETHER
    cancelled = event(begun.staking, "TicketCancelled")
    assert (cancelled.account, cancelled.ticket_id) == (begun.staker, 1)
    assert cancelled.amount == 6 * ETHER == begun.staking.free_of(begun.staker)
    assert begun.staking.total_stake() == 16 * ETHER
    assert begun.staking.total_tickets() == 4 * ETHER
    assert begun.staking.ticket(begun.staker, 1) == (0, 0)
    assert begun.staking.claimable(begun.staker) == 0
    middle = now()
    travel_to(middle + 1_000)
    expected = begun.numerator(middle) * 6 // (16 * SCALE)
    assert 0 <= expected - begun.staking.claimable(begun.staker) <= 1


def test_revert_twice(begun: Pool) -> None:
    begun.stake(ETHER)
    begun.unstake(ETHER)
    begun.staking.cancel_ticket(0, sender=begun.staker)
    with reverts("tickets: no such ticket"):
        begun.staking.cancel_ticket(0, sender=begun.staker)
    travel_to(now() + STAKE_COOLDOWN)
    with reverts("tickets: no such ticket"):
        begun.staking.withdraw(0, sender=begun.staker)


def test_revert_withdrawn(begun: Pool) -> None:
    begun.stake(ETHER)
    begun.unstake(ETHER)
    travel_to(now() + STAKE_COOLDOWN)
    begun.staking.withdraw(0, sender=begun.staker)
    with reverts("tickets: no such ticket"):
        begun.staking.cancel_ticket(0, sender=begun.staker)


def test_revert_not_the_holder(begun: Pool) -> None:
    begun.stake(ETHER)
    begun.unstake(ETHER)
    with reverts("tickets: no such ticket"):
        begun.staking.cancel_ticket(0, sender=begun.rival)
