"""TestUSD as a plain ERC-20 of 6 decimals with permit."""

from __future__ import annotations

import boa
import pytest
from eth_account.messages import encode_typed_data

from tests.support.evm import event, now, reverts
from tests.unitary.test_usd.conftest import HELD, Dollars

PERMIT = (
    ("owner", "address"),
    ("spender", "address"),
    ("value", "uint256"),
    ("nonce", "uint256"),
    ("deadline", "uint256"),
)


def test_default_behavior(dollars: Dollars) -> None:
    token = dollars.token
    assert (token.name(), token.symbol(), token.decimals()) == ("Test dollar", "tUSD", 6)
    assert token.owner() == dollars.owner and token.is_minter(dollars.owner)
    assert token.totalSupply() == token.balanceOf(dollars.holder) == HELD
    assert not token.paused() and not token.is_blacklisted(dollars.holder)


@pytest.mark.parametrize("amount", [0, 1, HELD])
def test_transfer(dollars: Dollars, amount: int) -> None:
    assert dollars.token.transfer(dollars.recipient, amount, sender=dollars.holder)
    moved = event(dollars.token, "Transfer")
    assert (moved.sender, moved.receiver, moved.value) == (
        dollars.holder,
        dollars.recipient,
        amount,
    )
    assert dollars.token.balanceOf(dollars.recipient) == amount


def test_transfer_from_spends_the_allowance(dollars: Dollars) -> None:
    arguments = (dollars.holder, dollars.recipient, 3)
    assert dollars.token.transferFrom(*arguments, sender=dollars.spender)
    assert dollars.token.balanceOf(dollars.recipient) == 3
    assert dollars.token.allowance(dollars.holder, dollars.spender) == HELD - 3


def test_revert_transfer_from_above_the_allowance(dollars: Dollars) -> None:
    with reverts("erc20: insufficient allowance"):
        dollars.token.transferFrom(
            dollars.holder, dollars.recipient, HELD + 1, sender=dollars.spender
        )


def test_revert_transfer_above_the_balance(dollars: Dollars) -> None:
    with reverts("erc20: transfer amount exceeds balance"):
        dollars.token.transfer(dollars.recipient, HELD + 1, sender=dollars.holder)


def test_burn(dollars: Dollars) -> None:
    dollars.token.burn(10, sender=dollars.holder)
    assert dollars.token.totalSupply() == HELD - 10


def test_revert_mint_by_a_stranger(dollars: Dollars) -> None:
    with reverts("erc20: access is denied"):
        dollars.token.mint(dollars.spender, 1, sender=dollars.spender)


def test_another_minter(dollars: Dollars) -> None:
    dollars.token.set_minter(dollars.spender, True, sender=dollars.owner)
    dollars.token.mint(dollars.recipient, 5, sender=dollars.spender)
    assert dollars.token.balanceOf(dollars.recipient) == 5


def test_permit(dollars: Dollars) -> None:
    deadline = now() + 60
    domain = {
        "name": "Test dollar",
        "version": "1",
        "chainId": boa.env.evm.patch.chain_id,
        "verifyingContract": str(dollars.token.address),
    }
    message = {
        "owner": dollars.holder,
        "spender": dollars.recipient,
        "value": 9,
        "nonce": 0,
        "deadline": deadline,
    }
    types = {"Permit": [{"name": name, "type": kind} for name, kind in PERMIT]}
    signed = dollars.signer.sign_message(encode_typed_data(domain, types, message))
    parts = (signed.v, signed.r.to_bytes(32, "big"), signed.s.to_bytes(32, "big"))
    arguments = (dollars.holder, dollars.recipient, 9, deadline, *parts)
    dollars.token.permit(*arguments, sender=dollars.spender)
    assert dollars.token.allowance(dollars.holder, dollars.recipient) == 9
    with reverts("erc20: invalid signature"):
        dollars.token.permit(*arguments, sender=dollars.spender)
