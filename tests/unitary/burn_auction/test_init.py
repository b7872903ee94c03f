"""BurnAuction: constructor."""

from __future__ import annotations

import pytest

from tests.support.evm import deployer, reverts
from tests.support.market import NO_CODE
from tests.support.treasury import FLOOR, PARAMETERS, Treasury, parameters

NOBODY = "0x" + "00" * 20


def test_default_behavior(treasury: Treasury) -> None:
    auction = treasury.auction
    assert auction.payment_token() == treasury.usdc.address
    assert auction.assay() == treasury.assay.address
    assert auction.owner() == treasury.owner
    assert tuple(auction.parameters()) == PARAMETERS
    assert tuple(auction.auction()) == (0, 0, 0, 0, 0)
    assert auction.auction_count() == 0
    assert not auction.is_live() and auction.price() == 0
    assert auction.next_start() == 0
    assert auction.last_price() == FLOOR


def test_revert_payment_token_is_not_a_contract(treasury: Treasury) -> None:
    with reverts("burn_auction: payment token is not a contract"):
        deployer("treasury/BurnAuction")(NO_CODE, treasury.assay, treasury.owner, PARAMETERS)


def test_revert_assay_is_not_a_contract(treasury: Treasury) -> None:
    with reverts("burn_auction: ASSAY is not a contract"):
        deployer("treasury/BurnAuction")(treasury.usdc, NO_CODE, treasury.owner, PARAMETERS)


def test_revert_no_owner(treasury: Treasury) -> None:
    with reverts("burn_auction: no owner"):
        deployer("treasury/BurnAuction")(treasury.usdc, treasury.assay, NOBODY, PARAMETERS)


@pytest.mark.parametrize("field", ["floor_price", "min_interval_seconds"])
def test_revert_parameters_out_of_bounds(treasury: Treasury, field: str) -> None:
    reasons = {"floor_price": "floor too low", "min_interval_seconds": "interval too short"}
    with reverts(f"burn_auction: {reasons[field]}"):
        deployer("treasury/BurnAuction")(
            treasury.usdc, treasury.assay, treasury.owner, parameters(**{field: 1})
        )
