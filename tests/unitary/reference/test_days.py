"""The model's emission by hand: split, pools, rewards and openings on small figures."""

from __future__ import annotations

from tests.support.reference.base import BPS, DAY, YEAR, ByDay, Clock
from tests.support.reference.emissions import SCALE, Emissions, interpolate
from tests.support.reference.staking import Past, Staking
from tests.support.reference.tokens import Token

CORNERS = ((0, 9_000), (3_000, 7_500), (7_000, 5_000), (10_000, 3_000))
RATE = YEAR * 10**18  # a token a second
CAPACITY = 10**9
MORNING = 20_000 * DAY


def emissions(stages: list[tuple[int, int]] | None = None) -> Emissions:
    stages = stages or [(MORNING, RATE)]
    return Emissions(Clock(MORNING), Token(), stages, CORNERS, CAPACITY)


def test_share_between_corners_rounds_up_for_stakers() -> None:
    assert [interpolate(CORNERS, used) for used in (0, 3_000, 7_000, 10_000)] == [
        9_000,
        7_500,
        5_000,
        3_000,
    ]
    assert interpolate(CORNERS, 1) == 9_000  # half a point is cut off what falls
    assert interpolate(CORNERS, 8_500) == 4_000


def test_a_day_of_full_work_moves_the_next_share_by_a_seventh() -> None:
    model = emissions()
    model.record_work("provider", 2 * CAPACITY)
    assert model.stakers_bps(model.clock.today) == 9_000
    model.clock.now += DAY
    assert model.used_bps(model.clock.today) == 1_428
    assert model.stakers_bps(model.clock.today) == 9_000 - 1_500 * 1_428 // 3_000
    model.clock.now += 7 * DAY
    assert model.stakers_bps(model.clock.today) == 9_000


def test_integral_over_stages_and_a_lower_rate() -> None:
    model = emissions([(MORNING, RATE), (MORNING + 100, RATE // 2), (MORNING + 300, 0)])
    model.clock.now = MORNING + 50
    model.lower_rate(0, RATE // 4)
    model.lower_rate(1, RATE // 8)
    model.clock.now = MORNING + 1_000
    assert model.emitted() == 50 * RATE + 50 * RATE // 4 + 200 * RATE // 8


def test_work_takes_its_part_of_the_pool_and_no_more_than_its_day() -> None:
    """A quarter of a quiet day's least work, which is a hundredth of capacity."""
    model = emissions()
    model.record_work("provider", CAPACITY // 400)
    day = model.clock.today
    model.clock.now += DAY
    pool = DAY * RATE * (BPS - 9_000)
    assert model.pool(day) == pool
    assert model.work_reward("provider", day) == pool // (4 * SCALE)
    assert model.reward_work("provider", [day, day]) == pool // (4 * SCALE)
    assert model.work_reward("provider", day) == 0


def test_an_opening_is_the_stake_before_the_day() -> None:
    past = Past()
    past.note(10, 5)
    past.note(10, 7)
    past.note(12, 1)
    assert [past.opening(day) for day in (10, 11, 12, 13, 99)] == [0, 7, 7, 1, 1]


def test_a_promise_is_what_was_set_for_the_day() -> None:
    promise = ByDay()
    promise.set(10, 8)
    promise.set(11, 3)
    promise.set(10, 9)
    assert [promise.on(day) for day in (9, 10, 11)] == [0, 9, 9]


def test_locked_stake_earns_four_fifths_and_nobody_the_rest() -> None:
    model = emissions()
    model.token.mint("free", 10**18)
    model.token.mint("locked", 10**18)
    staking = Staking(model.clock, "staking", model.token, model, 7 * DAY)
    staking.stake("free", "free", 10**18)
    staking.stake("locked", "locked", 10**18)
    staking.lock("locked", 10**18)
    model.clock.now += 1_000
    each = 1_000 * 10**18 * 9_000 // BPS // 2
    assert staking.claimable("free") == each
    assert staking.claimable("locked") == each * 8 // 10
