"""FeeRouter.subscribe: 30-day periods, paid in full, added to what is left."""

from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.support.evm import DAY, deployer, event, now, reverts
from tests.support.odd_tokens import answering_token
from tests.support.treasury import DOLLAR, PARAMETERS, Treasury

PERIOD = 30 * DAY
PLAN = 7
PRICE = 20 * DOLLAR + 1
NOBODY = "0x" + "00" * 20


@pytest.fixture
def router(treasury: Treasury) -> Any:
    """One plan on sale, and a keeper with dollars that it has approved."""
    treasury.router.set_plan(PLAN, PRICE, sender=treasury.owner)
    treasury.usdc.mint(treasury.keeper, 1_000 * PRICE, sender=treasury.deployer)
    treasury.usdc.approve(treasury.router, 1_000 * PRICE, sender=treasury.keeper)
    return treasury.router


@pytest.mark.parametrize("periods", [1, 2, 36])
def test_default_behavior(treasury: Treasury, router: Any, periods: int) -> None:
    until = router.subscribe(treasury.stranger, PLAN, periods, sender=treasury.keeper)
    assert until == now() + periods * PERIOD
    subscribed = event(router, "Subscribed")
    assert (subscribed.account, subscribed.payer) == (treasury.stranger, treasury.keeper)
    assert (subscribed.plan, subscribed.amount) == (PLAN, periods * PRICE)
    assert subscribed.until == until == router.subscribed_until(treasury.stranger, PLAN)
    assert treasury.usdc.balanceOf(router) == periods * PRICE
    assert router.subscribed_until(treasury.keeper, PLAN) == 0
    assert router.subscribed_until(treasury.stranger, PLAN + 1) == 0


def test_early_renewal_loses_no_day(treasury: Treasury, router: Any) -> None:
    first = router.subscribe(treasury.stranger, PLAN, 1, sender=treasury.keeper)
    boa.env.time_travel(seconds=PERIOD - 1)
    second = router.subscribe(treasury.stranger, PLAN, 2, sender=treasury.keeper)
    assert second == first + 2 * PERIOD


def test_late_renewal_counts_from_now(treasury: Treasury, router: Any) -> None:
    router.subscribe(treasury.stranger, PLAN, 1, sender=treasury.keeper)
    boa.env.time_travel(seconds=PERIOD + 5)
    until = router.subscribe(treasury.stranger, PLAN, 1, sender=treasury.keeper)
    assert until == now() + PERIOD


def test_splitting_costs_the_same(treasury: Treasury, router: Any) -> None:
    for _ in range(6):
        router.subscribe(treasury.stranger, PLAN, 1, sender=treasury.keeper)
    router.subscribe(treasury.taker, PLAN, 6, sender=treasury.keeper)
    assert treasury.usdc.balanceOf(router) == 12 * PRICE
    assert router.subscribed_until(treasury.stranger, PLAN) == router.subscribed_until(
        treasury.taker, PLAN
    )


def test_what_is_paid_stays_when_the_sale_ends(treasury: Treasury, router: Any) -> None:
    until = router.subscribe(treasury.stranger, PLAN, 1, sender=treasury.keeper)
    router.set_plan(PLAN, 0, sender=treasury.owner)
    assert router.subscribed_until(treasury.stranger, PLAN) == until
    with reverts("fee_router: plan is not sold"):
        router.subscribe(treasury.stranger, PLAN, 1, sender=treasury.keeper)


def test_dollars_end_in_the_auction(treasury: Treasury, router: Any) -> None:
    router.subscribe(treasury.stranger, PLAN, 3, sender=treasury.keeper)
    router.route(sender=treasury.stranger)
    assert treasury.auction.start() == 3 * PRICE


def test_revert_plan_is_not_sold(treasury: Treasury, router: Any) -> None:
    with reverts("fee_router: plan is not sold"):
        router.subscribe(treasury.stranger, PLAN + 1, 1, sender=treasury.keeper)


@pytest.mark.parametrize(("periods", "reason"), [(0, "no periods"), (37, "too many periods")])
def test_revert_periods(treasury: Treasury, router: Any, periods: int, reason: str) -> None:
    with reverts(f"fee_router: {reason}"):
        router.subscribe(treasury.stranger, PLAN, periods, sender=treasury.keeper)


def test_revert_no_account(treasury: Treasury, router: Any) -> None:
    with reverts("fee_router: no account"):
        router.subscribe(NOBODY, PLAN, 1, sender=treasury.keeper)


def test_revert_a_price_that_was_raised_meets_the_allowance(
    treasury: Treasury, router: Any
) -> None:
    treasury.usdc.approve(router, PRICE, sender=treasury.keeper)
    router.set_plan(PLAN, PRICE + 1, sender=treasury.owner)
    with reverts("erc20: insufficient allowance"):
        router.subscribe(treasury.stranger, PLAN, 1, sender=treasury.keeper)
    assert router.subscribed_until(treasury.stranger, PLAN) == 0


def test_revert_blacklisted_payer(treasury: Treasury, router: Any) -> None:
    treasury.usdc.blacklist(treasury.keeper, True, sender=treasury.deployer)
    with reverts("test_usd: blacklisted"):
        router.subscribe(treasury.stranger, PLAN, 1, sender=treasury.keeper)


@pytest.mark.parametrize(
    ("fee_bps", "refusing", "reason"),
    [(100, False, "token took a fee"), (0, True, "transfer failed")],
)
def test_revert_odd_token(treasury: Treasury, fee_bps: int, refusing: bool, reason: str) -> None:
    dollars = answering_token()
    auction = deployer("treasury/BurnAuction")(dollars, treasury.assay, treasury.owner, PARAMETERS)
    router = deployer("treasury/FeeRouter")(dollars, auction, treasury.owner)
    router.set_plan(PLAN, PRICE, sender=treasury.owner)
    dollars.mint(treasury.keeper, PRICE)
    dollars.set_fee(fee_bps)
    dollars.refuse(refusing)
    with reverts(f"fee_router: {reason}"):
        router.subscribe(treasury.stranger, PLAN, 1, sender=treasury.keeper)
