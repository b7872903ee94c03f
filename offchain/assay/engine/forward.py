"""One forward pass: rows of any number of sequences, against a KV cache.

Every row is computed from its own sequence alone and every reduction is exact, so a row's result
depends neither on what else is in the pass nor on how a sequence is cut into passes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from assay.engine import kernels
from assay.engine.cache import KVCache
from assay.engine.gemm import Gemm
from assay.engine.kernels import MASK, LinearWeights, Rows
from assay.engine.weights import LayerWeights, load_weights
from assay.exact.model import ExactModel

Observer = Callable[[str, Rows], None]
"""Called with a linear layer's site ("0.attn_input", …, "final_input") and its quantised input."""
BLOCK_SCORES = 1 << 18
"""Scores computed at once, so that a block's working set stays in cache."""


@dataclass(frozen=True)
class Segment:
    """`tokens` of the sequence in `slot`, the first of them at position `start`."""

    slot: int
    start: int
    tokens: Sequence[int]


@dataclass(frozen=True)
class _Layout:
    """Where the pass's T rows belong.

    slots, positions (T,) int64; cos, sin (T, 1, hd / 2) of the rows' positions. If every segment
    is one row, `beyond` (T, 1, 1, length) marks what a row must not see of the first `length`
    positions; else it is None.
    """

    segments: Sequence[Segment]
    slots: Tensor
    positions: Tensor
    cos: Tensor
    sin: Tensor
    length: int
    beyond: Tensor | None


