"""BurnTaker.fill and auction_taken. The real pool is in tests/integration/test_burn_market.py."""

from __future__ import annotations

import boa
import pytest

from tests.support.evm import event, reverts
from tests.support.treasury import DOLLAR, DURATION, FLOOR, LOT, NO_LIMIT, SUPPLY, Treasury
from tests.unitary.burn_auction.takers import plain_taker
from tests.unitary.burn_taker.conftest import RATE, Scene

PROFIT = LOT * RATE // DOLLAR - LOT * 2 * FLOOR // DOLLAR
"""Of a whole lot in an auction's first second."""


def holdings(scene: Scene) -> tuple[int, int]:
    """What the taker keeps of both tokens."""
    treasury = scene.treasury
    return treasury.usdc.balanceOf(scene.taker), treasury.assay.balanceOf(scene.taker)


def test_default_behavior(scene: Scene) -> None:
    treasury = scene.treasury
    treasury.start()
    assert scene.taker.fill(LOT, PROFIT, sender=treasury.keeper) == PROFIT
    filled = event(scene.taker, "Filled")
    due = LOT * 2 * FLOOR // DOLLAR
    assert (filled.caller, filled.burned, filled.profit) == (treasury.keeper, due, PROFIT)
    assert treasury.assay.balanceOf(treasury.keeper) == PROFIT
    assert treasury.assay.totalSupply() == SUPPLY - due
    assert holdings(scene) == (0, 0)
    assert not treasury.auction.is_live()


