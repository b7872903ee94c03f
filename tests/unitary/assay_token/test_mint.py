"""AssayToken.mint: the minter only, below 2**96."""

from __future__ import annotations

from tests.support.economy import GENESIS
from tests.support.evm import event, reverts
from tests.support.market import NO_CODE
from tests.unitary.assay_token.conftest import Assay

ZERO = "0x" + "00" * 20
MAX_SUPPLY = 2**96 - 1


def test_default_behavior(assay: Assay) -> None:
    assay.token.mint(assay.stranger, 7, sender=assay.minter)
    minted = event(assay.token, "Transfer")
    assert (minted.sender, minted.receiver, minted.value) == (ZERO, assay.stranger, 7)
    assert assay.token.balanceOf(assay.stranger) == 7
    assert assay.token.totalSupply() == GENESIS + 7


def test_up_to_the_largest_supply(assay: Assay) -> None:
    assay.token.mint(assay.stranger, MAX_SUPPLY - GENESIS, sender=assay.minter)
    with reverts("assay_token: supply too large"):
        assay.token.mint(assay.stranger, 1, sender=assay.minter)
    assay.token.burn(1, sender=assay.stranger)
    assay.token.mint(assay.stranger, 1, sender=assay.minter)
    assert assay.token.totalSupply() == MAX_SUPPLY


def test_revert_not_the_minter(assay: Assay) -> None:
    for caller in (assay.deployer, assay.holder, assay.stranger, NO_CODE, ZERO):
        with reverts("assay_token: caller is not the minter"):
            assay.token.mint(assay.stranger, 1, sender=caller)
    assert assay.token.totalSupply() == GENESIS
