"""EmissionController.reward_work: each provider's part of a day's pool, once."""

from __future__ import annotations

import boa
import pytest
from boa import BoaError
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.economy import CAPACITY, GENESIS
from tests.support.evm import DAY, begin_day, event, now, reverts, today, travel_to
from tests.unitary.emission_controller.conftest import (
    BPS,
    SCALE,
    STAGE_SECONDS,
    Emission,
)

MIN_USED_BPS = 100


def reward(emission: Emission, *days: int, provider: str | None = None) -> int:
    arguments = (provider or emission.provider, list(days))
    return int(emission.controller.reward_work(*arguments, sender=emission.stranger))


def pool(emission: Emission, day: int) -> int:
    return emission.day_integral(day) * (BPS - int(emission.controller.stakers_bps(day)))


def test_default_behavior(emission: Emission) -> None:
    """Three quarters and a quarter of the work; the capacity's part is below it."""
    emission.work(CAPACITY * 3 // 4)
    emission.work(CAPACITY // 4, emission.rival)
    day = today()
    begin_day()
    expected = pool(emission, day) * 3 // (4 * SCALE)
    assert emission.controller.work_reward(emission.provider, day) == expected
    assert reward(emission, day) == expected
    rewarded = event(emission.controller, "WorkRewarded")
    assert (rewarded.provider, rewarded.day) == (emission.provider, day)
    assert rewarded.amount == expected == emission.token.balanceOf(emission.provider)
    assert emission.token.balanceOf(emission.stranger) == 0
    assert reward(emission, day, provider=emission.rival) == pool(emission, day) // (4 * SCALE)
    minted = emission.controller.minted_to_providers()
    assert minted == emission.token.totalSupply() - GENESIS
    assert 0 <= pool(emission, day) // SCALE - minted <= 2


def test_the_part_of_a_day(emission: Emission) -> None:
    """The first stage begins within the day: only its seconds are in the pool."""
    emission.work(CAPACITY)
    day, rate = today(), emission.stages[0][1]
    seconds = (day + 1) * DAY - emission.stages[0][0]
    assert 0 < seconds < DAY
    begin_day()
    assert reward(emission, day) == rate * seconds * 1_000 // SCALE


def test_across_a_stage_boundary(emission: Emission) -> None:
    travel_to(emission.stages[1][0] - 1)
    emission.work(CAPACITY)
    day = today()
    assert day == emission.stages[1][0] // DAY
    begin_day(400)
    rates = emission.stages[0][1], emission.stages[1][1]
    before = emission.stages[1][0] - day * DAY
    expected = (rates[0] * before + rates[1] * (DAY - before)) * 1_000 // SCALE
    assert reward(emission, day) == expected


def test_floor_of_the_denominator(emission: Emission) -> None:
    """A micro-dollar on a quiet day takes as if 1 % of the capacity had been used."""
    begin_day()
    emission.work(1)
    day = begin_day() - 1
    least = CAPACITY * MIN_USED_BPS // BPS
    assert reward(emission, day) == pool(emission, day) // (least * SCALE)


def test_the_denominator_rounds_up(emission: Emission) -> None:
    emission.controller.set_daily_capacity(CAPACITY + 1, sender=emission.owner)
    begin_day()
    emission.work(1)
    day = begin_day() - 1
    least = CAPACITY * MIN_USED_BPS // BPS + 1
    assert reward(emission, day) == pool(emission, day) // (least * SCALE)


@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_at_the_floor(emission: Emission, offset: int) -> None:
    begin_day()
    least = CAPACITY * MIN_USED_BPS // BPS
    emission.work(least + offset)
    day = begin_day() - 1
    expected = pool(emission, day) * (least + offset) // (max(least, least + offset) * SCALE)
    assert reward(emission, day) == expected


def test_usual_work_is_the_denominator(emission: Emission) -> None:
    """After a week at 50 %, a day at 5 % earns a tenth of its pool; the rest is never minted."""
    emission.use(5_000)
    emission.work(CAPACITY // 20)
    day = begin_day() - 1
    assert emission.controller.used_bps(day) == 5_000
    assert reward(emission, day) == pool(emission, day) // (10 * SCALE)


def test_the_capacity_of_its_day(emission: Emission) -> None:
    """The denominator looks at the day's capacity, whatever it has become."""
    begin_day()
    emission.controller.set_daily_capacity(2 * CAPACITY, sender=emission.owner)
    emission.work(1)
    begin_day()
    emission.work(1)
    begin_day()
    emission.controller.set_daily_capacity(4 * CAPACITY, sender=emission.owner)
    day = begin_day(5)
    least = CAPACITY * MIN_USED_BPS // BPS
    first, second = day - 7, day - 6
    assert reward(emission, first) == pool(emission, first) // (least * SCALE)
    assert reward(emission, second) == pool(emission, second) // (2 * least * SCALE)


def test_twice_yields_nothing(emission: Emission) -> None:
    emission.work(CAPACITY)
    day = begin_day() - 1
    amount = emission.controller.work_reward(emission.provider, day)
    assert reward(emission, day, day) == amount > 0
    assert reward(emission, day) == 0
    assert emission.controller.work_reward(emission.provider, day) == 0
    assert emission.token.balanceOf(emission.provider) == amount
    assert emission.controller.work(day) == CAPACITY


def test_no_work_yields_nothing(emission: Emission) -> None:
    emission.work(CAPACITY, emission.rival)
    day = begin_day() - 1
    assert reward(emission, 0, day - 1, day) == 0
    assert emission.token.totalSupply() == GENESIS
    assert not [log for log in emission.controller.get_logs() if "Work" in type(log).__name__]


def test_64_days_at_once(emission: Emission) -> None:
    worked = []
    for _ in range(64):
        emission.work(CAPACITY // 3)
        worked.append(begin_day() - 1)
    expected = [emission.controller.work_reward(emission.provider, day) for day in worked]
    assert reward(emission, *worked) == sum(expected)
    assert len(emission.controller.get_logs()) == 64 + 1 + 1
    assert emission.controller._computation.get_gas_used() < 1_000_000
    with pytest.raises(BoaError, match=r"DynArray\[uint256, 64\] bounds check"):
        reward(emission, *worked, worked[0])


def test_preview_before_the_roll(emission: Emission) -> None:
    """The preview is right while no call has closed the day."""
    emission.work(CAPACITY)
    day = today()
    travel_to(now() + 3 * STAGE_SECONDS)
    preview = emission.controller.work_reward(emission.provider, day)
    assert preview == pool(emission, day) // SCALE
    assert reward(emission, day) == preview


def test_what_a_provider_gets_does_not_depend_on_when(emission: Emission) -> None:
    emission.use(2_000, days=3)
    day = today() - 1
    with boa.env.anchor():
        early = reward(emission, day)
    emission.use(9_000, days=5)
    begin_day(1_000)
    assert reward(emission, day) == early


@settings(max_examples=15)
@given(works=st.lists(st.integers(1, 3 * CAPACITY), min_size=1, max_size=6), history=st.booleans())
def test_never_more_than_the_pool(
    deployed_emission: Emission, works: list[int], history: bool
) -> None:
    emission = deployed_emission
    with emission.fresh():
        if history:
            emission.use(8_000, days=4)
        providers = [boa.env.generate_address() for _ in works]
        for provider, work in zip(providers, works, strict=True):
            emission.work(work, provider)
        day = begin_day() - 1
        amounts = [reward(emission, day, provider=provider) for provider in providers]
        used = max(emission.controller.used_bps(day), MIN_USED_BPS)
        least = max(sum(works), -(-used * CAPACITY // BPS))
        assert sum(amounts) <= pool(emission, day) // SCALE
        assert amounts == [pool(emission, day) * work // (least * SCALE) for work in works]


def test_revert_day_is_not_over(emission: Emission) -> None:
    emission.work(CAPACITY)
    for day in (today(), today() + 1, 2**255):
        with reverts("emissions: day is not over"):
            reward(emission, day)
    travel_to((today() + 1) * DAY - 1)
    with reverts("emissions: day is not over"):
        reward(emission, today())


def test_revert_above_the_providers_part(emission: Emission) -> None:
    """Only a fault elsewhere comes here: the providers' part bounds all that they get."""
    emission.use(5_000, days=2)
    day = today() - 1
    # The head as today began: all that days before it have emitted.
    part = emission.controller.emitted() * BPS - emission.controller.staker_numerator()
    amount = emission.controller.work_reward(emission.provider, day)
    spent = part // SCALE - amount
    emission.controller.eval(f"self.minted_to_providers = {spent + 1}")
    with reverts("emissions: above the providers' part"):
        reward(emission, day)
    emission.controller.eval(f"self.minted_to_providers = {spent}")
    assert reward(emission, day) == amount
