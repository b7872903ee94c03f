"""Speed at TinyLlama-1.1B's shapes: the exact engine beside llama.cpp and transformers.

All programs take turns, round after round, on the same random weights, so that what else the
machine does meets each alike; medians are kept. Memory's read bandwidth changes from minute to
minute on shared machines, so it is read right before and right after each time that the exact
engine decodes, and the two are compared. llama.cpp is built once, in an environment under
`.bench/`.
"""

from __future__ import annotations

import ctypes
import os
import statistics
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

from assay.core.errors import EnvironmentMissing
from assay.engine.native.build import find_compiler
from scripts.bench.conditions import print_table, stderr
from scripts.bench.llama_shape import Sizes
from scripts.bench.workers import Worker

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".bench" / "engine"
PEERS = ("llama-cpp-python==0.3.36", "gguf==0.19.0", "numpy==1.26.4")
BATCH = 16
READ_BYTES = 1 << 30
READ_TIMES = 5
PAIRS = 3
EIGHT_BITS = "exact native 8-bit inputs"
PROGRAMS = (
    "exact native",
    EIGHT_BITS,
    "exact torch",
    "llama.cpp Q8_0",
    "transformers float32",
    "transformers bfloat16",
)
SLOW = ("exact torch", "transformers float32")
"""Measured once, before the rounds and with fewer tokens: they are far behind, and take minutes
and memory that the others should not have to share."""


