"""ProviderRegistry.bond and bond_for."""

from __future__ import annotations

from tests.support.market import SLASH, Market, event, reverts


def test_default_behavior(market: Market) -> None:
    held = market.bond_token.balanceOf(market.providers.address)
    market.economy.give(market.stranger, assay=7)
    market.bond_token.approve(market.providers.address, 7, sender=market.stranger)
    market.providers.bond(7, sender=market.stranger)
    bonded = event(market.providers, "Bonded")
    assert (bonded.provider, bonded.payer, bonded.amount) == (market.stranger, market.stranger, 7)
    assert market.providers.bonded(market.stranger) == market.providers.free(market.stranger) == 7
    assert market.bond_token.balanceOf(market.providers.address) == held + 7


def test_for_another(market: Market) -> None:
    market.economy.give(market.stranger, assay=7)
    market.bond_token.approve(market.providers.address, 7, sender=market.stranger)
    market.providers.bond_for(market.provider, 7, sender=market.stranger)
    assert event(market.providers, "Bonded").payer == market.stranger
    assert market.providers.bonded(market.provider) == 10 * SLASH + 7
    assert market.providers.bonded(market.stranger) == 0


def test_revert_nothing(market: Market) -> None:
    with reverts("provider_registry: nothing to bond"):
        market.providers.bond(0, sender=market.provider)


def test_revert_no_provider(market: Market) -> None:
    with reverts("provider_registry: no provider"):
        market.providers.bond_for("0x" + "00" * 20, 1, sender=market.provider)


def test_revert_no_tokens(market: Market) -> None:
    market.bond_token.approve(market.providers.address, 1, sender=market.stranger)
    with reverts("erc20: transfer amount exceeds balance"):
        market.providers.bond(1, sender=market.stranger)
    assert market.providers.bonded(market.stranger) == 0
