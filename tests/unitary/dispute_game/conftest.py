"""Fixtures of the game's suite."""

from __future__ import annotations

import pytest

from tests.support.market import Claim, Market
from tests.support.toy_game import ToyGame, open_game


@pytest.fixture
def game(market: Market, claim: Claim) -> ToyGame:
    """A game about the claim's second token; the provider's trace is honest."""
    return open_game(market, claim)
