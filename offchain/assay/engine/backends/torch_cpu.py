"""The backend in plain torch: float64 tensors that hold integers, see `kernels`.

Runs wherever torch does. It is the fallback of the native kernels and the second opinion on them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from assay.engine import kernels
from assay.engine.backends.base import PAGE, Segment, prepare_layers
from assay.engine.cache import KVCache
from assay.engine.gemm import Gemm, best_gemm
from assay.engine.kernels import MASK, LinearWeights, NormWeights, Rows
from assay.exact.model import ExactModel, Linear, Norm

BLOCK_SCORES = 1 << 18
"""Scores computed at once, so that a block's working set stays in cache."""


@dataclass(frozen=True)
class Singles:
    """The segments of one row each: B of the pass's `rows`, whose sequences lie in `table` (B, P).

    `positions` (B,) are the rows' own; `beyond` (B, 1, 1, length) marks what a row must not see of
    the first `length` positions.
    """

    rows: Tensor
    positions: Tensor
    table: Tensor
    length: int
    beyond: Tensor


@dataclass(frozen=True)
class Longer:
    """A segment of several rows from `row` on, in pages `table` (1, P)."""

    row: int
    table: Tensor
    start: int
    end: int


@dataclass(frozen=True)
class TorchRun:
    """Where the pass's T rows belong.

    tokens, places (T,) int64, see `KVCache`; cos, sin (T, 1, hd / 2) of the rows' positions.
    """

    segments: Sequence[Segment]
    cache: KVCache
    tokens: Tensor
    places: Tensor
    cos: Tensor
    sin: Tensor
    singles: Singles | None
    longer: Sequence[Longer]


