"""The integer model of a BERT encoder, whose output is a sentence's embedding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.exact.model import Linear, Norm

EMBEDDING_FRACTION = 24
"""Fraction bits of an embedding, which is of length 1."""


@dataclass(frozen=True)
class EncoderShape:
    """Sizes of an encoder."""

    vocab: int
    hidden: int
    layers: int
    heads: int
    head_dim: int
    intermediate: int
    context: int
    norm_eps: float


@dataclass(frozen=True)
class LayerNorm:
    """Rows less their mean, then `norm`, then bias int32 (d,)."""

    norm: Norm
    bias: NDArray[np.int32]


@dataclass(frozen=True)
class WideLinear:
    """sat32(sat32(coarse + fine) + bias): weights of two int8 digits, with a scale each.

    `fine` holds what rounding to `coarse` left. An embedding is compared as a whole, and eight
    bits of weight are not enough for it: cosines of 0.997 to 0.9997 instead of 0.9999 and more.
    """

    coarse: Linear
    fine: Linear
    bias: NDArray[np.int32]


@dataclass(frozen=True)
class EncoderLayer:
    """One layer: attention to all positions, then two linear layers around a GELU.

    A norm follows each of the two sums with what came in.
    """

    q: WideLinear
    k: WideLinear
    v: WideLinear
    v_shift: int
    score_mantissa: int
    score_shift: int
    o: WideLinear
    attn_norm: LayerNorm
    up: WideLinear
    gelu_fraction: int
    gelu_shift: int
    down: WideLinear
    output_norm: LayerNorm


@dataclass(frozen=True)
class EncoderModel:
    """A whole encoder in integers.

    embedding int16 (vocab, d), residual = embedding << embedding_shift; positions int32
    (context, d), token type 0 included. The rows after the last layer, scaled down by
    `pool_shift` to 16 bits, are averaged, and the mean brought to length 1 by `unit`.
    """

    name: str
    shape: EncoderShape
    embedding: NDArray[np.int16]
    embedding_shift: int
    positions: NDArray[np.int32]
    embedding_norm: LayerNorm
    layers: tuple[EncoderLayer, ...]
    pool_shift: int
    unit: Norm
    tokenizer_hash: bytes
    config_hash: bytes
