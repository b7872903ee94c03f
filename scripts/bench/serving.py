"""How the engine serves: many requests at once, prefixes again, speculation, memory over time.

    scripts/bench/serving [--out FILE] [--threads N] [--backend native|torch] [--requests N]
                          [--seconds S] [--models shipped tinyllama] [--only PART …] [--rounds N]

Prints one JSON document on stdout and tables on stderr. The first three parts and the last are
about the shipped model, the others about each of `--models`: "tinyllama" has TinyLlama-1.1B's
shapes, whose weights do not fit a processor's cache, see `serving_models`.

throughput    tokens a second of so many requests that decode together, prompts of 32 tokens
first_token   milliseconds from a request to its first token, prompt of 384 tokens, median: "cold"
              for tokens never seen, "warm" when all but the last 10 were in the request before
stall         the longest wait of a decoding request for its next token while a prompt of 480
              tokens arrives, in milliseconds, by the most rows that a pass may have
speculation   tokens a second of one request, by draft and guesses, and how much faster that is
              than without; "itself" is the model, "first N layers" is what its name says
receipts      the same jobs with and without all that makes answers verifiable; `overhead` is
              the share of time that it adds
verify        seconds to make an output alone, and to judge it by one prefill
soak          resident memory over `--requests` requests of mixed sizes, some of them cancelled
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from assay.core.types import TEMPERATURE_ONE, SamplingParams
from assay.engine.backends import BackendName
from assay.engine.engine import Engine
from assay.engine.importer import SHIPPED_MODEL, import_checkpoint
from assay.engine.order import Order, fingerprint
from assay.engine.process import EngineProcess
from assay.exact.model import ExactModel
from scripts.bench import serving_models as models
from scripts.bench.conditions import machine, print_table, stderr
from scripts.bench.speculating import speculation
from scripts.bench.verifying import Load, Receipts, verify

TOGETHER = (1, 2, 4, 8, 16, 32)
GUESSES = (1, 2, 4, 8)
OUTPUT = 64
LOADS = {models.SHIPPED: Load(64, 16, 128, 128), models.LARGE: Load(16, 16, 128, 128)}
CLAIMS = {models.SHIPPED: (256, 128), models.LARGE: (512, 128)}
"""Prompt and output tokens of what is verified."""
PARTS = ("throughput", "first_token_ms", "stall", "speculation", "receipts", "verify", "soak")


class Bench:
    """The shipped model, serving."""

    def __init__(self, threads: int, backend: BackendName, seconds: float) -> None:
        self._threads, self._backend, self._seconds = threads, backend, seconds
        self.model = models.load(models.SHIPPED)
        texts = models.prompts(self.model, 400)
        self._texts = [next(texts) for _ in range(16)]

    def engine(self, **options: Any) -> Engine:
        return Engine(self.model, self._threads, self._backend, **options)

    def prompts(self, length: int) -> Iterator[list[int]]:
        return models.prompts(self.model, length)

    def throughput(self) -> list[dict[str, Any]]:
        engine = self.engine(slots=max(TOGETHER), reuse=False)
        prompts = self.prompts(32)
        found = []
        for size in TOGETHER:
            rates = []
            for _ in self._turns():
                batch = engine.batch(size)
                for _ in range(size):
                    batch.add(next(prompts), SamplingParams(OUTPUT))
                batch.step()
                began = time.perf_counter()
                tokens = sum(len(batch.step()) for _ in range(OUTPUT - 1))
                rates.append(tokens / (time.perf_counter() - began))
            found.append({"requests": size, "tokens_per_second": round(max(rates), 1)})
        return found

    def first_token(self) -> dict[str, float]:
        engine = self.engine(slots=4)
        times: dict[str, list[float]] = {"cold": [], "warm": []}
        for prompt, _ in zip(self.prompts(384), range(20), strict=False):
            own = [prompt[0] + 1, *prompt[1:]]  # a first token that the text does not have there
            for kind, tokens in (("cold", own), ("warm", [*own[:-10], *prompt[:10]])):
                began = time.perf_counter()
                next(engine.generate(tokens, SamplingParams(1)))
                times[kind].append(time.perf_counter() - began)
        return {kind: round(median(found) * 1e3, 2) for kind, found in times.items()}

    def stall(self) -> list[dict[str, Any]]:
        found = []
        for rows in (64, 128, 512):
            longest = []
            for _ in self._turns():
                batch = self.engine(slots=4, rows=rows, reuse=False).batch(4)
                decoding = batch.add(next(self.prompts(16)), SamplingParams(OUTPUT))
                batch.step()
                batch.add(next(self.prompts(480)), SamplingParams(2))
                waits: list[float] = []
                while len(batch) and len(waits) < OUTPUT - 2:
                    began = time.perf_counter()
                    made = {emitted.request for emitted in batch.step()}
                    waits.append(time.perf_counter() - began)
                    assert decoding in made
                longest.append(max(waits))
            found.append({"rows": rows, "longest_wait_ms": round(min(longest) * 1e3, 2)})
        return found

    def soak(self, requests: int) -> dict[str, Any]:
        """Resident memory and requests so far; the queue always holds some that wait."""
        batch = self.engine(slots=16, positions=4096, rows=256).batch(16, waiting=32)
        rng = np.random.default_rng(0)
        asked, points, began = 0, [], time.perf_counter()
        under_way: list[int] = []
        while asked < requests or len(batch):
            while asked < requests and not batch.full:
                under_way.append(batch.add(*self._mixed(rng)))
                asked += 1
                if asked % (requests // 20) == 0:
                    points.append({"requests": asked, "mib": round(resident() / 2**20, 1)})
            if rng.random() < 0.1:
                batch.cancel(under_way[int(rng.integers(len(under_way)))])
            batch.step()
            under_way = under_way[-64:]
        return {
            "requests": asked,
            "seconds": round(time.perf_counter() - began, 1),
            "counters": vars(batch.counters),
            "pages_free_at_the_end": batch.free_pages,
            "resident": points,
        }

    def _mixed(self, rng: np.random.Generator) -> tuple[list[int], SamplingParams]:
        """Some of them begin as others did."""
        length = int(rng.choice([3, 20, 60, 150, 400], p=[0.3, 0.3, 0.25, 0.1, 0.05]))
        temperature = int(rng.choice([0, TEMPERATURE_ONE]))
        params = SamplingParams(int(rng.integers(1, 24)), temperature, rng.bytes(32))
        return self._texts[int(rng.integers(len(self._texts)))][:length], params

    def _turns(self) -> Iterator[None]:
        """Twice at least, then until the time is up."""
        began = time.perf_counter()
        for turn in range(1000):
            if turn >= 2 and time.perf_counter() - began > self._seconds:
                return
            yield


def resident() -> int:
    """Bytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    parser = argparse.ArgumentParser(description="The engine serving many requests.")
    parser.add_argument("--out", type=Path, help="also write the JSON to this file")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--backend", choices=("native", "torch"), default="native")
    parser.add_argument("--requests", type=int, default=10_000, help="of the soak")
    parser.add_argument("--seconds", type=float, default=1.0, help="time of each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="turns of what is compared")
    parser.add_argument("--models", nargs="+", choices=models.NAMES, default=[models.SHIPPED])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    load = os.getloadavg()[0]
    document: dict[str, Any] = {
        "command": shlex.join(["scripts/bench/serving", *sys.argv[1:]]),
        "machine": machine() | {"threads": options.threads, "load_at_start": round(load, 2)},
        "backend": options.backend,
    }
    measure(options, document)
    document["machine"]["load_at_end"] = round(os.getloadavg()[0], 2)
    text = json.dumps(document, indent=2)
    if options.out:
        options.out.write_text(text + "\n")
    print(text)
    show(document)


def measure(options: argparse.Namespace, document: dict[str, Any]) -> None:
    """Add the parts that were asked for."""
    bench = Bench(options.threads, options.backend, options.seconds)
    alone: dict[str, Callable[[], Any]] = {
        "throughput": bench.throughput,
        "first_token_ms": bench.first_token,
        "stall": bench.stall,
        "soak": lambda: bench.soak(options.requests),
    }
    for name in options.only:
        if name in alone:
            stderr.print(f"{name} …")
            document[name] = alone[name]()
    compared = [name for name in options.only if name not in alone]
    for name in options.models if compared else []:
        stderr.print(f"{name}: loading …")
        model = models.load(name)
        for part in compared:
            stderr.print(f"{name}: {part} …")
            document.setdefault(part, {})[name] = compare(part, name, model, options)


def compare(part: str, name: str, model: ExactModel, options: argparse.Namespace) -> Any:
    """One part about one model, by turns."""
    threads, backend, rounds = options.threads, options.backend, options.rounds
    if part == "speculation":
        large = name == models.LARGE
        counts = (models.CORE,) if large else (1, 2)
        drafts = {f"first {n} layers": models.first_layers(model, n) for n in counts}
        # Random weights make flat logits: above 0 the noise alone would choose, and always alike.
        temperatures = (0,) if large else (0, TEMPERATURE_ONE)
        if not large:
            drafts["itself"] = model
        return speculation(model, drafts, GUESSES, temperatures, OUTPUT, rounds, threads, backend)
    load = LOADS[name]
    positions = load.together * (load.prompt + load.output)
    if part == "receipts" and name == models.SHIPPED:  # as a provider has it; the other is no file
        known = fingerprint(import_checkpoint(SHIPPED_MODEL))
        order = Order(
            SHIPPED_MODEL, known, load.together, positions, threads, backend, False, None, 0
        )
        apart = EngineProcess(order, model.shape)
        try:
            return Receipts(apart, model, load).measure(rounds)
        finally:
            apart.close()
    engine = Engine(model, threads, backend, slots=load.together, positions=positions, reuse=False)
    if part == "receipts":
        return Receipts(engine, model, load).measure(rounds)
    return verify(engine, *CLAIMS[name], rounds)


def show(document: dict[str, Any]) -> None:
    for name in ("throughput", "stall"):
        if name in document:
            print_table(name, list(document[name][0]), document[name])
    for name, rows in document.get("speculation", {}).items():
        print_table(f"speculation, {name}", list(rows[0]), rows)
    for part, key in (("receipts", "overhead"), ("verify", "of_generating")):
        rows = [{"model": n, key: found[key]} for n, found in document.get(part, {}).items()]
        if rows:
            print_table(part, ["model", key], rows)
    if "soak" in document:
        print_table("soak", ["requests", "mib"], document["soak"]["resident"])


if __name__ == "__main__":
    main()
