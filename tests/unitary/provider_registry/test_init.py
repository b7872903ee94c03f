"""ProviderRegistry: constructor and the one-shot link to the settlement."""

from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.support.market import DELAY, NO_CODE, Market, deployer, event, reverts


def fresh(market: Market) -> Any:
    with boa.env.prank(market.deployer):
        return deployer("network/ProviderRegistry")(market.bond_token, DELAY)


def test_default_behavior(market: Market) -> None:
    registry = fresh(market)
    assert registry.bond_token() == market.bond_token.address
    assert registry.unbonding_seconds() == DELAY
    assert registry.settlement() == "0x" + "00" * 20


@pytest.mark.parametrize(
    ("seconds", "reason"),
    [(0, "tickets: no delay"), (365 * 86_400 + 1, "tickets: delay too long")],
)
def test_revert_delay_out_of_bounds(market: Market, seconds: int, reason: str) -> None:
    with reverts(reason):
        deployer("network/ProviderRegistry")(market.bond_token, seconds)


def test_revert_token_is_not_a_contract() -> None:
    with reverts("provider_registry: token is not a contract"):
        deployer("network/ProviderRegistry")(NO_CODE, DELAY)


def test_set_settlement(market: Market) -> None:
    registry = fresh(market)
    registry.set_settlement(market.settlement, sender=market.deployer)
    assert event(registry, "SettlementSet").settlement == market.settlement.address
    assert registry.settlement() == market.settlement.address


def test_revert_set_settlement_by_a_stranger(market: Market) -> None:
    registry = fresh(market)
    with reverts("one_shot: caller is not the deployer"):
        registry.set_settlement(market.settlement, sender=market.stranger)


def test_revert_set_settlement_twice(market: Market) -> None:
    with reverts("one_shot: already set"):
        market.providers.set_settlement(market.game, sender=market.deployer)
    assert market.providers.settlement() == market.settlement.address


def test_revert_settlement_is_not_a_contract(market: Market) -> None:
    registry = fresh(market)
    with reverts("one_shot: not a contract"):
        registry.set_settlement(NO_CODE, sender=market.deployer)
