"""ModelRegistry.set_reference_price: the owner's, for registered models, within bounds."""

from __future__ import annotations

import pytest

from assay.core.hashes import model_root
from tests.support.market import Market, event, reverts, toy_model

ROOT = model_root(toy_model())


def test_default_behavior(market: Market) -> None:
    assert market.models.reference_price(ROOT) == (0, 0)
    market.models.set_reference_price(ROOT, 50_000_000, 200_000_000, sender=market.owner)
    logged = event(market.models, "ReferencePriceSet")
    assert logged.model_root == ROOT
    assert (logged.price_input, logged.price_output) == (50_000_000, 200_000_000)
    assert market.models.reference_price(ROOT) == (50_000_000, 200_000_000)


def test_changed_and_removed(market: Market) -> None:
    for prices in ((1, 2), (10**9, 10**9), (0, 5), (0, 0)):
        market.models.set_reference_price(ROOT, *prices, sender=market.owner)
        assert market.models.reference_price(ROOT) == prices


@pytest.mark.parametrize("prices", [(10**9 + 1, 0), (0, 10**9 + 1), (2**64 - 1, 2**64 - 1)])
def test_revert_too_large(market: Market, prices: tuple[int, int]) -> None:
    with reverts("model_registry: reference price too large"):
        market.models.set_reference_price(ROOT, *prices, sender=market.owner)
    assert market.models.reference_price(ROOT) == (0, 0)


def test_revert_unknown_model(market: Market) -> None:
    with reverts("model_registry: unknown model"):
        market.models.set_reference_price(b"\x42" * 32, 1, 1, sender=market.owner)


@pytest.mark.parametrize("role", ["deployer", "provider", "stranger"])
def test_revert_not_the_owner(market: Market, role: str) -> None:
    with reverts("ownable: caller is not the owner"):
        market.models.set_reference_price(ROOT, 1, 1, sender=getattr(market, role))


def test_revert_renounced(market: Market) -> None:
    market.models.renounce_ownership(sender=market.owner)
    with reverts("ownable: caller is not the owner"):
        market.models.set_reference_price(ROOT, 1, 1, sender=market.owner)
