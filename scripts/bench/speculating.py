"""Speculation: tokens a second of one request by draft and guesses, beside none, by turns."""

from __future__ import annotations

import time
from statistics import median
from typing import Any

from assay.core.types import SamplingParams
from assay.engine.backends import BackendName
from assay.engine.engine import Engine
from assay.exact.model import ExactModel
from scripts.bench.serving_models import prompts

PROMPT = 32


def speculation(
    model: ExactModel,
    drafts: dict[str, ExactModel],
    guesses: tuple[int, ...],
    temperatures: tuple[int, ...],
    output: int,
    rounds: int,
    threads: int,
    backend: BackendName,
) -> list[dict[str, Any]]:
    """Every draft with every number of guesses, at each temperature (its inverse in Q16)."""
    options: dict[str, Any] = {"slots": 1, "reuse": False, "positions": model.shape.context}
    plain = Engine(model, threads, backend, **options)
    found = []
    for name, draft in drafts.items():
        for count in guesses:
            engine = Engine(model, threads, backend, draft=draft, guesses=count, **options)
            for temperature in temperatures:
                row = _compare(
                    plain, engine, SamplingParams(output, temperature, bytes(32)), rounds
                )
                about = {"temperature": int(temperature > 0), "draft": name, "guesses": count}
                found.append(about | row)
    return found


def _compare(plain: Engine, engine: Engine, params: SamplingParams, rounds: int) -> dict[str, Any]:
    prompt = next(prompts(plain.model, PROMPT))
    before = vars(engine.counters).copy()
    rates: dict[str, list[float]] = {"plain": [], "drafted": []}
    for turn in range(rounds + 1):
        one, expected = _decode(plain, prompt, params)
        other, tokens = _decode(engine, prompt, params)
        if tokens != expected:
            raise SystemExit("a draft has changed a token: a defect")
        if turn:  # the first warms up
            rates["plain"].append(one)
            rates["drafted"].append(other)
    counters = engine.counters
    guessed = counters.guessed - before["guessed"]
    speed = {name: median(found) for name, found in rates.items()}
    return {
        "accepted": round((counters.accepted - before["accepted"]) / guessed, 3),
        "tokens_per_second": round(speed["drafted"], 1),
        "of_plain": round(speed["drafted"] / speed["plain"], 2),
    }


def _decode(engine: Engine, prompt: list[int], params: SamplingParams) -> tuple[float, list[int]]:
    """Tokens a second after the first, and the tokens."""
    stream = engine.generate(prompt, params)
    tokens = [next(stream)]
    began = time.perf_counter()
    tokens += stream
    return (len(tokens) - 1) / (time.perf_counter() - began), tokens
