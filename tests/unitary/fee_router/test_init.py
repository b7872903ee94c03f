"""FeeRouter: constructor."""

from __future__ import annotations

from tests.support.evm import deployer, reverts
from tests.support.market import NO_CODE
from tests.support.treasury import Treasury

NOBODY = "0x" + "00" * 20


def test_default_behavior(treasury: Treasury) -> None:
    assert treasury.router.payment_token() == treasury.usdc.address
    assert treasury.router.auction() == treasury.auction.address
    assert treasury.router.owner() == treasury.owner
    assert treasury.router.plan_price(0) == 0


def test_revert_token_is_not_a_contract(treasury: Treasury) -> None:
    with reverts("fee_router: token is not a contract"):
        deployer("treasury/FeeRouter")(NO_CODE, treasury.auction, treasury.owner)


def test_revert_auction_is_not_a_contract(treasury: Treasury) -> None:
    with reverts("fee_router: auction is not a contract"):
        deployer("treasury/FeeRouter")(treasury.usdc, NO_CODE, treasury.owner)


def test_revert_auction_sells_another_token(treasury: Treasury) -> None:
    """Else what is routed there would be stuck for ever."""
    other = deployer("mocks/TestUSD")()
    with reverts("fee_router: auction sells another token"):
        deployer("treasury/FeeRouter")(other, treasury.auction, treasury.owner)


def test_revert_no_owner(treasury: Treasury) -> None:
    with reverts("fee_router: no owner"):
        deployer("treasury/FeeRouter")(treasury.usdc, treasury.auction, NOBODY)