class TorchBackend:
    """See `base.Backend`; `gemm` is the product's implementation, the fastest by default."""

    name = "torch"

    def __init__(self, model: ExactModel, gemm: Gemm | None = None) -> None:
        self._model = model
        self._shape = model.shape
        self._gemm = gemm or best_gemm()
        half = model.shape.head_dim // 2
        rope = torch.tensor(model.rope, dtype=torch.float64)
        self._cos, self._sin = rope[:, :half].contiguous(), rope[:, half:].contiguous()
        self._embedding = torch.tensor(model.embedding)
        self.layers = prepare_layers(model, self)
        self.final_norm = self.prepare_norm(model.final_norm, model.final_input_bits)
        self.head = self.prepare_linear(model.head)

    def prepare_linear(self, *parts: Linear) -> LinearWeights:
        return kernels.stacked(self._gemm, *parts)

    def prepare_norm(self, norm: Norm, bits: int = 16) -> NormWeights:
        return kernels.norm_weights(norm, bits)

    def new_cache(self, pages: int) -> KVCache:
        return KVCache(self._shape, pages)

    def begin(self, cache: KVCache, segments: Sequence[Segment]) -> TorchRun:
        tables = [segment.table() for segment in segments]
        positions = [p for segment in segments for p in range(segment.start, segment.end)]
        places = [
            table[p // PAGE] * PAGE + p % PAGE
            for table, segment in zip(tables, segments, strict=True)
            for p in range(segment.start, segment.end)
        ]
        row, singles, longer = 0, [], []
        for table, segment in zip(tables, segments, strict=True):
            if len(segment.tokens) == 1:
                singles.append((row, table, segment.start))
            else:
                longer.append(Longer(row, torch.tensor([table]), segment.start, segment.end))
            row += len(segment.tokens)
        return TorchRun(
            segments=segments,
            cache=cache,
            tokens=torch.tensor([token for segment in segments for token in segment.tokens]),
            places=torch.tensor(places),
            cos=self._cos[positions][:, None],
            sin=self._sin[positions][:, None],
            singles=_singles(singles) if singles else None,
            longer=longer,
        )

    def play(self, run: TorchRun, steps: Callable[[], Tensor]) -> Tensor:
        return steps()

    def embed(self, run: TorchRun) -> Tensor:
        x = self._embedding.index_select(0, run.tokens).to(torch.float64)
        return x.mul_(2.0**self._model.embedding_shift)

    def quantise(self, x: Tensor, bits: int = 16) -> Rows:
        return kernels.quantise(x, bits)

    def norm(self, x: Tensor, weights: NormWeights) -> Rows:
        return kernels.quantise(kernels.norm(x, weights), weights.bits)

    def linear(self, rows: Rows, weights: LinearWeights, onto: Tensor | None = None) -> Tensor:
        y = kernels.linear(rows, weights, self._gemm)
        if weights.bias is not None:
            y = kernels.add(y, weights.bias)
        return y if onto is None else kernels.add(onto, y)

    def norm_onto(self, x: Tensor, weights: NormWeights, onto: Tensor) -> Tensor:
        return kernels.add(onto, kernels.norm(x, weights))

    def cap(self, logits: Tensor) -> Tensor:
        if cap := self._model.logit_cap:
            for rows in torch.split(logits, max(BLOCK_SCORES // logits.shape[1], 1)):
                rows.copy_(kernels.softcap(rows, cap))
        return logits

    def store(self, index: int, qkv: Tensor, run: TorchRun) -> Rows:
        """Quantised queries (T, KV, group, hd)."""
        s, n = self._shape, qkv.shape[0]
        turning = (s.heads + s.kv_heads) * s.head_dim
        heads, v = qkv[:, :turning], qkv[:, turning:]
        by_head = heads.reshape(n, -1, s.head_dim)
        if head_norms := self.layers[index].head_norms:
            parts = by_head[:, : s.heads], by_head[:, s.heads :]
            normed = [kernels.norm(*part) for part in zip(parts, head_norms, strict=True)]
            by_head = torch.cat(normed, dim=1)
        turned = kernels.quantise(kernels.rope(by_head, run.cos, run.sin))
        kept = kernels.keep_values(v, self.layers[index].scalars.v_shift)
        k = turned.map(lambda t: t[:, s.heads :])
        run.cache.write(index, run.places, k, kept.view(n, s.kv_heads, s.head_dim))
        by_group = (n, s.kv_heads, s.heads // s.kv_heads, -1)
        return turned.map(lambda t: t[:, : s.heads].reshape(by_group))

    def attend(self, index: int, queries: Rows, run: TorchRun) -> Rows:
        bits = self.layers[index].scalars.o_input_bits
        if run.singles is not None and not run.longer:
            mixed = self._attend_singles(index, queries, run.cache, run.singles)
            return kernels.quantise(mixed, bits)
        shape = self._shape
        width = shape.heads * shape.head_dim
        mixed = torch.empty(len(run.tokens), width, dtype=torch.float64)
        if run.singles is not None:
            rows = run.singles.rows
            q = queries.map(lambda t: t.index_select(0, rows))
            mixed[rows] = self._attend_singles(index, q, run.cache, run.singles)
        for longer in run.longer:
            last = longer.row + longer.end - longer.start
            q = queries.rows(longer.row, last)
            self._attend_longer(index, q, run.cache, longer, mixed[longer.row : last])
        return kernels.quantise(mixed, bits)

    def gate(self, index: int, gate_up: Tensor) -> Rows:
        gate, up = gate_up.chunk(2, dim=1)
        scalars = self.layers[index].scalars
        gated = kernels.silu_gate if self._shape.activation == "silu" else kernels.gelu_gate
        product = gated(gate, up, scalars.gate_fraction, scalars.product_shift)
        return kernels.quantise(product, scalars.product_bits)

    def _attend_singles(self, index: int, q: Rows, cache: KVCache, singles: Singles) -> Tensor:
        """Decoding: one query row per sequence, all sequences at once; (B, H * hd)."""
        k, v = cache.read(index, singles.table, singles.length)
        s = self._scores(index, q, k)
        s.masked_fill_(singles.beyond, MASK)
        if window := self.layers[index].scalars.window:
            passed = _passed(singles.positions, singles.length, window)
            s.masked_fill_(passed[:, None, None], MASK)
        return kernels.attend(*kernels.softmax_numerators(s), v).flatten(1)

    def _attend_longer(
        self, index: int, q: Rows, cache: KVCache, longer: Longer, out: Tensor
    ) -> None:
        """Prefill of one sequence, in blocks of rows: into `out` (n, H * hd)."""
        k, v = cache.read(index, longer.table, longer.end)
        step = max(BLOCK_SCORES // (self._shape.heads * longer.end), 16)
        for first in range(longer.start, longer.end, step):
            last = min(first + step, longer.end)
            rows = slice(first - longer.start, last - longer.start)
            block = q.rows(rows.start, rows.stop)
            out[rows] = self._attend_block(index, block, k, v, first, last)

    def _attend_block(
        self, index: int, q: Rows, k: Rows, v: Tensor, first: int, last: int
    ) -> Tensor:
        """Query rows at positions first..last-1 of one sequence, (n, KV, group, hd)."""
        n, kv, group, _ = q.values.shape
        seen = k.map(lambda t: t[0, :, :last])
        by_head = q.map(lambda t: t.transpose(0, 1).reshape(kv, n * group, -1))
        s = self._scores(index, by_head, seen)
        future = torch.ones(n, n, dtype=torch.bool).triu_(1)
        by_row = s.view(kv, n, group, last)
        by_row[..., first:].masked_fill_(future[None, :, None], MASK)
        if window := self.layers[index].scalars.window:
            passed = _passed(torch.arange(first, last), last, window)
            by_row.masked_fill_(passed[None, :, None], MASK)
        out = kernels.attend(*kernels.softmax_numerators(s), v[0, :, :last])
        return out.view(kv, n, -1).transpose(0, 1).flatten(1)

    def _scores(self, index: int, q: Rows, k: Rows) -> Tensor:
        scalars = self.layers[index].scalars
        s = kernels.scores(q, k, scalars.score_mantissa, scalars.score_shift)
        return kernels.softcap(s, scalars.score_cap) if scalars.score_cap else s


def _singles(found: Sequence[tuple[int, Sequence[int], int]]) -> Singles:
    """Of (row, page table, position)."""
    rows, tables, positions = zip(*found, strict=True)
    length, most = max(positions) + 1, max(map(len, tables))
    own = torch.tensor(positions)[:, None]
    return Singles(
        rows=torch.tensor(rows),
        positions=own[:, 0],
        table=torch.tensor([[*table, *[0] * (most - len(table))] for table in tables]),
        length=length,
        beyond=(torch.arange(length) > own)[:, None, None],
    )


def _passed(positions: Tensor, length: int, window: int) -> Tensor:
    """(n,) -> (n, length): which of the first positions lie before each row's window."""
    return torch.arange(length) <= positions[:, None] - window
