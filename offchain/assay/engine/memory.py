"""How much memory an engine takes, before it is loaded: an upper bound, part by part.

Knows how each backend lays out weights and cache. The model's own arrays, which backends make
their copies from, are there already and not counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path

import numpy as np
import torch

from assay.core.errors import EnvironmentMissing
from assay.engine.backends import BackendKind, backend_for
from assay.engine.backends.base import PAGE, pages_for
from assay.engine.gemm import best_gemm
from assay.engine.gpu.device import MAX_SPLIT_PAGES, PROGRAMS
from assay.exact.encoder import EncoderModel
from assay.exact.model import ExactModel, Linear

PREFILL_ROWS = 512
"""Rows per pass of a long prefill: bounds its memory, changes no bit."""
HEAD_ELEMENTS = 1 << 22
"""Logits computed at once."""
SCORE_ELEMENTS = 1 << 18
"""Of those, the ones that are drawn from at once."""
SCORE_BYTES = 120
"""What drawing takes for each: some fifteen int64 temporaries."""
FIXED = 24 << 20
"""Tables, threads' stacks, what allocators keep."""
LANES = 64
"""Output channels are padded to this, at most."""
ATTENTION_QUERIES = 32
"""Queries that a native thread attends with at once."""
GIB = 1 << 30


@dataclass(frozen=True)
class Prediction:
    """Bytes."""

    weights: int
    cache: int
    working: int

    @property
    def total(self) -> int:
        return self.weights + self.cache + self.working

    def __add__(self, other: Prediction) -> Prediction:
        return Prediction(
            self.weights + other.weights, self.cache + other.cache, self.working + other.working
        )


def predict(
    model: ExactModel,
    positions: int,
    rows: int,
    slots: int,
    backend: BackendKind = "native",
    threads: int = 1,
) -> Prediction:
    """What a backend and one batch take at most.

    positions: of the cache; rows: of a pass; slots: requests that decode together, guesses
    included; threads: compute threads.
    """
    weights = sum(_linear_bytes(linear, backend) for linear in _linears(model))
    if backend == "torch":
        weights += model.embedding.nbytes + 8 * model.rope.size
        working = _torch_pass(model, rows, slots)
    elif backend == "triton":
        weights += model.embedding.nbytes + model.rope.nbytes
        working = _triton_pass(model, rows, slots)
    else:
        working = _native_pass(model, rows, threads)
    cache = pages_for(positions) * PAGE * position_bytes(model, backend)
    return Prediction(weights, cache, working + _head_bytes(model, rows, slots, backend) + FIXED)


def expected(model: ExactModel) -> Prediction:
    """Of one request with a full context, by the backend that this machine takes."""
    rows = min(PREFILL_ROWS, model.shape.context)
    return predict(model, model.shape.context, rows, 1, backend_for(model))


