"""BurnAuction.start: when, how much, from which price."""

from __future__ import annotations

import boa
import pytest

from tests.support.evm import DAY, event, now, reverts
from tests.support.treasury import CAP, DURATION, FLOOR, LOT, MIN_LOT, Treasury, parameters


def test_default_behavior(treasury: Treasury) -> None:
    treasury.fund(LOT)
    assert treasury.auction.start(sender=treasury.stranger) == LOT
    started = event(treasury.auction, "AuctionStarted")
    assert (started.number, started.lot_usd_micro) == (1, LOT)
    assert started.start_price == 2 * FLOOR
    assert started.ends_at == now() + DURATION
    assert tuple(treasury.auction.auction()) == (now(), 2 * FLOOR, LOT, LOT, 0)
    assert treasury.auction.is_live() and treasury.auction.price() == 2 * FLOOR
    assert treasury.auction.next_start() == now() + DAY


def test_lot_is_at_most_the_cap(treasury: Treasury) -> None:
    treasury.fund(2 * CAP + 5)
    assert treasury.auction.start() == CAP
    boa.env.time_travel(seconds=DAY)
    assert treasury.auction.start() == CAP


def test_what_was_not_sold_is_in_the_next_lot(treasury: Treasury) -> None:
    treasury.start()
    treasury.take(LOT // 4)
    boa.env.time_travel(seconds=DAY)
    assert treasury.auction.start() == LOT - LOT // 4


def test_donation_while_live_waits_for_the_next_lot(treasury: Treasury) -> None:
    treasury.start()
    treasury.fund(7 * LOT)
    assert treasury.auction.auction().lot_usd_micro == LOT
    treasury.take(10 * LOT)
    assert treasury.usdc.balanceOf(treasury.taker) == LOT
    assert not treasury.auction.is_live()
    boa.env.time_travel(seconds=DAY)
    assert treasury.auction.start() == 7 * LOT


@pytest.mark.parametrize("held", [0, 1, MIN_LOT - 1])
def test_revert_lot_too_small(treasury: Treasury, held: int) -> None:
    treasury.fund(held)
    with reverts("burn_auction: lot too small"):
        treasury.auction.start()


def test_least_lot(treasury: Treasury) -> None:
    treasury.fund(MIN_LOT)
    assert treasury.auction.start() == MIN_LOT


@pytest.mark.parametrize("sold", [False, True])
def test_revert_too_early(treasury: Treasury, sold: bool) -> None:
    treasury.start()
    if sold:
        treasury.take(LOT)
    treasury.fund(LOT)
    for seconds in (0, DURATION, DAY - DURATION - 1):
        boa.env.time_travel(seconds=seconds)
        with reverts("burn_auction: too early"):
            treasury.auction.start()
    boa.env.time_travel(seconds=1)
    assert treasury.auction.next_start() == now()
    treasury.auction.start()


def test_cap_per_period(treasury: Treasury) -> None:
    """Over any span no more than a cap per begun interval is ever offered."""
    treasury.fund(10 * CAP)
    offered = 0
    for hour in range(0, 72, 4):
        if now() >= treasury.auction.next_start():
            offered += treasury.auction.start()
        assert offered <= CAP * (hour // 24 + 1)
        boa.env.time_travel(seconds=4 * 3_600)
    assert offered == 3 * CAP


def test_a_shorter_interval_counts_from_the_last_start(treasury: Treasury) -> None:
    treasury.start()
    begun = now()
    boa.env.time_travel(seconds=DURATION)
    treasury.auction.set_parameters(
        parameters(min_interval_seconds=2 * DURATION), sender=treasury.owner
    )
    assert treasury.auction.next_start() == begun + 2 * DURATION


def test_nobody_takes_the_next_starts_from_the_floor(treasury: Treasury) -> None:
    treasury.start()
    treasury.take(LOT)
    treasury.start_next()
    assert treasury.auction.price() == 4 * FLOOR
    treasury.start_next()
    assert treasury.auction.price() == 2 * FLOOR


def test_revert_while_dollars_are_paused_then_goes_on(treasury: Treasury) -> None:
    treasury.start()
    treasury.usdc.pause(True, sender=treasury.deployer)
    with reverts("test_usd: paused"):
        treasury.take(LOT)
    treasury.usdc.pause(False, sender=treasury.deployer)
    treasury.take(LOT)
    assert treasury.usdc.balanceOf(treasury.taker) == LOT
