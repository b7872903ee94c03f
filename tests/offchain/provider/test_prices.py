"""Prices change while a provider serves, and what was announced is honoured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from assay.core.errors import ConfigError
from assay.provider.prices import Price, PriceList, read_prices, write_price

OLD, NEW = Price(10, 20), Price(15, 20)
SECONDS = 60


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "prices.json"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def prices(path: Path, clock: Clock) -> PriceList:
    return PriceList(path, {"a": OLD, "b": OLD}, SECONDS, clock)


def test_an_old_price_is_honoured_until_the_offer_ends(
    prices: PriceList, path: Path, clock: Clock
) -> None:
    assert prices.until() == 1_060
    write_price(path, "a", NEW)
    assert prices.now("a") == OLD  # nobody has looked
    prices.refresh()
    assert (prices.now("a"), prices.now("b")) == (NEW, OLD)
    clock.now += SECONDS
    assert prices.for_offer("a", OLD) == OLD
    assert prices.for_offer("a", Price(16, 20)) == NEW
    assert prices.for_offer("a", Price(9, 20)) == NEW  # nobody ever asked so little
    clock.now += 1
    assert prices.for_offer("a", OLD) == NEW


@pytest.mark.parametrize(
    ("price", "bps", "expected"),
    [(10, 0, 10), (10, 5_000, 5), (10, 4_999, 6), (1, 9_999, 1), (10, 10_000, 0), (0, 1, 0)],
)
def test_a_discount_is_rounded_up_to_a_whole_micro_dollar(
    price: int, bps: int, expected: int
) -> None:
    assert Price(price, 0, bps).for_batch() == Price(expected, 0, bps)


def test_a_discount_is_for_work_that_can_wait_and_honoured_as_prices_are(
    prices: PriceList, path: Path, clock: Clock
) -> None:
    write_price(path, "a", replace(OLD, batch_discount_bps=5_000))
    prices.refresh()
    half = Price(5, 10)
    assert prices.for_offer("a", half, can_wait=True).covers(half)
    assert not prices.for_offer("a", half).covers(half)
    write_price(path, "a", OLD)
    prices.refresh()
    clock.now += SECONDS
    assert prices.for_offer("a", half, can_wait=True).covers(half)
    clock.now += 1
    assert not prices.for_offer("a", half, can_wait=True).covers(half)


def test_a_reset_goes_back_to_the_settings(prices: PriceList, path: Path) -> None:
    write_price(path, "a", NEW)
    write_price(path, "b", NEW)
    write_price(path, "a", None)
    prices.refresh()
    assert (prices.now("a"), prices.now("b")) == (OLD, NEW)


def test_a_restart_finds_the_changed_price(prices: PriceList, path: Path, clock: Clock) -> None:
    write_price(path, "a", NEW)
    again = PriceList(path, {"a": OLD}, SECONDS, clock)
    assert again.now("a") == NEW
    assert again.for_offer("a", OLD) == NEW  # this process never announced the old one


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"a": 5}',
        '{"a": {"input": -1, "output": 1}}',
        '{"a": {"input": 1}}',
        '{"a": {"input": 1, "output": 1, "batch_discount_bps": 10001}}',
    ],
)
def test_a_damaged_file_changes_nothing(prices: PriceList, path: Path, text: str) -> None:
    write_price(path, "a", NEW)
    prices.refresh()
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"prices\.json holds no prices"):
        read_prices(path)
    prices.refresh()
    assert prices.now("a") == NEW
