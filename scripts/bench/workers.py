"""Programs under measurement, each in a process of its own: one line of JSON in, one out.

A worker loads its model once and says so; then each request names what to time, so that several
can take turns in one run. A request is {"run": …, numbers}, an answer {"seconds": …}:

    prefill   one prompt of `prompt` tokens, up to its last logits
    decode    the same, then `tokens` tokens, greedily, one at a time; only those are timed
    batch     `size` sequences of 4 tokens, then `tokens` tokens of each, together; only those
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

SHORT_PROMPT = 4
PINNED = {"OMP_PROC_BIND": "true", "OMP_PLACES": "cores"}
"""For a program whose threads are OpenMP's, to keep them to a processor each."""

Task = Callable[..., float]


def serve(tasks: Mapping[str, Task], about: Mapping[str, Any]) -> None:
    """Answer requests on stdin until it ends; what a task prints goes to stderr."""
    answers, sys.stdout = sys.stdout, sys.stderr
    print(json.dumps(dict(about)), file=answers, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        seconds = tasks[request.pop("run")](**request)
        print(json.dumps({"seconds": seconds}), file=answers, flush=True)


def timed(run: Callable[[], object]) -> float:
    """Seconds of one run."""
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def prompts(vocab: int, size: int, length: int) -> list[list[int]]:
    """`size` random prompts of that length, the same for every program."""
    rng = np.random.default_rng(length)
    found: list[list[int]] = rng.integers(1, vocab, (size, length)).tolist()
    return found


class Worker:
    """A worker process; `about` is what it said of itself when it was ready.

    pin: whether OpenMP's threads should each keep to a processor.
    """

    def __init__(self, command: Sequence[str | Path], log: Path, pin: bool) -> None:
        self._log = log
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={**os.environ, **(PINNED if pin else {})},
            )
        self.about = self._answer()

    def seconds(self, run: str, **numbers: int) -> float:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"run": run, **numbers}) + "\n")
        self._process.stdin.flush()
        return float(self._answer()["seconds"])

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"a benchmark worker ended unexpectedly; see {self._log}")
        answer: dict[str, Any] = json.loads(line)
        return answer
