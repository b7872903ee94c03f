"""AssayToken: constructor, what is not exported, and the one-shot minter."""

from __future__ import annotations

from typing import Any

import boa
import pytest
from eth_utils import function_signature_to_4byte_selector

from tests.support.economy import GENESIS
from tests.support.evm import deployer, event, reverts
from tests.support.market import NO_CODE
from tests.unitary.assay_token.conftest import Assay

ZERO = "0x" + "00" * 20


def fresh(assay: Assay, supply: int = GENESIS) -> Any:
    with boa.env.prank(assay.deployer):
        return deployer("tokens/AssayToken")(assay.holder, supply)


def test_default_behavior(assay: Assay) -> None:
    token = fresh(assay)
    minted = event(token, "Transfer")
    assert (minted.sender, minted.receiver, minted.value) == (ZERO, assay.holder, GENESIS)
    assert (token.name(), token.symbol(), token.decimals()) == ("Assay", "ASSAY", 18)
    assert token.totalSupply() == token.balanceOf(assay.holder) == GENESIS
    assert token.minter() == ZERO
    assert token.eip712Domain()[1:3] == ("Assay", "1")


def test_no_role_is_left(assay: Assay) -> None:
    """snekmate's owner and minter are cleared, though no exported function asks for them."""
    token = fresh(assay)
    assert token.eval("ownable.owner") == ZERO
    assert token.eval(f"erc20.is_minter[{assay.deployer}]") is False


@pytest.mark.parametrize(
    "signature",
    [
        "owner()",
        "is_minter(address)",
        "set_minter(address,bool)",
        "transfer_ownership(address)",
        "renounce_ownership()",
    ],
)
def test_revert_withheld(assay: Assay, signature: str) -> None:
    call = function_signature_to_4byte_selector(signature) + bytes(64)
    assert boa.env.execute_code(assay.token.address, assay.deployer, data=call).is_error


def test_largest_genesis(assay: Assay) -> None:
    assert fresh(assay, 10**28).totalSupply() == 10**28
    with reverts("assay_token: genesis supply too large"):
        fresh(assay, 10**28 + 1)


def test_revert_no_holder() -> None:
    with reverts("erc20: mint to the zero address"):
        deployer("tokens/AssayToken")(ZERO, GENESIS)


def test_set_minter(assay: Assay) -> None:
    token = fresh(assay)
    token.set_minter(assay.minter, sender=assay.deployer)
    assert event(token, "MinterSet").minter == assay.minter
    assert token.minter() == assay.minter


def test_revert_set_minter_twice(assay: Assay) -> None:
    with reverts("one_shot: already set"):
        assay.token.set_minter(assay.token, sender=assay.deployer)
    assert assay.token.minter() == assay.minter


def test_revert_set_minter_by_a_stranger(assay: Assay) -> None:
    with reverts("one_shot: caller is not the deployer"):
        fresh(assay).set_minter(assay.minter, sender=assay.stranger)


def test_revert_minter_is_not_a_contract(assay: Assay) -> None:
    with reverts("one_shot: not a contract"):
        fresh(assay).set_minter(NO_CODE, sender=assay.deployer)
