"""KaratToken.mint and burn_for: the minter only; only unstaked KARAT burns."""

from __future__ import annotations

from tests.support.evm import event, reverts
from tests.unitary.karat_token.conftest import KARAT, Karat

ZERO = "0x" + "00" * 20
NOT_MINTER = "karat: caller is not the minter"


def test_mint(karat: Karat) -> None:
    karat.token.mint(karat.holder, 7, sender=karat.minter)
    minted = event(karat.token, "Transfer")
    assert (minted.sender, minted.receiver, minted.value) == (ZERO, karat.holder, 7)
    assert karat.token.balanceOf(karat.holder) == karat.token.totalSupply() == 7


def test_burn_for(karat: Karat) -> None:
    karat.give(karat.holder, 7)
    karat.token.burn_for(karat.holder, 3, sender=karat.minter)
    burned = event(karat.token, "Transfer")
    assert (burned.sender, burned.receiver, burned.value) == (karat.holder, ZERO, 3)
    assert karat.token.balanceOf(karat.holder) == karat.token.totalSupply() == 4


def test_revert_not_the_minter(karat: Karat) -> None:
    karat.give(karat.holder, KARAT)
    for caller in (karat.holder, karat.deployer, karat.stranger, ZERO):
        with reverts(NOT_MINTER):
            karat.token.mint(caller, 1, sender=caller)
        with reverts(NOT_MINTER):
            karat.token.burn_for(karat.holder, 1, sender=caller)
    assert karat.token.totalSupply() == KARAT


def test_revert_burn_staked(karat: Karat) -> None:
    karat.stake(karat.holder, KARAT)
    karat.token.request_unstake(KARAT // 2, sender=karat.holder)
    with reverts("erc20: burn amount exceeds balance"):
        karat.token.burn_for(karat.holder, 1, sender=karat.minter)
    assert karat.books() == (KARAT // 2, KARAT // 2, KARAT)
