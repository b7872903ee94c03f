"""The auction's price: at every second, against real numbers, and what the next one starts at."""

from __future__ import annotations

from decimal import Decimal, localcontext
from itertools import pairwise
from typing import Any

import boa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.evm import DAY, reverts, travel_to
from tests.support.treasury import DOLLAR, DURATION, FLOOR, LOT, MIN_LOT, Treasury, parameters

WEEK = 7 * DAY
HARNESS = """
# pragma version 0.4.3
from contracts.modules import price_decay

@view
@external
def price(start: uint256, least: uint256, duration: uint256, elapsed: uint256) -> uint256:
    return price_decay._price(start, least, duration, elapsed)

@view
@external
def prices(
    start: uint256, least: uint256, duration: uint256, first: uint256, count: uint256
) -> DynArray[uint256, 4096]:
    found: DynArray[uint256, 4096] = []
    for i: uint256 in range(count, bound=4096):
        found.append(price_decay._price(start, least, duration, first + i))
    return found
"""


@pytest.fixture(scope="session")
def curve() -> Any:
    """The module `price_decay` alone."""
    return boa.loads(HARNESS)


def real_price(start: int, floor: int, duration: int, elapsed: int) -> Decimal:
    with localcontext() as context:
        context.prec = 80
        exponent = Decimal(duration - elapsed) / duration
        return Decimal(floor) * ((Decimal(start) / floor).ln() * exponent).exp()


def check_all_between(start: int, floor: int, prices: list[int]) -> None:
    assert all(floor <= price <= start for price in prices)
    assert all(before >= after for before, after in pairwise(prices))


def test_every_second_of_an_auction(curve: Any) -> None:
    """Monotone, between start and floor, and as close to the real number as 10**-15."""
    start = 3 * FLOOR + 12_345
    prices = curve.prices(start, FLOOR, DURATION, 0, DURATION + 1)
    check_all_between(start, FLOOR, prices)
    assert (prices[0], prices[-1]) == (start, FLOOR)
    assert len(set(prices)) == len(prices)
    for elapsed in range(0, DURATION + 1, 97):
        real = real_price(start, FLOOR, DURATION, elapsed)
        assert abs(prices[elapsed] - real) <= real / 10**15 + 1


@given(data=st.data())
@settings(max_examples=60)
def test_any_auction_at_any_seconds(curve: Any, data: st.DataObject) -> None:
    floor = data.draw(st.integers(10**6, 2**96), "floor")
    highest = data.draw(st.sampled_from([floor * 11 // 10, floor * 10, 2**100]), "highest")
    start = data.draw(st.integers(floor * 11 // 10, max(highest, floor * 11 // 10)), "start")
    duration = data.draw(st.integers(10, WEEK), "duration")
    first = data.draw(st.integers(0, duration), "first")
    count = min(100, duration - first + 1)
    prices = curve.prices(start, floor, duration, first, count)
    check_all_between(start, floor, prices)
    real = real_price(start, floor, duration, first)
    assert abs(prices[0] - real) <= real / 10**15 + 1


@pytest.mark.parametrize(
    ("start", "floor"),
    [(2**100, 10**6), (11 * 10**5, 10**6), (2**96 * 11 // 10, 2**96), (2**109, 10**6)],
)
@pytest.mark.parametrize("duration", [10, WEEK])
def test_extremes(curve: Any, start: int, floor: int, duration: int) -> None:
    first = curve.prices(start, floor, duration, 0, 11)
    last = curve.prices(start, floor, duration, duration - 10, 11)
    check_all_between(start, floor, first)
    check_all_between(start, floor, last)
    assert (first[0], last[-1]) == (start, floor)


def test_price_and_quote_of_the_live_auction(curve: Any, treasury: Treasury) -> None:
    treasury.start()
    for elapsed in (0, 1, 600, DURATION - 1):
        travel_to(treasury.auction.auction().started_at + elapsed)
        price = treasury.auction.price()
        assert price == curve.price(2 * FLOOR, FLOOR, DURATION, elapsed)
        for usd_micro in (0, 1, 999_999, DOLLAR, LOT + 1):
            assert treasury.auction.quote(usd_micro) == -(-usd_micro * price // DOLLAR)


def test_over_at_the_end(treasury: Treasury) -> None:
    treasury.start()
    boa.env.time_travel(seconds=DURATION - 1)
    assert treasury.auction.is_live() and treasury.auction.price() > FLOOR
    boa.env.time_travel(seconds=1)
    assert not treasury.auction.is_live() and treasury.auction.price() == 0
    with reverts("burn_auction: no auction is live"):
        treasury.auction.quote(1)


def test_revert_quote_before_the_first(treasury: Treasury) -> None:
    with reverts("burn_auction: no auction is live"):
        treasury.auction.quote(1)


def test_last_price_of_one_take_is_its_price(treasury: Treasury) -> None:
    treasury.start()
    boa.env.time_travel(seconds=1_234)
    price = treasury.auction.price()
    treasury.take(LOT)
    assert treasury.auction.last_price() == price
    treasury.start_next()
    assert treasury.auction.auction().start_price == 2 * price


@given(lot=st.integers(MIN_LOT, 10**5 * DOLLAR), elapsed=st.integers(0, DURATION - 1))
@settings(max_examples=25)
@example(lot=MIN_LOT, elapsed=DURATION - 1)
def test_last_price_of_any_whole_lot(deployed_treasury: Treasury, lot: int, elapsed: int) -> None:
    treasury = deployed_treasury
    with boa.env.anchor():
        wide = parameters(cap_usd_micro=10**6 * DOLLAR)
        treasury.auction.set_parameters(wide, sender=treasury.owner)
        treasury.start(lot)
        boa.env.time_travel(seconds=elapsed)
        price = treasury.auction.price()
        treasury.take(lot)
        assert treasury.auction.last_price() == price


def test_last_price_counts_what_is_unsold_at_the_floor(treasury: Treasury) -> None:
    treasury.start()
    treasury.take(LOT // 4)
    assert treasury.auction.last_price() == FLOOR + FLOOR // 4


def test_one_micro_dollar_at_the_first_price_moves_nothing(treasury: Treasury) -> None:
    """Else every auction that somebody takes a speck of would double the next one's start."""
    for _ in range(3):
        treasury.start_next()
        treasury.take(1)
        boa.env.time_travel(seconds=DURATION)
        assert treasury.auction.last_price() <= FLOOR + FLOOR // 10**8
    assert treasury.auction.auction().start_price <= 2 * (FLOOR + FLOOR // 10**8)


def test_one_micro_dollar_at_the_last_second_moves_nothing(treasury: Treasury) -> None:
    """Else the buyer of nearly all would leave a speck, take it near the floor, and start the
    next auction far below the market, to take it at once."""
    treasury.start()
    treasury.take(LOT)
    treasury.start_next()
    boa.env.time_travel(seconds=600)
    fair = treasury.auction.price()
    treasury.take(LOT - 1)
    boa.env.time_travel(seconds=DURATION - 601)
    treasury.take(1)
    assert fair - fair // 10**8 <= treasury.auction.last_price() <= fair
