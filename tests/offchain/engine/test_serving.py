"""Requests that come, go, wait, share pages and lose them: each one's tokens are its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import pytest

from assay.core.errors import InputError
from assay.core.types import TEMPERATURE_ONE, SamplingParams
from assay.engine.backends.base import PAGE, Backend
from assay.engine.backends.native_cpu import NativeBackend
from assay.engine.backends.torch_cpu import TorchBackend
from assay.engine.batch import Batch
from assay.engine.engine import Engine
from assay.exact.model import ExactModel
from tests.support.models import SMALL, random_model

MODEL = random_model()
BACKENDS: dict[str, Callable[[ExactModel], Backend]] = {
    "torch": TorchBackend,
    "native": partial(NativeBackend, threads=1),
}
POOL = 6 * PAGE


@dataclass
class Asked:
    """A request and what has come of it; one that is cancelled keeps the tokens it had."""

    prompt: list[int]
    params: SamplingParams
    found: list[int] = field(default_factory=list)
    finished: bool = False


def some_request(rng: np.random.Generator, number: int) -> Asked:
    """Prompts begin alike: with one of three texts, cut anywhere."""
    text = np.random.default_rng(rng.integers(3)).integers(1, MODEL.shape.vocab, 256)
    beginning = text[: rng.integers(0, 257)].tolist()
    own = rng.integers(1, MODEL.shape.vocab, rng.integers(1, 40)).tolist()
    temperature = int(rng.choice([0, TEMPERATURE_ONE // 2, TEMPERATURE_ONE]))
    params = SamplingParams(int(rng.integers(1, 90)), temperature, bytes([number % 256]) * 32)
    return Asked([*beginning, *own], params)


def alone(engine: Engine, asked: Asked) -> list[int]:
    return list(engine.generate(asked.prompt, asked.params))


def storm(batch: Batch, seed: int, count: int) -> list[Asked]:
    """Random arrivals and cancellations until everything has ended."""
    rng = np.random.default_rng(seed)
    requests: list[Asked] = []
    under_way: dict[int, Asked] = {}
    while len(requests) < count or under_way:
        while len(requests) < count and not batch.full and rng.random() < 0.4:
            requests.append(some_request(rng, len(requests)))
            added = requests[-1]
            under_way[batch.add(added.prompt, added.params)] = added
        if under_way and rng.random() < 0.012:
            request = int(rng.choice(list(under_way)))
            batch.cancel(request)
            del under_way[request]
        for emitted in batch.step():
            asked = under_way[emitted.request]
            asked.found.append(emitted.token)
            if emitted.finished:
                asked.finished = True
                del under_way[emitted.request]
    return requests


@pytest.mark.parametrize("draft", [False, True], ids=["plain", "speculating"])
@pytest.mark.parametrize(
    ("name", "windows"),
    [("torch", ()), ("native", ()), ("native", (70, 90))],
    ids=["torch", "native", "windows"],
)
def test_a_storm_changes_nothing(name: str, draft: bool, windows: tuple[int, ...]) -> None:
    """A cache of six pages for five slots: pages run out, are shared, and come back."""
    backend, shape = BACKENDS[name], replace(SMALL, windows=windows)
    model = random_model(shape)
    engine = Engine(
        model,
        backend=backend,
        positions=POOL,
        rows=40,
        draft=random_model(shape, seed=8) if draft else None,
        guesses=3,
    )
    single = Engine(model, backend=backend, reuse=False, positions=model.shape.context)
    batch = engine.batch(5, waiting=6)
    requests = storm(batch, seed=11, count=32 if name == "native" else 20)
    for asked in requests:
        whole = alone(single, asked)
        assert asked.found == (whole if asked.finished else whole[: len(asked.found)])
    assert sum(asked.finished for asked in requests) > 10
    assert batch.counters.evicted > 3 and batch.counters.reused > (3 if windows else 10)
    assert batch.counters.rows <= 40 * batch.counters.passes
    assert len(batch) == 0 and batch.free_pages == POOL // PAGE


def test_pages_are_reused_across_requests() -> None:
    """The second of two that begin alike computes only what is new, to the same tokens."""
    prompt = np.random.default_rng(1).integers(1, MODEL.shape.vocab, 200).tolist()
    batch = Engine(MODEL).batch(1)

    def run(tokens: list[int]) -> tuple[list[int], int]:
        before = batch.counters.rows
        batch.add(tokens, SamplingParams(8))
        found = []
        while len(batch):
            found += [emitted.token for emitted in batch.step()]
        return found, batch.counters.rows - before

    first, rows = run(prompt)
    assert rows == 207
    again, rows = run(prompt)
    assert again == first and rows == 207 - 3 * PAGE
    longer, rows = run([*prompt, *first, 5])
    assert rows == 209 + 7 - 3 * PAGE
    assert longer == list(
        Engine(MODEL, reuse=False).generate([*prompt, *first, 5], SamplingParams(8))
    )
    assert run(prompt[: 3 * PAGE])[1] == PAGE + 7  # the last row is needed, so its page is computed
    assert run([prompt[0] + 1, *prompt[1:]])[1] == 207


def test_a_long_prompt_does_not_stall_others() -> None:
    """It comes in parts; whoever decodes gets a token in each pass."""
    engine = Engine(MODEL, rows=64, reuse=False)
    batch = engine.batch(4)
    short = batch.add([1, 2, 3], SamplingParams(100))
    assert len(batch.step()) == 1
    long = batch.add([5] * 1000, SamplingParams(2))
    passes = 0
    while long not in (made := {emitted.request for emitted in batch.step()}):
        assert made == {short}
        passes += 1
    assert passes == 1000 // 63
    assert batch.counters.rows <= 64 * batch.counters.passes


def drained(batch: Batch) -> list[int]:
    """All tokens of the request that is in it, in far more passes than it needs."""
    found: list[int] = []
    for _ in range(500):
        found += [emitted.token for emitted in batch.step()]
        if not len(batch):
            return found
    raise AssertionError("the request does not end")


def test_a_window_bounds_what_a_request_holds() -> None:
    """Over a cache of a fifth of the context, to the same tokens; what it has passed is free, and
    is found again by who begins alike."""
    model = random_model(replace(SMALL, windows=(70, 90)))
    prompt = np.random.default_rng(2).integers(1, MODEL.shape.vocab, 900).tolist()
    whole = Engine(model, reuse=False, positions=1200, rows=600)
    expected = list(whole.generate(prompt, SamplingParams(200)))
    batch = Engine(model, positions=4 * PAGE, rows=64, slots=1).batch(1)
    assert batch.free_pages == 4
    for _ in range(2):
        batch.add(prompt, SamplingParams(200))
        assert drained(batch) == expected and batch.free_pages == 4
    with pytest.raises(InputError, match="exceed the cache of 256 positions"):
        Engine(MODEL, positions=4 * PAGE).batch(1).add(prompt, SamplingParams(200))


def test_a_layer_without_a_window_keeps_every_page() -> None:
    model = random_model(replace(SMALL, windows=(70, 0)))
    batch = Engine(model, rows=64).batch(1)
    free, held = batch.free_pages, 0
    batch.add([5] * 1000, SamplingParams(5))
    while len(batch):
        held = free - batch.free_pages
        batch.step()
    assert held == 16
    with pytest.raises(InputError, match="exceed the cache of 256 positions"):
        Engine(model, positions=4 * PAGE).batch(1).add([5] * 900, SamplingParams(5))


@pytest.mark.parametrize("rows", [40, 200])
def test_known_pages_beyond_the_cache_never_stall(rows: int) -> None:
    """A second request that shares all of a small cache's pages still finds room to go on."""
    model = random_model(replace(SMALL, windows=(60, 60)))
    prompt = np.random.default_rng(3).integers(1, MODEL.shape.vocab, 1100).tolist()
    alone = Engine(model, reuse=False, positions=1200)
    engine = Engine(model, positions=6 * PAGE, rows=rows, slots=1)
    batch = engine.batch(1)
    for length, output in ((6 * PAGE, 1), (6 * PAGE + 1, 20), (1100, 20)):
        params = SamplingParams(output)
        batch.add(prompt[:length], params)
        assert drained(batch) == list(alone.generate(prompt[:length], params))
    assert batch.counters.reused >= 6


