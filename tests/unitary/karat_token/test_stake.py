"""KaratToken.stake: to spend from the same second on."""

from __future__ import annotations

from tests.support.evm import event, reverts
from tests.unitary.karat_token.conftest import KARAT, Karat


def test_default_behavior(karat: Karat) -> None:
    karat.give(karat.holder, 3 * KARAT)
    karat.token.stake(2 * KARAT, sender=karat.holder)
    staked = event(karat.token, "Staked")
    assert (staked.account, staked.amount) == (karat.holder, 2 * KARAT)
    assert karat.token.staked_of(karat.holder) == 2 * KARAT
    assert karat.token.balanceOf(karat.holder) == KARAT
    assert karat.books() == (2 * KARAT, 0, 2 * KARAT)
    assert karat.token.totalSupply() == 3 * KARAT


def test_stakes_add_up(karat: Karat) -> None:
    karat.stake(karat.holder, 3)
    karat.stake(karat.stranger, 5)
    karat.stake(karat.holder, 4)
    assert karat.token.staked_of(karat.holder) == 7
    assert karat.token.staked_of(karat.stranger) == 5
    assert karat.books() == (12, 0, 12)


def test_donation_is_nobodys_stake(karat: Karat) -> None:
    karat.give(karat.holder, 5)
    karat.token.transfer(karat.token.address, 5, sender=karat.holder)
    assert karat.books() == (0, 0, 5)
    assert karat.token.staked_of(karat.holder) == karat.token.staked_of(karat.token.address) == 0


def test_revert_nothing(karat: Karat) -> None:
    with reverts("karat: nothing to stake"):
        karat.token.stake(0, sender=karat.holder)


def test_revert_more_than_held(karat: Karat) -> None:
    karat.stake(karat.holder, KARAT)
    with reverts("erc20: transfer amount exceeds balance"):
        karat.token.stake(1, sender=karat.holder)
