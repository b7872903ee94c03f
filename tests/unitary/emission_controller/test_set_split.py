"""EmissionController.set_split: the curve from the next day on."""

from __future__ import annotations

import pytest

from tests.support.economy import CORNERS
from tests.support.evm import DAY, begin_day, event, now, reverts, today, travel_to
from tests.unitary.emission_controller.conftest import BPS, Emission

FLAT = [(0, 4_000), (10_000, 4_000)]


def set_split(emission: Emission, corners: list[tuple[int, int]]) -> None:
    emission.controller.set_split(corners, sender=emission.owner)


def test_default_behavior(emission: Emission) -> None:
    """In the middle of a day that nobody has called in: its share stays."""
    controller = emission.controller
    begin_day(2)
    travel_to(now() + 12_345)
    set_split(emission, FLAT)
    changed = event(controller, "SplitSet")
    assert changed.from_day == today() + 1
    assert [tuple(corner) for corner in changed.corners] == FLAT
    assert [tuple(corner) for corner in controller.corners()] == FLAT
    assert controller.stakers_bps(today()) == 9_000
    travel_to((today() + 1) * DAY)
    assert controller.staker_numerator() == emission.integral(0) * 9_000
    assert controller.stakers_bps(today()) == 4_000
    before = now()
    travel_to(before + 4 * DAY + 1)
    expected = emission.integral(0, before) * 9_000 + emission.integral(before) * 4_000
    assert controller.staker_numerator() == expected


def test_idle_days_before_the_change_keep_their_share(emission: Emission) -> None:
    """A change without a checkpoint: days that nobody has closed are closed at the old curve."""
    emission.use(7_000, days=1)
    begin_day(30)
    before = emission.controller.staker_numerator()
    set_split(emission, FLAT)
    assert emission.controller.staker_numerator() == before


@pytest.mark.parametrize(
    "corners",
    [
        [(0, 10_000), (10_000, 1_000)],
        [(0, 5_000), (1, 5_000), (10_000, 1_000)],
        [(0, 10_000), (9_998, 9_999), (9_999, 9_998), (10_000, 1_000)],
    ],
)
def test_any_number_of_corners(emission: Emission, corners: list[tuple[int, int]]) -> None:
    set_split(emission, corners)
    assert [tuple(corner) for corner in emission.controller.corners()] == corners
    begin_day()
    assert emission.controller.stakers_bps(today()) == corners[0][1]
    emission.use(10_000)
    assert emission.controller.stakers_bps(today()) == corners[-1][1]


@pytest.mark.parametrize(
    ("corners", "reason"),
    [
        ([], "fewer than two corners"),
        ([(0, 9_000)], "fewer than two corners"),
        ([(1, 9_000), (10_000, 3_000)], "first corner not at 0"),
        ([(0, 9_000), (9_999, 3_000)], "last corner not at 10,000"),
        ([(0, 9_000), (10_001, 3_000)], "last corner not at 10,000"),
        ([(0, 10_001), (10_000, 3_000)], "share above 10,000"),
        ([(0, 9_000), (10_000, 999)], "share below 1,000"),
        ([(0, 9_000), (0, 8_000), (10_000, 3_000)], "corners must rise"),
        ([(0, 9_000), (10_000, 5_000), (10_000, 3_000)], "corners must rise"),
        ([(0, 9_000), (6_000, 5_000), (5_000, 4_000), (10_000, 3_000)], "corners must rise"),
        ([(0, 9_000), (2**255, 5_000), (10_000, 3_000)], "corners must rise"),
        ([(0, 3_000), (10_000, 3_001)], "share must not rise"),
        ([(0, 9_000), (5_000, 9_001), (10_000, 3_000)], "share must not rise"),
        ([(0, 9_000), (5_000, 2_000), (10_000, 3_000)], "share must not rise"),
    ],
)
def test_revert_malformed(emission: Emission, corners: list[tuple[int, int]], reason: str) -> None:
    with reverts(f"split: {reason}"):
        set_split(emission, corners)
    assert [tuple(corner) for corner in emission.controller.corners()] == list(CORNERS)


def test_revert_not_the_owner(emission: Emission) -> None:
    for caller in (emission.deployer, emission.stranger):
        with reverts("ownable: caller is not the owner"):
            emission.controller.set_split([(0, BPS), (BPS, BPS)], sender=caller)
