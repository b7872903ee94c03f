"""Test dollars with an account per role."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import boa
import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from assay.core.authorizations import (
    Authorization,
    authorization_digest,
    authorization_typed_data,
)
from tests.support.evm import deployer, now

HELD = 1_000
DOMAIN = ("Test dollar", "1")
NONCE = bytes(range(32))


@dataclass(repr=False)
class Dollars:
    """The holder has some, the spender an allowance for all of them."""

    token: Any
    owner: str
    signer: LocalAccount
    spender: str
    recipient: str

    @property
    def holder(self) -> str:
        return str(self.signer.address)


@pytest.fixture
def dollars() -> Iterator[Dollars]:
    with boa.env.anchor():
        owner = boa.env.generate_address("owner")
        with boa.env.prank(owner):
            token = deployer("mocks/TestUSD")()
        signer = Account.from_key(b"\x51" * 32)
        others = [boa.env.generate_address(role) for role in ("spender", "recipient")]
        found = Dollars(token, owner, signer, *others)
        token.mint(found.holder, HELD, sender=owner)
        token.approve(found.spender, HELD, sender=found.holder)
        yield found


def authorization(dollars: Dollars, **changes: Any) -> Authorization:
    given = Authorization(dollars.holder, dollars.recipient, 9, now() - 1, now() + 60, NONCE)
    return replace(given, **changes)


def signature(dollars: Dollars, given: Authorization) -> bytes:
    document = authorization_typed_data(
        given, DOMAIN, boa.env.evm.patch.chain_id, str(dollars.token.address)
    )
    signed = bytes(dollars.signer.sign_typed_data(full_message=document).signature)
    digest = authorization_digest(
        given, DOMAIN, boa.env.evm.patch.chain_id, str(dollars.token.address)
    )
    assert bytes(dollars.signer.unsafe_sign_hash(digest).signature) == signed
    return signed


def bring(dollars: Dollars, given: Authorization, signed: bytes | None = None) -> None:
    signed = signature(dollars, given) if signed is None else signed
    parts = (signed[64], signed[:32], signed[32:64])
    dollars.token.transferWithAuthorization(*given.abi(), *parts, sender=dollars.spender)
