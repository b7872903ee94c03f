"""How fast this machine traces a pass: the reference interpreter and the trace's hashes, timed.

    python -m scripts.sim.rates [--positions 256] [--rounds 5] [--out FILE]

One layer of Llama-3-1B's sizes on values of zero, whose arithmetic takes as long as any other. The
best of some rounds, kept in `results/rates.json`, is what the model of bonds and clocks
extrapolates from.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from assay.core.types import Op
from assay.exact.fixed import Ints
from assay.trace.builder import Program
from assay.trace.commitment import CommittedTensor
from assay.trace.execute import apply
from scripts.bench.conditions import machine
from scripts.sim.shapes import SHAPES, Pass, hollow_program, work

FILE = Path(__file__).resolve().parent / "results" / "rates.json"
VOCABULARY = 1_024  # the head weighs little in a deep model; here it would hide the layer
SUMS = (Op.LINEAR, Op.SCORES, Op.ATTEND)


@dataclass(frozen=True)
class Rates:
    """What one process of the reference does a second: products of LINEAR, SCORES and ATTEND,
    elements of all other steps, bytes hashed into the trace."""

    products: float
    elements: float
    hashed: float

    def seconds(self, work: Pass) -> float:
        """Of tracing a pass; elements of sums are counted twice, which is little."""
        return (
            work.products / self.products
            + work.elements / self.elements
            + work.hashed / self.hashed
        )


@dataclass(frozen=True)
class Spent:
    """Seconds by kind of work."""

    sums: float
    others: float
    hashes: float


def measure(positions: int, rounds: int) -> tuple[Rates, Pass]:
    """The best of every kind over some rounds: whatever else the machine does only adds."""
    shape = replace(SHAPES["1B"], layers=1, vocab=VOCABULARY)
    program, done = hollow_program(shape), work(shape, positions)
    spent = [_round(program, positions) for _ in range(rounds)]
    others = sum(
        step.rows * (positions if step.per_position else 1) * (step.width or positions)
        for step in program.steps
        if step.opcode not in SUMS
    )
    rates = Rates(
        done.products / min(s.sums for s in spent),
        others / min(s.others for s in spent),
        done.hashed / min(s.hashes for s in spent),
    )
    return rates, done


def _round(program: Program, positions: int) -> Spent:
    """Time every step of a program, and the hashing of its output."""
    sums = others = hashes = 0.0
    outputs: list[Ints] = []
    tokens = np.zeros(positions, dtype=np.int64)
    for step in program.steps:
        tensors = [program.tensor(i).values.astype(np.int64) for i in step.tensors]
        begun = time.perf_counter()
        outputs.append(apply(step, [outputs[i] for i in step.inputs], tensors, tokens))
        seconds = time.perf_counter() - begun
        if step.opcode in SUMS:
            sums += seconds
        else:
            others += seconds
        begun = time.perf_counter()
        _ = CommittedTensor(outputs[-1], step.elem_bytes).tree.root
        hashes += time.perf_counter() - begun
    return Spent(sums, others, hashes)


def kept(file: Path = FILE) -> Rates:
    """The measured rates that lie in the repository."""
    return Rates(**json.loads(file.read_text())["per_second"])


def document(positions: int, rounds: int) -> dict[str, Any]:
    rates, done = measure(positions, rounds)
    return {
        "what": "tracing one layer of Llama-3-1B's sizes with the reference interpreter",
        "command": f"python -m scripts.sim.rates --positions {positions} --rounds {rounds}",
        "machine": machine(),
        "load": round(os.getloadavg()[0], 1),
        "work": asdict(done),
        "per_second": {name: round(value) for name, value in asdict(rates).items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed of the reference trace on this machine.")
    parser.add_argument("--positions", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=FILE)
    options = parser.parse_args()
    text = json.dumps(document(options.positions, options.rounds), indent=1) + "\n"
    options.out.write_text(text)
    print(text, end="")


if __name__ == "__main__":
    main()
