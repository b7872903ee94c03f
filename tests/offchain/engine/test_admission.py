"""Requests that the engine refuses; it keeps serving."""

from __future__ import annotations

import pytest

from assay.core.errors import InputError
from assay.core.types import SamplingParams
from assay.engine.engine import Engine

SEED = bytes(32)


@pytest.mark.parametrize(
    ("prompt", "params", "code", "message"),
    [
        ([], SamplingParams(1), "empty_prompt", "at least one token"),
        ([1] * 1201, SamplingParams(1), "context_length_exceeded", "1201 tokens.*context of 1200"),
        ([1] * 1200, SamplingParams(1), "context_length_exceeded", "1200 prompt.*context of 1200"),
        ([1] * 100, SamplingParams(1101), "context_length_exceeded", "up to 1101.*of 1200"),
        ([1, 1100], SamplingParams(1), "unknown_token", r"token 1100 at position 1.*0\.\.1099"),
        ([-1], SamplingParams(1), "unknown_token", "token -1 at position 0"),
        ([1], SamplingParams(0), "invalid_max_tokens", "max_tokens is 0"),
        ([1], SamplingParams(-5), "invalid_max_tokens", "max_tokens is -5"),
        ([1], SamplingParams(1, -1, SEED), "temperature", "inv_temperature is -1"),
        ([1], SamplingParams(1, 16383, SEED), "temperature", "16384 to 1310720"),
        ([1], SamplingParams(1, 1310721, SEED), "temperature", "inv_temperature is 1310721"),
        ([1], SamplingParams(1, 65536, b"short"), "invalid_seed", "5 bytes.*32"),
    ],
)
def test_refuses(
    random_engine: Engine, prompt: list[int], params: SamplingParams, code: str, message: str
) -> None:
    before = list(random_engine.generate([3], SamplingParams(3)))
    batch = random_engine.batch(1)
    for refuse in (random_engine.generate, batch.add):
        with pytest.raises(InputError, match=message) as caught:
            refuse(prompt, params)
        assert caught.value.code == code and caught.value.status == 400
    assert len(batch) == 0 and not batch.full
    assert list(random_engine.generate([3], SamplingParams(3))) == before


def test_refuses_beyond_its_slots(random_engine: Engine) -> None:
    batch = random_engine.batch(2)
    first = batch.add([1], SamplingParams(5))
    batch.add([2], SamplingParams(5))
    with pytest.raises(InputError, match="all 2 slots are taken") as caught:
        batch.add([3], SamplingParams(5))
    assert caught.value.status == 503
    batch.cancel(first)
    batch.cancel(first)
    batch.add([3], SamplingParams(5))
    assert len(batch) == 2


def test_verification_refuses_bad_questions(random_engine: Engine) -> None:
    with pytest.raises(InputError, match="the prompt is empty"):
        random_engine.first_wrong_token([], [1], SamplingParams(1))
    with pytest.raises(InputError, match="inv_temperature is 5"):
        random_engine.first_wrong_token([1], [1], SamplingParams(1, 5))


def test_a_full_context_is_served(random_engine: Engine) -> None:
    context = random_engine.shape.context
    output = list(random_engine.generate([7] * (context - 2), SamplingParams(2)))
    assert 1 <= len(output) <= 2


def test_logits_refuse_bad_tokens(random_engine: Engine) -> None:
    with pytest.raises(InputError, match="outside the vocabulary"):
        random_engine.logits([1, 10**6])
