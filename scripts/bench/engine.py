"""Speed of the exact engine beside transformers' float model, same weights, same machine.

    scripts/bench/engine [--out FILE] [--threads N] [--only shipped|sizes|gpu] [--prompt N]
                         [--tokens N] [--seconds S] [--rounds N] [--programs NAME …]
    scripts/bench/engine --profile [--threads N] [--input-bits 16|8]

Prints one JSON document on stdout and tables on stderr, in two parts. "sizes" is about
TinyLlama-1.1B's shapes, beside llama.cpp too, see `scripts.bench.sizes`; `--profile` shows where
the time goes there, step by step. "shipped" is about the shipped model: rates are tokens per
second, the best of several runs: prefill of one prompt up to its last logits, greedy decoding
after it (alone, and many requests at once), and verification of a claim by one prefill, as the
time that it takes relative to having decoded the claim. "gpu", measured where there is one, is
about Llama-3-8B's shapes, see `scripts.bench.gpu`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from assay.core.types import SamplingParams
from assay.engine.engine import Engine
from assay.engine.gemm import best_gemm
from assay.engine.importer import SHIPPED_MODEL, import_checkpoint
from assay.engine.native.library import available, isas
from assay.engine.tokenizer import Tokenizer
from scripts.bench import gpu, sizes, worker_exact

BATCHES = (8, 32)

stderr = Console(stderr=True)


class Clock:
    """Times runs until `seconds` have gone by, twice at least, and keeps the shortest."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def best(self, run: Callable[[], object]) -> float:
        times: list[float] = []
        while len(times) < 2 or sum(times) < self._seconds:
            began = time.perf_counter()
            run()
            times.append(time.perf_counter() - began)
        return min(times[1:])  # the first one also warms up


def main() -> None:
    options = _options()
    if options.profile:
        worker_exact.profile(options.threads, options.input_bits)
        return
    document: dict[str, Any] = {"machine": _machine(options.threads)}
    if options.only == "gpu" or (options.only is None and torch.cuda.is_available()):
        document["gpu"] = gpu.measure(options.rounds)
    if options.only in (None, "sizes"):
        document["sizes"] = sizes.measure(
            prompt=512,
            tokens=128,
            rounds=options.rounds,
            threads=options.threads,
            programs=options.programs or list(sizes.PROGRAMS),
        )
    if options.only in (None, "shipped"):
        document["shipped"] = _shipped(options)
    text = json.dumps(document, indent=2)
    if options.out:
        options.out.write_text(text + "\n")
    print(text)
    if "gpu" in document:
        gpu.show(document["gpu"])
    if "sizes" in document:
        sizes.show(document["sizes"])
    if "shipped" in document:
        _show(document["shipped"])


def _shipped(options: argparse.Namespace) -> dict[str, Any]:
    torch.set_num_threads(options.threads)
    stderr.print("importing …")
    began = time.perf_counter()
    model = import_checkpoint(SHIPPED_MODEL)
    imported = time.perf_counter() - began
    prompt = _prompt(options.prompt)
    # Without end tokens, so that every run decodes as many tokens as it is asked to.
    endless = replace(model, shape=replace(model.shape, eos_tokens=()))
    clock = Clock(options.seconds)
    return {
        "model": model.name,
        "prompt_tokens": len(prompt),
        "output_tokens": options.tokens,
        "import_seconds": round(imported, 2),
        # The same prompt comes again and again: none of it may be known from before.
        "exact": _exact(
            Engine(endless, options.threads, reuse=False), prompt, options.tokens, clock
        ),
        "transformers": {
            name: _transformers(dtype, prompt, options.tokens, clock)
            for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16))
        },
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Tokens per second, exact and float.")
    parser.add_argument("--out", type=Path, help="also write the JSON to this file")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", choices=("shipped", "sizes", "gpu"), help="one part alone")
    parser.add_argument("--profile", action="store_true", help="where the time goes, and no more")
    parser.add_argument("--input-bits", type=int, choices=(8, 16), default=16, help="profiled")
    shipped = parser.add_argument_group("shipped model")
    shipped.add_argument("--prompt", type=int, default=256, help="prompt tokens")
    shipped.add_argument("--tokens", type=int, default=128, help="output tokens")
    shipped.add_argument("--seconds", type=float, default=4.0, help="time of each measurement")
    large = parser.add_argument_group("TinyLlama's shapes")
    large.add_argument("--rounds", type=int, default=3, help="every program's turns")
    large.add_argument("--programs", nargs="+", choices=sizes.PROGRAMS, help="these alone")
    return parser.parse_args()


