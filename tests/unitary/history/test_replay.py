"""Our contracts repeat Venice's published history, to the wei, and Venice's curve."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import boa
import pytest

from scripts.economy import replay, venice
from scripts.economy.replay import ETHER, YEAR, Replay, Row

LAG_WEI = 100  # a wei or two a claim; there are under fifty claims


@pytest.fixture(scope="module")
def replayed() -> Iterator[Replay]:
    """Every date of interest walked through; each step checks emission, mint and supply."""
    with boa.env.anchor():
        walked = Replay()
        for day in replay.days_of_interest():
            walked.at(day)
        yield walked


@pytest.fixture(scope="module")
def rows(replayed: Replay) -> dict[date, Row]:
    return {date.fromisoformat(row.day): row for row in replayed.rows}


def tokens(days: int, millions: str) -> Fraction:
    """What a rate of so many millions a year emits in so many days, in wei."""
    return Fraction(millions) * 10**6 * ETHER * days / 365


def test_each_published_cut_holds_from_its_day(rows: dict[date, Row]) -> None:
    for rate in venice.RATES[1:]:
        before, on, after = (rows[rate.since + timedelta(days=shift)] for shift in (-1, 0, 1))
        assert on.rate == rate.per_year * ETHER
        day = Fraction(rate.per_year * ETHER, 365)
        assert abs(after.emitted - on.emitted - day) <= 1
        assert on.emitted - before.emitted > day


def test_the_emission_of_the_first_stages_by_hand(rows: dict[date, Row]) -> None:
    """205 days at 14 M, 64 at 10 M, 110 at 8 M, 80 at 6 M."""
    expected = tokens(205, "14") + tokens(64, "10") + tokens(110, "8") + tokens(80, "6")
    assert rows[date(2026, 5, 1)].emitted == expected // 1


def test_all_of_the_emission_is_minted_to_the_one_staker(rows: dict[date, Row]) -> None:
    for row in rows.values():
        assert 0 <= row.emitted - row.minted <= LAG_WEI


def test_the_unclaimed_third_is_burned_and_supply_falls(rows: dict[date, Row]) -> None:
    """Venice's `totalSupply` does not fall: its burns are transfers to the zero address."""
    end = venice.AIRDROP_END
    before, on = rows[end - timedelta(days=1)], rows[end]
    minted = on.minted - before.minted
    assert before.burned == 0
    assert on.burned == venice.AIRDROP_BURNED * ETHER
    assert on.supply == before.supply + minted - on.burned


def test_supply_is_close_to_what_was_published(replayed: Replay) -> None:
    """Within 1.5 %: dates are known by the day, and readings are rounded."""
    for found in replay.compare_published(replayed.rows):
        assert abs(found["difference_percent"]) < 1.5, found


def test_the_published_points_of_the_curve(replayed: Replay) -> None:
    """93.34 at 10,000 and 665.01 at the target, cut to two decimals as they were published."""
    points: list[dict[str, Any]] = replayed.curve()
    assert [point["published"] for point in points] == ["93.34", "665.01"]
    exact = [
        Decimal(90) * (2 * (Decimal(supply) / 38_000) ** 3).exp() for supply in (10_000, 38_000)
    ]
    for point, rate in zip(points, exact, strict=True):
        assert 0 <= point["rate_wei"] - rate * ETHER < Decimal(10) ** 4


def test_minting_the_first_ten_thousand_pays_twenty_buckets(replayed: Replay) -> None:
    """As Venice did at launch: 10,000 in buckets of 500, each at its upper bound."""
    with boa.env.anchor():
        locked, minted = replayed.mint(10_000)
        rates = [int(replayed.minter.rate_at(500 * ETHER * (k + 1))) for k in range(20)]
        assert locked == sum(500 * rate for rate in rates)
        assert minted == 10_000 * ETHER
        assert replayed.staking.locked_of(replayed.treasury) == locked


def test_a_schedule_that_is_off_by_one_token_is_found() -> None:
    """The comparison itself: another rate in the deployment stops the replay."""
    with boa.env.anchor():
        walked = Replay()
        walked.at(venice.LAUNCH)
        walked.emissions.lower_rate(0, 14_000_000 * ETHER - YEAR, sender=walked.treasury)
        with pytest.raises(AssertionError, match="emitted"):
            walked.at(venice.LAUNCH + timedelta(days=1))
