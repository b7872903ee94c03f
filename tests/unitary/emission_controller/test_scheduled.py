"""EmissionController.scheduled: the integral of the schedule over any interval."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.evm import travel_to
from tests.unitary.emission_controller.conftest import STAGE_SECONDS, Emission

OFFSETS = st.integers(-STAGE_SECONDS, 11 * STAGE_SECONDS)


def test_default_behavior(emission: Emission) -> None:
    starts = [start for start, _ in emission.stages]
    edges = [start + offset for start in starts for offset in (-1, 0, 1)]
    for begin in edges:
        for end in edges:
            expected = emission.integral(begin, end) if begin < end else 0
            assert emission.controller.scheduled(begin, end) == expected


@settings(max_examples=30)
@given(offsets=st.tuples(OFFSETS, OFFSETS, OFFSETS))
def test_adds_up(deployed_emission: Emission, offsets: tuple[int, ...]) -> None:
    first = deployed_emission.stages[0][0]
    begin, middle, end = sorted(first + offset for offset in offsets)
    whole = deployed_emission.controller.scheduled
    assert whole(begin, middle) + whole(middle, end) == whole(begin, end)
    assert whole(begin, end) == deployed_emission.integral(begin, end)


def test_equals_what_is_emitted(emission: Emission) -> None:
    begin = emission.stages[0][0]
    for seconds in (1, STAGE_SECONDS, 20 * STAGE_SECONDS):
        travel_to(begin + seconds)
        assert emission.controller.emitted() == emission.controller.scheduled(0, begin + seconds)
