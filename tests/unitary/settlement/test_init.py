"""Settlement: constructor and the one-shot link to the game."""

from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.support.credit import deploy_ledger
from tests.support.economy import Economy
from tests.support.market import (
    BOND,
    CLOCK,
    DELAY,
    EXTENSION,
    NO_CODE,
    REWARD_BPS,
    SLASH,
    WINDOW,
    Market,
    deploy_parts,
    deployer,
    event,
    reverts,
    wire,
)


def deploy(market: Market, **changes: Any) -> Any:
    values = {
        "models": market.models.address,
        "providers": market.providers.address,
        "payment": market.ledger.address,
        "window_seconds": WINDOW,
        "slash_per_claim": SLASH,
        "reward_bps": REWARD_BPS,
    }
    with boa.env.prank(market.deployer):
        return deployer("network/Settlement")(*(values | changes).values())


@pytest.fixture
def parts(market: Market) -> dict[str, Any]:
    """All contracts, not yet wired."""
    fresh = Economy(market.deployer, market.owner, market.economy.treasury)
    with boa.env.prank(market.deployer):
        deploy_parts(fresh)
    return fresh.contracts


def test_default_behavior(market: Market) -> None:
    settlement = deploy(market)
    assert settlement.models() == market.models.address
    assert settlement.providers() == market.providers.address
    assert settlement.payment() == market.ledger.address
    assert settlement.window_seconds() == WINDOW
    assert settlement.slash_per_claim() == SLASH
    assert settlement.reward_bps() == REWARD_BPS
    assert settlement.game() == "0x" + "00" * 20


@pytest.mark.parametrize(
    "changes",
    [{"window_seconds": 10}, {"window_seconds": 30 * 86_400}, {"reward_bps": 1},
     {"reward_bps": 5_000}, {"slash_per_claim": 1}, {"slash_per_claim": 2**128}],
    ids=str,
)  # fmt: skip
def test_bounds_are_allowed(market: Market, changes: dict[str, int]) -> None:
    ((name, value),) = changes.items()
    assert getattr(deploy(market, **changes), name)() == value


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"models": NO_CODE}, "models is not a contract"),
        ({"providers": NO_CODE}, "providers is not a contract"),
        ({"payment": NO_CODE}, "payment is not a contract"),
        ({"window_seconds": 9}, "window too short"),
        ({"window_seconds": 30 * 86_400 + 1}, "window too long"),
        ({"slash_per_claim": 0}, "no slash"),
        ({"slash_per_claim": 2**128 + 1}, "slash too large"),
        ({"reward_bps": 0}, "no reward"),
        ({"reward_bps": 5_001}, "reward too large"),
    ],
)
def test_revert_out_of_bounds(market: Market, changes: dict[str, Any], reason: str) -> None:
    with reverts(f"settlement: {reason}"):
        deploy(market, **changes)


def test_set_game(market: Market, parts: dict[str, Any]) -> None:
    with boa.env.prank(market.deployer):
        wire(parts)
    assert event(parts["settlement"], "GameSet").game == parts["game"].address
    assert parts["settlement"].game() == parts["game"].address


def test_revert_set_game_by_a_stranger(market: Market, parts: dict[str, Any]) -> None:
    with reverts("one_shot: caller is not the deployer"):
        parts["settlement"].set_game(parts["game"], sender=market.stranger)


def test_revert_set_game_twice(market: Market) -> None:
    with reverts("one_shot: already set"):
        market.settlement.set_game(market.game, sender=market.deployer)


def test_revert_game_is_not_a_contract(market: Market, parts: dict[str, Any]) -> None:
    with reverts("one_shot: not a contract"):
        parts["settlement"].set_game(NO_CODE, sender=market.deployer)


def test_revert_game_of_another_settlement(market: Market, parts: dict[str, Any]) -> None:
    with reverts("settlement: game names another settlement"):
        parts["settlement"].set_game(market.game, sender=market.deployer)
    assert parts["settlement"].game() == "0x" + "00" * 20


def test_revert_unlinked_registries(market: Market, parts: dict[str, Any]) -> None:
    with reverts("settlement: providers name another settlement"):
        parts["settlement"].set_game(parts["game"], sender=market.deployer)
    parts["providers"].set_settlement(parts["settlement"], sender=market.deployer)
    with reverts("settlement: payment names another settlement"):
        parts["settlement"].set_game(parts["game"], sender=market.deployer)


@pytest.mark.parametrize(
    ("unbonding", "withdrawal", "reason"),
    [(0, 1, "settlement: unbonding too short"), (1, 0, "settlement: withdrawal too short")],
)
def test_revert_delays_too_short(
    market: Market, parts: dict[str, Any], unbonding: int, withdrawal: int, reason: str
) -> None:
    """Both must outlast window and longest game; one second more is enough."""
    longest = WINDOW + 2 * (CLOCK + 18 * EXTENSION)
    assert longest < DELAY
    with boa.env.prank(market.deployer):
        providers = deployer("network/ProviderRegistry")(parts["bond_token"], longest + unbonding)
        ledger = deploy_ledger(market.economy, withdrawal_seconds=longest + withdrawal)
        links = {"providers": providers.address, "payment": ledger.address}
        settlement = deploy(market, **links)
        fresh = (settlement, parts["bond_token"], BOND, CLOCK, EXTENSION)
        game = deployer("disputes/DisputeGame")(*fresh)
        with reverts(reason):
            wire({"providers": providers, "ledger": ledger, "settlement": settlement, "game": game})


def test_revert_post_before_the_game_is_set(market: Market, parts: dict[str, Any]) -> None:
    with reverts("settlement: game is not set"):
        parts["settlement"].post_batch(b"\x01" * 32, 1, sender=market.provider)
