"""EmissionController.checkpoint: exact to the numerator's unit, whoever calls, however late."""

from __future__ import annotations

from typing import Any

import boa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.evm import DAY, begin_day, event, now, today, travel_to
from tests.unitary.emission_controller.conftest import (
    BPS,
    STAGE_SECONDS,
    YEAR,
    Emission,
    deploy_emission,
)

QUIET_BPS = 9_000


def logs(contract: Any, name: str) -> list[Any]:
    return [log for log in contract.get_logs() if type(log).__name__ == name]


def cold_gas(controller: Any) -> int:
    boa.env.evm.reset_access_counters()
    controller.checkpoint()
    return int(controller._computation.get_gas_used())


def test_default_behavior(emission: Emission) -> None:
    controller = emission.controller
    begin = emission.stages[0][0]
    travel_to(begin + 100)
    assert (
        controller.checkpoint(sender=emission.stranger) == 100 * emission.stages[0][1] * QUIET_BPS
    )
    assert not logs(controller, "DayRolled")
    day = begin_day()
    travel_to(now() + 77)
    expected = emission.integral(0) * QUIET_BPS
    assert controller.staker_numerator() == expected
    assert controller.checkpoint(sender=emission.stranger) == expected
    rolled = event(controller, "DayRolled")
    assert (rolled.day, rolled.used_bps, rolled.stakers_bps) == (day, 0, QUIET_BPS)
    assert controller.emitted() == emission.integral(0)


def test_within_a_day_writes_nothing(emission: Emission) -> None:
    controller = emission.controller
    begin_day()
    controller.checkpoint()
    words = [controller.eval(f"emission_book.{name}") for name in ("head", "history")]
    travel_to(now() + DAY - 1)
    controller.checkpoint()
    assert not logs(controller, "DayRolled")
    assert words == [controller.eval(f"emission_book.{name}") for name in ("head", "history")]


def test_nothing_before_the_first_stage(emission: Emission) -> None:
    travel_to(emission.stages[0][0])
    assert emission.controller.checkpoint() == 0
    travel_to(now() + 1)
    assert emission.controller.checkpoint() == emission.stages[0][1] * QUIET_BPS


def test_every_boundary(emission: Emission) -> None:
    """One second before, at and after each boundary, read and written."""
    controller = emission.controller
    for start, _ in emission.stages:
        for offset in (-1, 0, 1):
            travel_to(start + offset)
            assert controller.staker_numerator() == emission.integral(0) * QUIET_BPS
            with boa.env.anchor():
                assert controller.checkpoint() == emission.integral(0) * QUIET_BPS
                travel_to(now() + STAGE_SECONDS)
                assert controller.checkpoint() == emission.integral(0) * QUIET_BPS


@pytest.mark.parametrize("years", [1, 10, 100])
def test_after_idle_years(emission: Emission, years: int) -> None:
    emission.work(10**12)
    burst = emission.day_integral(today()) * QUIET_BPS
    after = (today() + 1) * DAY
    travel_to(now() + years * YEAR)
    # The full day lowers seven days' shares: 14,28 % is on the first line, 0.05 bps a bps.
    share = QUIET_BPS - 1_500 * 1_428 // 3_000
    week = after + 7 * DAY
    expected = burst + emission.integral(after, week) * share + emission.integral(week) * QUIET_BPS
    assert emission.controller.staker_numerator() == expected
    assert emission.controller.checkpoint() == expected
    assert event(emission.controller, "DayRolled").stakers_bps == QUIET_BPS


def test_gas_of_ten_idle_years() -> None:
    """Bounded by stages and window, not by days."""
    # An environment of its own: clearing what is warm forgets snapshots.
    with boa.swap_env(boa.Env()):
        stages = [(now() + index * 200 * DAY, 10**24 - index) for index in range(16)]
        emission = deploy_emission(stages)
        emission.use(10_000)
        emission.work(1)
        travel_to(now() + 10 * YEAR)
        first, second = (cold_gas(emission.controller) for _ in range(2))
    assert 50_000 < first < 500_000
    assert 4_000 < second < 10_000


@settings(max_examples=20)
@given(gaps=st.lists(st.integers(0, 2 * STAGE_SECONDS), min_size=1, max_size=20))
def test_any_checkpoints_add_up(deployed_emission: Emission, gaps: list[int]) -> None:
    """The sum of the differences is the one integral."""
    emission = deployed_emission
    with emission.fresh():
        before, total = 0, 0
        for gap in gaps:
            travel_to(now() + gap)
            numerator = emission.controller.checkpoint()
            total += numerator - before
            before = numerator
        assert total == emission.integral(0) * QUIET_BPS
        assert emission.controller.emitted() == emission.integral(0)


@settings(max_examples=15)
@given(
    plan=st.lists(
        st.tuples(st.integers(0, 3 * DAY), st.booleans(), st.integers(0, 2 * 10**10)),
        min_size=1,
        max_size=12,
    )
)
def test_checkpoints_change_nothing(plan: list[tuple[int, bool, int]]) -> None:
    """Two controllers with the same work; one is also rolled at random."""
    with boa.env.anchor():
        emission, other = deploy_emission(), deploy_emission()
        days = set()
        for gap, with_work, work in plan:
            travel_to(now() + gap)
            if with_work:
                emission.work(work)
                other.work(work)
                days.add(today())
            else:
                emission.controller.checkpoint()
        left, right = emission.controller, other.controller
        assert left.staker_numerator() == right.staker_numerator()
        assert left.emitted() == right.emitted() == emission.integral(0)
        for day in [*days, today()]:
            for view in ("work", "used_bps", "stakers_bps", "pool"):
                assert getattr(left, view)(day) == getattr(right, view)(day), view
            assert left.work_reward(emission.provider, day) == right.work_reward(
                other.provider, day
            )


def test_stakers_and_providers_share_all(emission: Emission) -> None:
    """With work every day, the stakers' part and the pools are the whole integral."""
    emission.use(4_321, 9)
    controller = emission.controller
    emission.work(1)
    days = range(emission.stages[0][0] // DAY, today() + 1)
    travel_to(now() + 12_345)
    pools = sum(controller.pool(day) for day in days)
    assert pools + controller.staker_numerator() == emission.integral(0) * BPS
