"""Staking.request_unstake: free stake becomes a ticket with a clock of its own."""

from __future__ import annotations

from tests.support.economy import ETHER, STAKE_COOLDOWN
from tests.support.evm import event, now, reverts, travel_to
from tests.unitary.staking.conftest import Pool


def test_default_behavior(begun: Pool) -> None:
    begun.stake(10 * ETHER)
    travel_to(now() + 50)
    owed = begun.staking.claimable(begun.staker)
    assert begun.unstake(4 * ETHER) == 0
    requested = event(begun.staking, "UnstakeRequested")
    assert (requested.account, requested.ticket_id) == (begun.staker, 0)
    assert (requested.amount, requested.ready_at) == (4 * ETHER, now() + STAKE_COOLDOWN)
    assert begun.staking.ticket(begun.staker, 0) == (4 * ETHER, now() + STAKE_COOLDOWN)
    assert begun.staking.ticket_count(begun.staker) == 1
    assert begun.staking.total_tickets() == 4 * ETHER
    assert begun.staking.stake_of(begun.staker) == begun.staking.total_stake() == 6 * ETHER
    assert begun.staking.claimable(begun.staker) == owed > 0


def test_a_ticket_earns_nothing(begun: Pool) -> None:
    begun.stake(3 * ETHER)
    begun.stake(ETHER, begun.rival)
    begun.unstake(3 * ETHER)
    travel_to(now() + STAKE_COOLDOWN)
    assert begun.staking.claimable(begun.staker) == 0
    assert 0 <= begun.numerator() // (365 * 86_400 * 10_000) - begun.claim(begun.rival) <= 1


def test_each_ticket_has_its_clock(begun: Pool) -> None:
    """Neither later tickets, nor dust, nor dust from others restart an earlier one."""
    begun.stake(10 * ETHER)
    ready = []
    for amount in (ETHER, 1, 2 * ETHER):
        begun.unstake(amount)
        ready.append((amount, now() + STAKE_COOLDOWN))
        travel_to(now() + 1_000)
    begun.stake(1)
    begun.staking.stake_for(begun.staker, 1, sender=begun.rival)
    assert [begun.staking.ticket(begun.staker, number) for number in range(3)] == ready
    assert begun.staking.ticket(begun.rival, 0) == (0, 0)
    travel_to(ready[0][1])
    assert begun.staking.withdraw(0, sender=begun.staker) == ETHER
    with reverts("tickets: not ready"):
        begun.staking.withdraw(1, sender=begun.staker)


def test_all_of_it(begun: Pool) -> None:
    begun.stake(ETHER)
    begun.unstake(ETHER)
    assert begun.staking.total_stake() == begun.staking.stake_of(begun.staker) == 0


def test_revert_more_than_the_free_stake(begun: Pool) -> None:
    begun.stake(10 * ETHER)
    begun.stake(10 * ETHER, begun.rival)
    begun.lock(4 * ETHER)
    for amount in (6 * ETHER + 1, 10 * ETHER, 2**256 - 1):
        with reverts("staking: more than the free stake"):
            begun.unstake(amount)
    with reverts("staking: more than the free stake"):
        begun.unstake(1, begun.stranger)
    begun.unstake(6 * ETHER)


def test_revert_nothing_to_withdraw(begun: Pool) -> None:
    begun.stake(ETHER)
    with reverts("tickets: nothing to withdraw"):
        begun.unstake(0)
