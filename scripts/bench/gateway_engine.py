"""A model through gateway and provider, beside its engine alone, in turns.

Both decode 16 requests together, of the same prompts and lengths, on one thread. Alone, the engine
is called in this process, and a request takes the place of one that ends at once; through the
gateway, a provider has it, which signs and journals every answer, and every token passes two HTTP
hops. There 16 callers leave places free from an answer to their next request; with twice as many,
some wait at the provider, as the next ones do alone.
"""

from __future__ import annotations

import time
from statistics import median
from typing import Any

import torch

from assay.core.types import SamplingParams
from assay.engine.engine import Engine
from scripts.bench.gateway_load import drive
from scripts.bench.gateway_sides import Town, bodies, processor_seconds

TOGETHER = 16
OUTPUT = 64
PROMPTS = 256
THREADS = 1
ALONE = "engine alone"


def measure(place: Town, rounds: int, seconds: float) -> dict[str, Any]:
    """Tokens a second, medians of the rounds."""
    torch.set_num_threads(THREADS)
    engine = Engine(place.model, THREADS, slots=TOGETHER)
    provider, url = place.provider(THREADS)
    side = place.gateway(url)
    asked = bodies(place.tokenizer, PROMPTS, False, OUTPUT, place.model.name)
    prompts = [place.tokenizer.encode(body["messages"][0]["content"]) for body in asked]
    runs: dict[str, list[float]] = {}
    used: dict[str, list[float]] = {}
    for _ in range(rounds):
        runs.setdefault(ALONE, []).append(_alone(engine, prompts, seconds))
        for callers in (TOGETHER, 2 * TOGETHER):
            before = [processor_seconds(process) for process in (side.process, provider)]
            load = drive(side.target, asked, callers, seconds)
            after = [processor_seconds(process) for process in (side.process, provider)]
            if load.failed:
                raise SystemExit(f"{load.failed} requests failed; the first: {load.failure}")
            runs.setdefault(_through(callers), []).append(load.tokens / load.seconds)
            for name, one, other in zip(("gateway", "provider"), before, after, strict=True):
                used.setdefault(name, []).append((other - one) * 1e3 / load.counted)
    rates = {name: median(found) for name, found in runs.items()}
    return {
        "model": place.model.name,
        "together": TOGETHER,
        "threads": THREADS,
        "through_gateway_over_alone": round(rates[_through(TOGETHER)] / rates[ALONE], 3),
        "with_a_queue_over_alone": round(rates[_through(2 * TOGETHER)] / rates[ALONE], 3),
        "rates": [
            {"side": name, "tokens_per_second": round(rate, 1)} for name, rate in rates.items()
        ],
        "processor_milliseconds_an_answer": {
            name: round(median(found), 2) for name, found in used.items()
        },
    }


def _through(callers: int) -> str:
    return f"gateway and provider, {callers} callers"


def _alone(engine: Engine, prompts: list[list[int]], seconds: float) -> float:
    """Continuous batches of the prompts, over and over."""
    batch = engine.batch(TOGETHER)
    number = tokens = 0
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        while len(batch) < TOGETHER:
            batch.add(prompts[number % len(prompts)], SamplingParams(OUTPUT))
            number += 1
        tokens += len(batch.step())
    return tokens / (time.perf_counter() - began)
