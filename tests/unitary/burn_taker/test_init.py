"""BurnTaker: constructor."""

from __future__ import annotations

from tests.support.evm import deployer, reverts
from tests.support.market import NO_CODE
from tests.support.odd_tokens import answering_token, silent_token
from tests.support.treasury import NO_LIMIT, PARAMETERS
from tests.unitary.burn_taker.conftest import Scene


def test_default_behavior(scene: Scene) -> None:
    treasury, taker = scene.treasury, scene.taker
    assert taker.auction() == treasury.auction.address
    assert taker.router() == scene.router.address
    assert taker.payment_token() == treasury.usdc.address
    assert taker.assay() == treasury.assay.address
    assert treasury.usdc.allowance(taker, scene.router) == NO_LIMIT
    assert treasury.assay.allowance(taker, treasury.auction) == NO_LIMIT


def test_revert_auction_is_not_a_contract(scene: Scene) -> None:
    with reverts("burn_taker: auction is not a contract"):
        deployer("treasury/BurnTaker")(NO_CODE, scene.router)


def test_revert_router_is_not_a_contract(scene: Scene) -> None:
    with reverts("burn_taker: router is not a contract"):
        deployer("treasury/BurnTaker")(scene.treasury.auction, NO_CODE)


def test_silent_token(scene: Scene) -> None:
    treasury = scene.treasury
    arguments = (silent_token(), treasury.assay, treasury.owner, PARAMETERS)
    auction = deployer("treasury/BurnAuction")(*arguments)
    assert deployer("treasury/BurnTaker")(auction, scene.router).auction() == auction.address


def test_revert_approval_failed(scene: Scene) -> None:
    treasury, dollars = scene.treasury, answering_token()
    arguments = (dollars, treasury.assay, treasury.owner, PARAMETERS)
    auction = deployer("treasury/BurnAuction")(*arguments)
    dollars.refuse(True)
    with reverts("burn_taker: approval failed"):
        deployer("treasury/BurnTaker")(auction, scene.router)
