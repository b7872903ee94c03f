"""EmissionController.used_bps and stakers_bps: the split follows the seven days before, only."""

from __future__ import annotations

import pytest

from tests.support.economy import CAPACITY, CORNERS
from tests.support.evm import DAY, begin_day, event, now, today, travel_to
from tests.unitary.emission_controller.conftest import BPS, STAGE_SECONDS, Emission
from tests.unitary.emission_controller.oracle import share


def test_default_behavior(emission: Emission) -> None:
    """A day at 70 % counts for a seventh, on each of the seven days after it."""
    emission.use(7_000, days=1)
    controller = emission.controller
    for _ in range(7):
        assert controller.used_bps(today()) == 1_000
        assert controller.stakers_bps(today()) == share(CORNERS, 1_000) == 8_500
        controller.checkpoint()
        rolled = event(controller, "DayRolled")
        assert (rolled.day, rolled.used_bps, rolled.stakers_bps) == (today(), 1_000, 8_500)
        begin_day()
    assert (controller.used_bps(today()), controller.stakers_bps(today())) == (0, 9_000)


@pytest.mark.parametrize("used", [0, 1, 1_500, 2_999, 3_000, 3_001, 5_000, 7_000, 8_500, 10_000])
def test_piecewise_linear(emission: Emission, used: int) -> None:
    emission.use(used)
    assert emission.controller.used_bps(today()) == used
    assert emission.controller.stakers_bps(today()) == share(CORNERS, used)


def test_a_burst_does_not_move_its_day(emission: Emission) -> None:
    controller = emission.controller
    travel_to(emission.stages[1][0] + 1_000)
    controller.checkpoint()
    begin, numerator = now(), controller.staker_numerator()
    emission.work(1_000 * CAPACITY)
    assert (controller.used_bps(today()), controller.stakers_bps(today())) == (0, 9_000)
    travel_to((today() + 1) * DAY - 1)
    assert controller.staker_numerator() - numerator == emission.integral(begin) * 9_000
    begin_day()
    # Full at most: a seventh of 10,000, rounded down.
    assert controller.used_bps(today()) == BPS // 7
    assert controller.stakers_bps(today()) == share(CORNERS, BPS // 7)


def test_time_weighted(emission: Emission) -> None:
    """Each day's work over its own capacity; the mean rounds down."""
    parts = (1_000, 0, 10_000, 2_500, 1, 0, 9_999)
    for part in parts:
        emission.use(part, days=1)
    assert emission.controller.used_bps(today()) == sum(parts) // 7
    emission.use(0, days=1)
    assert emission.controller.used_bps(today()) == sum(parts[1:]) // 7


def test_idle_days_count_as_zero(emission: Emission) -> None:
    """The first call after idle days sees the same as daily calls would have."""
    emission.use(7_000)
    for idle in range(1, 9):
        begin_day()
        assert emission.controller.used_bps(today()) == 1_000 * max(7 - idle, 0)


def test_before_and_after_the_roll(emission: Emission) -> None:
    """Views answer the same whether the day has had its first call or not."""
    emission.use(5_000, days=3)
    controller, worked = emission.controller, today() - 1
    travel_to(now() + STAGE_SECONDS)
    views = ("used_bps", "stakers_bps", "pool", "work")
    before = [getattr(controller, view)(day) for view in views for day in (worked, today())]
    numerator, emitted = controller.staker_numerator(), controller.emitted()
    controller.checkpoint()
    after = [getattr(controller, view)(day) for view in views for day in (worked, today())]
    assert before == after
    assert (numerator, emitted) == (controller.staker_numerator(), controller.emitted())


def test_the_past_is_kept_for_days_with_work(emission: Emission) -> None:
    emission.use(7_000, days=2)
    first, second, idle = today() - 2, today() - 1, today()
    begin_day(30)
    emission.controller.checkpoint()
    seen = [emission.controller.used_bps(day) for day in (first, second, idle)]
    assert seen == [0, 1_000, 0]
    seen = [emission.controller.stakers_bps(day) for day in (first, second, idle)]
    assert seen == [9_000, 8_500, 0]
    assert emission.controller.pool(idle) == 0
