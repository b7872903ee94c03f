"""CreditMinter: constructor."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.economy import CURVE, Economy
from tests.support.evm import deployer, event, now, reverts
from tests.support.market import NO_CODE

ZERO = "0x" + "00" * 20
WAD = 10**18
LOWEST = (WAD, WAD // 10, 1_000 * WAD)
HIGHEST = (100_000 * WAD, 10 * WAD, 1_000_000 * WAD)


def fresh(economy: Economy, **changes: Any) -> Any:
    arguments = {
        "staking": economy.staking,
        "karat": economy.karat,
        "owner": economy.owner,
        "curve": CURVE,
    }
    return deployer("staking/CreditMinter")(*{**arguments, **changes}.values())


@pytest.mark.parametrize("curve", [CURVE, LOWEST, HIGHEST])
def test_default_behavior(economy: Economy, curve: tuple[int, int, int]) -> None:
    minter = fresh(economy, curve=curve)
    assert event(minter, "CurveSet").curve == curve
    assert minter.curve() == curve
    assert minter.curve_set_at() == now()
    assert minter.staking() == economy.staking.address
    assert minter.karat() == economy.karat.address
    assert minter.owner() == economy.owner
    assert minter.position(economy.owner) == (0, 0)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_revert_curve_out_of_bounds(economy: Economy, place: int) -> None:
    reason = f"credit_minter: {('base', 'power', 'target')[place]} out of bounds"
    for value in (LOWEST[place] - 1, HIGHEST[place] + 1, 0, 2**256 - 1):
        curve = list(CURVE)
        curve[place] = value
        with reverts(reason):
            fresh(economy, curve=tuple(curve))


def test_revert_not_contracts(economy: Economy) -> None:
    with reverts("credit_minter: staking is not a contract"):
        fresh(economy, staking=NO_CODE)
    with reverts("credit_minter: karat is not a contract"):
        fresh(economy, karat=NO_CODE)


def test_revert_no_owner(economy: Economy) -> None:
    with reverts("credit_minter: no owner"):
        fresh(economy, owner=ZERO)
