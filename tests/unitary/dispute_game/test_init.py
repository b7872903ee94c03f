"""DisputeGame: constructor."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.market import BOND, CLOCK, EXTENSION, NO_CODE, Market, deployer, reverts


def arguments(market: Market, **changes: Any) -> list[Any]:
    values = {
        "settlement": market.settlement.address,
        "bond_token": market.bond_token.address,
        "challenger_bond": BOND,
        "clock_seconds": CLOCK,
        "extension_seconds": EXTENSION,
    }
    return list((values | changes).values())


def deploy(market: Market, **changes: Any) -> Any:
    return deployer("disputes/DisputeGame")(*arguments(market, **changes))


def test_default_behavior(market: Market) -> None:
    game = deploy(market)
    assert game.settlement() == market.settlement.address
    assert game.bond_token() == market.bond_token.address
    assert game.challenger_bond() == BOND
    assert game.clock_seconds() == CLOCK
    assert game.extension_seconds() == EXTENSION
    assert game.longest_game_seconds() == 2 * (CLOCK + 18 * EXTENSION)


def test_bounds_are_allowed(market: Market) -> None:
    assert deploy(market, clock_seconds=10, extension_seconds=10).clock_seconds() == 10
    assert deploy(market, clock_seconds=30 * 86_400).clock_seconds() == 30 * 86_400


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"settlement": NO_CODE}, "settlement is not a contract"),
        ({"bond_token": NO_CODE}, "token is not a contract"),
        ({"challenger_bond": 0}, "no bond"),
        ({"clock_seconds": 9, "extension_seconds": 1}, "clock too short"),
        ({"clock_seconds": 30 * 86_400 + 1}, "clock too long"),
        ({"extension_seconds": 0}, "no extension"),
        ({"extension_seconds": CLOCK + 1}, "extension too long"),
    ],
)
def test_revert_out_of_bounds(market: Market, changes: dict[str, Any], reason: str) -> None:
    with reverts(f"dispute_game: {reason}"):
        deploy(market, **changes)