class Decoder:
    """A model's forward pass in torch; `observe` sees the inputs of every linear layer."""

    def __init__(self, model: ExactModel, gemm: Gemm, observe: Observer | None = None) -> None:
        self._model = model
        self._shape = model.shape
        self._gemm = gemm
        self._observe = observe
        self._weights = load_weights(model, gemm)

    @property
    def gumbel(self) -> Tensor:
        return self._weights.gumbel

    def new_cache(self) -> KVCache:
        return KVCache(self._shape)

    @torch.inference_mode()
    def hidden(self, cache: KVCache, segments: Sequence[Segment]) -> Tensor:
        """Run the segments' tokens; residual rows after the last layer, (T, d) in their order."""
        layout = self._layout(segments)
        cache.reserve(max(segment.slot for segment in segments) + 1, layout.length)
        tokens = torch.tensor([token for segment in segments for token in segment.tokens])
        x = self._weights.embedding.index_select(0, tokens).to(torch.float64)
        x *= 2.0**self._model.embedding_shift
        for index, layer in enumerate(self._weights.layers):
            x = kernels.add(x, self._attention(index, layer, x, cache, layout))
            x = kernels.add(x, self._feed_forward(index, layer, x))
        return x

    @torch.inference_mode()
    def logits(self, hidden: Tensor) -> Tensor:
        """(R, d) -> (R, vocab) float64 holding int32."""
        normed = kernels.norm(hidden, self._weights.final_norm)
        return self._linear("final_input", normed, self._weights.head)

    def _linear(self, site: str, x: Tensor, weights: LinearWeights) -> Tensor:
        rows = kernels.quantise(x)
        if self._observe:
            self._observe(site, rows)
        return kernels.linear(rows, weights, self._gemm)

    def _layout(self, segments: Sequence[Segment]) -> _Layout:
        slots = [segment.slot for segment in segments for _ in segment.tokens]
        places = [segment.start + i for segment in segments for i in range(len(segment.tokens))]
        positions = torch.tensor(places)
        length = max(places) + 1
        beyond = None
        if len(slots) == len(segments):
            beyond = (torch.arange(length) > positions[:, None])[:, None, None]
        return _Layout(
            segments,
            torch.tensor(slots),
            positions,
            self._weights.cos.index_select(0, positions)[:, None],
            self._weights.sin.index_select(0, positions)[:, None],
            length,
            beyond,
        )

    def _feed_forward(self, index: int, layer: LayerWeights, x: Tensor) -> Tensor:
        normed = kernels.norm(x, layer.mlp_norm)
        gate, up = self._linear(f"{index}.mlp_input", normed, layer.gate_up).chunk(2, dim=1)
        scalars = layer.scalars
        product = kernels.silu_gate(gate, up, scalars.gate_fraction, scalars.product_shift)
        return self._linear(f"{index}.product", product, layer.down)

    def _attention(
        self, index: int, layer: LayerWeights, x: Tensor, cache: KVCache, layout: _Layout
    ) -> Tensor:
        normed = kernels.norm(x, layer.attn_norm)
        qkv = self._linear(f"{index}.attn_input", normed, layer.qkv)
        q = self._write(index, layer, qkv, cache, layout)
        if layout.beyond is None:
            mixed = self._attend_segments(index, layer, q, cache, layout)
        else:
            mixed = self._attend_single(index, layer, q, cache, layout, layout.beyond)
        return self._linear(f"{index}.o_input", mixed, layer.o)

    def _write(
        self, index: int, layer: LayerWeights, qkv: Tensor, cache: KVCache, layout: _Layout
    ) -> Rows:
        """Store keys and values; quantised queries (T, KV, group, hd)."""
        s, n = self._shape, qkv.shape[0]
        turning = (s.heads + s.kv_heads) * s.head_dim
        heads, v = qkv[:, :turning], qkv[:, turning:]
        by_head = heads.reshape(n, -1, s.head_dim)
        turned = kernels.quantise(kernels.rope(by_head, layout.cos, layout.sin))
        kept = kernels.keep_values(v, layer.scalars.v_shift).view(n, s.kv_heads, s.head_dim)
        k = turned.map(lambda t: t[:, s.heads :])
        cache.write(index, layout.slots, layout.positions, k, kept)
        by_group = (n, s.kv_heads, s.heads // s.kv_heads, -1)
        return turned.map(lambda t: t[:, : s.heads].reshape(by_group))

    def _attend_single(
        self,
        index: int,
        layer: LayerWeights,
        q: Rows,
        cache: KVCache,
        layout: _Layout,
        beyond: Tensor,
    ) -> Tensor:
        """Decoding: one query row per sequence, all sequences at once; (T, H * hd)."""
        k, v = cache.read(index, layout.slots, layout.length)
        s = kernels.scores(q, k, layer.scalars.score_mantissa, layer.scalars.score_shift)
        s.masked_fill_(beyond, MASK)
        return kernels.attend(*kernels.softmax_numerators(s), v).flatten(1)

    def _attend_segments(
        self, index: int, layer: LayerWeights, q: Rows, cache: KVCache, layout: _Layout
    ) -> Tensor:
        """Prefill: segment by segment, in blocks of rows; (T, H * hd)."""
        mixed, row = [], 0
        for segment in layout.segments:
            end = segment.start + len(segment.tokens)
            k, v = cache.read(index, torch.tensor([segment.slot]), end)
            step = max(BLOCK_SCORES // (self._shape.heads * end), 16)
            for first in range(segment.start, end, step):
                last = min(first + step, end)
                block = q.rows(row, row + last - first)
                mixed.append(self._attend_block(layer, block, k, v, first, last))
                row += last - first
        return torch.cat(mixed)

    def _attend_block(
        self, layer: LayerWeights, q: Rows, k: Rows, v: Tensor, first: int, last: int
    ) -> Tensor:
        """Query rows at positions first..last-1 of one sequence, (n, KV, group, hd)."""
        n, kv, group, _ = q.values.shape
        seen = k.map(lambda t: t[0, :, :last])
        by_head = q.map(lambda t: t.transpose(0, 1).reshape(kv, n * group, -1))
        s = kernels.scores(by_head, seen, layer.scalars.score_mantissa, layer.scalars.score_shift)
        future = torch.ones(n, n, dtype=torch.bool).triu_(1)
        s.view(kv, n, group, last)[..., first:].masked_fill_(future[None, :, None], MASK)
        out = kernels.attend(*kernels.softmax_numerators(s), v[0, :, :last])
        return out.view(kv, n, -1).transpose(0, 1).flatten(1)
