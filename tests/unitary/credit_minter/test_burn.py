"""CreditMinter.burn: one's own lock, pro rata, to the last unit, and never a gain."""

from __future__ import annotations

from dataclasses import dataclass

import boa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.curve import Rate, price
from tests.support.economy import ETHER, Economy
from tests.support.evm import event, reverts
from tests.unitary.credit_minter.conftest import STAKE, staked

LOCK = 1_000_000 * ETHER
TOO_MUCH = "credit_minter: more than the caller minted"


def test_default_behavior(economy: Economy, staker: str) -> None:
    minted = economy.minter.mint(LOCK, 0, sender=staker)
    burned = minted // 3
    unlocked = burned * LOCK // minted
    assert economy.minter.quote_burn(staker, burned) == unlocked
    assert economy.minter.burn(burned, sender=staker) == unlocked
    logged = event(economy.minter, "Burned")
    assert (logged.account, logged.burned) == (staker, burned)
    assert (logged.unlocked, logged.supply) == (unlocked, minted - burned)
    assert economy.minter.position(staker) == (minted - burned, LOCK - unlocked)
    assert economy.karat.totalSupply() == economy.karat.balanceOf(staker) == minted - burned
    assert economy.staking.locked_of(staker) == LOCK - unlocked
    assert economy.staking.free_of(staker) == STAKE - LOCK + unlocked


def test_last_burn_clears_the_dust(economy: Economy, staker: str) -> None:
    minted = economy.minter.mint(LOCK + 1, 0, sender=staker)
    parts = [minted // 3, minted // 3, 1]
    unlocked = [economy.minter.burn(part, sender=staker) for part in parts]
    rest = minted - sum(parts)
    assert economy.minter.burn(rest, sender=staker) == LOCK + 1 - sum(unlocked)
    assert economy.minter.position(staker) == (0, 0)
    assert economy.staking.free_of(staker) == STAKE
    assert economy.staking.locked_of(staker) == economy.karat.totalSupply() == 0


def test_dust_burns_round_down(economy: Economy, staker: str) -> None:
    """A thousand burns of one unit unlock less than their part, never more."""
    minted = economy.minter.mint(LOCK, 0, sender=staker)
    unlocked = sum(economy.minter.burn(1, sender=staker) for _ in range(50))
    assert 0 < unlocked <= 50 * LOCK // minted
    minted_left, locked_left = economy.minter.position(staker)
    assert locked_left * minted >= LOCK * minted_left


def test_others_change_nothing(economy: Economy, staker: str, rival: str) -> None:
    """What a burn unlocks is fixed by one's own mints, whatever the supply is now."""
    minted = economy.minter.mint(LOCK, 0, sender=staker)
    quoted = economy.minter.quote_burn(staker, minted // 2)
    later = economy.minter.mint(3 * LOCK, 0, sender=rival)
    assert economy.minter.quote_burn(staker, minted // 2) == quoted
    economy.minter.burn(minted // 2, sender=staker)
    assert economy.minter.position(rival) == (later, 3 * LOCK)
    economy.minter.burn(later, sender=rival)
    assert economy.minter.burn(minted - minted // 2, sender=staker) == LOCK - quoted


def test_bought_karat_closes_ones_own_position_only(
    economy: Economy, staker: str, rival: str
) -> None:
    minted = economy.minter.mint(LOCK, 0, sender=staker)
    economy.karat.transfer(rival, minted, sender=staker)
    with reverts(TOO_MUCH):
        economy.minter.burn(1, sender=rival)
    with reverts("erc20: burn amount exceeds balance"):
        economy.minter.burn(minted, sender=staker)
    economy.karat.transfer(staker, minted, sender=rival)
    assert economy.minter.burn(minted, sender=staker) == LOCK


def test_revert_staked_karat(economy: Economy, staker: str) -> None:
    minted = economy.minter.mint(LOCK, 0, sender=staker)
    economy.karat.stake(1, sender=staker)
    with reverts("erc20: burn amount exceeds balance"):
        economy.minter.burn(minted, sender=staker)
    assert economy.minter.position(staker) == (minted, LOCK)


def test_revert_nothing(economy: Economy, staker: str) -> None:
    economy.minter.mint(LOCK, 0, sender=staker)
    with reverts("credit_minter: nothing to burn"):
        economy.minter.burn(0, sender=staker)


@pytest.mark.parametrize("excess", [1, 2**255])
def test_revert_more_than_minted(economy: Economy, staker: str, rival: str, excess: int) -> None:
    minted = economy.minter.mint(LOCK, 0, sender=staker)
    economy.minter.mint(LOCK, 0, sender=rival)
    with reverts(TOO_MUCH):
        economy.minter.burn(minted + excess, sender=staker)
    with reverts(TOO_MUCH):
        economy.minter.quote_burn(staker, minted + excess)


@dataclass(frozen=True)
class Move:
    """A wallet mints for `amount` millionths of a million ASSAY, or burns that part of its own."""

    wallet: int
    mints: bool
    millionths: int


MOVES = st.lists(
    st.builds(Move, st.integers(0, 2), st.booleans(), st.integers(1, 10**6)), max_size=12
)


@settings(max_examples=30)
@given(moves=MOVES)
def test_round_trips_never_gain(deployed_economy: Economy, rate: Rate, moves: list[Move]) -> None:
    """Three wallets in one block: their locks always cover the curve's price of the whole supply,
    and all that they locked is theirs again once all is burned."""
    economy = deployed_economy
    with boa.env.anchor():
        wallets = [staked(economy, f"wallet{n}") for n in range(3)]
        for move in moves:
            act(economy, wallets[move.wallet], move)
            positions = [economy.minter.position(wallet) for wallet in wallets]
            supply = economy.karat.totalSupply()
            assert supply == sum(position.minted for position in positions)
            assert sum(position.locked for position in positions) >= price(rate, 0, supply)
            for wallet, position in zip(wallets, positions, strict=True):
                assert position.locked == economy.staking.locked_of(wallet) >= position.minted
        for wallet in wallets:
            if economy.minter.position(wallet).minted:
                economy.minter.burn(economy.minter.position(wallet).minted, sender=wallet)
            assert economy.staking.free_of(wallet) == STAKE
        assert economy.karat.totalSupply() == 0


def act(economy: Economy, wallet: str, move: Move) -> None:
    if move.mints:
        locked = min(move.millionths * ETHER, economy.staking.free_of(wallet))
        if economy.minter.quote_mint(locked):
            economy.minter.mint(locked, 0, sender=wallet)
        return
    amount = economy.minter.position(wallet).minted * move.millionths // 10**6
    if amount:
        before = economy.minter.position(wallet)
        unlocked = economy.minter.burn(amount, sender=wallet)
        assert unlocked * before.minted <= before.locked * amount or amount == before.minted


def test_burn_and_mint_again_costs(economy: Economy, staker: str, rival: str) -> None:
    """A wallet that paid less than today's price cannot turn its units into cheaper ones."""
    minted = economy.minter.mint(LOCK, 0, sender=staker)
    economy.minter.mint(3 * LOCK, 0, sender=rival)
    unlocked = economy.minter.burn(minted // 2, sender=staker)
    assert economy.minter.quote_lock(minted // 2) > unlocked
    assert economy.minter.mint(unlocked, 0, sender=staker) < minted // 2