def measure(prompt: int, tokens: int, rounds: int, threads: int, programs: list[str]) -> Any:
    """The document's part about these shapes."""
    HOME.mkdir(parents=True, exist_ok=True)
    bandwidth = Bandwidth(threads)
    found: dict[str, dict[str, list[float]]] = {name: {} for name in programs}
    about: dict[str, Any] = {}
    for name in programs:
        if name in SLOW:
            worker = load(name, threads)
            about[name] = worker.about
            take_turn(worker, prompt, max(tokens // 8, 4), found[name])
            worker.close()
    workers = {name: load(name, threads) for name in programs if name not in SLOW}
    about |= {name: worker.about for name, worker in workers.items()}
    read: list[float] = []
    bound: list[float] = []
    for turn in range(rounds):
        for name, worker in workers.items():
            stderr.print(f"round {turn + 1} of {rounds}: {name}")
            take_turn(worker, prompt, tokens, found[name])
            if name == "exact native":
                bound += beside_memory(worker, bandwidth, prompt, tokens, read)
    for worker in workers.values():
        worker.close()
    rates = {
        name: {run: round(statistics.median(found), 2) for run, found in runs.items()}
        for name, runs in found.items()
    }
    return {
        "ratios": {
            "decode_over_memory_bound": round(statistics.median(bound), 3),
            **ratios(rates),
        },
        "decode_over_memory_bound_each": [round(value, 3) for value in bound],
        "tokens_per_second": rates,
        "every_round": found,
        "read_gigabytes_per_second": [round(value, 2) for value in read],
        "weight_bytes_per_token": weight_bytes(),
        "prompt_tokens": prompt,
        "output_tokens": tokens,
        "batch": BATCH,
        "about": about,
    }


def load(name: str, threads: int) -> Worker:
    """A program that has its model and has run once; its threads are pinned."""
    stderr.print(f"{name}: loading …")
    pin = not name.startswith("exact native")  # which does so itself
    worker = Worker(command(name, threads), HOME / "workers.log", pin)
    worker.seconds("prefill", prompt=8)
    return worker


def take_turn(worker: Worker, prompt: int, tokens: int, found: dict[str, list[float]]) -> None:
    """Add one rate of each kind to `found`."""
    few = tokens // 4
    once = {
        "prefill": prompt / worker.seconds("prefill", prompt=prompt),
        "decode": tokens / worker.seconds("decode", prompt=prompt, tokens=tokens),
        "batch": BATCH * few / worker.seconds("batch", size=BATCH, tokens=few),
    }
    for run, rate in once.items():
        found.setdefault(run, []).append(rate)


def beside_memory(
    worker: Worker, bandwidth: Bandwidth, prompt: int, tokens: int, read: list[float]
) -> list[float]:
    """Weights decoded from a second over bytes read a second, before and after; a few times.

    What was read is added to `read`.
    """
    found = []
    before = bandwidth.gigabytes_per_second()
    for _ in range(PAIRS):
        decoded = tokens / worker.seconds("decode", prompt=prompt, tokens=tokens)
        after = bandwidth.gigabytes_per_second()
        found.append(decoded * weight_bytes() / 1e9 / ((before + after) / 2))
        read.append((before + after) / 2)
        before = after
    return found


def ratios(rates: dict[str, dict[str, float]]) -> dict[str, float]:
    """The exact engine's rates over the others'."""
    ours = rates["exact native"]
    found = {}
    others = {
        "llama": [rates[n] for n in rates if n.startswith("llama")],
        "transformers": [rates[n] for n in rates if n.startswith("transformers")],
        "torch": [rates[n] for n in rates if n == "exact torch"],
    }
    for name, theirs in others.items():
        for run in ours if theirs else ():
            found[f"{run}_over_{name}"] = ours[run] / max(rate[run] for rate in theirs)
    for run, rate in rates.get(EIGHT_BITS, {}).items():
        found[f"{run}_of_8_bits_over_16"] = rate / ours[run]
    return {name: round(value, 3) for name, value in found.items()}


def weight_bytes() -> int:
    """int8 weights that a decoded token reads: every layer's matrices and the head."""
    s = Sizes()
    layer = s.hidden * (2 * s.hidden + 2 * s.kv_width + 3 * s.intermediate)
    return s.layers * layer + s.vocab * s.hidden


def command(program: str, threads: int) -> list[str | Path]:
    kind, _, rest = program.partition(" ")
    options = ["--threads", str(threads)]
    if kind == "llama.cpp":
        python, model = llama_environment(), HOME / "tinyllama-q8_0.gguf"
        return [python, "-m", "scripts.bench.worker_llama", model, *options]
    if program == EIGHT_BITS:
        rest, options = "native", [*options, "--input-bits", "8"]
    module = {"exact": "worker_exact", "transformers": "worker_transformers"}[kind]
    return [sys.executable, "-m", f"scripts.bench.{module}", rest, *options]


def llama_environment() -> Path:
    """The Python of an environment that has llama.cpp, built for this machine."""
    python = HOME / "env" / "bin" / "python"
    probe = "import gguf, llama_cpp"
    if python.exists() and subprocess.run([python, "-c", probe], check=False).returncode == 0:
        return python
    stderr.print("building llama.cpp (once, some ten minutes) …")
    venv.create(HOME / "env", with_pip=True, clear=True)
    environment = {**os.environ, "CMAKE_ARGS": "-DGGML_NATIVE=ON"}
    subprocess.run([python, "-m", "pip", "install", "-q", *PEERS], env=environment, check=True)
    return python


class Bandwidth:
    """Reads a gigabyte with all threads, by a few lines of C++."""

    def __init__(self, threads: int) -> None:
        compiler = find_compiler()
        if compiler is None:
            raise EnvironmentMissing("no C++ compiler was found; install one to measure memory")
        target = HOME / "read_bandwidth.so"
        source = Path(__file__).with_name("read_bandwidth.cpp")
        flags = ["-std=c++17", "-O3", "-march=native", "-fPIC", "-shared", "-pthread"]
        subprocess.run([compiler, *flags, source, "-o", target], check=True)
        self._read = ctypes.CDLL(str(target)).read_seconds
        self._read.restype = ctypes.c_double
        self._read.argtypes = [ctypes.c_int]
        self._threads = threads

    def gigabytes_per_second(self) -> float:
        """The best of a few readings."""
        seconds = [float(self._read(self._threads)) for _ in range(READ_TIMES)]
        return READ_BYTES / min(seconds) / 1e9


def show(part: dict[str, Any]) -> None:
    read = statistics.median(part["read_gigabytes_per_second"])
    rows = [{"program": name, **rates} for name, rates in part["tokens_per_second"].items()]
    title = f"TinyLlama-1.1B's shapes, tokens/s (memory reads {read:.1f} GB/s)"
    print_table(title, ("program", "prefill", "decode", "batch"), rows)
    ratio_rows = [{"ratio": name, "value": value} for name, value in part["ratios"].items()]
    print_table("ratios", ("ratio", "value"), ratio_rows)
