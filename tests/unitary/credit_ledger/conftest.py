"""An owner of credit, a payee, and KARAT to give; a day that has just begun."""

from __future__ import annotations

from collections.abc import Iterator

import boa
import pytest

from tests.support.credit import Credit
from tests.support.market import Market


@pytest.fixture(scope="module")
def prepared_credit(deployed_market: Market) -> Iterator[Credit]:
    """Prepared once; undone after the file's tests."""
    with boa.env.anchor():
        credit = Credit(deployed_market)
        credit.begin()
        yield credit


@pytest.fixture
def credit(prepared_credit: Credit) -> Iterator[Credit]:
    """What a test does is undone."""
    with boa.env.anchor():
        yield prepared_credit


@pytest.fixture
def accounts(credit: Credit) -> list[str]:
    """Everyone who may have dollars in the ledger."""
    market = credit.market
    return [credit.owner.address, credit.payee, market.provider, market.stranger, market.consumer]
