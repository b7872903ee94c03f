"""Circuit breakers, and what the router learns from attempts. Time is a test's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from assay.core.errors import InputError
from assay.gateway.routing.breaker import (
    FAILURES,
    MAX_PAUSE_SECONDS,
    PAUSE_SECONDS,
    PROBE_SECONDS,
    UNSTABLE_SECONDS,
    Breaker,
)
from assay.gateway.routing.catalogue import Catalogue
from assay.gateway.routing.choice import Demand
from assay.gateway.routing.measures import FORGET_SECONDS, WEIGHT, Measures, Speed
from assay.gateway.routing.preferences import ANY
from assay.gateway.routing.router import NoProvider, Router
from tests.offchain.gateway.offers import Clock, offer

DEMAND = Demand((1,), 5)


def opened() -> Breaker:
    breaker = Breaker()
    for _ in range(FAILURES):
        assert breaker.enter(0.0)
        breaker.failed(0.0)
    return breaker


def test_failures_in_a_row_open_it() -> None:
    breaker = opened()
    assert not breaker.enter(PAUSE_SECONDS - 0.01)
    assert breaker.enter(PAUSE_SECONDS)


def test_a_success_in_between_keeps_it_closed() -> None:
    breaker = Breaker()
    for _ in range(3 * FAILURES):
        breaker.failed(0.0)
        breaker.succeeded()
        assert breaker.enter(0.0)


def test_half_open_lets_one_probe_pass() -> None:
    breaker = opened()
    assert breaker.enter(PAUSE_SECONDS)
    assert not breaker.enter(PAUSE_SECONDS + PROBE_SECONDS - 0.01)
    breaker.succeeded()
    assert breaker.enter(PAUSE_SECONDS) and breaker.enter(PAUSE_SECONDS)


def test_a_probe_that_is_called_off_or_lost_lets_another_pass() -> None:
    breaker = opened()
    assert breaker.enter(PAUSE_SECONDS)
    breaker.leave()
    assert breaker.enter(PAUSE_SECONDS)
    assert breaker.enter(PAUSE_SECONDS + PROBE_SECONDS)


def test_pauses_double_up_to_a_limit() -> None:
    breaker, now, pauses = opened(), 0.0, []
    for _ in range(12):
        pauses.append(breaker.open_until - now)
        now = breaker.open_until
        assert breaker.enter(now)
        breaker.failed(now)
    doubled = [min(PAUSE_SECONDS * 2**n, MAX_PAUSE_SECONDS) for n in range(12)]
    assert pauses == doubled and pauses[-1] == MAX_PAUSE_SECONDS


def test_failures_of_requests_that_were_on_their_way_lengthen_no_pause() -> None:
    breaker = opened()
    breaker.failed(PAUSE_SECONDS / 2)
    assert breaker.open_until == PAUSE_SECONDS


def test_unstable_for_a_while() -> None:
    breaker = Breaker()
    assert breaker.stable(0.0)
    breaker.failed(0.0)
    breaker.succeeded()
    assert not breaker.stable(UNSTABLE_SECONDS)
    assert breaker.stable(UNSTABLE_SECONDS + 0.01)


def test_moving_averages_of_what_was_measured() -> None:
    measures, key = Measures(), ("url", "m")
    assert measures.speed(key, 0.0) == Speed(None, None)
    measures.first_token(key, 1.0, 0.0)
    measures.first_token(key, 2.0, 1.0)
    measures.answered(key, 1, 5.0, 1.0)  # a single token says nothing of throughput
    assert measures.speed(key, 1.0) == Speed(pytest.approx(1.0 + WEIGHT), None)
    measures.answered(key, 11, 2.0, 1.0)
    assert measures.speed(key, 1.0).throughput == 5.0
    assert measures.speed(key, 1.1 + FORGET_SECONDS) == Speed(None, None)


def router(clock: Clock, *names: str) -> Router:
    found = Router(Catalogue(100, 100), clock=clock, draw=lambda: bytes(16))
    for name in names:
        found.catalogue.update(f"http://{name}", [offer(name)], 0.0)
    return found


def test_who_fails_is_passed_over_until_its_pause_is_over() -> None:
    clock = Clock()
    found = router(clock, "a", "b")
    offers = found.suited("m", ANY)
    for _ in range(FAILURES):
        attempt = found.attempt(offers[0])
        assert attempt is not None
        attempt.failed()
    assert [o.address for o in found.ranked(offers, ANY, DEMAND)] == ["b"]
    clock.now = PAUSE_SECONDS
    assert [o.address for o in found.ranked(offers, ANY, DEMAND)] == ["b", "a"]
    probe = found.attempt(offers[0])
    assert probe is not None and found.attempt(offers[0]) is None
    probe.first_token()
    probe.answered(3)
    assert found.attempt(offers[0]) is not None


def test_revert_all_are_paused() -> None:
    found = router(Clock(), "a")
    (only,) = found.suited("m", ANY)
    for _ in range(FAILURES):
        attempt = found.attempt(only)
        assert attempt is not None
        attempt.failed()
    with pytest.raises(NoProvider) as caught:
        found.ranked([only], ANY, DEMAND)
    assert (caught.value.code, caught.value.status) == ("no_provider", 503)


def test_work_that_can_wait_goes_where_there_is_room_at_the_price_of_now() -> None:
    """A quarter of what runs at once is kept free, whoever has filled the rest."""
    found = router(Clock(), "a")
    wide = replace(offer("b", price=8), capacity=4, running=2, batch_discount_bps=2_500)
    found.catalogue.update("http://b", [wide], 0.0)
    found.catalogue.update("http://a", [offer("a", running=1)], 0.0)

    def idle(limit: int | None = None) -> list[tuple[str, int]]:
        offers = found.idle("m", bytes(32), replace(ANY, max_input=limit))
        return [(o.address, o.price_input) for o in offers]

    assert idle(6) == [("b", 6)]
    assert found.idle("m", bytes([1]) * 32, ANY) == []
    attempts = [found.attempt(wide) for _ in range(3)]
    assert len(attempts) == 3 and idle() == []
    attempts.clear()
    found.catalogue.update("http://b", [replace(wide, price_input=9)], 0.0)
    assert idle() == [("b", 7)]
    with pytest.raises(InputError, match=r"provider\.max_price"):
        idle(6)  # it costs more than when it was asked


def test_an_attempt_measures_and_counts_itself() -> None:
    clock = Clock()
    found = router(clock, "a")
    (only,) = found.suited("m", ANY)
    attempt = found.attempt(only)
    assert attempt is not None and found.measures.in_flight(only.url) == 1
    clock.now = 0.5
    attempt.first_token()
    clock.now = 2.5
    attempt.answered(5)
    attempt.close()
    assert found.measures.in_flight(only.url) == 0
    assert found.measures.speed((only.url, "m"), clock.now) == Speed(0.5, 2.0)


def test_an_attempt_that_nobody_follows_ends() -> None:
    found = router(Clock(), "a")
    (only,) = found.suited("m", ANY)
    attempt = found.attempt(only)
    assert found.measures.in_flight(only.url) == 1
    del attempt
    assert found.measures.in_flight(only.url) == 0
