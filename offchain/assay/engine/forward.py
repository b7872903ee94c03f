"""One forward pass: rows of any number of sequences, against a KV cache.

This is the pass as a reader should see it; how each step is computed is the backend's affair, see
`backends.base`. Every row is computed from its own sequence alone and every reduction is exact, so
a row's result depends neither on what else is in the pass nor on how a sequence is cut into passes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from assay.engine.backends.base import Backend, Cache, LayerWeights, Prepared, Rows, Segment

__all__ = ["Decoder", "Observer", "Segment"]

Observer = Callable[[str, Rows], None]
"""Called with a linear layer's site ("0.attn_input", …, "final_input") and its quantised input,
which it must copy if it keeps it."""


class Decoder:
    """A model's forward pass; `observe` sees the inputs of every linear layer."""

    def __init__(self, backend: Backend, observe: Observer | None = None) -> None:
        self.backend = self._backend = backend
        self._observe = observe

    def new_cache(self, pages: int) -> Cache:
        """Room for `pages` pages of PAGE positions."""
        return self._backend.new_cache(pages)

    @torch.inference_mode()
    def hidden(
        self, cache: Cache, segments: Sequence[Segment], rows: Sequence[int] | None = None
    ) -> Tensor:
        """Run the segments' tokens; residual rows after the last layer, (T, d) in their order.

        With `rows`, only those, (len(rows), d): the others, which nothing follows from but keys
        and values, are not computed to the end. Good until the next pass over the same cache.
        """
        run = self._backend.begin(cache, segments)
        if rows is None:
            return self._backend.play(run, lambda: self._layers(run))
        return self._layers(run, rows)

    @torch.inference_mode()
    def logits(self, hidden: Tensor) -> Tensor:
        """(R, d) -> (R, vocab) holding int32."""
        normed = self._backend.norm(hidden, self._backend.final_norm)
        return self._backend.cap(self._linear("final_input", normed, self._backend.head))

    def _layers(self, run: Any, rows: Sequence[int] | None = None) -> Tensor:
        x = self._backend.embed(run)
        for index, layer in enumerate(self._backend.layers):
            x = self._attention(index, layer, x, run)
            if rows is not None and index == len(self._backend.layers) - 1:
                x = x[list(rows)]
            x = self._feed_forward(index, layer, x) if len(x) else x
        return x

    def _attention(self, index: int, layer: LayerWeights, x: Tensor, run: Any) -> Tensor:
        b = self._backend
        normed = b.norm(x, layer.attn_norm)
        qkv = self._linear(f"{index}.attn_input", normed, layer.qkv)
        queries = b.store(index, qkv, run)
        mixed = b.attend(index, queries, run)
        return self._add_to(x, f"{index}.o_input", mixed, layer.o, layer.attn_post_norm)

    def _feed_forward(self, index: int, layer: LayerWeights, x: Tensor) -> Tensor:
        b = self._backend
        normed = b.norm(x, layer.mlp_norm)
        gate_up = self._linear(f"{index}.mlp_input", normed, layer.gate_up)
        product = b.gate(index, gate_up)
        return self._add_to(x, f"{index}.product", product, layer.down, layer.mlp_post_norm)

    def _add_to(
        self, x: Tensor, site: str, rows: Rows, weights: Prepared, post_norm: Prepared | None
    ) -> Tensor:
        """x plus a linear layer's output, which is normalised before if there is a norm."""
        if post_norm is None:
            return self._linear(site, rows, weights, onto=x)
        return self._backend.norm_onto(self._linear(site, rows, weights), post_norm, x)

    def _linear(
        self, site: str, rows: Rows, weights: Prepared, onto: Tensor | None = None
    ) -> Tensor:
        if self._observe:
            self._observe(site, rows)
        return self._backend.linear(rows, weights, onto)
