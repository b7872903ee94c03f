"""Which jobs a provider refuses, each by its code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from assay.core.errors import InputError
from assay.core.hashes import PROMPT_SIDE
from assay.core.tokens import TokenList
from assay.core.types import NONE, Job, Model
from assay.provider.admission import Standing, Terms, check_job, check_standing

SALT = bytes([3]) * 32
PROMPT = (1, 2, 3)
CONSUMER, PROVIDER = "0x" + "11" * 20, "0x" + "22" * 20
MODEL = Model(1, *([bytes(32)] * 5), 10, 10, 2, 100, 16, 14, 1, (0,))
TERMS = Terms(PROVIDER, bytes(32), MODEL, price_input=5, price_output=7)
STANDING = Standing(
    now=1000, signer_valid=True, funds=1000, unpaid=0, free_bond=10, slash_per_claim=10
)


def job(**changes: object) -> Job:
    good = Job(
        model_root=bytes(32),
        consumer=CONSUMER,
        provider=PROVIDER,
        prompt_root=TokenList(PROMPT, SALT, PROMPT_SIDE).root,
        prompt_tokens=3,
        max_output_tokens=13,
        inv_temperature=65536,
        seed=bytes(32),
        price_input=5,
        price_output=7,
        max_price=1,
        deadline=2000,
        data_mode=0,
        nonce=bytes(32),
    )
    return replace(good, **changes)  # type: ignore[arg-type]


def code(check: Callable[[], None]) -> str:
    with pytest.raises(InputError) as caught:
        check()
    assert 400 <= caught.value.status < 600
    return caught.value.code


def test_default_behavior() -> None:
    check_job(job(), PROMPT, SALT, TERMS)
    check_standing(job(), STANDING)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"provider": CONSUMER}, "wrong_provider"),
        ({"model_root": bytes([1]) * 32}, "model_not_found"),
        ({"data_mode": 3}, "data_mode"),
        ({"prompt_tokens": 4}, "prompt_tokens"),
        ({"prompt_root": bytes(32)}, "prompt_root"),
        ({"max_output_tokens": 14}, "context_length_exceeded"),
        ({"max_output_tokens": 0}, "context_length_exceeded"),
        ({"inv_temperature": 1}, "temperature"),
        ({"inv_temperature": 2**40}, "temperature"),
        ({"price_input": 4}, "price"),
        ({"price_output": 6}, "price"),
        ({"max_price": 0}, "max_price"),
    ],
)
def test_revert_job(changes: dict[str, object], expected: str) -> None:
    assert code(lambda: check_job(job(**changes), PROMPT, SALT, TERMS)) == expected


ENCODER = replace(MODEL, gumbel_table=NONE, eos_tokens=(), context_length=3)
EMBEDS = replace(TERMS, model=ENCODER, price_output=0)


def test_an_embedding_of_a_prompt_that_fills_the_context() -> None:
    one = job(max_output_tokens=1, price_output=0, inv_temperature=0)
    check_job(one, PROMPT, SALT, EMBEDS)


@pytest.mark.parametrize("outputs", [0, 2])
def test_revert_another_number_of_embeddings_than_one(outputs: int) -> None:
    asked = job(max_output_tokens=outputs)
    assert code(lambda: check_job(asked, PROMPT, SALT, EMBEDS)) == "max_output_tokens"


def test_revert_embedding_beyond_the_context() -> None:
    terms = replace(EMBEDS, model=replace(ENCODER, context_length=2))
    asked = job(max_output_tokens=1)
    assert code(lambda: check_job(asked, PROMPT, SALT, terms)) == "context_length_exceeded"


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [((), "prompt_tokens"), ((1, 2, 100), "unknown_token"), ((1, 2, 4), "prompt_root")],
)
def test_revert_prompt(prompt: tuple[int, ...], expected: str) -> None:
    assert code(lambda: check_job(job(), prompt, SALT, TERMS)) == expected


def test_revert_salt() -> None:
    assert code(lambda: check_job(job(), PROMPT, bytes(32), TERMS)) == "prompt_root"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"signer_valid": False}, "bad_signature"),
        ({"now": 1996}, "deadline"),
        ({"funds": 0}, "insufficient_funds"),
        ({"unpaid": 1000}, "insufficient_funds"),
        ({"free_bond": 9}, "provider_bond"),
    ],
)
def test_revert_standing(changes: dict[str, int], expected: str) -> None:
    standing = replace(STANDING, **changes)
    assert code(lambda: check_standing(job(), standing)) == expected
