"""The economy with two stakers, and the contract's rates at hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import boa
import pytest

from tests.support.economy import CURVE, ETHER, Economy, deploy_economy

STAKE = 5_000_000 * ETHER


@pytest.fixture(scope="session")
def deployed_economy() -> Economy:
    return deploy_economy()


@pytest.fixture
def economy(deployed_economy: Economy) -> Iterator[Economy]:
    with boa.env.anchor():
        yield deployed_economy


@pytest.fixture
def staker(economy: Economy) -> str:
    """5 M ASSAY staked, all of it free."""
    return staked(economy, "staker")


@pytest.fixture
def rival(economy: Economy) -> str:
    """As much as the staker."""
    return staked(economy, "rival")


@pytest.fixture(scope="session")
def rate(deployed_economy: Economy) -> Callable[[int], int]:
    """The contract's rate on the default curve, remembered."""
    known: dict[int, int] = {}

    def at(supply: int) -> int:
        if supply not in known:
            assert deployed_economy.minter.curve() == CURVE
            known[supply] = deployed_economy.minter.rate_at(supply)
        return known[supply]

    return at


def staked(economy: Economy, role: str, amount: int = STAKE) -> str:
    account = str(boa.env.generate_address(role))
    economy.stake(account, amount)
    return account
