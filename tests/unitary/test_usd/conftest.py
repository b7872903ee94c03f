"""Test dollars with an account per role."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boa
import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from tests.support.evm import deployer

HELD = 1_000


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
