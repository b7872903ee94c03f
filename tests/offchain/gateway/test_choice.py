"""The order in which providers are tried: shares by weight, affinity, load, and the sorts."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from assay.gateway.routing.choice import (
    CONVICTION,
    LEAST_BOND,
    LEAST_SPEED,
    PREFIX_TOKENS,
    Candidate,
    Demand,
    ranked,
    weights,
)
from assay.gateway.routing.measures import Speed
from assay.gateway.routing.preferences import ANY, Preferences
from tests.offchain.gateway.offers import offer

SHORT = Demand((1, 2, 3), 10)
DRAWS = 4_000


def candidate(name: str, price: int = 10, **fields: Any) -> Candidate:
    return Candidate(offer(name, price), **fields)


def order(
    candidates: Sequence[Candidate], wishes: Preferences = ANY, demand: Demand = SHORT
) -> list[str]:
    draw = random.Random(7).randbytes
    return [o.address for o in ranked(candidates, wishes, demand, lambda: draw(16))]


def shares(candidates: Sequence[Candidate], prompts: int = 0) -> dict[str, float]:
    """How often each is first, over random draws or over prompts that begin differently."""
    source = random.Random(11)
    first: Counter[str] = Counter()
    for number in range(prompts or DRAWS):
        prompt = [number] * PREFIX_TOKENS if prompts else [1]
        found = ranked(candidates, ANY, Demand(prompt, 10), lambda: source.randbytes(16))
        first[found[0].address] += 1
    return {name: count / (prompts or DRAWS) for name, count in first.items()}


@pytest.mark.parametrize("prompts", [0, DRAWS])
def test_the_share_falls_with_the_square_of_the_price(prompts: int) -> None:
    """1 : 1/4 : 1/9, as OpenRouter documents it; within four standard deviations."""
    found = shares([candidate("a", 10), candidate("b", 20), candidate("c", 30)], prompts)
    for name, weight in (("a", 36), ("b", 9), ("c", 4)):
        expected = weight / 49
        assert found[name] == pytest.approx(
            expected, abs=4 * (expected * (1 - expected) / DRAWS) ** 0.5
        )


def test_prompts_that_begin_alike_go_to_one_provider() -> None:
    candidates = [candidate(name) for name in "abcdef"]
    prefix = list(range(PREFIX_TOKENS))
    found = {tuple(order(candidates, demand=Demand([*prefix, n], 9))) for n in range(20)}
    assert len(found) == 1


def test_who_leaves_moves_only_its_own_prompts() -> None:
    candidates = [candidate(name) for name in "abcdef"]
    for number in range(200):
        demand = Demand([number] * PREFIX_TOKENS, 9)
        before = order(candidates, demand=demand)
        after = order([c for c in candidates if c.offer.address != "c"], demand=demand)
        assert after == [name for name in before if name != "c"]


def test_the_busy_and_the_unstable_come_last() -> None:
    found = order(
        [
            candidate("unstable", price=1, stable=False),
            candidate("busy", price=2, running=20),
            candidate("a", price=50, running=1),
            candidate("b", price=50),
        ]
    )
    assert set(found[:2]) == {"a", "b"}
    assert found[2:] == ["busy", "unstable"]


def test_weights_of_speed_bond_and_record() -> None:
    fast, slow = Speed(0.1, 100.0), Speed(10.0, 1.0)
    plain, *others = weights(
        [
            candidate("a", speed=fast, bond=100),
            candidate("slow", speed=slow, bond=100),
            candidate("unmeasured", bond=100),
            candidate("poor", speed=fast, bond=0),
            candidate("unread", speed=fast),
            candidate("convicted", speed=fast, bond=100, convictions=2),
        ],
        SHORT,
    )
    expected = [LEAST_SPEED, 1.0, LEAST_BOND, 1.0, CONVICTION**2]
    assert [other / plain for other in others] == pytest.approx(expected)


def test_a_free_provider_divides_by_nothing() -> None:
    assert order([candidate("a", 10**6), candidate("free", 0)])[0] == "free"


SORTED = [
    candidate("a", 30, speed=Speed(0.1, 5.0)),
    candidate("b", 20, speed=Speed(0.3, 50.0)),
    candidate("c", 10, speed=Speed(0.2, None)),
    candidate("d", 25),
    candidate("e", 1, speed=Speed(0.0, 99.0), stable=False),
]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [("price", "cbdae"), ("latency", "acbde"), ("throughput", "bacde")],
)
def test_sorts(sort: Any, expected: str) -> None:
    assert "".join(order(SORTED, Preferences(sort=sort))) == expected


@pytest.mark.parametrize(
    ("wishes", "expected"),
    [
        ({"order": ("d", "x", "a")}, "dacbe"),
        ({"order": ("d", "a"), "allow_fallbacks": False}, "da"),
        ({"allow_fallbacks": False}, "c"),
    ],
)
def test_an_order_and_fallbacks(wishes: dict[str, Any], expected: str) -> None:
    assert "".join(order(SORTED, Preferences(sort="price", **wishes))) == expected


def test_one_of_two_models_at_an_address_is_no_other() -> None:
    """Two offers of one provider, as when it moves to another URL, are both tried."""
    both = [Candidate(offer("a")), Candidate(offer("a", url="http://other"))]
    found = ranked(both, Preferences(order=("a",)), SHORT, lambda: bytes(16))
    assert len(found) == 2
