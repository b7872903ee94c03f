"""The backend on a GPU: Triton kernels over int8 digit planes, see `assay.engine.gpu`.

Rows and outputs lie in memory that each cache keeps and its passes use again, so a pass of single
rows has the same addresses every time: its kernels are recorded once, in a CUDA graph, and
replayed. Residuals and logits are int32 on the device.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from assay.engine.backends.base import PAGE, Segment, pages_for, prepare_layers
from assay.engine.gpu import device as devices
from assay.engine.gpu.attention import (
    mix_heads,
    score_peaks,
    store_rows,
    weighted_sums,
)
from assay.engine.gpu.memory import GpuRows, Memory, Recorded, Recording
from assay.engine.gpu.places import Placed, Places
from assay.engine.gpu.product import narrow_product, wide_product
from assay.engine.gpu.rows import (
    cap_elements,
    gate_products,
    norm_rows,
    norm_rows_onto,
    quantise_rows,
    row_peaks,
)
from assay.exact.model import DecoderShape, ExactModel, Linear, Norm, Softcap
from assay.exact.ops import mean_square_eps

PART = 1024
"""Elements of a row that one program quantises."""
BLOCKS_OF_ROWS = 8
"""That a product goes through before the next channels."""


NO_CAP = Softcap(1, 1, 1)
"""In the place of one; not read."""


def _row_warps(width: int) -> int:
    """Of a program that holds a whole row."""
    return min(max(_power(width) // 512, 1), 16)


def _power(n: int) -> int:
    """The least power of two that is not below n."""
    return 1 << max(n - 1, 0).bit_length()


@dataclass(frozen=True)
class GpuWeights:
    """weight (J, K) int8; mantissa, shift and bias (J,) int32."""

    weight: Tensor
    mantissa: Tensor
    shift: Tensor
    bias: Tensor | None


@dataclass(frozen=True)
class GpuNorm:
    """gain (d,) int32; eps_terms (33,) int64 by exponent + 15; bits of what is quantised."""

    gain: Tensor
    eps_terms: Tensor
    shift: int
    bits: int


class GpuCache:
    """Keys and values in the layout of `gpu.attention`, and what passes over them work in."""

    def __init__(self, shape: DecoderShape, pages: int, device: torch.device) -> None:
        self.pages, self.memory = pages, Memory(device)
        self.recorded = Recorded()
        heads, hd = (pages, shape.kv_heads), shape.head_dim
        self.layers = [
            (
                torch.zeros(*heads, 2, PAGE, hd, dtype=torch.int8, device=device),
                torch.zeros(*heads, PAGE, dtype=torch.int8, device=device),
                torch.zeros(*heads, 2, hd, PAGE, dtype=torch.int8, device=device),
            )
            for _ in range(shape.layers)
        ]


@dataclass(frozen=True)
class GpuRun:
    """One pass: parts of the context, queries of a program, whether every segment has one row."""

    segments: Sequence[Segment]
    cache: GpuCache
    at: Placed
    splits: int
    queries: int
    decoding: bool

    @property
    def count(self) -> int:
        return len(self.at.tokens)


class GpuBackend:
    """See `base.Backend`.

    Args:
        held: what tensor cores multiply, see `gpu.device`; None takes what the chip is best at.
    """

    name = "triton"

    def __init__(self, model: ExactModel, held: devices.Held | None = None) -> None:
        self.device = devices.require()
        self.held = held or devices.held(self.device)
        self._shared = devices.shared_memory(self.device)
        shape = self._shape = model.shape
        self._current = threading.local()
        self._rope = self._tensor(model.rope, torch.int16)
        self._embedding = self._tensor(model.embedding, torch.int16)
        self._embedding_shift = model.embedding_shift
        self._group = shape.heads // shape.kv_heads
        self.layers = prepare_layers(model, self)
        self.final_norm = self.prepare_norm(model.final_norm, model.final_input_bits)
        self._logit_cap = model.logit_cap
        self.head = self.prepare_linear(model.head)

    def _tensor(self, values: Any, dtype: torch.dtype) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.device, dtype)

    @property
    def _memory(self) -> Memory:
        """Of the cache that this thread's pass is over."""
        if not hasattr(self._current, "memory"):
            self._current.memory = Memory(self.device)
        memory: Memory = self._current.memory
        return memory

    def prepare_linear(self, *parts: Linear) -> GpuWeights:
        bias = None
        if any(part.bias is not None for part in parts):
            rows = [np.zeros(len(p.weight), np.int32) if p.bias is None else p.bias for p in parts]
            bias = self._tensor(np.concatenate(rows), torch.int32)
        return GpuWeights(
            self._tensor(np.concatenate([part.weight for part in parts]), torch.int8),
            self._tensor(np.concatenate([part.mantissa for part in parts]), torch.int32),
            self._tensor(np.concatenate([part.shift for part in parts]), torch.int32),
            bias,
        )

    def prepare_norm(self, norm: Norm, bits: int = 16) -> GpuNorm:
        terms = mean_square_eps(norm.eps, np.arange(-15, 18, dtype=np.int64))
        gain = self._tensor(norm.gain, torch.int32)
        return GpuNorm(gain, self._tensor(terms, torch.int64), norm.shift, bits)

    def new_cache(self, pages: int) -> GpuCache:
        return GpuCache(self._shape, pages, self.device)

    def begin(self, cache: GpuCache, segments: Sequence[Segment]) -> GpuRun:
        self._current.memory = cache.memory
        decoding = all(len(segment.tokens) == 1 for segment in segments)
        queries = devices.MAX_GROUP
        if not decoding:
            queries = devices.queries(self._shared, self._shape.head_dim)
        places = Places()
        for segment in segments:
            places.add(segment, 1 if decoding else queries // self._group)
        longest = max(pages_for(segment.end) for segment in segments)
        return GpuRun(
            segments,
            cache,
            self._placed(cache.memory, places),
            self._splits(len(places.firsts), longest, decoding),
            queries,
            decoding,
        )

    def _placed(self, memory: Memory, places: Places) -> Placed:
        """The columns on the device, at addresses that depend on the number of rows alone."""
        columns = places.columns()
        lengths = [len(column) for column in columns]
        host = torch.tensor([value for column in columns for value in column], dtype=torch.int32)
        rows = len(places.tokens)
        room = max(6 * rows + rows * pages_for(self._shape.context), len(host))
        space = memory.of(f"places of {rows}", room)[: len(host)]
        space.copy_(host)
        return Placed(*torch.split(space, lengths))

    def _splits(self, blocks: int, longest: int, decoding: bool) -> int:
        """Parts of the context: as many as bounds ask for, and in decoding as keep the device
        busy, by the next power of two of the pages, so that a recorded pass stays good."""
        least = -(-longest // devices.MAX_SPLIT_PAGES)
        if not decoding:
            return least
        busy = devices.PROGRAMS // (blocks * self._shape.kv_heads)
        return max(min(busy, _power(longest)), least, 1)

    def play(self, run: GpuRun, steps: Callable[[], Tensor]) -> Tensor:
        """Single rows' steps are run once, which compiles them and makes their memory grow, then
        recorded, then replayed for as long as that memory is the same."""
        if self.device.type != "cuda" or not run.decoding:
            return steps()
        recorded, memory = run.cache.recorded, run.cache.memory
        if recorded.age != memory.age:
            recorded.clear(memory.age)
        key = run.count, run.splits
        if key not in recorded.seen:
            recorded.seen.add(key)
            return steps()
        if key not in recorded.passes:
            recorded.passes[key] = Recording(steps)
        return recorded.passes[key].replay()

    def embed(self, run: GpuRun) -> Tensor:
        rows = self._embedding.index_select(0, run.at.tokens).to(torch.int32)
        return rows.bitwise_left_shift_(self._embedding_shift)

    def quantise(self, x: Tensor, bits: int = 16) -> GpuRows:
        x = x.contiguous()
        count, width = x.shape
        parts = -(-width // PART)
        peaks = self._memory.of("peaks", count, parts, dtype=torch.int64)
        row_peaks[count, parts](x, peaks, width, parts, PART)
        return self._quantise("quantise", x, peaks, bits)

    def _quantise(self, use: str, x: Tensor, peaks: Tensor, bits: int) -> GpuRows:
        """Rows x (R, K) int32 whose parts' peaks (R, P) are known."""
        count, width = x.shape
        parts, rows = peaks.shape[1], self._memory.rows(use, count, width, bits)
        quantise_rows[count, -(-width // PART)](
            x, peaks, rows.digits, rows.scales, width, parts, PART, _power(parts), rows.planes
        )
        return rows

    def norm(self, x: Tensor, weights: GpuNorm) -> GpuRows:
        x = x.contiguous()
        count, width = x.shape
        rows = self._memory.rows("norm", count, width, weights.bits)
        norm_rows[count,](
            x, weights.gain, weights.eps_terms, rows.digits, rows.scales, width, weights.shift,
            _power(width), rows.planes, num_warps=_row_warps(width),
        )  # fmt: skip
        return rows

    def norm_onto(self, x: Tensor, weights: GpuNorm, onto: Tensor) -> Tensor:
        x = x.contiguous()
        count, width = x.shape
        norm_rows_onto[count,](
            x, weights.gain, weights.eps_terms, onto, width, weights.shift,
            _power(width), num_warps=_row_warps(width),
        )  # fmt: skip
        return onto

    def cap(self, logits: Tensor) -> Tensor:
        if cap := self._logit_cap:
            count = logits.numel()
            cap_elements[-(-count // PART),](logits, count, cap.cap, cap.mantissa, cap.shift, PART)
        return logits

    def linear(self, rows: GpuRows, weights: GpuWeights, onto: Tensor | None = None) -> Tensor:
        count, outputs, width = len(rows.digits), *weights.weight.shape
        if onto is not None:
            out = onto
        elif weights is self.head:
            out = torch.empty(count, outputs, dtype=torch.int32, device=self.device)
        else:
            out = self._memory.of("outputs", count, outputs)
        few = count <= devices.NARROW_ROWS
        tiling = devices.narrow(count, rows.planes) if few else devices.wide(self._shared)
        bias = weights.mantissa if weights.bias is None else weights.bias
        arguments = (
            rows.digits, rows.scales, weights.weight, weights.mantissa, weights.shift, bias, out,
            count, outputs, width, weights.bias is not None, onto is not None,
            width % tiling.depth == 0, self.held, rows.planes,
            tiling.rows, tiling.channels, tiling.depth,
        )  # fmt: skip
        launch = {"num_warps": tiling.warps, "num_stages": tiling.stages}
        columns = -(-outputs // tiling.channels)
        if few:
            narrow_product[columns,](*arguments, **launch)
        else:
            programs = columns * -(-count // tiling.rows)
            wide_product[programs,](*arguments, BLOCKS_OF_ROWS, **launch)
        return out

    def store(self, index: int, qkv: Tensor, run: GpuRun) -> tuple[Tensor, Tensor]:
        """Queries (T, H, 2, hd) int8 and their exponents (T, H) int32."""
        s, layer = self._shape, self.layers[index]
        queries = self._memory.of("queries", run.count, s.heads, 2, s.head_dim, dtype=torch.int8)
        exponents = self._memory.of("query exponents", run.count, s.heads)
        keys, key_exponents, values = run.cache.layers[index]
        q_norm, k_norm = layer.head_norms or (layer.attn_norm, layer.attn_norm)
        store_rows[run.count, s.heads + 2 * s.kv_heads](
            qkv, queries, exponents, keys, key_exponents, values, run.at.positions, run.at.pages,
            self._rope, q_norm.gain, q_norm.eps_terms, q_norm.shift,
            k_norm.gain, k_norm.eps_terms, k_norm.shift, layer.scalars.v_shift,
            s.heads, s.kv_heads, s.head_dim, layer.head_norms is not None, _power(s.head_dim // 2),
            num_warps=1,
        )  # fmt: skip
        return queries, exponents

    def attend(self, index: int, queries: tuple[Tensor, Tensor], run: GpuRun) -> GpuRows:
        s, of = self._shape, self._memory.of
        count, heads, hd = run.count, s.heads, s.head_dim
        parts = run.splits * count
        peaks = of("score peaks", parts, heads)
        sums = of("sums", parts, heads, hd, dtype=torch.int64)
        totals = of("totals", parts, heads, dtype=torch.int64)
        self._scan(index, queries, run, peaks, sums, totals)
        mixed = of("mixed", count, heads * hd)
        head_peaks = of("head peaks", count, heads, dtype=torch.int64)
        mix_heads[count, heads](
            sums, totals, mixed, head_peaks, count, heads, hd, run.splits, _power(hd), num_warps=1
        )
        bits = self.layers[index].scalars.o_input_bits
        return self._quantise("attend", mixed, head_peaks, bits)

    def _scan(
        self,
        index: int,
        queries: tuple[Tensor, Tensor],
        run: GpuRun,
        peaks: Tensor,
        sums: Tensor,
        totals: Tensor,
    ) -> None:
        """Both passes over the context."""
        s, scalars = self._shape, self.layers[index].scalars
        keys, key_exponents, values = run.cache.layers[index]
        blocks = (run.at.tables, run.at.firsts, run.at.counts, run.at.starts)
        cap = scalars.score_cap or NO_CAP
        sizes = (
            run.count, s.heads, s.kv_heads, s.head_dim, scalars.score_mantissa,
            scalars.score_shift, scalars.window, cap.cap, cap.mantissa, cap.shift, run.splits,
            run.queries, max(_power(s.head_dim), 32), self.held, scalars.score_cap is not None,
        )  # fmt: skip
        grid = (len(run.at.firsts), s.kv_heads, run.splits)
        warps = 4 if run.decoding else 8
        score_peaks[grid](
            *queries, run.at.positions, keys, key_exponents, *blocks, peaks, *sizes, num_warps=warps
        )
        weighted_sums[grid](
            *queries, run.at.positions, keys, key_exponents, values, *blocks, peaks, sums, totals,
            *sizes, _power(run.splits), num_warps=warps,
        )  # fmt: skip

    def gate(self, index: int, gate_up: Tensor) -> GpuRows:
        count, width = gate_up.shape[0], self._shape.intermediate
        scalars, parts = self.layers[index].scalars, -(-width // PART)
        products = self._memory.of("products", count, width)
        peaks = self._memory.of("gate peaks", count, parts, dtype=torch.int64)
        gate_products[count, parts](
            gate_up, products, peaks, width, parts,
            scalars.gate_fraction, scalars.product_shift, PART, self._shape.activation,
        )  # fmt: skip
        return self._quantise("gate", products, peaks, scalars.product_bits)
