"""FeeRouter.set_audits, and the fifth of the dollars that goes there."""

from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.support.evm import deployer, event, reverts
from tests.support.treasury import DOLLAR, Treasury

PAYEE = """
# pragma version 0.4.3
payment_token: public(address)
@deploy
def __init__(token: address):
    self.payment_token = token
"""


@pytest.fixture
def audits(treasury: Treasury) -> Any:
    """As much of the audits as the router asks."""
    return boa.loads(PAYEE, treasury.usdc.address)


def test_default_behavior(treasury: Treasury, audits: Any) -> None:
    router = treasury.router
    router.set_audits(audits, sender=treasury.deployer)
    assert event(router, "AuditsSet").audits == audits.address == router.audits()
    treasury.usdc.mint(router.address, 7 * DOLLAR + 4, sender=treasury.deployer)
    assert router.route(sender=treasury.stranger) == 5_600_004
    assert event(router, "AuditsFunded").amount == 1_400_000
    assert event(router, "Routed").amount == 5_600_004
    assert treasury.usdc.balanceOf(audits.address) == 1_400_000
    assert treasury.usdc.balanceOf(treasury.auction.address) == 5_600_004
    assert treasury.usdc.balanceOf(router.address) == 0


@pytest.mark.parametrize("amount", [0, 1, 4])
def test_no_share_of_dust(treasury: Treasury, audits: Any, amount: int) -> None:
    treasury.router.set_audits(audits, sender=treasury.deployer)
    treasury.usdc.mint(treasury.router.address, amount, sender=treasury.deployer)
    assert treasury.router.route() == amount
    assert treasury.usdc.balanceOf(audits.address) == 0


def test_revert(treasury: Treasury, audits: Any) -> None:
    with reverts("one_shot: caller is not the deployer"):
        treasury.router.set_audits(audits, sender=treasury.owner)
    with boa.env.prank(treasury.deployer):
        other = boa.loads(PAYEE, deployer("mocks/TestUSD")().address)
    with reverts("fee_router: audits pay another token"):
        treasury.router.set_audits(other, sender=treasury.deployer)
    treasury.router.set_audits(audits, sender=treasury.deployer)
    with reverts("one_shot: already set"):
        treasury.router.set_audits(audits, sender=treasury.deployer)
