"""A draft changes how many passes it takes, and no token."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from assay.core.errors import ConfigError
from assay.core.types import TEMPERATURE_ONE, SamplingParams
from assay.engine.engine import Engine
from assay.exact.model import ExactModel
from tests.support.models import SMALL, random_model

MODEL = random_model()
DRAFTS = {
    "itself": MODEL,
    "random": random_model(replace(SMALL, hidden=32, layers=1, heads=2, kv_heads=1), seed=3),
}
PROMPTS = [
    np.random.default_rng(i).integers(1, 1100, n).tolist() for i, n in enumerate((1, 60, 130))
]


def params(index: int, max_tokens: int) -> SamplingParams:
    return SamplingParams(max_tokens, (0, TEMPERATURE_ONE)[index % 2], bytes([index]) * 32)


@pytest.fixture(scope="module")
def plain() -> dict[tuple[int, int], list[int]]:
    """By prompt and parameters: what comes without a draft."""
    engine = Engine(MODEL)
    return {
        (p, i): list(engine.generate(PROMPTS[p], params(i, 25)))
        for p in range(len(PROMPTS))
        for i in range(2)
    }


@pytest.mark.parametrize("backend", ["torch", "native"])
@pytest.mark.parametrize("guesses", [1, 2, 3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize("draft", DRAFTS)
def test_tokens_are_equal(
    draft: str, guesses: int, backend: str, plain: dict[tuple[int, int], list[int]]
) -> None:
    engine = Engine(MODEL, backend=backend, draft=DRAFTS[draft], guesses=guesses)  # type: ignore[arg-type]
    for (prompt, index), expected in plain.items():
        assert list(engine.generate(PROMPTS[prompt], params(index, 25))) == expected
    counters = engine.counters
    assert counters.guessed > 0
    if draft == "itself":
        assert counters.accepted == counters.guessed or min(map(len, plain.values())) < 25
        assert counters.passes < 6 * (25 // (guesses + 1) + 3)
    else:
        assert counters.accepted < counters.guessed / 2


@pytest.mark.parametrize("draft", DRAFTS)
def test_up_to_the_end_of_the_context(draft: str) -> None:
    prompt = [5] * (MODEL.shape.context - 7)
    for index in range(2):
        expected = list(Engine(MODEL).generate(prompt, params(index, 7)))
        for guesses in (1, 4, 8):
            engine = Engine(MODEL, draft=DRAFTS[draft], guesses=guesses)
            assert list(engine.generate(prompt, params(index, 7))) == expected


@pytest.mark.parametrize("guesses", [1, 2, 3, 8])
@pytest.mark.parametrize("draft", DRAFTS)
def test_an_end_token_ends_wherever_it_falls(
    draft: str, guesses: int, plain: dict[tuple[int, int], list[int]]
) -> None:
    def ending(model: ExactModel, token: int) -> ExactModel:
        return replace(model, shape=replace(model.shape, eos_tokens=(token,)))

    output = plain[1, 1]
    for place in (0, 1, 2, 5, 9):
        end = output[place]
        engine = Engine(ending(MODEL, end), draft=ending(DRAFTS[draft], end), guesses=guesses)
        found = list(engine.generate(PROMPTS[1], params(1, 25)))
        assert found == output[: output.index(end) + 1]


def test_a_draft_that_does_not_fit_is_refused() -> None:
    small = DRAFTS["random"]
    for changed, message in (
        (replace(small, tokenizer_hash=bytes(32)), "draft random has tokenizer 0000"),
        (replace(small, shape=replace(small.shape, vocab=9)), "vocabulary 9, random has 1100"),
        (replace(small, shape=replace(small.shape, context=9)), "context of 9, random one of 1200"),
    ):
        with pytest.raises(ConfigError, match=message):
            Engine(MODEL, draft=changed)
