"""EmissionController.set_daily_capacity: tomorrow's, at most twice or half, every second day."""

from __future__ import annotations

import pytest

from tests.support.economy import CAPACITY
from tests.support.evm import DAY, begin_day, event, now, reverts, today, travel_to
from tests.unitary.emission_controller.conftest import BPS, Emission


def set_capacity(emission: Emission, capacity: int) -> None:
    emission.controller.set_daily_capacity(capacity, sender=emission.owner)


def seen(emission: Emission) -> list[int]:
    """Yesterday's, today's and tomorrow's."""
    return [emission.controller.daily_capacity(today() + offset) for offset in (-1, 0, 1)]


def test_default_behavior(emission: Emission) -> None:
    set_capacity(emission, 2 * CAPACITY)
    changed = event(emission.controller, "DailyCapacitySet")
    assert (changed.from_day, changed.capacity_usd_micro) == (today() + 1, 2 * CAPACITY)
    assert seen(emission) == [CAPACITY, CAPACITY, 2 * CAPACITY]
    travel_to((today() + 1) * DAY - 1)
    assert seen(emission) == [CAPACITY, CAPACITY, 2 * CAPACITY]
    travel_to(now() + 1)
    assert seen(emission) == [CAPACITY, 2 * CAPACITY, 2 * CAPACITY]
    begin_day()
    assert seen(emission) == [2 * CAPACITY] * 3


def test_as_often_as_allowed(emission: Emission) -> None:
    """Three changes, each as soon as it may be: yesterday's is right all the time."""
    history = {today() - 1: CAPACITY, today(): CAPACITY}
    capacity = CAPACITY
    for factor in (2, 2, 1):
        capacity = capacity * factor // (1 if factor == 2 else 2)
        set_capacity(emission, capacity)
        history[today() + 1] = capacity
        for _ in range(2):
            assert seen(emission) == [history[today() + offset] for offset in (-1, 0, 1)]
            history[begin_day() + 1] = capacity
    assert seen(emission) == [history[today() + offset] for offset in (-1, 0, 1)]


def test_utilisation_of_each_day(emission: Emission) -> None:
    """A day's work counts against that day's capacity."""
    emission.work(CAPACITY // 2)
    set_capacity(emission, 2 * CAPACITY)
    begin_day()
    assert emission.controller.used_bps(today()) == 5_000 // 7
    emission.work(CAPACITY // 2)
    begin_day()
    assert emission.controller.used_bps(today()) == (5_000 + 2_500) // 7


def test_a_late_roll_uses_the_old_capacity(emission: Emission) -> None:
    """The day of the change is closed with its own capacity, however late."""
    emission.work(CAPACITY)
    set_capacity(emission, 2 * CAPACITY)
    begin_day(3)
    assert emission.controller.used_bps(today()) == BPS // 7
    set_capacity(emission, CAPACITY)
    begin_day(1)
    assert emission.controller.used_bps(today()) == BPS // 7


@pytest.mark.parametrize("capacity", [2 * CAPACITY, CAPACITY // 2])
def test_at_most_twice_or_half(emission: Emission, capacity: int) -> None:
    beyond = capacity + 1 if capacity > CAPACITY else capacity - 1
    reason = "more than doubled" if capacity > CAPACITY else "less than halved"
    with reverts(f"capacity: {reason}"):
        set_capacity(emission, beyond)
    set_capacity(emission, capacity)


def test_revert_changed_within_two_days(emission: Emission) -> None:
    set_capacity(emission, CAPACITY + 1)
    for gap in (0, 1):
        if gap:
            begin_day()
        with reverts("capacity: changed within two days"):
            set_capacity(emission, CAPACITY)
    travel_to((today() + 1) * DAY - 1)
    with reverts("capacity: changed within two days"):
        set_capacity(emission, CAPACITY)
    travel_to(now() + 1)
    set_capacity(emission, CAPACITY)


def test_revert_out_of_bounds(emission: Emission) -> None:
    for capacity, reason in ((10**6 - 1, "too small"), (10**15 + 1, "too large")):
        with reverts(f"capacity: {reason}"):
            set_capacity(emission, capacity)


@pytest.mark.parametrize("bound", [10**6, 10**15])
def test_up_to_the_bounds(emission: Emission, bound: int) -> None:
    capacity = CAPACITY
    while capacity != bound:
        capacity = max(-(-capacity // 2), bound) if bound < CAPACITY else min(capacity * 2, bound)
        set_capacity(emission, capacity)
        begin_day(2)
    assert seen(emission) == [bound] * 3


def test_revert_not_the_owner(emission: Emission) -> None:
    for caller in (emission.deployer, emission.stranger):
        with reverts("ownable: caller is not the owner"):
            emission.controller.set_daily_capacity(CAPACITY, sender=caller)
