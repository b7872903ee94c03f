"""EmissionController: constructor."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.economy import CAPACITY, CORNERS, RATES
from tests.support.evm import deployer, now, reverts, today, travel_to
from tests.support.market import NO_CODE
from tests.unitary.emission_controller.conftest import BPS, HOUR, Emission

ZERO = "0x" + "00" * 20
END_OF_TIME = 2**36 - 1
MAX_RATE = 10**26
FLAT = [(0, 9_000), (10_000, 9_000)]


def deploy(emission: Emission, **changes: Any) -> Any:
    arguments = {
        "token": emission.token,
        "owner": emission.owner,
        "stages": [(now(), 1), (now() + 1, 2)],
        "corners": CORNERS,
        "capacity": CAPACITY,
        **changes,
    }
    return deployer("emissions/EmissionController")(*arguments.values())


def test_default_behavior(emission: Emission) -> None:
    controller = emission.controller
    assert controller.owner() == emission.owner
    assert controller.token() == emission.token.address
    assert controller.stage_count() == len(RATES)
    stages = [tuple(controller.stage(index)) for index in range(len(RATES))]
    assert stages == emission.stages
    assert [tuple(corner) for corner in controller.corners()] == list(CORNERS)
    assert controller.daily_capacity(today()) == controller.daily_capacity(today() + 9) == CAPACITY
    assert (controller.used_bps(today()), controller.stakers_bps(today())) == (0, 9_000)
    assert (controller.minted_to_stakers(), controller.minted_to_providers()) == (0, 0)


def test_no_such_stage(emission: Emission) -> None:
    with reverts("schedule: no such stage"):
        emission.controller.stage(len(RATES))


def test_one_stage_and_sixteen(emission: Emission) -> None:
    for count in (1, 16):
        stages = [(now() + 2 * index, count - index) for index in range(count)]
        controller = deploy(emission, stages=stages, corners=FLAT)
        assert controller.stage_count() == count
        assert controller.scheduled(now(), now() + 32) == sum(
            2 * (count - index) for index in range(count)
        ) + (32 - 2 * count)


def test_bounds(emission: Emission) -> None:
    """The largest rate, for the longest time, with the least and the largest capacity."""
    stages = [(now(), MAX_RATE)]
    for capacity in (10**6, 10**15):
        controller = deploy(emission, stages=stages, capacity=capacity)
        assert controller.scheduled(0, END_OF_TIME - 1) == MAX_RATE * (END_OF_TIME - 1 - now())
    begin = now()
    travel_to(END_OF_TIME - 1)
    controller.checkpoint()
    assert controller.emitted() == MAX_RATE * (now() - begin)
    assert controller.staker_numerator() == controller.emitted() * 9_000
    with reverts("schedule: time too late"):
        controller.scheduled(0, END_OF_TIME)


def test_no_emission_of_the_past(emission: Emission) -> None:
    """A schedule that began before the deployment emits from the deployment on."""
    controller = deploy(emission, stages=[(now() - HOUR, 5), (now() + HOUR, 3)])
    assert controller.emitted() == 0
    travel_to(now() + 1)
    assert controller.emitted() == 5
    assert controller.staker_numerator() == 5 * 9_000


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"token": NO_CODE}, "emissions: token is not a contract"),
        ({"owner": ZERO}, "emissions: no owner"),
        ({"stages": []}, "schedule: no stages"),
        ({"stages": [(5, 1), (5, 1)]}, "schedule: starts must rise"),
        ({"stages": [(5, 1), (4, 1)]}, "schedule: starts must rise"),
        ({"stages": [(END_OF_TIME, 1)]}, "schedule: starts must rise"),
        ({"stages": [(5, 1), (END_OF_TIME + 1, 1)]}, "schedule: start too late"),
        ({"stages": [(5, MAX_RATE + 1)]}, "schedule: rate too high"),
        ({"capacity": 10**6 - 1}, "capacity: too small"),
        ({"capacity": 10**15 + 1}, "capacity: too large"),
        ({"corners": []}, "split: fewer than two corners"),
        ({"corners": [(0, 9_000)]}, "split: fewer than two corners"),
    ],
)
def test_revert_out_of_bounds(emission: Emission, changes: dict[str, Any], reason: str) -> None:
    with reverts(reason):
        deploy(emission, **changes)


def test_least_share_is_a_tenth(emission: Emission) -> None:
    controller = deploy(emission, corners=[(0, BPS), (10_000, 1_000)])
    assert controller.stakers_bps(today()) == BPS
