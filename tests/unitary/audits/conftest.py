"""A claim that is ripe, and three auditors who may be drawn for it."""

from __future__ import annotations

import pytest

from tests.support.auditing import Auditing
from tests.support.market import Claim, Market


@pytest.fixture
def auditing(market: Market, claim: Claim) -> Auditing:
    """Three auditors have sat down; the claim's first eighth has not begun to pass."""
    auditing = Auditing(market)
    for name in ("first", "second", "third"):
        auditing.sit(name)
    auditing.fund(1_000_000)
    return auditing


@pytest.fixture
def drawn(auditing: Auditing) -> Auditing:
    """… and the claim is drawn."""
    auditing.draw()
    return auditing
