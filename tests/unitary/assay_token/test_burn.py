"""AssayToken.burn and burn_from: real burns, from whom allows it."""

from __future__ import annotations

from tests.support.economy import GENESIS
from tests.support.evm import event, reverts
from tests.unitary.assay_token.conftest import Assay

ZERO = "0x" + "00" * 20


def test_default_behavior(assay: Assay) -> None:
    assay.token.burn(7, sender=assay.holder)
    burned = event(assay.token, "Transfer")
    assert (burned.sender, burned.receiver, burned.value) == (assay.holder, ZERO, 7)
    assert assay.token.totalSupply() == assay.token.balanceOf(assay.holder) == GENESIS - 7
    assert assay.token.balanceOf(ZERO) == 0


def test_burn_from(assay: Assay) -> None:
    assay.token.approve(assay.stranger, 7, sender=assay.holder)
    assay.token.burn_from(assay.holder, 3, sender=assay.stranger)
    assert assay.token.totalSupply() == GENESIS - 3
    assert assay.token.allowance(assay.holder, assay.stranger) == 4


def test_revert_more_than_held(assay: Assay) -> None:
    with reverts("erc20: burn amount exceeds balance"):
        assay.token.burn(1, sender=assay.stranger)


def test_revert_more_than_allowed(assay: Assay) -> None:
    assay.token.approve(assay.stranger, 7, sender=assay.holder)
    with reverts("erc20: insufficient allowance"):
        assay.token.burn_from(assay.holder, 8, sender=assay.stranger)
    with reverts("erc20: insufficient allowance"):
        assay.token.burn_from(assay.holder, 1, sender=assay.minter)


def test_revert_transfer_to_the_zero_address(assay: Assay) -> None:
    """The zero address is no sink: what is burned leaves the supply."""
    with reverts("erc20: transfer to the zero address"):
        assay.token.transfer(ZERO, 1, sender=assay.holder)
