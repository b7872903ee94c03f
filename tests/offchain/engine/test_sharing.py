"""Models side by side share the memory that there is, or are refused with numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from assay.core.errors import EnvironmentMissing
from assay.engine.engine import Engine
from assay.engine.memory import Prediction
from assay.engine.sharing import Want, share_out, want
from tests.support.models import SMALL, random_encoder, random_model

WANT = Want("a", Prediction(100, 0, 20), 10, 40, False, 2, "native")
"""120 bytes beside its cache, at least 10 positions of 2 bytes, 40 at best."""


def shares(available: int | None, *wants: Want) -> list[int]:
    return share_out(wants, lambda kind: available)


def test_what_is_left_is_shared_by_what_each_would_like() -> None:
    greedy = replace(WANT, name="b", wanted=100)
    assert shares(1_000, WANT, greedy) == [40, 100]  # more than enough
    assert shares(280 + 2 * 120, WANT, greedy) == [10 + 15, 10 + 45]  # half of 240 bytes
    assert shares(280, WANT, greedy) == [10, 10]
    assert shares(None, WANT, greedy) == [40, 100]


def test_what_is_asked_for_is_given_whole() -> None:
    fixed = replace(WANT, name="b", wanted=100, fixed=True)
    assert shares(140 + 320, WANT, fixed) == [10, 100]
    with pytest.raises(EnvironmentMissing, match="2 models need"):
        shares(140 + 319, WANT, fixed)


def test_revert_too_much_says_what_each_needs() -> None:
    with pytest.raises(EnvironmentMissing) as caught:
        shares(279, WANT, replace(WANT, name="b"))
    assert "a 0.00 (weights 0.00" in caught.value.message and "b 0.00" in caught.value.message
    assert "serve fewer models" in caught.value.message


def test_a_gpu_and_the_machine_are_shared_apart() -> None:
    on_gpu = replace(WANT, name="b", kind="triton")
    memory = {"triton": 140, "native": 1_000}
    assert share_out([WANT, on_gpu, WANT], lambda kind: memory[kind]) == [40, 10, 40]


def test_a_want_is_what_an_engine_takes() -> None:
    model = random_model(SMALL)
    wanted = want(model, "torch", slots=4, positions=None)
    alone = Engine(model, backend="torch", slots=4, positions=wanted.wanted)
    assert alone.memory is not None
    assert wanted.besides.weights == alone.memory.weights
    assert wanted.besides.working == alone.memory.working
    assert wanted.wanted * wanted.bytes_a_position >= alone.memory.cache > 0
    assert want(random_encoder(), "auto", 4, None).least > 0