def _prompt(length: int) -> list[int]:
    text = (SHIPPED_MODEL / "heldout.txt").read_text(encoding="utf-8")
    return Tokenizer.of_checkpoint(SHIPPED_MODEL).encode(text)[1 : length + 1]


def _machine(threads: int) -> dict[str, Any]:
    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "threads": threads,
        "backend": isas()[0] if available() else best_gemm().name,
        "torch": version("torch"),
        "transformers": version("transformers"),
        "python": platform.python_version(),
    }


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _exact(engine: Engine, prompt: list[int], tokens: int, clock: Clock) -> dict[str, float]:
    one, params = SamplingParams(1), SamplingParams(tokens)
    prefill = clock.best(lambda: list(engine.generate(prompt, one)))
    whole = clock.best(lambda: list(engine.generate(prompt, params)))
    output = list(engine.generate(prompt, params))
    verify = clock.best(lambda: engine.first_wrong_token(prompt, output, params))
    rates = {
        "prefill": len(prompt) / prefill,
        "decode": (tokens - 1) / (whole - prefill),
        "verify_over_decode": verify / whole,
    }
    for size in BATCHES:
        began = clock.best(lambda size=size: _decode_batch(engine, size, 1))  # type: ignore[misc]
        ended = clock.best(lambda size=size: _decode_batch(engine, size, tokens))  # type: ignore[misc]
        rates[f"decode_batch_{size}"] = size * (tokens - 1) / (ended - began)
    return {name: round(rate, 3) for name, rate in rates.items()}


def _decode_batch(engine: Engine, size: int, tokens: int) -> None:
    batch = engine.batch(size)
    for index in range(size):
        batch.add([index + 1, 2, 3, 4], SamplingParams(tokens))
    while len(batch):
        batch.step()


def _transformers(dtype: Any, prompt: list[int], tokens: int, clock: Clock) -> dict[str, float]:
    """Prefill and greedy decoding with a KV cache, without `generate`'s own overhead."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(SHIPPED_MODEL, dtype=dtype).eval()

    def decode(count: int) -> None:
        with torch.inference_mode():
            out = model(torch.tensor([prompt]), use_cache=True, logits_to_keep=1)
            for _ in range(count - 1):
                token = out.logits[:, -1].argmax(-1, keepdim=True)
                out = model(token, past_key_values=out.past_key_values, use_cache=True)

    prefill = clock.best(lambda: decode(1))
    whole = clock.best(lambda: decode(tokens))
    return {
        "prefill": round(len(prompt) / prefill, 3),
        "decode": round((tokens - 1) / (whole - prefill), 3),
    }


def _show(document: dict[str, Any]) -> None:
    table = Table("tokens/s", "exact", "transformers float32", "transformers bfloat16")
    exact, floats = document["exact"], document["transformers"]
    for name, rate in exact.items():
        if name != "verify_over_decode":
            others = [floats[kind].get(name) for kind in ("float32", "bfloat16")]
            table.add_row(name, f"{rate:,.0f}", *(f"{x:,.0f}" if x else "" for x in others))
    stderr.print(table)
    stderr.print(f"verification takes {exact['verify_over_decode']:.1%} of generation's time")


if __name__ == "__main__":
    main()
