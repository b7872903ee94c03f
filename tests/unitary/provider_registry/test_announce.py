"""ProviderRegistry.announce."""

from __future__ import annotations

from tests.support.market import Market, event, reverts

URL = "https://provider.example:8101"


def test_default_behavior(market: Market) -> None:
    before = market.providers.bonded(market.provider)
    for url in (URL, "x" * 256, ""):
        market.providers.announce(url, sender=market.provider)
        said = event(market.providers, "Announced")
        assert (said.provider, said.url) == (market.provider, url)
    assert market.providers.bonded(market.provider) == before


def test_revert_no_bond(market: Market) -> None:
    with reverts("provider_registry: no bond"):
        market.providers.announce(URL, sender=market.stranger)
