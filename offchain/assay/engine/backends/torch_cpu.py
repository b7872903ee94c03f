"""The backend in plain torch: float64 tensors that hold integers, see `kernels`.

Runs wherever torch does. It is the fallback of the native kernels and the second opinion on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from assay.engine import kernels
from assay.engine.backends.base import Segment, prepare_layers
from assay.engine.cache import KVCache
from assay.engine.gemm import Gemm, best_gemm
from assay.engine.kernels import MASK, LinearWeights, NormWeights, Rows
from assay.exact.model import ExactModel, Linear, Norm

BLOCK_SCORES = 1 << 18
"""Scores computed at once, so that a block's working set stays in cache."""


@dataclass(frozen=True)
class TorchRun:
    """Where the pass's T rows belong.

    tokens, slots, positions (T,) int64; cos, sin (T, 1, hd / 2) of the rows' positions. If every
    segment is one row, `beyond` (T, 1, 1, length) marks what a row must not see of the first
    `length` positions; else it is None.
    """

    segments: Sequence[Segment]
    cache: KVCache
    tokens: Tensor
    slots: Tensor
    positions: Tensor
    cos: Tensor
    sin: Tensor
    length: int
    beyond: Tensor | None


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
        self.final_norm = self.prepare_norm(model.final_norm)
        self.head = self.prepare_linear(model.head)

    def prepare_linear(self, *parts: Linear) -> LinearWeights:
        return kernels.stacked(self._gemm, *parts)

    def prepare_norm(self, norm: Norm) -> NormWeights:
        return kernels.norm_weights(norm)

    def new_cache(self) -> KVCache:
        return KVCache(self._shape)

    def begin(self, cache: KVCache, segments: Sequence[Segment]) -> TorchRun:
        slots = [segment.slot for segment in segments for _ in segment.tokens]
        places = [segment.start + i for segment in segments for i in range(len(segment.tokens))]
        positions = torch.tensor(places)
        length = max(places) + 1
        cache.reserve(max(slots) + 1, length)
        beyond = None
        if len(slots) == len(segments):
            beyond = (torch.arange(length) > positions[:, None])[:, None, None]
        return TorchRun(
            segments=segments,
            cache=cache,
            tokens=torch.tensor([token for segment in segments for token in segment.tokens]),
            slots=torch.tensor(slots),
            positions=positions,
            cos=self._cos.index_select(0, positions)[:, None],
            sin=self._sin.index_select(0, positions)[:, None],
            length=length,
            beyond=beyond,
        )

    def embed(self, run: TorchRun) -> Tensor:
        x = self._embedding.index_select(0, run.tokens).to(torch.float64)
        return x.mul_(2.0**self._model.embedding_shift)

    def quantise(self, x: Tensor) -> Rows:
        return kernels.quantise(x)

    def norm(self, x: Tensor, weights: NormWeights) -> Rows:
        return kernels.quantise(kernels.norm(x, weights))

    def linear(self, rows: Rows, weights: LinearWeights, onto: Tensor | None = None) -> Tensor:
        y = kernels.linear(rows, weights, self._gemm)
        if weights.bias is not None:
            y = kernels.add(y, weights.bias)
        return y if onto is None else kernels.add(onto, y)

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
        run.cache.write(index, run.slots, run.positions, k, kept.view(n, s.kv_heads, s.head_dim))
        by_group = (n, s.kv_heads, s.heads // s.kv_heads, -1)
        return turned.map(lambda t: t[:, : s.heads].reshape(by_group))

    def attend(self, index: int, queries: Rows, run: TorchRun) -> Rows:
        if run.beyond is None:
            mixed = self._attend_segments(index, queries, run)
        else:
            mixed = self._attend_single(index, queries, run, run.beyond)
        return kernels.quantise(mixed)

    def gate(self, index: int, gate_up: Tensor) -> Rows:
        gate, up = gate_up.chunk(2, dim=1)
        scalars = self.layers[index].scalars
        product = kernels.silu_gate(gate, up, scalars.gate_fraction, scalars.product_shift)
        return kernels.quantise(product)

    def _attend_single(self, index: int, q: Rows, run: TorchRun, beyond: Tensor) -> Tensor:
        """Decoding: one query row per sequence, all sequences at once; (T, H * hd)."""
        k, v = run.cache.read(index, run.slots, run.length)
        s = self._scores(index, q, k)
        s.masked_fill_(beyond, MASK)
        if window := self.layers[index].scalars.window:
            s.masked_fill_(_passed(run.positions, run.length, window)[:, None, None], MASK)
        return kernels.attend(*kernels.softmax_numerators(s), v).flatten(1)

    def _attend_segments(self, index: int, q: Rows, run: TorchRun) -> Tensor:
        """Prefill: segment by segment, in blocks of rows; (T, H * hd)."""
        mixed, row = [], 0
        for segment in run.segments:
            end = segment.start + len(segment.tokens)
            k, v = run.cache.read(index, torch.tensor([segment.slot]), end)
            step = max(BLOCK_SCORES // (self._shape.heads * end), 16)
            for first in range(segment.start, end, step):
                last = min(first + step, end)
                block = q.rows(row, row + last - first)
                mixed.append(self._attend_block(index, block, k, v, first, last))
                row += last - first
        return torch.cat(mixed)

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
        return kernels.scores(q, k, scalars.score_mantissa, scalars.score_shift)


def _passed(positions: Tensor, length: int, window: int) -> Tensor:
    """(n,) -> (n, length): which of the first positions lie before each row's window."""
    return torch.arange(length) <= positions[:, None] - window
