"""CreditMinter.set_curve: slowly, within bounds, for later mints only."""

from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.support.curve import WAD
from tests.support.economy import CURVE, ETHER, Economy
from tests.support.evm import DAY, deployer, event, now, reverts
from tests.unitary.credit_minter.conftest import STAKE

LOCK = 1_000_000 * ETHER
CHEAPER = (81 * ETHER, CURVE[1], CURVE[2])
INTERVAL = 30 * DAY


@pytest.fixture
def open_curve(economy: Economy) -> Any:
    """The minter, 30 days after its deployment."""
    boa.env.time_travel(seconds=economy.minter.curve_set_at() + INTERVAL - now())
    return economy.minter


def with_one(place: int, value: int) -> tuple[int, ...]:
    return (*CURVE[:place], value, *CURVE[place + 1 :])


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("tenths", [9, 10, 11])
def test_default_behavior(economy: Economy, open_curve: Any, place: int, tenths: int) -> None:
    curve = with_one(place, CURVE[place] * tenths // 10)
    open_curve.set_curve(curve, sender=economy.owner)
    assert event(open_curve, "CurveSet").curve == curve
    assert open_curve.curve() == curve
    assert open_curve.curve_set_at() == now()


@pytest.mark.parametrize("place", [0, 1, 2])
def test_revert_step_too_large(economy: Economy, open_curve: Any, place: int) -> None:
    tenth = CURVE[place] // 10
    for value in (CURVE[place] + tenth + 1, CURVE[place] - tenth - 1, 0, 2**256 - 1):
        with reverts("credit_minter: step too large"):
            open_curve.set_curve(with_one(place, value), sender=economy.owner)
    assert open_curve.curve() == CURVE


def test_revert_too_soon(economy: Economy) -> None:
    deployed_at = economy.minter.curve_set_at()
    boa.env.time_travel(seconds=deployed_at + INTERVAL - 1 - now())
    with reverts("credit_minter: curve set too recently"):
        economy.minter.set_curve(CURVE, sender=economy.owner)
    boa.env.time_travel(seconds=1)
    economy.minter.set_curve(CURVE, sender=economy.owner)
    boa.env.time_travel(seconds=INTERVAL - 1)
    with reverts("credit_minter: curve set too recently"):
        economy.minter.set_curve(CURVE, sender=economy.owner)


@pytest.mark.parametrize(
    ("place", "edge", "value"),
    [
        (0, WAD, WAD - 1),
        (1, WAD // 10, WAD // 10 - 1),
        (2, 10**3 * WAD, 10**3 * WAD - 1),
        (0, 10**5 * WAD, 10**5 * WAD + 1),
        (1, 10 * WAD, 10 * WAD + 1),
        (2, 10**6 * WAD, 10**6 * WAD + 1),
    ],
)
def test_revert_out_of_bounds(economy: Economy, place: int, edge: int, value: int) -> None:
    """Small steps do not lead out of the bounds either."""
    links = (economy.staking, economy.karat, economy.owner)
    minter = deployer("staking/CreditMinter")(*links, with_one(place, edge))
    boa.env.time_travel(seconds=INTERVAL)
    with reverts(f"credit_minter: {('base', 'power', 'target')[place]} out of bounds"):
        minter.set_curve(with_one(place, value), sender=economy.owner)


def test_revert_not_the_owner(economy: Economy, open_curve: Any) -> None:
    for caller in (economy.deployer, economy.treasury):
        with reverts("ownable: caller is not the owner"):
            open_curve.set_curve(CURVE, sender=caller)


def test_revert_renounced(economy: Economy, open_curve: Any) -> None:
    open_curve.renounce_ownership(sender=economy.owner)
    with reverts("ownable: caller is not the owner"):
        open_curve.set_curve(CURVE, sender=economy.owner)


def test_positions_stay(economy: Economy, open_curve: Any, staker: str) -> None:
    minted = open_curve.mint(LOCK, 0, sender=staker)
    open_curve.set_curve(CHEAPER, sender=economy.owner)
    assert open_curve.position(staker) == (minted, LOCK)
    assert open_curve.quote_burn(staker, minted) == LOCK


def test_refinancing(economy: Economy, open_curve: Any, staker: str, rival: str) -> None:
    """Burning and minting again pays the new price of the same supply, and moves no other lock."""
    first = open_curve.mint(LOCK, 0, sender=staker)
    second = open_curve.mint(LOCK, 0, sender=rival)
    open_curve.set_curve(CHEAPER, sender=economy.owner)
    assert open_curve.burn(second, sender=rival) == LOCK
    again = open_curve.quote_lock(second)
    assert open_curve.mint(again, second, sender=rival) == second
    # A tenth cheaper, to a unit per bucket.
    assert abs(again - LOCK * 9 // 10) < 100
    assert open_curve.position(staker) == (first, LOCK)
    assert economy.staking.locked_of(staker) == LOCK
    assert economy.staking.locked_of(rival) == again
    assert economy.staking.free_of(rival) == STAKE - again
    assert economy.karat.totalSupply() == first + second


def test_refinancing_after_a_rise_costs(economy: Economy, open_curve: Any, staker: str) -> None:
    minted = open_curve.mint(LOCK, 0, sender=staker)
    open_curve.set_curve(with_one(0, 99 * ETHER), sender=economy.owner)
    assert open_curve.burn(minted, sender=staker) == LOCK
    assert open_curve.mint(LOCK, 0, sender=staker) < minted
