"""BurnAuction.set_parameters: the owner, within bounds, while no auction is live."""

from __future__ import annotations

import boa
import pytest

from tests.support.evm import DAY, event, reverts
from tests.support.treasury import (
    DOLLAR,
    DURATION,
    FLOOR,
    LOT,
    PARAMETERS,
    Treasury,
    parameters,
)

WEEK = 7 * DAY

BOUNDS = [
    ({"floor_price": 10**6 - 1}, "floor too low"),
    ({"floor_price": 2**96 + 1}, "floor too high"),
    ({"start_multiple_bps": 10_999}, "multiple too small"),
    ({"start_multiple_bps": 100_001}, "multiple too large"),
    ({"duration_seconds": 9}, "duration too short"),
    ({"duration_seconds": WEEK + 1, "min_interval_seconds": 20 * DAY}, "duration too long"),
    ({"min_lot_usd_micro": DOLLAR - 1}, "least lot too small"),
    ({"min_lot_usd_micro": 11 * DOLLAR, "cap_usd_micro": 11 * DOLLAR - 1}, "cap too small"),
    ({"cap_usd_micro": 10**7 * DOLLAR + 1}, "cap too large"),
    ({"min_interval_seconds": 2 * DURATION - 1}, "interval too short"),
    ({"min_interval_seconds": 30 * DAY + 1}, "interval too long"),
]

EDGES = [
    {"floor_price": 10**6},
    {"floor_price": 2**96},
    {"start_multiple_bps": 11_000},
    {"start_multiple_bps": 100_000},
    {"duration_seconds": 10},
    {"duration_seconds": WEEK, "min_interval_seconds": 2 * WEEK},
    {"min_lot_usd_micro": DOLLAR, "cap_usd_micro": DOLLAR},
    {"cap_usd_micro": 10**7 * DOLLAR},
    {"min_interval_seconds": 2 * DURATION},
    {"min_interval_seconds": 30 * DAY},
]


@pytest.mark.parametrize("changes", EDGES)
def test_default_behavior(treasury: Treasury, changes: dict[str, int]) -> None:
    wanted = parameters(**changes)
    treasury.auction.set_parameters(wanted, sender=treasury.owner)
    assert tuple(event(treasury.auction, "ParametersSet").parameters) == wanted
    assert tuple(treasury.auction.parameters()) == wanted


@pytest.mark.parametrize(("changes", "reason"), BOUNDS)
def test_revert_out_of_bounds(treasury: Treasury, changes: dict[str, int], reason: str) -> None:
    with reverts(f"burn_auction: {reason}"):
        treasury.auction.set_parameters(parameters(**changes), sender=treasury.owner)


def test_revert_by_a_stranger(treasury: Treasury) -> None:
    with reverts("ownable: caller is not the owner"):
        treasury.auction.set_parameters(PARAMETERS, sender=treasury.stranger)


def test_revert_while_live_to_the_last_second(treasury: Treasury) -> None:
    treasury.start()
    for seconds in (0, 1, DURATION - 2):
        boa.env.time_travel(seconds=seconds)
        with reverts("burn_auction: an auction is live"):
            treasury.auction.set_parameters(PARAMETERS, sender=treasury.owner)
    boa.env.time_travel(seconds=1)
    treasury.auction.set_parameters(PARAMETERS, sender=treasury.owner)


def test_after_a_sale(treasury: Treasury) -> None:
    treasury.start()
    treasury.take(LOT)
    treasury.auction.set_parameters(PARAMETERS, sender=treasury.owner)


def test_half_of_the_time_no_auction_is_live(treasury: Treasury) -> None:
    """Whoever starts each auction at the first second cannot keep the owner out."""
    shortest = parameters(min_interval_seconds=2 * DURATION)
    treasury.auction.set_parameters(shortest, sender=treasury.owner)
    for _ in range(3):
        treasury.start_next()
        boa.env.time_travel(seconds=DURATION)
        assert treasury.auction.next_start() == boa.env.evm.patch.timestamp + DURATION
        treasury.auction.set_parameters(shortest, sender=treasury.owner)


def test_a_higher_floor_counts_for_the_next_start(treasury: Treasury) -> None:
    treasury.start()
    treasury.take(LOT)
    sold_at = treasury.auction.last_price()
    treasury.auction.set_parameters(parameters(floor_price=3 * FLOOR), sender=treasury.owner)
    assert sold_at == 2 * FLOOR and treasury.auction.last_price() == 3 * FLOOR
    treasury.start_next()
    assert treasury.auction.price() == 6 * FLOOR


def test_the_owner_has_no_way_to_the_dollars(treasury: Treasury) -> None:
    """Every state-changing function, by name: none pays out but `take`."""
    changing = {
        entry["name"]
        for entry in treasury.auction.abi
        if entry["type"] == "function" and entry["stateMutability"] == "nonpayable"
    }
    assert changing == {
        "start",
        "take",
        "set_parameters",
        "transfer_ownership",
        "renounce_ownership",
    }
