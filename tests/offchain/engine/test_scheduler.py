"""Consumers in threads: slow, gone, refused, failed; none hangs and none holds up another."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from assay.core.errors import AssayError, InputError
from assay.core.types import TEMPERATURE_ONE, SamplingParams
from assay.engine.backends.base import PAGE
from assay.engine.engine import Engine
from tests.support.models import random_model

MODEL = random_model()


def in_threads(runs: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=run, daemon=True) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


def free_pages(engine: Engine) -> int:
    batch = engine._scheduler.batch
    assert batch is not None
    return batch.free_pages


def test_beyond_the_queue_is_busy() -> None:
    engine = Engine(MODEL, slots=2, waiting=1)
    streams = [engine.generate([i + 1], SamplingParams(5)) for i in range(3)]
    with pytest.raises(InputError, match="all 2 slots are taken and 1 requests wait") as caught:
        engine.generate([9], SamplingParams(5))
    assert caught.value.code == "busy" and caught.value.status == 503
    streams.pop().close()
    streams.append(engine.generate([9], SamplingParams(5)))
    alone = Engine(MODEL)
    for start, stream in zip((1, 2, 9), streams, strict=True):
        assert list(stream) == list(alone.generate([start], SamplingParams(5)))
    assert len(list(engine.generate([9], SamplingParams(5)))) == 5


def test_one_batch_serves_one_request_after_another() -> None:
    engine = Engine(MODEL, slots=2)
    first = list(engine.generate([5] * 200, SamplingParams(1)))
    assert list(engine.generate([5] * 200, SamplingParams(1))) == first
    assert engine.counters.passes == 2 and engine.counters.rows == 400 - 3 * PAGE
    assert engine.counters.reused == 3


def test_a_slow_consumer_delays_nobody() -> None:
    engine = Engine(MODEL, slots=4)
    slow = engine.generate([1], SamplingParams(30))
    first = next(slow)
    others: list[list[int]] = []
    in_threads(
        [lambda: others.append(list(engine.generate([2], SamplingParams(30)))) for _ in range(3)]
    )
    assert len(others) == 3
    assert [first, *slow] == list(engine.generate([1], SamplingParams(30)))


def test_a_stream_that_is_closed_or_forgotten_returns_its_pages() -> None:
    engine = Engine(MODEL, slots=3, positions=40 * PAGE)
    closed, forgotten = (engine.generate([i], SamplingParams(300)) for i in (1, 2))
    next(closed), next(forgotten)
    assert free_pages(engine) == 38
    closed.close()
    closed.close()
    assert list(closed) == []
    del forgotten
    assert free_pages(engine) == 40
    never_begun = engine.generate([3], SamplingParams(3))
    del never_begun
    assert len(list(engine.generate([4], SamplingParams(3)))) == 3


def test_a_stream_closed_by_another_thread_ends() -> None:
    engine = Engine(MODEL, slots=2)
    streams = [engine.generate([i], SamplingParams(1000)) for i in (1, 2)]
    begun = threading.Event()

    def consume(index: int) -> None:
        for _ in streams[index]:
            begun.set()

    def close() -> None:
        begun.wait(30)
        for stream in streams:
            stream.close()

    in_threads([lambda: consume(0), lambda: consume(1), close])
    assert [list(stream) for stream in streams] == [[], []]
    assert len(list(engine.generate([3], SamplingParams(3)))) == 3
    assert free_pages(engine) == engine._pages(2)


def test_a_failure_ends_every_request_and_the_engine_begins_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = Engine(MODEL, slots=4)
    expected = list(engine.generate([1, 2], SamplingParams(20)))
    backend, failures = engine.backend, iter([True])
    gate = backend.gate

    def failing(*arguments: Any) -> Any:
        if next(failures, False):
            raise MemoryError("no more")
        return gate(*arguments)

    streams = [engine.generate([i, 2], SamplingParams(20)) for i in (1, 3)]
    kept = [next(stream) for stream in streams]
    monkeypatch.setattr(backend, "gate", failing)
    for stream in streams:
        with pytest.raises(AssayError, match=r"MemoryError: no more.*send the request again"):
            kept += list(stream)
    assert list(engine.generate([1, 2], SamplingParams(20))) == expected


def test_bad_requests_disturb_nobody() -> None:
    engine = Engine(MODEL, slots=2, positions=400)
    expected = list(engine.generate([1], SamplingParams(20)))
    stream, found = engine.generate([1], SamplingParams(20)), []
    for token in stream:
        found.append(token)
        for prompt, message in (
            ([], "prompt is empty; give"),
            ([1100], r"token 1100 at position 0 is outside the vocabulary 0\.\.1099"),
            ([1] * 1200, "exceed the context of 1200; shorten"),
            ([1] * 448, r"448 prompt tokens.* exceed the cache of 448 positions; ask for fewer"),
        ):
            with pytest.raises(InputError, match=message):
                engine.generate(prompt, SamplingParams(1))
    assert found == expected


def test_threads_come_and_go_over_a_small_cache() -> None:
    """Each takes requests one after another, leaves some early, is refused now and then."""
    engine = Engine(MODEL, slots=4, waiting=4, positions=6 * PAGE, rows=40)
    prompts = [[7] * 64 * (i % 3) + [i + 1] * (10 + 5 * i) for i in range(12)]
    params = [SamplingParams(15, (0, TEMPERATURE_ONE)[i % 2], bytes([i]) * 32) for i in range(12)]
    single = Engine(MODEL, reuse=False)
    alone = [list(single.generate(p, q)) for p, q in zip(prompts, params, strict=True)]
    wrong: list[tuple[int, list[int]]] = []
    refused: list[InputError] = []

    def consume(index: int) -> None:
        for turn in range(6):
            wanted = len(alone[index]) if (index + turn) % 3 else 4
            try:
                stream = engine.generate(prompts[index], params[index])
            except InputError as error:
                refused.append(error)
                continue
            found = [token for token, _ in zip(stream, range(wanted), strict=False)]
            stream.close()
            if found != alone[index][:wanted]:
                wrong.append((index, found))

    in_threads([partial(consume, i) for i in range(12)])
    assert not wrong
    assert all(error.code == "busy" for error in refused)
    list(engine.generate([1], SamplingParams(1)))
    assert free_pages(engine) == 6