@pytest.mark.parametrize("usd_micro", [1, 999_999, LOT // 3])
def test_part(scene: Scene, usd_micro: int) -> None:
    scene.treasury.start()
    boa.env.time_travel(seconds=100)
    due = scene.treasury.auction.quote(usd_micro)
    profit = scene.taker.fill(usd_micro, 0, sender=scene.treasury.keeper)
    assert profit == usd_micro * RATE // DOLLAR - due
    assert holdings(scene) == (0, 0)
    assert scene.treasury.auction.auction().left_usd_micro == LOT - usd_micro


def test_all_that_is_left(scene: Scene) -> None:
    scene.treasury.start()
    scene.treasury.take(LOT // 2)
    scene.taker.fill(NO_LIMIT, 0, sender=scene.treasury.keeper)
    assert not scene.treasury.auction.is_live()


def test_revert_profit_too_small(scene: Scene) -> None:
    scene.treasury.start()
    with reverts("router: too little"):
        scene.taker.fill(LOT, PROFIT + 1)
    assert scene.treasury.auction.auction().left_usd_micro == LOT


def test_revert_before_the_price_has_come_down(scene: Scene) -> None:
    scene.treasury.start()
    scene.router.set_rate(2 * FLOOR - 1)
    with reverts("router: too little"):
        scene.taker.fill(LOT, 0)
    boa.env.time_travel(seconds=1)
    assert scene.taker.fill(LOT, 0) > 0


def test_revert_router_that_gives_too_little(scene: Scene) -> None:
    """Without the router's own check the auction's burn fails: the taker has nothing else."""
    scene.treasury.start()
    scene.router.skip_checks()
    scene.router.set_rate(2 * FLOOR - 1)
    with reverts("erc20: burn amount exceeds balance"):
        scene.taker.fill(LOT, 0)


def test_revert_nothing_to_take(scene: Scene) -> None:
    scene.treasury.start()
    with reverts("burn_auction: nothing to take"):
        scene.taker.fill(0, 0)


def test_revert_no_auction(scene: Scene) -> None:
    with reverts("burn_auction: no auction is live"):
        scene.taker.fill(LOT, 0)
    scene.treasury.start()
    boa.env.time_travel(seconds=DURATION)
    with reverts("burn_auction: no auction is live"):
        scene.taker.fill(LOT, 0)


def test_revert_taker_is_blacklisted(scene: Scene) -> None:
    """Its dollars cannot arrive; any other taker still fills the auction."""
    treasury = scene.treasury
    treasury.start()
    treasury.usdc.blacklist(scene.taker, True, sender=treasury.deployer)
    with reverts("test_usd: blacklisted"):
        scene.taker.fill(LOT, 0)
    treasury.take(LOT)


def test_revert_absurd_profit(scene: Scene) -> None:
    scene.treasury.start()
    with boa.reverts():
        scene.taker.fill(LOT, NO_LIMIT)


@pytest.mark.parametrize(("usd_micro", "assay"), [(0, 10**18), (10**6, 0), (3, 5)])
def test_donations_go_to_the_next_caller(scene: Scene, usd_micro: int, assay: int) -> None:
    """They serve no attacker: the limit is on the swap's result, and nothing stays."""
    treasury = scene.treasury
    treasury.start()
    treasury.usdc.mint(scene.taker, usd_micro, sender=treasury.deployer)
    treasury.assay.transfer(scene.taker, assay, sender=treasury.deployer)
    profit = scene.taker.fill(LOT, PROFIT, sender=treasury.keeper)
    bought = (LOT + usd_micro) * RATE // DOLLAR
    assert profit == bought + assay - LOT * 2 * FLOOR // DOLLAR
    assert holdings(scene) == (0, 0)


def test_revert_a_donation_does_not_lower_the_limit(scene: Scene) -> None:
    """ASSAY that lies here cannot stand in for the profit that the pool must give."""
    treasury = scene.treasury
    treasury.start()
    treasury.assay.transfer(scene.taker, PROFIT, sender=treasury.deployer)
    scene.router.set_rate(2 * FLOOR)
    with reverts("router: too little"):
        scene.taker.fill(LOT, 1)


def test_revert_callback_by_a_stranger(scene: Scene) -> None:
    with reverts("burn_taker: caller is not the auction"):
        scene.taker.auction_taken(scene.taker, 1, 0, b"", sender=scene.treasury.stranger)


def test_revert_take_that_names_the_taker(scene: Scene) -> None:
    """Nobody makes it pay for a take of theirs, though its approval is without limit."""
    treasury = scene.treasury
    treasury.start()
    treasury.assay.transfer(scene.taker, 10**24, sender=treasury.deployer)
    with reverts("burn_taker: take is not ours"):
        treasury.auction.take(
            LOT, NO_LIMIT, scene.taker, (0).to_bytes(32, "big"), sender=treasury.stranger
        )
    assert treasury.assay.balanceOf(scene.taker) == 10**24


def test_dollars_for_the_taker_without_a_call_are_a_donation(scene: Scene) -> None:
    treasury = scene.treasury
    treasury.start()
    due = treasury.auction.quote(LOT // 2)
    treasury.give_assay(treasury.taker, due)
    treasury.auction.take(LOT // 2, due, scene.taker, b"", sender=treasury.taker)
    scene.taker.fill(LOT, 0, sender=treasury.keeper)
    assert holdings(scene) == (0, 0)


@pytest.mark.parametrize("function", ["fill", "auction_taken"])
def test_a_router_that_calls_back_gets_nothing(scene: Scene, function: str) -> None:
    """Neither fill (the lock) nor auction_taken (not the auction) within a swap."""
    scene.treasury.start()
    arguments = {"fill": (1, 0), "auction_taken": (scene.taker.address, 1, 0, b"\0" * 32)}
    payload = getattr(scene.taker, function).prepare_calldata(*arguments[function])
    scene.router.call_back(payload)
    scene.taker.fill(LOT // 2, 0, sender=scene.treasury.keeper)
    assert not scene.router.succeeded()
    assert scene.treasury.auction.auction().left_usd_micro == LOT // 2


def test_fill_within_another_taker_is_refused(scene: Scene) -> None:
    treasury: Treasury = scene.treasury
    treasury.start()
    other = plain_taker(treasury.auction, treasury.assay)
    treasury.assay.transfer(other, 10**24, sender=treasury.deployer)
    other.plan(scene.taker, scene.taker.fill.prepare_calldata(1, 0))
    other.take(LOT // 2, NO_LIMIT)
    assert other.calls() == 1 and not other.succeeded()
