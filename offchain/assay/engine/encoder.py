"""An encoder's exact forward pass in torch; same bits as its program.

Tensors are float64 holding integers, as in `kernels`; GELU, whose products pass 2**53, and the
mean's division run in int64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from assay.core.errors import InputError
from assay.engine import kernels
from assay.engine.gemm import Gemm, best_gemm
from assay.engine.kernels import (
    LinearWeights,
    NormWeights,
    look_up,
    norm_weights,
    pow2neg_table,
    stacked,
)
from assay.exact import ops
from assay.exact.encoder import EncoderLayer, EncoderModel, LayerNorm, WideLinear


@dataclass(frozen=True)
class _Norm:
    norm: NormWeights
    bias: Tensor


@dataclass(frozen=True)
class _Wide:
    """A `WideLinear`, or several that share their input."""

    coarse: LinearWeights
    fine: LinearWeights
    bias: Tensor


@dataclass(frozen=True)
class _Layer:
    qkv: _Wide
    o: _Wide
    attn_norm: _Norm
    up: _Wide
    down: _Wide
    output_norm: _Norm
    scalars: EncoderLayer


class Encoder:
    """Texts' tokens to embeddings."""

    def __init__(self, model: EncoderModel, gemm: Gemm) -> None:
        self.model = model
        self._gemm = gemm
        self._embedding = torch.from_numpy(model.embedding)
        self._positions = torch.from_numpy(model.positions)
        self._embedding_norm = _norm(model.embedding_norm)
        self._layers = [_layer(layer, gemm) for layer in model.layers]
        self._unit = norm_weights(model.unit)

    @classmethod
    def ready(cls, model: EncoderModel, threads: int | None = None) -> Encoder:
        """With this machine's fastest products, on so many of torch's threads; None leaves them."""
        if threads is not None:
            torch.set_num_threads(threads)
        return cls(model, best_gemm())

    @torch.inference_mode()
    def embed(self, tokens: Sequence[int]) -> NDArray[np.int64]:
        """The embedding, (hidden,) with EMBEDDING_FRACTION fraction bits.

        Raises:
            InputError: no token, more than the context holds, or one outside the vocabulary.
        """
        self._check(tokens)
        words = self._embedding[torch.tensor(list(tokens))].to(torch.float64)
        x = kernels.add(words * 2.0**self.model.embedding_shift, self._positions[: len(tokens)])
        x = layer_norm(x, self._embedding_norm)
        for layer in self._layers:
            x = self._layer(layer, x)
        kept = kernels.keep_values(x, self.model.pool_shift).to(torch.float64)
        equal = torch.full((1, len(tokens)), float(ops.EXP_PEAK), dtype=torch.float64)
        mean = kernels.attend(equal, equal.sum(1, keepdim=True), kept)
        return kernels.norm(mean, self._unit)[0].to(torch.int64).numpy()

    def _layer(self, layer: _Layer, x: Tensor) -> Tensor:
        mixed = self._attention(layer, x)
        x = kernels.add(x, self._linear(mixed, layer.o))
        x = layer_norm(x, layer.attn_norm)
        up = self._linear(x, layer.up)
        product = gelu(up, layer.scalars.gelu_fraction, layer.scalars.gelu_shift)
        x = kernels.add(x, self._linear(product, layer.down))
        return layer_norm(x, layer.output_norm)

    def _attention(self, layer: _Layer, x: Tensor) -> Tensor:
        scalars, n = layer.scalars, len(x)
        q, k, v = self._linear(x, layer.qkv).chunk(3, dim=1)

        def by_head(values: Tensor) -> Tensor:
            heads = values.reshape(n, self.model.shape.heads, -1)
            return heads.transpose(0, 1).contiguous()

        s = kernels.scores(
            kernels.quantise(by_head(q)),
            kernels.quantise(by_head(k)),
            scalars.score_mantissa,
            scalars.score_shift,
        )
        kept = by_head(kernels.keep_values(v, scalars.v_shift).to(torch.float64))
        mixed = kernels.attend(*kernels.softmax_numerators(s), kept)
        return mixed.transpose(0, 1).flatten(1)

    def _linear(self, x: Tensor, weights: _Wide) -> Tensor:
        rows = kernels.quantise(x)
        coarse, fine = (
            kernels.linear(rows, part, self._gemm) for part in (weights.coarse, weights.fine)
        )
        return kernels.add(kernels.add(coarse, fine), weights.bias)

    def _check(self, tokens: Sequence[int]) -> None:
        shape = self.model.shape
        if not 0 < len(tokens) <= shape.context:
            raise InputError(f"{len(tokens)} tokens; an embedding takes 1 to {shape.context}")
        if not 0 <= min(tokens) <= max(tokens) < shape.vocab:
            raise InputError(f"a token is outside the vocabulary of {shape.vocab}")


def layer_norm(x: Tensor, weights: _Norm) -> Tensor:
    """MEAN, CENTER, EXPONENT, RMS, NORM and BIAS."""
    width = x.shape[1]
    total = x.to(torch.int64).sum(1, keepdim=True)  # below 2**31 * 2**17
    mean = torch.div(2 * total + width, 2 * width, rounding_mode="floor")
    centred = kernels.saturate32(x - mean)
    return kernels.add(kernels.norm(centred, weights.norm), weights.bias)


def gelu(x: Tensor, fraction: int, shift: int) -> Tensor:
    """GELU in int64; see `ops.gelu` for the ranges."""
    whole_x = x.to(torch.int64)
    size = whole_x.abs()
    u = ((size << 20) >> fraction).clamp_(max=16 << 20)
    t = torch.div(1 << 60, ((ops.GELU_P * u) >> 20) + (1 << 30), rounding_mode="floor")
    value = torch.full_like(t, ops.GELU_TAIL[-1])
    for coefficient in ops.GELU_TAIL[-2::-1]:
        value = ((value * t) >> 30) + coefficient
    distance = (((u * u) >> 20) * ops.HALF_LOG2E_Q30) >> 34
    power = look_up(pow2neg_table(), distance & 0xFFFF)
    shifts = distance >> 16
    tail = (((value * t) >> 30) * power) >> (shifts.clamp(max=30) + 30)
    tail.masked_fill_(shifts > 30, 0)
    below = (size * tail + (1 << 29)) >> 30
    return kernels.rescale_by(whole_x.clamp(min=0) - below, shift).to(torch.float64)


def _wide(gemm: Gemm, *parts: WideLinear) -> _Wide:
    bias = np.concatenate([part.bias for part in parts]).astype(np.float64)
    return _Wide(
        coarse=stacked(gemm, *(part.coarse for part in parts)),
        fine=stacked(gemm, *(part.fine for part in parts)),
        bias=torch.from_numpy(bias),
    )


def _norm(norm: LayerNorm) -> _Norm:
    return _Norm(norm_weights(norm.norm), torch.from_numpy(norm.bias).to(torch.float64))


def _layer(layer: EncoderLayer, gemm: Gemm) -> _Layer:
    return _Layer(
        qkv=_wide(gemm, layer.q, layer.k, layer.v),
        o=_wide(gemm, layer.o),
        attn_norm=_norm(layer.attn_norm),
        up=_wide(gemm, layer.up),
        down=_wide(gemm, layer.down),
        output_norm=_norm(layer.output_norm),
        scalars=layer,
    )
