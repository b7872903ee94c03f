"""An `ExactModel`'s arrays as torch tensors, in the form that the kernels take."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from assay.engine.gemm import Gemm
from assay.engine.kernels import LinearWeights, NormWeights
from assay.exact.model import ExactModel, Layer, Linear, Norm
from assay.exact.ops import mean_square_eps


@dataclass(frozen=True)
class LayerWeights:
    """One decoder layer; `qkv` and `gate_up` are stacked, since they share their input."""

    attn_norm: NormWeights
    qkv: LinearWeights
    o: LinearWeights
    mlp_norm: NormWeights
    gate_up: LinearWeights
    down: LinearWeights
    scalars: Layer


@dataclass(frozen=True)
class ModelWeights:
    """embedding int16 (vocab, d); cos, sin float64 (context, hd / 2) in Q14; gumbel int64."""

    embedding: Tensor
    layers: tuple[LayerWeights, ...]
    final_norm: NormWeights
    head: LinearWeights
    cos: Tensor
    sin: Tensor
    gumbel: Tensor


def load_weights(model: ExactModel, gemm: Gemm) -> ModelWeights:
    """Copy a model into torch."""
    half = model.shape.head_dim // 2
    rope = torch.tensor(model.rope, dtype=torch.float64)
    return ModelWeights(
        embedding=torch.tensor(model.embedding),
        layers=tuple(_layer(layer, gemm) for layer in model.layers),
        final_norm=_norm(model.final_norm),
        head=_linear(gemm, model.head),
        cos=rope[:, :half].contiguous(),
        sin=rope[:, half:].contiguous(),
        gumbel=torch.tensor(model.gumbel, dtype=torch.int64),
    )


def _layer(layer: Layer, gemm: Gemm) -> LayerWeights:
    return LayerWeights(
        attn_norm=_norm(layer.attn_norm),
        qkv=_linear(gemm, layer.q, layer.k, layer.v),
        o=_linear(gemm, layer.o),
        mlp_norm=_norm(layer.mlp_norm),
        gate_up=_linear(gemm, layer.gate, layer.up),
        down=_linear(gemm, layer.down),
        scalars=layer,
    )


def _linear(gemm: Gemm, *parts: Linear) -> LinearWeights:
    mantissa = np.concatenate([part.mantissa for part in parts]).astype(np.int64)
    shift = np.concatenate([part.shift for part in parts]).astype(np.int64)
    weight = np.concatenate([part.weight for part in parts])
    return LinearWeights(
        packed=gemm.pack(torch.from_numpy(weight)),
        factor=torch.from_numpy(np.ldexp(mantissa.astype(np.float64), -shift)),
        mantissa=torch.from_numpy(mantissa),
        shift=torch.from_numpy(shift),
        width=weight.shape[1],
    )


def _norm(norm: Norm) -> NormWeights:
    exponents = np.arange(-15, 18, dtype=np.int64)
    return NormWeights(
        gain=torch.tensor(norm.gain, dtype=torch.int64),
        shift=norm.shift,
        eps_terms=torch.from_numpy(mean_square_eps(norm.eps, exponents)),
    )
