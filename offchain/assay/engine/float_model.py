"""The float model: what the exact one is measured against, and what calibration reads ranges from.

One top-to-bottom forward pass in torch over a `Checkpoint`'s weights, without a cache.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import gelu, linear, silu

from assay.engine.checkpoint import EMBEDDING, FINAL_NORM, HEAD, Checkpoint, layer_names
from assay.exact.model import DecoderShape

Observer = Callable[[str, Tensor], None]
"""Called with a name ("0.v", "residual", …) and the values met there."""


class FloatModel:
    """A decoder's forward pass in `dtype`.

    Rotary angles are always computed in float64; everything else in `dtype`.
    """

    def __init__(self, checkpoint: Checkpoint, dtype: torch.dtype = torch.float32) -> None:
        self.shape = checkpoint.shape
        self._weights = {
            name: torch.from_numpy(array).to(dtype) for name, array in checkpoint.tensors.items()
        }
        frequency = _frequencies(self.shape)
        angles = torch.arange(self.shape.context, dtype=torch.float64)[:, None] * frequency
        self._cos, self._sin = angles.cos().to(dtype), angles.sin().to(dtype)

    def logits(self, tokens: Tensor, observe: Observer | None = None) -> Tensor:
        """int64 (n,) with n <= context -> (n, vocab)."""
        see = observe or (lambda name, values: None)
        x = self._weights[EMBEDDING][tokens]
        for layer in range(self.shape.layers):
            names = layer_names(self.shape, layer)
            w = {short: self._weights[name] for short, name in names.items()}
            under = _under(layer, see)
            y = self._attention(x, w, self.shape.window(layer), under)
            x = x + self._added("attn", "o", y, w, under)
            see("residual", x)
            y = self._feed_forward(x, w, under)
            x = x + self._added("mlp", "down", y, w, under)
            see("residual", x)
        h = self._norm(x, self._weights[FINAL_NORM])
        see("final_input", h)
        out = linear(h, self._weights[HEAD])
        see("logits", out)
        return out if self.shape.logit_cap is None else _capped(out, self.shape.logit_cap)

    def _norm(self, x: Tensor, gain: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.shape.rms_eps) * gain

    def _added(self, half: str, end: str, y: Tensor, w: dict[str, Tensor], see: Observer) -> Tensor:
        """What half a layer, ending with the linear layer `end`, adds to the residual."""
        y = _linear(end, y, w, see, end if self.shape.post_norms else "delta")
        if not self.shape.post_norms:
            return y
        y = self._norm(y, w[f"{half}_post_norm"])
        see("delta", y)
        return y

    def _attention(self, x: Tensor, w: dict[str, Tensor], window: int, see: Observer) -> Tensor:
        """What `o` reads."""
        s, n = self.shape, x.shape[0]
        h = self._norm(x, w["attn_norm"])
        see("attn_input", h)
        q, k, v = (_linear(name, h, w, see) for name in ("q", "k", "v"))
        q, k = q.view(n, s.heads, s.head_dim), k.view(n, s.kv_heads, s.head_dim)
        if s.head_norm:
            q, k = self._norm(q, w["q_norm"]), self._norm(k, w["k_norm"])
            see("q_normed", q)
            see("k_normed", k)
        q, k = self._rope(q), self._rope(k)
        group = s.heads // s.kv_heads
        k = k.repeat_interleave(group, 1)
        v = v.view(n, s.kv_heads, s.head_dim).repeat_interleave(group, 1)
        score = torch.einsum("nhd,phd->hnp", q, k) * (s.query_scalar or s.head_dim) ** -0.5
        score = score if s.score_cap is None else _capped(score, s.score_cap)
        hidden = torch.ones(n, n, dtype=torch.bool).triu(1)
        if window:
            hidden |= torch.ones(n, n, dtype=torch.bool).tril(-window)
        weights = score.masked_fill(hidden, float("-inf")).softmax(-1)
        out = torch.einsum("hnp,phd->nhd", weights, v).reshape(n, -1)
        see("o_input", out)
        return out

    def _rope(self, x: Tensor) -> Tensor:
        n, half = x.shape[0], x.shape[2] // 2
        cos, sin = self._cos[:n, None], self._sin[:n, None]
        low, high = x[..., :half], x[..., half:]
        return torch.cat([low * cos - high * sin, high * cos + low * sin], -1)

    def _feed_forward(self, x: Tensor, w: dict[str, Tensor], see: Observer) -> Tensor:
        """What `down` reads."""
        h = self._norm(x, w["mlp_norm"])
        see("mlp_input", h)
        gate, up = _linear("gate", h, w, see), _linear("up", h, w, see)
        product = self._activated(gate) * up
        see("product", product)
        return product

    def _activated(self, gate: Tensor) -> Tensor:
        return silu(gate) if self.shape.activation == "silu" else gelu(gate, approximate="tanh")


def _linear(
    name: str, x: Tensor, w: dict[str, Tensor], see: Observer, seen_as: str | None = None
) -> Tensor:
    """A linear layer; with a bias, the product, the bias and their sum are all met."""
    y = linear(x, w[name])
    see(seen_as or name, y)
    if f"{name}_bias" in w:
        see(seen_as or name, w[f"{name}_bias"])
        y = y + w[f"{name}_bias"]
        see(seen_as or name, y)
    return y


def _capped(x: Tensor, cap: float) -> Tensor:
    return cap * torch.tanh(x / cap)


def _frequencies(shape: DecoderShape) -> Tensor:
    """Radians per position of each pair of channels, scaled as transformers does it."""
    half = shape.head_dim // 2
    plain = shape.rope_theta ** (-torch.arange(half, dtype=torch.float64) / half)
    scaling = shape.rope_scaling
    if scaling is None:
        return plain
    slow = plain / scaling.factor
    if scaling.kind == "linear":
        return slow
    turns = plain / (2 * torch.pi) * scaling.original_context
    kept = (turns - scaling.low_turns) / (scaling.high_turns - scaling.low_turns)
    return torch.lerp(slow, plain, kept.clamp(0, 1))


def _under(layer: int, observe: Observer) -> Observer:
    return lambda name, values: observe(f"{layer}.{name}", values)
