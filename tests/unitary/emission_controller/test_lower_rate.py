"""EmissionController.lower_rate: from this second on, the past to the unit as it was."""

from __future__ import annotations

import pytest

from tests.support.economy import CAPACITY, RATES
from tests.support.evm import DAY, begin_day, event, now, reverts, travel_to
from tests.unitary.emission_controller.conftest import (
    HOUR,
    SCALE,
    STAGE_SECONDS,
    Emission,
)


def lower(emission: Emission, stage: int, rate: int) -> None:
    emission.controller.lower_rate(stage, rate, sender=emission.owner)


def test_default_behavior(emission: Emission) -> None:
    """In the middle of a day in the middle of a stage, never checkpointed before."""
    controller = emission.controller
    travel_to(emission.stages[0][0] + DAY + 4_321)
    before = emission.integral(0)
    lower(emission, 0, RATES[0] // 3)
    lowered = event(controller, "RateLowered")
    assert lowered.stage == 0
    assert (lowered.old_rate_per_year, lowered.new_rate_per_year) == (RATES[0], RATES[0] // 3)
    assert tuple(controller.stage(0)) == (emission.stages[0][0], RATES[0] // 3)
    assert controller.staker_numerator() == before * 9_000
    travel_to(now() + 100)
    assert controller.staker_numerator() == (before + 100 * (RATES[0] // 3)) * 9_000
    assert controller.emitted() == before + 100 * (RATES[0] // 3)
    travel_to(emission.stages[1][0] + 5)
    rest = emission.stages[1][0] - emission.stages[0][0] - DAY - 4_321
    assert controller.emitted() == before + rest * (RATES[0] // 3) + 5 * RATES[1]


def test_pool_of_the_day(emission: Emission) -> None:
    """Lowered twice within a day with work: the pool has all three pieces."""
    controller = emission.controller
    day = begin_day()
    emission.work(CAPACITY)
    travel_to(now() + 5 * HOUR)
    lower(emission, 0, 2 * SCALE)
    assert controller.pool(day) == 5 * HOUR * RATES[0] * 1_000
    travel_to(now() + 7 * HOUR)
    lower(emission, 0, SCALE)
    travel_to(now() + 1)
    pieces = 5 * HOUR * RATES[0] + 7 * HOUR * 2 * SCALE
    assert controller.pool(day) == (pieces + SCALE) * 1_000
    begin_day(3)
    expected = (pieces + 12 * HOUR * SCALE) * 1_000
    assert controller.pool(day) == expected
    assert controller.work_reward(emission.provider, day) == expected // SCALE
    assert controller.reward_work(emission.provider, [day]) == expected // SCALE
    assert controller.pool(day) == expected


def test_before_any_work_of_the_day(emission: Emission) -> None:
    controller = emission.controller
    day = begin_day()
    travel_to(now() + HOUR)
    lower(emission, 0, 0)
    emission.work(1)
    assert controller.work(day) == 1
    begin_day()
    assert controller.pool(day) == HOUR * RATES[0] * 1_000
    assert controller.used_bps(day) == 0


def test_a_later_stage(emission: Emission) -> None:
    travel_to(now() + DAY)
    lower(emission, 4, 7)
    assert emission.controller.emitted() == emission.integral(0)
    emission.stages[4:5] = [(emission.stages[4][0], 7)]
    try:
        travel_to(now() + 20 * STAGE_SECONDS)
        assert emission.controller.emitted() == emission.integral(0)
        assert emission.controller.scheduled(0, now()) == emission.integral(0)
    finally:
        emission.stages[4:5] = [(emission.stages[4][0], RATES[4])]


def test_to_nothing(emission: Emission) -> None:
    """Every stage at zero: the emission has ended, and what was emitted stays."""
    travel_to(emission.stages[2][0] + 1)
    for index in range(2, len(RATES)):
        lower(emission, index, 0)
    emitted = emission.controller.emitted()
    assert emitted == emission.integral(0)
    travel_to(now() + 1_000 * DAY)
    assert emission.controller.emitted() == emitted
    with reverts("schedule: rate not lower"):
        lower(emission, 8, 0)


def test_the_last_second_of_a_stage(emission: Emission) -> None:
    travel_to(emission.stages[1][0] - 1)
    lower(emission, 0, 1)
    travel_to(now() + 1)
    assert emission.controller.emitted() == emission.integral(0, now() - 1) + 1
    with reverts("schedule: stage is over"):
        lower(emission, 0, 0)


@pytest.mark.parametrize("rate", [RATES[0], RATES[0] + 1, 2**256 - 1])
def test_revert_rate_not_lower(emission: Emission, rate: int) -> None:
    with reverts("schedule: rate not lower"):
        lower(emission, 0, rate)


def test_revert_no_such_stage(emission: Emission) -> None:
    for index in (len(RATES), 2**255):
        with reverts("schedule: no such stage"):
            lower(emission, index, 0)


def test_revert_not_the_owner(emission: Emission) -> None:
    for caller in (emission.deployer, emission.stranger):
        with reverts("ownable: caller is not the owner"):
            emission.controller.lower_rate(0, 1, sender=caller)


def test_a_day_without_work_pays_nothing(emission: Emission) -> None:
    """What is put aside on a day without work is no part of a later day's pool."""
    day = begin_day()
    travel_to(now() + HOUR)
    lower(emission, 0, SCALE)
    begin_day()
    emission.work(CAPACITY)
    begin_day()
    assert emission.controller.work_reward(emission.provider, day) == 0
    whole = emission.controller.scheduled((day + 1) * DAY, (day + 2) * DAY)
    assert emission.controller.pool(day + 1) == whole * 1_000
