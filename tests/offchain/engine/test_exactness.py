"""One request, one answer: whatever the batch, the split, the threads, the kernel."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from assay.core.types import TEMPERATURE_ONE, SamplingParams
from assay.engine import engine as engine_module
from assay.engine.backends.torch_cpu import TorchBackend
from assay.engine.engine import Engine
from assay.engine.gemm import DigitGemm, FloatGemm, Gemm
from assay.exact import sampling
from assay.exact.model import ExactModel
from assay.trace.execute import execute
from assay.trace.program import build_program
from tests.support.models import FULL, SMALL, random_model, with_digits

GREEDY, WARM = 0, TEMPERATURE_ONE


def prompts(count: int, vocab: int, longest: int = 40) -> list[list[int]]:
    rng = np.random.default_rng(count)
    return [rng.integers(1, vocab, rng.integers(1, longest)).tolist() for _ in range(count)]


def params(index: int, max_tokens: int = 12) -> SamplingParams:
    """Greedy and warm in turn, each with its own seed."""
    return SamplingParams(max_tokens, (GREEDY, WARM)[index % 2], bytes([index]) * 32)


def reference_logits(model: ExactModel, tokens: Sequence[int]) -> np.ndarray:
    return execute(build_program(model), tokens)[-1][0]


def decode_in_batch(engine: Engine, requests: list[list[int]], slots: int) -> list[list[int]]:
    """All requests over `slots` slots: they join as others leave."""
    batch, waiting = engine.batch(slots), list(enumerate(requests))
    outputs: list[list[int]] = [[] for _ in requests]
    owner: dict[int, int] = {}
    while waiting or len(batch):
        while waiting and not batch.full:
            index, prompt = waiting.pop(0)
            owner[batch.add(prompt, params(index))] = index
        for emitted in batch.step():
            outputs[owner[emitted.request]].append(emitted.token)
    return outputs


@pytest.mark.parametrize("gemm", [DigitGemm(), FloatGemm()], ids=lambda gemm: gemm.name)
@pytest.mark.parametrize("length", [1, 2, 65, 515])
@pytest.mark.parametrize(
    "model",
    [random_model(SMALL), random_model(FULL), with_digits(random_model(FULL))],
    ids=["plain", "every feature", "8 bits in places"],
)
def test_whole_passes_equal_the_reference(gemm: Gemm, model: ExactModel, length: int) -> None:
    tokens = np.random.default_rng(length).integers(0, model.shape.vocab, length).tolist()
    found = Engine(model, backend=partial(TorchBackend, gemm=gemm)).logits(tokens)[-1]
    assert np.array_equal(found, reference_logits(model, tokens))


@pytest.mark.parametrize("length", [1, 90])
def test_the_shipped_model_equals_the_reference(shipped_engine: Engine, length: int) -> None:
    model = shipped_engine.model
    tokens = np.random.default_rng(length).integers(0, model.shape.vocab, length).tolist()
    found = shipped_engine.logits(tokens)[-1]
    assert np.array_equal(found, reference_logits(model, tokens))


def test_decode_equals_the_reference_sampler(random_engine: Engine) -> None:
    model = random_engine.model
    program = build_program(model)
    for index, prompt in enumerate(prompts(4, model.shape.vocab)):
        p = params(index, 5)
        tokens = list(prompt)
        for t, token in enumerate(random_engine.generate(prompt, p)):
            logits = execute(program, tokens)[-1][0]
            assert token == sampling.sample(
                logits, p.inv_temperature, model.logit_fraction, p.seed, t, model.gumbel
            )
            tokens.append(token)


def test_prefill_equals_decode(random_engine: Engine) -> None:
    """The logits of a prefill say what a decode chose, at every position."""
    prompt = prompts(1, random_engine.shape.vocab)[0]
    p = SamplingParams(40)
    output = list(random_engine.generate(prompt, p))
    logits = random_engine.logits([*prompt, *output[:-1]])[len(prompt) - 1 :]
    assert logits.argmax(axis=1).tolist() == output


def test_a_prefill_may_be_cut_anywhere(
    random_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = np.random.default_rng(0).integers(0, random_engine.shape.vocab, 200).tolist()
    whole = random_engine.logits(tokens)
    for rows, head in ((1, 1 << 22), (7, 1), (64, 5000), (199, 100000)):
        monkeypatch.setattr(engine_module, "PREFILL_ROWS", rows)
        monkeypatch.setattr(engine_module, "HEAD_ELEMENTS", head)
        assert np.array_equal(random_engine.logits(tokens), whole)


@pytest.mark.parametrize("slots", [7, 32])
def test_a_batch_changes_nothing(random_engine: Engine, slots: int) -> None:
    requests = prompts(40, random_engine.shape.vocab)
    alone = [list(random_engine.generate(r, params(i))) for i, r in enumerate(requests)]
    assert decode_in_batch(random_engine, requests, slots) == alone


def test_a_batch_of_the_shipped_model_changes_nothing(shipped_engine: Engine) -> None:
    requests = prompts(9, shipped_engine.shape.vocab)
    alone = [list(shipped_engine.generate(r, params(i))) for i, r in enumerate(requests)]
    assert decode_in_batch(shipped_engine, requests, 7) == alone


def test_cancelling_a_neighbour_changes_nothing(random_engine: Engine) -> None:
    requests = prompts(5, random_engine.shape.vocab)
    kept = list(random_engine.generate(requests[0], params(0)))
    batch = random_engine.batch(3)
    ours = batch.add(requests[0], params(0))
    found, others = [], [batch.add(requests[1], params(1))]
    while len(found) < len(kept):
        found += [emitted.token for emitted in batch.step() if emitted.request == ours]
        batch.cancel(others.pop())
        others.append(batch.add(requests[1 + len(found) % 4], params(1)))
    assert found == kept


def test_threads_change_nothing(random_engine: Engine) -> None:
    tokens = np.random.default_rng(3).integers(0, random_engine.shape.vocab, 300).tolist()
    output = {}
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            warm = list(random_engine.generate(tokens[:50], params(1)))
            output[threads] = (random_engine.logits(tokens).tobytes(), warm)
    finally:
        torch.set_num_threads(1)
    assert output[1] == output[2]


def test_many_consumers_share_one_engine(random_engine: Engine) -> None:
    """More of them than slots, and one that leaves early."""
    engine = Engine(random_engine.model, slots=3)
    requests = prompts(8, engine.shape.vocab)
    alone = [list(random_engine.generate(r, params(i))) for i, r in enumerate(requests)]
    found: list[list[int]] = [[] for _ in requests]

    def consume(index: int) -> None:
        for token in engine.generate(requests[index], params(index)):
            found[index].append(token)
            if index == 5 and len(found[index]) == 2:
                return

    consumers = [threading.Thread(target=consume, args=(i,)) for i in range(len(requests))]
    for consumer in consumers:
        consumer.start()
    for consumer in consumers:
        consumer.join(60)
        assert not consumer.is_alive()
    assert found == [*alone[:5], alone[5][:2], *alone[6:]]


def test_first_wrong_token(random_engine: Engine) -> None:
    for index, prompt in enumerate(prompts(4, random_engine.shape.vocab)):
        p = params(index)
        output = list(random_engine.generate(prompt, p))
        assert random_engine.first_wrong_token(prompt, output, p) is None
        for place in (0, len(output) // 2, len(output) - 1):
            wrong = list(output)
            wrong[place] = (wrong[place] + 1) % random_engine.shape.vocab
            assert random_engine.first_wrong_token(prompt, wrong, p) == place


def test_first_wrong_token_across_parts(
    random_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt, p = prompts(1, random_engine.shape.vocab)[0], SamplingParams(30, WARM, bytes(32))
    output = list(random_engine.generate(prompt, p))
    monkeypatch.setattr(engine_module, "PREFILL_ROWS", 5)
    monkeypatch.setattr(engine_module, "HEAD_ELEMENTS", 2 * random_engine.shape.vocab)
    assert random_engine.first_wrong_token(prompt, output, p) is None
    for place in range(len(output)):
        wrong = [*output[:place], (output[place] + 1) % 1000, *output[place + 1 :]]
        assert random_engine.first_wrong_token(prompt, wrong, p) == place


def test_impossible_tokens_are_wrong(random_engine: Engine) -> None:
    shape = random_engine.shape
    p = SamplingParams(6)
    output = list(random_engine.generate([1, 2, 3], p))
    for bad in (shape.vocab, 2**32 - 1, -1):
        assert random_engine.first_wrong_token([1, 2, 3], [*output[:4], bad, 7], p) == 4
        assert random_engine.first_wrong_token([1, 2, 3], [bad], p) == 0
    assert random_engine.first_wrong_token([1, 2, 3], [], p) is None


def test_tokens_beyond_the_context_are_wrong(random_engine: Engine) -> None:
    """The token after a full context is the last that a pass decides."""
    context = random_engine.shape.context
    prompt = [5] * (context - 1)
    last = [int(random_engine.logits(prompt)[-1].argmax())]
    last.append(int(random_engine.logits(prompt + last)[-1].argmax()))
    p = SamplingParams(1)
    assert random_engine.first_wrong_token(prompt, last, p) is None
    assert random_engine.first_wrong_token(prompt, [*last, 3], p) == 2


def test_generation_stops(random_engine: Engine) -> None:
    """At max_tokens, or with an end token, which is part of the output."""
    output = list(random_engine.generate([9, 8], SamplingParams(25)))
    assert len(output) == 25 or output[-1] in random_engine.shape.eos_tokens
    stopping = Engine(model_ending_at(random_engine.model, output[3]))
    assert (
        list(stopping.generate([9, 8], SamplingParams(25))) == output[: output.index(output[3]) + 1]
    )


def model_ending_at(model: ExactModel, token: int) -> ExactModel:
    return replace(model, shape=replace(model.shape, eos_tokens=(token,)))
