"""The float encoder: what the exact one is measured against, and where ranges are read from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import gelu, layer_norm, linear, normalize

from assay.engine.encoder_checkpoint import (
    EMBEDDING_NORM,
    POSITIONS,
    TYPES,
    WORDS,
    EncoderCheckpoint,
    layer_modules,
)

Observer = Callable[[str, Tensor], None]
"""Called with a name ("0.v", "residual", …) and the values met there."""


class FloatEncoder:
    """BERT without dropout, token type 0 only, one text at a time."""

    def __init__(self, checkpoint: EncoderCheckpoint, dtype: torch.dtype = torch.float32) -> None:
        self.shape = checkpoint.shape
        self._weights = {
            name: torch.from_numpy(array).to(dtype) for name, array in checkpoint.tensors.items()
        }

    def embed(self, tokens: Sequence[int], observe: Observer | None = None) -> Tensor:
        """Token ids, as many as fit the context -> (hidden,), of length 1."""
        see = observe or (lambda name, values: None)
        w, n = self._weights, len(tokens)
        position = w[POSITIONS][:n] + w[TYPES][0]
        see("residual", position)
        x = w[WORDS][torch.tensor(list(tokens))] + position
        see("residual", x)
        x = self._norm(x, EMBEDDING_NORM, see)
        for layer in range(self.shape.layers):
            x = self._layer(x, layer, see)
        see("pooled", x)
        return normalize(x.mean(0), dim=0)

    def _layer(self, x: Tensor, layer: int, see: Observer) -> Tensor:
        modules, s, n = layer_modules(layer), self.shape, x.shape[0]

        def apply(short: str, values: Tensor, seen_as: str) -> Tensor:
            weight, bias = (self._weights[f"{modules[short]}.{x}"] for x in ("weight", "bias"))
            product = linear(values, weight)
            for met in (product, bias, product + bias):
                see(seen_as, met)
            return product + bias

        q, k, v = (apply(name, x, f"{layer}.{name}").view(n, s.heads, s.head_dim) for name in "qkv")
        weights = (torch.einsum("nhd,phd->hnp", q, k) * s.head_dim**-0.5).softmax(-1)
        mixed = torch.einsum("hnp,phd->nhd", weights, v).reshape(n, -1)
        y = x + apply("o", mixed, "residual")
        x = self._norm(y, modules["attn_norm"], see)
        inner = gelu(apply("up", x, f"{layer}.up"))
        see(f"{layer}.product", inner)
        y = x + apply("down", inner, "residual")
        return self._norm(y, modules["output_norm"], see)

    def _norm(self, x: Tensor, module: str, see: Observer) -> Tensor:
        weight, bias = (self._weights[f"{module}.{part}"] for part in ("weight", "bias"))
        normed = layer_norm(x, x.shape[1:], weight, None, self.shape.norm_eps)
        for met in (x, x.mean(1), normed, bias, normed + bias):
            see("residual", met)
        return normed + bias
