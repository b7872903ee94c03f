"""Levels that requests raise and time lowers, in virtual time."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.gateway.accounts.limits import Level, drained, headers, wait_seconds


@pytest.mark.parametrize(
    ("used", "wanted", "limit", "wait"),
    [
        (0.0, 1, None, 0.0),
        (0.0, 60, 60, 0.0),
        (59.0, 1, 60, 0.0),
        (60.0, 1, 60, 1.0),
        (60.0, 30, 60, 30.0),
        (0.0, 61, 60, math.inf),
    ],
)
def test_default_behavior(used: float, wanted: int, limit: int | None, wait: float) -> None:
    assert wait_seconds(used, wanted, limit) == wait


@given(
    st.integers(1, 1_000),
    st.lists(st.tuples(st.floats(0, 30), st.integers(1, 50)), min_size=1, max_size=60),
)
def test_no_window_passes_more_than_two_minutes_worth(
    limit: int, asked: list[tuple[float, int]]
) -> None:
    """What passes is at most the limit at once, and what drains while time goes by."""
    used, clock, passed = 0.0, 0.0, 0
    for pause, wanted in asked:
        clock += pause
        used = drained(used, limit, pause)
        if wait_seconds(used, wanted, limit) == 0:
            used, passed = used + wanted, passed + wanted
    assert passed <= limit + clock * limit / 60 + 1e-6


@given(st.floats(0, 1_000), st.integers(1, 100), st.integers(100, 1_000))
def test_it_passes_after_the_wait_that_was_named(used: float, wanted: int, limit: int) -> None:
    used = min(used, limit)
    wait = wait_seconds(used, wanted, limit)
    assert wait_seconds(drained(used, limit, wait + 1e-6), wanted, limit) == 0
    if wait > 1e-3:
        assert wait_seconds(drained(used, limit, wait - 1e-3), wanted, limit) > 0


def test_a_clock_that_goes_back_drains_nothing() -> None:
    assert drained(5.0, 60, -10.0) == 5.0


def test_headers_are_openais() -> None:
    assert headers("requests", Level.of(60, 15.0)) == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "45",
        "x-ratelimit-reset-requests": "15.000s",
    }
    assert headers("tokens", None) == {}
