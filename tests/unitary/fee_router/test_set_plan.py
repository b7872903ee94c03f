"""FeeRouter.set_plan: the owner, within bounds."""

from __future__ import annotations

import pytest

from tests.support.evm import event, reverts
from tests.support.treasury import DOLLAR, Treasury

HIGHEST = 10**6 * DOLLAR


@pytest.mark.parametrize("price", [0, 1, 20 * DOLLAR, HIGHEST])
def test_default_behavior(treasury: Treasury, price: int) -> None:
    treasury.router.set_plan(3, price, sender=treasury.owner)
    change = event(treasury.router, "PlanSet")
    assert (change.plan, change.price_usd_micro) == (3, price)
    assert treasury.router.plan_price(3) == price
    assert treasury.router.plan_price(4) == 0


def test_revert_price_too_high(treasury: Treasury) -> None:
    with reverts("fee_router: price too high"):
        treasury.router.set_plan(3, HIGHEST + 1, sender=treasury.owner)


def test_revert_by_a_stranger(treasury: Treasury) -> None:
    with reverts("ownable: caller is not the owner"):
        treasury.router.set_plan(3, 1, sender=treasury.stranger)
