"""CreditMinter.mint and its quotes: buckets, rounding, slippage."""

from __future__ import annotations

import boa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.curve import BUCKET, MAX_BUCKETS, WAD, Rate, lock_for, minted_for, price
from tests.support.economy import ETHER, Economy
from tests.support.evm import event, reverts
from tests.unitary.credit_minter.conftest import STAKE, staked

TOO_MANY = "credit_minter: too many buckets, mint in parts"


def test_default_behavior(economy: Economy, staker: str, rate: Rate) -> None:
    minted = economy.minter.mint(10_000 * ETHER, 0, sender=staker)
    logged = event(economy.minter, "Minted")
    assert minted == 10_000 * ETHER * WAD // rate(BUCKET)
    assert (logged.account, logged.locked) == (staker, 10_000 * ETHER)
    assert (logged.minted, logged.supply) == (minted, minted)
    assert economy.minter.position(staker) == (minted, 10_000 * ETHER)
    assert economy.karat.balanceOf(staker) == economy.karat.totalSupply() == minted
    assert economy.staking.locked_of(staker) == 10_000 * ETHER
    assert economy.staking.free_of(staker) == STAKE - 10_000 * ETHER


def test_stops_at_a_bucket_bound(economy: Economy, staker: str, rate: Rate) -> None:
    """The bound itself is priced at the old bucket, the first unit after it at the next."""
    cost = lock_for(rate, 0, BUCKET)
    assert economy.minter.mint(cost, 0, sender=staker) == BUCKET
    assert economy.minter.mint(ETHER, 0, sender=staker) == ETHER * WAD // rate(2 * BUCKET)
    assert economy.karat.totalSupply() == BUCKET + ETHER * WAD // rate(2 * BUCKET)


def test_one_unit_below_a_bound(economy: Economy, staker: str, rate: Rate) -> None:
    """No lock passes a bucket that it cannot pay."""
    cost = lock_for(rate, 0, BUCKET)
    assert economy.minter.quote_mint(cost - 1) == BUCKET - 1
    assert economy.minter.quote_mint(cost) == BUCKET


def test_many_buckets(economy: Economy, staker: str, rate: Rate) -> None:
    """From inside the first bucket over 60 more, in two calls."""
    economy.minter.mint(7 * ETHER, 0, sender=staker)
    for locked in (2 * 10**6 * ETHER + 1, 10**6 * ETHER):
        supply = economy.karat.totalSupply()
        expected = minted_for(rate, supply, locked)
        assert economy.minter.quote_mint(locked) == expected
        assert economy.minter.mint(locked, expected, sender=staker) == expected
    assert economy.karat.totalSupply() > 60 * BUCKET // 2


def test_64_buckets(economy: Economy, staker: str, rate: Rate) -> None:
    most = lock_for(rate, 0, MAX_BUCKETS * BUCKET)
    assert economy.minter.quote_lock(MAX_BUCKETS * BUCKET) == most
    assert economy.minter.quote_mint(most) == MAX_BUCKETS * BUCKET
    with reverts(TOO_MANY):
        economy.minter.quote_lock(MAX_BUCKETS * BUCKET + 1)
    assert most < STAKE
    with reverts(TOO_MANY):
        economy.minter.mint(most + 1, 0, sender=staker)
    assert economy.minter.mint(most, 0, sender=staker) == MAX_BUCKETS * BUCKET


@settings(max_examples=40)
@example(before=0, minted=1)
@example(before=1, minted=BUCKET)
@example(before=BUCKET - 1, minted=2)
@given(before=st.integers(0, 20_000 * WAD), minted=st.integers(1, 20_000 * WAD))
def test_quotes_are_inverse(
    deployed_economy: Economy, rate: Rate, before: int, minted: int
) -> None:
    """`quote_lock` is the least lock: one unit less mints less."""
    economy = deployed_economy
    with boa.env.anchor():
        economy.karat.mint(economy.owner, before, sender=economy.minter.address)
        locked = economy.minter.quote_lock(minted)
        assert locked == lock_for(rate, before, minted)
        assert economy.minter.quote_mint(locked) == minted_for(rate, before, locked) >= minted
        assert economy.minter.quote_mint(locked - 1) < minted


@settings(max_examples=30)
@given(parts=st.lists(st.integers(10**6, 300_000 * ETHER), min_size=2, max_size=6))
def test_in_parts_never_more(deployed_economy: Economy, rate: Rate, parts: list[int]) -> None:
    """The price does not depend on how often one mints, but for rounding against the minter."""
    economy = deployed_economy
    with boa.env.anchor():
        staker = staked(economy, "staker")
        whole = economy.minter.quote_mint(sum(parts))
        minted = [economy.minter.mint(part, 0, sender=staker) for part in parts]
        assert whole - len(parts) <= sum(minted) <= whole
        paid, asked = sum(parts), price(rate, 0, sum(minted))
        # Less than a bucket's rounding per bucket and a unit of KARAT per part.
        assert asked <= paid < asked + MAX_BUCKETS + len(parts) * 1_000
        assert economy.minter.position(staker) == (sum(minted), sum(parts))


def test_sandwich_of_the_minimum(economy: Economy, staker: str, rival: str) -> None:
    """Whoever mints first raises the price; the minimum holds, and the sandwich earns nothing."""
    locked = 1_000_000 * ETHER
    expected = economy.minter.quote_mint(locked)
    first = economy.minter.mint(2_000_000 * ETHER, 0, sender=rival)
    with reverts("credit_minter: less than the minimum"):
        economy.minter.mint(locked, expected, sender=staker)
    assert economy.minter.position(staker) == (0, 0)
    worse = economy.minter.mint(locked, 1, sender=staker)
    assert worse < expected
    assert economy.minter.burn(first, sender=rival) == 2_000_000 * ETHER
    assert economy.staking.free_of(rival) == STAKE
    # The staker may do the same: the price of what is left fell with the supply.
    economy.minter.burn(worse, sender=staker)
    assert economy.minter.mint(locked, expected, sender=staker) == expected


def test_minimum_met_exactly(economy: Economy, staker: str) -> None:
    expected = economy.minter.quote_mint(ETHER)
    with reverts("credit_minter: less than the minimum"):
        economy.minter.mint(ETHER, expected + 1, sender=staker)
    assert economy.minter.mint(ETHER, expected, sender=staker) == expected


@pytest.mark.parametrize("locked", [0, 1, 90])
def test_revert_nothing(economy: Economy, staker: str, locked: int) -> None:
    with reverts("credit_minter: nothing minted"):
        economy.minter.mint(locked, 0, sender=staker)


def test_revert_more_than_free(economy: Economy, staker: str) -> None:
    economy.minter.mint(STAKE // 2, 0, sender=staker)
    free = economy.staking.free_of(staker)
    with reverts("staking: more than the free stake"):
        economy.minter.mint(free + 1, 0, sender=staker)
    with reverts("staking: more than the free stake"):
        economy.minter.mint(ETHER, 0, sender=economy.owner)


@pytest.mark.parametrize("locked", [2**96, 2**256 - 1])
def test_revert_lock_too_large(economy: Economy, staker: str, locked: int) -> None:
    with reverts("credit_minter: lock too large"):
        economy.minter.mint(locked, 0, sender=staker)


def test_locked_stake_cannot_leave(economy: Economy, staker: str) -> None:
    economy.minter.mint(STAKE // 2, 0, sender=staker)
    with reverts("staking: more than the free stake"):
        economy.staking.request_unstake(STAKE // 2 + 1, sender=staker)
