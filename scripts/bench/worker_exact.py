"""The exact engine as a benchmark worker, see `workers`.

    python -m scripts.bench.worker_exact native|torch [--threads N] [--input-bits 16|8]

Weights are rounded to nearest, channel by channel; binary points are set by hand to where random
weights of this size put values. A full import would choose them from a text and hold eight bytes
per weight, and run at the same speed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from assay.engine.backends import make_backend
from assay.engine.backends.base import pages_for
from assay.engine.backends.native_cpu import NativeBackend
from assay.engine.digits import sites, with_input_bits
from assay.engine.forward import Decoder, Segment
from assay.engine.rope import rope_table
from assay.exact.model import DecoderShape, ExactModel, Layer, Linear, Norm
from scripts.bench.llama_shape import Floats, Sizes, tensors
from scripts.bench.workers import SHORT_PROMPT, Task, prompts, serve, timed

RESIDUAL = 16  # fraction bits of the residual, and so on
INNER = 14
KEPT = 11


def exact_model(sizes: Sizes, bits: int = 16) -> ExactModel:
    """Inputs of linear layers are of so many bits, 16 or 8."""
    shape = DecoderShape(
        vocab=sizes.vocab,
        hidden=sizes.hidden,
        layers=sizes.layers,
        heads=sizes.heads,
        kv_heads=sizes.kv_heads,
        head_dim=sizes.head_dim,
        intermediate=sizes.intermediate,
        context=sizes.context,
        eos_tokens=(),
        rope_theta=sizes.theta,
        rms_eps=sizes.eps,
    )
    source = (values for _, values in tensors(sizes))
    embedding = np.rint(next(source) * 2.0**RESIDUAL)
    layers = tuple(_layer(source, shape) for _ in range(sizes.layers))
    final_norm = _norm(next(source), shape, INNER)
    model = ExactModel(
        name="tinyllama-shapes",
        shape=shape,
        embedding=np.clip(embedding, -(2**15), 2**15 - 1).astype(np.int16),
        embedding_shift=0,
        layers=layers,
        final_norm=final_norm,
        head=_linear(next(source), INNER, INNER),
        logit_fraction=INNER,
        rope=rope_table(shape),
        gumbel=np.zeros((128, 128), dtype=np.int32),
        tokenizer_hash=bytes(32),
        config_hash=bytes(32),
    )
    return with_input_bits(model, dict.fromkeys(sites(shape), bits))


def _layer(source: Iterator[Floats], shape: DecoderShape) -> Layer:
    attn_norm = _norm(next(source), shape, INNER)
    q, k, v = (_linear(next(source), INNER, INNER) for _ in range(3))
    scale = 1.4426950408889634 / np.sqrt(shape.head_dim)
    part, exponent = np.frexp(scale)
    o = _linear(next(source), KEPT + 8, RESIDUAL)
    mlp_norm = _norm(next(source), shape, INNER)
    gate, up = (_linear(next(source), INNER, INNER) for _ in range(2))
    return Layer(
        attn_norm=attn_norm,
        q=q,
        k=k,
        v=v,
        v_shift=INNER - KEPT,
        score_mantissa=round(float(part) * 2**16),
        score_shift=16 - int(exponent) + 2 * INNER - 16,
        o=o,
        mlp_norm=mlp_norm,
        gate=gate,
        up=up,
        gate_fraction=INNER,
        product_shift=INNER,
        down=_linear(next(source), INNER, RESIDUAL),
    )


def _linear(values: Floats, f_in: int, f_out: int) -> Linear:
    """See `engine.quantise`: weight * mantissa * 2**exponent, rounded to nearest."""
    part, exponent = np.frexp(np.abs(values).max(axis=1) / 127)
    mantissa = np.minimum(np.ceil(np.ldexp(part, 16)), 2**16 - 1)
    units = values / np.ldexp(mantissa, exponent - 16).astype(np.float32)[:, None]
    weight = np.clip(np.rint(units), -127, 127).astype(np.int8)
    shift: NDArray[np.int32] = (f_in - f_out + 16 - exponent).astype(np.int32)
    return Linear(weight, mantissa.astype(np.int32), shift)


def _norm(gain: Floats, shape: DecoderShape, f_out: int) -> Norm:
    eps = round(shape.hidden * shape.rms_eps * 2 ** (2 * RESIDUAL))
    return Norm((gain * 2.0**29).astype(np.int32), 20 + 29 - f_out, eps)


class Timed:
    """A backend whose every step adds its seconds to `spent`."""

    STEPS = ("begin", "embed", "norm", "linear", "store", "attend", "gate")

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self.spent: dict[str, float] = {}
        for step in self.STEPS:
            setattr(self, step, self._timed(step, getattr(backend, step)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def _timed(self, step: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            began = time.perf_counter()
            result = call(*arguments)
            name = step
            if step == "linear":
                name = f"linear {arguments[1].width} x {arguments[1].outputs}"
            self.spent[name] = self.spent.get(name, 0.0) + time.perf_counter() - began
            return result

        return timed


class Exact:
    """What is timed: passes of the decoder and the greedy choice."""

    def __init__(self, backend: Any, sizes: Sizes) -> None:
        self._decoder = Decoder(backend)
        self._sizes = sizes

    def prefill(self, prompt: int) -> float:
        def run() -> None:
            self._pass(
                self._decoder.new_cache(pages_for(prompt)), prompts(self._sizes.vocab, 1, prompt), 0
            )

        return timed(run)

    def decode(self, prompt: int, tokens: int) -> float:
        return self.decode_many(1, prompt, tokens)

    def batch(self, size: int, tokens: int) -> float:
        return self.decode_many(size, SHORT_PROMPT, tokens)

    def decode_many(
        self, size: int, prompt: int, tokens: int, begin: Callable[[], None] = lambda: None
    ) -> float:
        """`begin` is called between the prompts' pass and the timed ones."""
        cache = self._decoder.new_cache(size * pages_for(prompt + tokens))
        chosen = self._pass(cache, prompts(self._sizes.vocab, size, prompt), 0)

        def run() -> None:
            nonlocal chosen
            for step in range(tokens):
                chosen = self._pass(cache, [[token] for token in chosen], prompt + step)

        begin()
        return timed(run)

    def _pass(self, cache: Any, tokens: list[list[int]], start: int) -> list[int]:
        each = cache.pages // len(tokens)
        segments = [
            Segment(range(index * each, (index + 1) * each), start, part)
            for index, part in enumerate(tokens)
        ]
        ends = np.cumsum([len(part) for part in tokens]) - 1
        hidden = self._decoder.hidden(cache, segments, ends.tolist())
        chosen: list[int] = self._decoder.logits(hidden).argmax(dim=1).tolist()
        return chosen