def test_cancelling_returns_pages() -> None:
    """While it waits, within its prompt, and while it decodes."""
    batch = Engine(MODEL, positions=10 * PAGE, rows=100).batch(1, waiting=1)
    running = batch.add([5] * 300, SamplingParams(10))
    waiting = batch.add([6] * 300, SamplingParams(10))
    batch.step()
    batch.cancel(waiting)
    assert batch.free_pages == 8
    batch.cancel(running)
    assert batch.free_pages == 10 and len(batch) == 0
    decoding = batch.add([7], SamplingParams(10))
    batch.step()
    batch.step()
    batch.cancel(decoding)
    assert batch.free_pages == 10 and batch.step() == []


def test_the_cache_bounds_a_request() -> None:
    batch = Engine(MODEL, positions=100).batch(2)
    with pytest.raises(
        InputError, match=r"exceed the cache of 128 positions.*`positions`"
    ) as caught:
        batch.add([1] * 100, SamplingParams(29))
    assert caught.value.code == "context_length_exceeded" and caught.value.status == 400
    batch.add([1] * 100, SamplingParams(28))
    while len(batch):
        batch.step()


def test_many_requests_leave_nothing_behind() -> None:
    """Ten thousand, most of them cancelled: a batch holds as many objects as before."""
    batch = Engine(random_model(), positions=POOL).batch(8, waiting=8)
    rng = np.random.default_rng(5)
    for _ in range(10_000):
        request = batch.add([int(t) for t in rng.integers(1, 1100, 3)], SamplingParams(1))
        if rng.random() < 0.98:
            batch.cancel(request)
        elif batch.full or rng.random() < 0.5:
            batch.step()
    while len(batch):
        batch.step()
    pool = batch._planner.pool
    assert batch.free_pages == POOL // PAGE
    assert len(pool._page) == len(pool._prefix) == len(pool._idle) == 0
    assert not batch._planner._running and not batch._planner._waiting
