"""The token with its minter named, and an account per role."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boa
import pytest

from tests.support.economy import GENESIS
from tests.support.evm import deployer


@dataclass(repr=False)
class Assay:
    """`minter` is a contract's address; tests call in its name."""

    token: Any
    minter: str
    deployer: str
    holder: str
    stranger: str


@pytest.fixture(scope="session")
def deployed_assay() -> Assay:
    accounts = [boa.env.generate_address(role) for role in ("deployer", "holder", "stranger")]
    with boa.env.prank(accounts[0]):
        token = deployer("tokens/AssayToken")(accounts[1], GENESIS)
        minter = deployer("mocks/TestToken")("stands for a minter", "MINT")
        token.set_minter(minter)
    return Assay(token, minter.address, *accounts)


@pytest.fixture
def assay(deployed_assay: Assay) -> Iterator[Assay]:
    with boa.env.anchor():
        yield deployed_assay
