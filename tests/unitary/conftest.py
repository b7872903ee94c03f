"""Fixtures of the suites about claims, games and money."""

from __future__ import annotations

from collections.abc import Iterator

import boa
import pytest

from tests.support.market import SLASH, Claim, Market, deploy_market


@pytest.fixture(scope="session")
def deployed_market() -> Market:
    """All contracts, wired; deployed once."""
    return deploy_market()


@pytest.fixture
def market(deployed_market: Market) -> Iterator[Market]:
    """The market with a bonded provider and a consumer's deposit; what a test does is undone."""
    with boa.env.anchor():
        deployed_market.fund_provider(10 * SLASH)
        deployed_market.fund_consumer(1_000_000)
        yield deployed_market


@pytest.fixture
def claim(market: Market) -> Claim:
    """A claim of five tokens, the second of three in its batch."""
    claims = [market.claim() for _ in range(3)]
    market.post(*claims)
    return claims[1]
