"""The market that every example starts from."""

from __future__ import annotations

from collections.abc import Iterator

import boa
import pytest

from tests.support.market import Market, deploy_market


@pytest.fixture(scope="module")
def market() -> Iterator[Market]:
    """All contracts, deployed once for the module."""
    with boa.env.anchor():
        yield deploy_market()
