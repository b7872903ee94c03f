"""Staking.stake and stake_for."""

from __future__ import annotations

import boa
import pytest

from tests.support.economy import ETHER
from tests.support.evm import deployer, event, now, reverts, travel_to
from tests.unitary.staking.conftest import SCALE, Pool

ZERO = "0x" + "00" * 20
MAX_STAKE = 2**96 - 1


def test_default_behavior(pool: Pool) -> None:
    balance = pool.token.balanceOf(pool.staker)
    pool.stake(5 * ETHER)
    staked = event(pool.staking, "Staked")
    assert (staked.account, staked.payer, staked.amount) == (pool.staker, pool.staker, 5 * ETHER)
    pool.stake(7)
    assert pool.staking.free_of(pool.staker) == 5 * ETHER + 7
    assert pool.staking.stake_of(pool.staker) == 5 * ETHER + 7
    assert pool.staking.locked_of(pool.staker) == 0
    assert pool.staking.total_stake() == 5 * ETHER + 7
    assert pool.token.balanceOf(pool.staker) == balance - 5 * ETHER - 7


def test_for_another(begun: Pool) -> None:
    """The payer pays; the account has the stake, and keeps the reward that it had."""
    begun.stake(ETHER, begun.rival)
    travel_to(now() + 100)
    owed = begun.staking.claimable(begun.rival)
    begun.staking.stake_for(begun.rival, 3 * ETHER, sender=begun.staker)
    staked = event(begun.staking, "Staked")
    assert (staked.account, staked.payer, staked.amount) == (begun.rival, begun.staker, 3 * ETHER)
    assert begun.staking.stake_of(begun.rival) == 4 * ETHER
    assert begun.staking.stake_of(begun.staker) == 0
    assert begun.staking.claimable(begun.rival) == owed > 0
    assert begun.staking.claimable(begun.staker) == 0


def test_more_stake_earns_from_now_on(begun: Pool) -> None:
    begun.stake(ETHER)
    begun.stake(ETHER, begun.rival)
    travel_to(now() + 60)
    begun.stake(2 * ETHER)
    half = begun.numerator() // 2
    assert 0 <= half // SCALE - begun.staking.claimable(begun.staker) <= 1
    middle = now()
    travel_to(middle + 60)
    expected = half + begun.numerator(middle) * 3 // 4
    assert 0 <= expected // SCALE - begun.staking.claimable(begun.staker) <= 2


def test_up_to_the_largest_stake(pool: Pool) -> None:
    """ASSAY's supply stays below 2^96 itself; this token's does not."""
    with boa.env.prank(pool.deployer):
        token = deployer("mocks/TestToken")("no limit", "MANY")
        emissions = deployer("emissions/EmissionController")(
            token, pool.owner, pool.stages, [(0, 9_000), (10_000, 9_000)], 10**6
        )
        staking = deployer("staking/Staking")(token, emissions, 1)
        token.mint(pool.deployer, MAX_STAKE + 1)
        token.approve(staking, MAX_STAKE + 1)
        with reverts("staking: too much stake"):
            staking.stake(MAX_STAKE + 1)
        staking.stake(MAX_STAKE)
        with reverts("staking: too much stake"):
            staking.stake(1)
        assert staking.stake_of(pool.deployer) == staking.total_stake() == MAX_STAKE
        travel_to(pool.stages[-1][0] + 10**9)
        exact = emissions.staker_numerator() // SCALE
        assert 0 <= exact - staking.claimable(pool.deployer) <= 2
        staking.request_unstake(MAX_STAKE)
    assert (staking.total_stake(), staking.total_tickets()) == (0, MAX_STAKE)


def test_revert_nothing_to_stake(pool: Pool) -> None:
    with reverts("staking: nothing to stake"):
        pool.stake(0)
    with reverts("staking: nothing to stake"):
        pool.staking.stake_for(pool.rival, 0, sender=pool.staker)


def test_revert_no_account(pool: Pool) -> None:
    with reverts("staking: no account"):
        pool.staking.stake_for(ZERO, 1, sender=pool.staker)


@pytest.mark.parametrize("approved", [0, ETHER - 1])
def test_revert_not_approved(pool: Pool, approved: int) -> None:
    pool.token.approve(pool.staking.address, approved, sender=pool.staker)
    with reverts("erc20: insufficient allowance"):
        pool.stake(ETHER)
    assert pool.staking.total_stake() == 0
