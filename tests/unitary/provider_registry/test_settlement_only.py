"""ProviderRegistry.lock, unlock, slash: the settlement's alone."""

from __future__ import annotations

import pytest

from tests.support.market import SLASH, Market, event, reverts


def test_lock_and_unlock(market: Market) -> None:
    settlement = market.settlement.address
    market.providers.lock(market.provider, 4 * SLASH, sender=settlement)
    assert event(market.providers, "Locked").amount == 4 * SLASH
    assert market.providers.free(market.provider) == 6 * SLASH
    market.providers.unlock(market.provider, SLASH, sender=settlement)
    assert event(market.providers, "Unlocked").amount == SLASH
    assert market.providers.locked(market.provider) == 3 * SLASH


def test_slash(market: Market) -> None:
    settlement, supply = market.settlement.address, market.bond_token.totalSupply()
    market.providers.lock(market.provider, 4 * SLASH, sender=settlement)
    market.providers.slash(market.provider, SLASH, SLASH // 5, market.stranger, sender=settlement)
    slashed = event(market.providers, "Slashed")
    assert (slashed.provider, slashed.beneficiary) == (market.provider, market.stranger)
    assert (slashed.reward, slashed.burned) == (SLASH // 5, SLASH - SLASH // 5)
    assert market.providers.bonded(market.provider) == 9 * SLASH
    assert market.providers.locked(market.provider) == 3 * SLASH
    assert market.bond_token.balanceOf(market.stranger) == SLASH // 5
    assert market.bond_token.totalSupply() == supply - slashed.burned
    assert market.bond_token.balanceOf(market.providers.address) == 9 * SLASH


def test_revert_lock_beyond_the_bond(market: Market) -> None:
    settlement = market.settlement.address
    market.providers.lock(market.provider, 4 * SLASH, sender=settlement)
    with reverts("provider_registry: bond too small"):
        market.providers.lock(market.provider, 6 * SLASH + 1, sender=settlement)
    assert market.providers.locked(market.provider) == 4 * SLASH


@pytest.mark.parametrize("role", ["provider", "deployer", "stranger"])
def test_revert_not_the_settlement(market: Market, role: str) -> None:
    sender = getattr(market, role)
    reason = "provider_registry: caller is not the settlement"
    with reverts(reason):
        market.providers.lock(market.provider, 1, sender=sender)
    with reverts(reason):
        market.providers.unlock(market.provider, 1, sender=sender)
    with reverts(reason):
        market.providers.slash(market.provider, 1, 1, sender, sender=sender)