def profile(threads: int, bits: int) -> None:
    """Print each step's time a pass, with GB/s of weights and GMAC/s (rows of `bits` by int8)."""
    sizes = Sizes()
    timed = Timed(make_backend(exact_model(sizes, bits), threads=threads, pin=True))
    exact = Exact(timed, sizes)
    for name, size, prompt, passes in (
        ("prefill of 512", 1, 512, 0),
        ("decode", 1, 512, 32),
        ("decode of 16", 16, SHORT_PROMPT, 16),
    ):
        if passes:
            seconds = exact.decode_many(size, prompt, passes, timed.spent.clear)
        else:
            exact.prefill(prompt)
            timed.spent.clear()
            seconds = exact.prefill(prompt)
        rows, passes = (size, passes) if passes else (prompt, 1)
        print(f"{name}: {seconds / passes * 1e3:.2f} ms a pass")
        for step, spent in sorted(timed.spent.items(), key=lambda item: -item[1]):
            print(f"  {_line(step, spent / passes, seconds / passes, rows, size, sizes)}")


def _line(step: str, spent: float, whole: float, rows: int, size: int, sizes: Sizes) -> str:
    line = f"{step:22}{spent * 1e3:9.2f} ms {spent / whole:6.1%}"
    if step.startswith("linear"):
        _, width, _, outputs = step.split()
        is_head = int(outputs) == sizes.vocab
        weights = int(width) * int(outputs) * (1 if is_head else sizes.layers)
        macs = weights * (size if is_head else rows)
        line += f"{weights / spent / 1e9:8.1f} GB/s{macs / spent / 1e9:8.1f} GMAC/s"
    return line


def main() -> None:
    parser = argparse.ArgumentParser(description="The exact engine as a benchmark worker.")
    parser.add_argument("backend", choices=("native", "torch"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--input-bits", type=int, choices=(8, 16), default=16)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    sizes = Sizes()
    model = exact_model(sizes, options.input_bits)
    backend = make_backend(model, options.backend, options.threads, pin=True)
    exact = Exact(backend, sizes)
    tasks: dict[str, Task] = {
        "prefill": exact.prefill,
        "decode": exact.decode,
        "batch": exact.batch,
    }
    isa = backend.kernels.isa if isinstance(backend, NativeBackend) else None
    about = {"backend": backend.name, "isa": isa, "input_bits": options.input_bits}
    serve(tasks, about | asdict(sizes))


if __name__ == "__main__":
    main()
