"""How fast a model runs here, and what memory it takes: the figures of `assay model bench`.

Wall-clock of this machine as it is, other work included; `scripts/bench/engine` has the careful
comparison with other programs.
"""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import dataclass

import numpy as np

from assay.core.errors import InputError
from assay.core.types import SamplingParams
from assay.engine.engine import Engine
from assay.engine.importer import Progress, unreported

WARM_UP_TOKENS = 4


@dataclass(frozen=True)
class Decoding:
    """`requests` together made `tokens_per_second`, all of them."""

    requests: int
    tokens_per_second: float


@dataclass(frozen=True)
class SpeedReport:
    """Rates in tokens per second; memory in bytes.

    verify_share   time of verifying an output by one prefill, over the time of making it
    expected_bytes an upper bound, from the model's shape; resident_bytes is the process's peak,
                   what the import took included
    """

    model: str
    backend: str
    prompt_tokens: int
    output_tokens: int
    prefill: float
    decoding: tuple[Decoding, ...]
    verify_share: float
    expected_bytes: int
    resident_bytes: int


def measure(
    engine: Engine,
    prompt_tokens: int = 256,
    output_tokens: int = 64,
    together: tuple[int, ...] = (1, 8),
    progress: Progress = unreported,
) -> SpeedReport:
    """Run random prompts of that length, greedily.

    Raises:
        InputError: prompt and output do not fit into the model's context.
    """
    shape = engine.shape
    if prompt_tokens + output_tokens > shape.context:
        raise InputError(
            f"{prompt_tokens} prompt and {output_tokens} output tokens exceed the context of "
            f"{shape.context}; ask for fewer"
        )
    random = np.random.default_rng(0)
    prompts = random.integers(0, shape.vocab, (max(together), prompt_tokens)).tolist()
    list(engine.generate(prompts[0][:WARM_UP_TOKENS], SamplingParams(WARM_UP_TOKENS)))
    progress("prefill", 0)
    prefill = prompt_tokens / _seconds_to_first(engine, prompts[0])
    decoding = []
    for index, count in enumerate(together):
        progress(f"decoding {count} together", index / len(together))
        rate = _decode(engine, prompts[:count], output_tokens)
        decoding.append(Decoding(count, rate))
    progress("verifying", 0)
    return SpeedReport(
        model=engine.model.name,
        backend=engine.backend.name,
        prompt_tokens=prompt_tokens,
        output_tokens=output_tokens,
        prefill=prefill,
        decoding=tuple(decoding),
        verify_share=_verify_share(engine, prompts[0], output_tokens),
        expected_bytes=engine.memory.total if engine.memory else 0,
        resident_bytes=_peak_memory(),
    )


def _seconds_to_first(engine: Engine, prompt: list[int]) -> float:
    batch = engine.batch(1)
    batch.add(prompt, SamplingParams(1))
    began = time.perf_counter()
    while not batch.step():
        pass
    return time.perf_counter() - began


def _decode(engine: Engine, prompts: list[list[int]], count: int) -> float:
    """Tokens per second after each request's first; fewer than `count` where one ends itself."""
    batch = engine.batch(len(prompts))
    for prompt in prompts:
        batch.add(prompt, SamplingParams(count))
    seen: set[int] = set()
    while len(batch) and len(seen) < len(prompts):
        seen |= {emitted.request for emitted in batch.step()}
    began, made = time.perf_counter(), 0
    while len(batch):
        made += len(batch.step())
    return made / (time.perf_counter() - began) if made else 0.0


def _verify_share(engine: Engine, prompt: list[int], count: int) -> float:
    params = SamplingParams(count)
    batch = engine.batch(1)
    batch.add(prompt, params)
    began = time.perf_counter()
    output = []
    while len(batch):
        output += [emitted.token for emitted in batch.step()]
    made = time.perf_counter()
    wrong = engine.first_wrong_token(prompt, output, params)
    if wrong is not None:
        raise AssertionError(f"token {wrong} of the engine's own output is wrong: a defect")
    return (time.perf_counter() - made) / (made - began)


def _peak_memory() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
