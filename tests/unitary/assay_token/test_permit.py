"""AssayToken.permit: once, on one chain, for one token, until its deadline, by its owner."""

from __future__ import annotations

from typing import Any

import boa
import pytest
from eth_account import Account

from tests.support.evm import deployer, event, now, reverts
from tests.support.permits import sign_permit
from tests.unitary.assay_token.conftest import Assay

OWNER = Account.from_key(b"\x11" * 32)
OTHER = Account.from_key(b"\x22" * 32)
WRONG = "erc20: invalid signature"


def permit(assay: Assay, amount: int = 7, seconds: int = 60, **changes: Any) -> tuple[Any, ...]:
    """Arguments of `permit` for the stranger."""
    terms = (assay.stranger, amount, now() + seconds)
    return (OWNER.address, *terms, *sign_permit(assay.token, OWNER, *terms, **changes))


def test_default_behavior(assay: Assay) -> None:
    assay.token.permit(*permit(assay))
    approved = event(assay.token, "Approval")
    assert (approved.owner, approved.spender, approved.value) == (OWNER.address, assay.stranger, 7)
    assert assay.token.allowance(OWNER.address, assay.stranger) == 7
    assert assay.token.nonces(OWNER.address) == 1


def test_last_second(assay: Assay) -> None:
    arguments = permit(assay, seconds=60)
    boa.env.time_travel(seconds=60)
    assay.token.permit(*arguments)
    assert assay.token.allowance(OWNER.address, assay.stranger) == 7


def test_revert_expired(assay: Assay) -> None:
    arguments = permit(assay, seconds=60)
    boa.env.time_travel(seconds=61)
    with reverts("erc20: expired deadline"):
        assay.token.permit(*arguments)


def test_revert_replayed(assay: Assay) -> None:
    arguments = permit(assay)
    assay.token.permit(*arguments)
    assay.token.transferFrom(OWNER.address, assay.holder, 0, sender=assay.stranger)
    with reverts(WRONG):
        assay.token.permit(*arguments)


@pytest.mark.parametrize("nonce", [1, 2**255])
def test_revert_nonce_ahead(assay: Assay, nonce: int) -> None:
    with reverts(WRONG):
        assay.token.permit(*permit(assay, nonce=nonce))


def test_revert_another_chain(assay: Assay) -> None:
    with reverts(WRONG):
        assay.token.permit(*permit(assay, chainId=boa.env.evm.patch.chain_id + 1))


def test_revert_after_a_fork(assay: Assay) -> None:
    """The domain follows the chain's id, though it is cached at deployment."""
    arguments, separator = permit(assay), assay.token.DOMAIN_SEPARATOR()
    chain_id = boa.env.evm.patch.chain_id
    boa.env.evm.patch.chain_id = chain_id + 1
    try:
        assert assay.token.DOMAIN_SEPARATOR() != separator
        with reverts(WRONG):
            assay.token.permit(*arguments)
        assay.token.permit(*permit(assay))
    finally:
        boa.env.evm.patch.chain_id = chain_id


def test_revert_another_token(assay: Assay) -> None:
    twin = deployer("tokens/AssayToken")(assay.holder, 1)
    with reverts(WRONG):
        assay.token.permit(*permit(assay, verifyingContract=twin.address))


def test_revert_another_signer(assay: Assay) -> None:
    with reverts(WRONG):
        assay.token.permit(*permit(assay, signer=OTHER))


@pytest.mark.parametrize("place", [1, 2, 3])
def test_revert_other_terms(assay: Assay, place: int) -> None:
    arguments: list[Any] = list(permit(assay))
    arguments[place] = assay.holder if place == 1 else arguments[place] + 1
    with reverts(WRONG):
        assay.token.permit(*arguments)


def test_revert_zero_owner(assay: Assay) -> None:
    """A malformed signature recovers to nobody, not to the zero address."""
    zero = "0x" + "00" * 20
    with reverts("ecdsa: invalid signature"):
        assay.token.permit(zero, assay.stranger, 7, now() + 60, 0, bytes(32), bytes(32))


def test_revert_high_s(assay: Assay) -> None:
    """The mirrored signature of the same permit."""
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    *terms, v, r, s = permit(assay)
    mirrored = (order - int.from_bytes(s, "big")).to_bytes(32, "big")
    with reverts("ecdsa: invalid signature `s` value"):
        assay.token.permit(*terms, 55 - v, r, mirrored)
