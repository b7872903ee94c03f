"""The projection's own arithmetic: split, price rule, and when burns overtake emission."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import pairwise

import pytest

from scripts.economy.project import Assumptions, Demand, crossover, path, run, summary

STEADY = Demand("steady", 100_000, 100_000, 1.0, 40.0)
PLAIN = Assumptions(
    years=2,
    stage_rates=(2_000_000, 1_000_000),
    corners=((0, 10_000), (10_000, 5_000)),
    claimed_share=1.0,
    locked_share=0.0,
    subscriptions=0.0,
    auction_discount=0.0,
    floor_value_usd=0.0,
    demands=(STEADY,),
)


def test_supply_is_genesis_plus_minted_less_burned() -> None:
    days = path(PLAIN, STEADY)
    minted, burned = sum(day.minted for day in days), sum(day.burned for day in days)
    assert days[-1].supply == pytest.approx(PLAIN.genesis + minted - burned)
    assert minted == pytest.approx(3_000_000)


def test_the_burn_of_a_year_is_supply_over_the_multiple() -> None:
    days = path(PLAIN, STEADY)
    for before, day in pairwise(days):
        assert day.burned * 365 == pytest.approx(before.supply / 40)


def test_net_deflation_begins_where_emission_falls_below_the_burn() -> None:
    """100 M / 75 is 1.33 M a year: between the two stages."""
    assert crossover(path(PLAIN, replace(STEADY, multiple=75.0))) == date(2028, 1, 1)
    assert crossover(path(PLAIN, replace(STEADY, multiple=200.0))) is None


def test_a_crossing_that_does_not_last_is_none() -> None:
    """A floor under the value makes early burns small; it is the last crossing that counts."""
    days = path(PLAIN, STEADY)
    rising = [replace(day, minted=day.burned * (2 if day is days[-1] else 0.5)) for day in days]
    assert crossover(rising) is None


def test_locked_stake_leaves_a_fifth_unminted() -> None:
    half = replace(PLAIN, locked_share=0.5, utilisation=1.0)
    assert half.stakers_share() == pytest.approx(0.5)
    assert half.minted_share() == pytest.approx(0.5 * 0.9 + 0.5)


def test_the_unclaimed_airdrop_is_burned_once() -> None:
    unclaimed = replace(PLAIN, claimed_share=0.4)
    days, all_claimed = path(unclaimed, STEADY), path(PLAIN, STEADY)
    at = PLAIN.airdrop_days
    assert all_claimed[at].supply - days[at].supply == pytest.approx(30e6)
    assert summary(days, at)["supply_peak_on"] > days[at].day.isoformat()


def test_the_stated_paths_differ_as_they_say() -> None:
    """Low never turns, high turns before base; what is assumed is in the document."""
    document = run(Assumptions())
    turns = [found["summary"]["net_deflation_from"] for found in document["paths"]]
    assert turns[0] is None
    assert turns[2] < turns[1]
    assert document["assumptions"]["demands"][1]["multiple"] == 35.0