def position_bytes(model: ExactModel, backend: BackendKind = "native") -> int:
    """Of one position of the cache: keys, values and the keys' exponents in every layer."""
    shape = model.shape
    wide = -(-shape.head_dim // 16) * 16 if backend == "native" else shape.head_dim
    return shape.layers * shape.kv_heads * (2 * shape.head_dim + 2 * wide + 1)


def default_positions(
    model: ExactModel,
    slots: int,
    besides: Prediction,
    available: int | None,
    backend: BackendKind,
    each: int,
) -> int:
    """For each slot `each`, what a full context holds at once, in at most half of what `besides`
    leaves; for one slot at least."""
    wanted = slots * each
    if available is None:
        return wanted
    room = max(available - besides.total, 0) // 2 // position_bytes(model, backend)
    return max(min(wanted, room), each)


def check_memory(name: str, needed: Prediction, positions: int, available: int | None) -> None:
    """Raise EnvironmentMissing if it does not fit; nothing is known where `available` is None."""
    if available is None or needed.total <= available:
        return
    raise EnvironmentMissing(
        f"{name} needs {needed.total / GIB:.2f} GiB of memory (weights {needed.weights / GIB:.2f}, "
        f"cache of {positions:,} positions {needed.cache / GIB:.2f}, working memory "
        f"{needed.working / GIB:.2f}) and {available / GIB:.2f} GiB are available; lower "
        "`positions`, `rows` or `slots`, free memory, or take a smaller model"
    )


def available_memory(backend: BackendKind = "native") -> int | None:
    """Bytes that this process can still take: the GPU's, the machine's, or what its control group
    leaves; None where none can be read."""
    if backend == "triton" and torch.cuda.is_available():
        return torch.cuda.mem_get_info()[0]
    found = []
    meminfo = _read(Path("/proc/meminfo"))
    for line in (meminfo or "").splitlines():
        if line.startswith("MemAvailable:"):
            found.append(int(line.split()[1]) * 1024)
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        texts = [_read(Path("/sys/fs/cgroup") / name) for name in (limit, used)]
        if all(text is not None and text.strip().isdigit() for text in texts):
            found.append(int(texts[0] or 0) - int(texts[1] or 0))
    return max(min(found), 0) if found else None


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None


def encoder_bytes(model: EncoderModel) -> int:
    """What a sentence encoder's weights and one pass over a full context take at most."""
    weights = sum(_linear_bytes(linear, "torch") for linear in _linears(model))
    shape = model.shape
    inner = max(linear.weight.shape[0] for linear in _linears(model))
    rows = shape.context * (
        8 * (6 * inner + 4 * shape.hidden) + 3 * shape.heads * 8 * shape.context
    )
    return weights + model.embedding.nbytes + 8 * model.positions.size + rows + FIXED


def integer_bytes(part: object) -> int:
    """What a model's own arrays take."""
    if isinstance(part, np.ndarray):
        return part.nbytes
    if isinstance(part, tuple):
        return sum(map(integer_bytes, part))
    if is_dataclass(part):
        return sum(integer_bytes(getattr(part, field.name)) for field in fields(part))
    return 0


def _linears(part: object) -> Iterator[Linear]:
    """Every linear layer of a model, wherever it is."""
    if isinstance(part, Linear):
        yield part
    elif isinstance(part, tuple):
        for item in part:
            yield from _linears(item)
    elif is_dataclass(part):
        for field in fields(part):
            yield from _linears(getattr(part, field.name))


def _linear_bytes(linear: Linear, backend: BackendKind) -> int:
    outputs, width = linear.weight.shape
    if backend == "triton":
        return int(outputs * (width + 8 + 4 * (linear.bias is not None)))
    if backend == "native":
        channels = -(-outputs // LANES) * LANES
        return channels * (-(-width // 4) * 4 + 8 + 4 * (linear.bias is not None))
    each = 1 if best_gemm().name == "int8" else 8
    return int(outputs * (width * each + 24 + 8 * (linear.bias is not None)))


def _native_pass(model: ExactModel, rows: int, threads: int) -> int:
    """Rows quantised, outputs and queries (int32 and two int16), the residual; and
    each thread's scores, digits and sums of an attention unit."""
    s = model.shape
    inner, qkv = s.heads * s.head_dim, (s.heads + 2 * s.kv_heads) * s.head_dim
    row = _quantised_bytes(model) + 4 * (qkv + 3 * s.intermediate)
    row += 8 * inner + 4 * s.heads + (10 if s.post_norms else 6) * s.hidden
    queries = max(ATTENTION_QUERIES, s.heads // s.kv_heads)
    unit = queries * (12 * s.context + 16 * s.head_dim) + 4 * s.context
    return rows * row + threads * unit


def _quantised_bytes(model: ExactModel) -> int:
    """Of one row before each kind of product; layers of 16 and of 8 bits have memory of their own,
    and some instruction sets keep either in two bytes."""
    layers, s = model.layers, model.shape
    normed = {bits for x in layers for bits in (x.attn_input_bits, x.mlp_input_bits)}
    kinds = {x.o_input_bits for x in layers}, {x.product_bits for x in layers}
    mixed, product = map(len, kinds)
    hidden = s.hidden * len(normed | {model.final_input_bits})
    return 2 * (hidden + mixed * s.heads * s.head_dim + product * s.intermediate)


def _torch_pass(model: ExactModel, rows: int, slots: int) -> int:
    """Temporaries of the widest steps in float64 and int64; and decoding's keys and values of all
    slots, read out as float64."""
    s = model.shape
    widest = max(2 * s.intermediate, (s.heads + 2 * s.kv_heads) * s.head_dim)
    step = rows * 8 * (6 * widest + 4 * s.hidden)
    scores = (6 if s.score_cap is None else 9) * s.heads
    read = slots * s.context * 8 * (4 * s.kv_heads * s.head_dim + scores)
    return step + read


def _triton_pass(model: ExactModel, rows: int, slots: int) -> int:
    """Rows quantised, outputs and products (int32), queries, the residual twice; and attention's
    int64 sums, of prefill by context and of decoding by parts of it. A recorded pass of each number
    of slots keeps a residual."""
    s = model.shape
    inner, qkv = s.heads * s.head_dim, (s.heads + 2 * s.kv_heads) * s.head_dim
    row = _quantised_bytes(model) + 4 * (qkv + 3 * s.intermediate)
    row += 6 * inner + (16 if s.post_norms else 12) * s.hidden
    each = s.heads * (8 * s.head_dim + 12)
    parts = max(rows * -(-s.context // (MAX_SPLIT_PAGES * PAGE)), slots + PROGRAMS)
    return rows * row + parts * each + 4 * slots * slots * (s.hidden + s.context // PAGE)


def _head_bytes(model: ExactModel, rows: int, slots: int, backend: BackendKind) -> int:
    """Logits at once (of a whole pass when a claim is verified), and drawing from them."""
    vocab = model.shape.vocab
    logits = vocab * max(min(max(rows, slots), HEAD_ELEMENTS // vocab), 1)
    drawn = vocab * max(min(rows, SCORE_ELEMENTS // vocab), 1)
    return logits * (48 if backend == "torch" else 12) + drawn * SCORE_BYTES
