"""FeeRouter.route: everything, to the auction, by anyone."""

from __future__ import annotations

import pytest

from tests.support.evm import deployer, event, reverts
from tests.support.odd_tokens import answering_token, silent_token
from tests.support.treasury import DOLLAR, LOT, PARAMETERS, Treasury


@pytest.mark.parametrize("amount", [1, DOLLAR, 10**15])
def test_default_behavior(treasury: Treasury, amount: int) -> None:
    treasury.usdc.mint(treasury.router, amount, sender=treasury.deployer)
    assert treasury.router.route(sender=treasury.stranger) == amount
    assert event(treasury.router, "Routed").amount == amount
    assert treasury.usdc.balanceOf(treasury.router) == 0
    assert treasury.usdc.balanceOf(treasury.auction) == amount


def test_nothing(treasury: Treasury) -> None:
    assert treasury.router.route() == 0
    assert treasury.router.get_logs() == []


def test_while_an_auction_is_live(treasury: Treasury) -> None:
    treasury.start()
    treasury.usdc.mint(treasury.router, 5, sender=treasury.deployer)
    treasury.router.route()
    assert treasury.auction.auction().left_usd_micro == LOT


def test_assay_sent_here_does_not_matter(treasury: Treasury) -> None:
    treasury.assay.transfer(treasury.router, 5, sender=treasury.deployer)
    assert treasury.router.route() == 0


def test_revert_paused(treasury: Treasury) -> None:
    treasury.usdc.mint(treasury.router, 5, sender=treasury.deployer)
    treasury.usdc.pause(True, sender=treasury.deployer)
    with reverts("test_usd: paused"):
        treasury.router.route()


def test_silent_token(treasury: Treasury) -> None:
    dollars = silent_token()
    auction = deployer("treasury/BurnAuction")(dollars, treasury.assay, treasury.owner, PARAMETERS)
    router = deployer("treasury/FeeRouter")(dollars, auction, treasury.owner)
    dollars.mint(router, 7)
    assert router.route() == 7
    assert dollars.balanceOf(auction) == 7


def test_revert_transfer_refused(treasury: Treasury) -> None:
    dollars = answering_token()
    auction = deployer("treasury/BurnAuction")(dollars, treasury.assay, treasury.owner, PARAMETERS)
    router = deployer("treasury/FeeRouter")(dollars, auction, treasury.owner)
    dollars.mint(router, 7)
    dollars.refuse(True)
    with reverts("fee_router: transfer failed"):
        router.route()
