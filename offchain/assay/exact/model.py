"""The integer model: what an import produces and what every implementation computes with.

Fraction bits are not stored for their own sake; they have been folded into shifts. A real weight
is `weight * mantissa * 2**-shift'`, see `engine.quantise` for how each number is chosen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LOG2_E = 1.4426950408889634
SOFTCAP_FRACTION = 28
"""Fraction bits of SOFTCAP's exponent."""


@dataclass(frozen=True)
class RopeScaling:
    """How rotary frequencies are stretched for a longer context.

    kind "linear" divides all by `factor`. kind "llama3" leaves those that turn more than
    `high_turns` times within `original_context` positions, divides those that turn less than
    `low_turns` times, and goes from one to the other in proportion between.
    """

    kind: str
    factor: float
    low_turns: float = 0.0
    high_turns: float = 0.0
    original_context: int = 0


@dataclass(frozen=True)
class DecoderShape:
    """Sizes of a decoder, and what distinguishes it from Llama.

    Attributes:
        rope_scaling: None for none.
        biases: linear layers with a bias, by their names in `Layer`.
        head_norm: queries and keys are normalised, head by head, before their rotation.
        windows: `Layer.window` of every layer; empty if all are 0.
        activation: of the gate, "silu" or "gelu_pytorch_tanh".
        post_norms: what a layer's two halves add to the residual is normalised before.
        query_scalar: scores are divided by its root; None for head_dim.
        score_cap, logit_cap: c in c * tanh(x / c), which bounds them; None for none.
    """

    vocab: int
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    context: int
    eos_tokens: tuple[int, ...]
    rope_theta: float
    rms_eps: float
    rope_scaling: RopeScaling | None = None
    biases: tuple[str, ...] = ()
    head_norm: bool = False
    windows: tuple[int, ...] = ()
    activation: str = "silu"
    post_norms: bool = False
    query_scalar: float | None = None
    score_cap: float | None = None
    logit_cap: float | None = None

    def window(self, layer: int) -> int:
        """`Layer.window` of one layer."""
        return self.windows[layer] if self.windows else 0

    @property
    def sight(self) -> int:
        """Positions that any row sees at most, itself included; 0 if a layer has no window."""
        return max(self.windows) if self.windows and all(self.windows) else 0


@dataclass(frozen=True)
class Linear:
    """y = sat32(round(sum_k a[k] * weight[j, k] * mantissa[j] / 2**(shift[j] - e))).

    weight int8 (out, in); mantissa int32 (out,) in [2**15, 2**16); shift int32 (out,). With a
    bias, int32 (out,), sat32(y + bias) follows.
    """

    weight: NDArray[np.int8]
    mantissa: NDArray[np.int32]
    shift: NDArray[np.int32]
    bias: NDArray[np.int32] | None = None


@dataclass(frozen=True)
class Norm:
    """RMS norm: gain int32 (d,) with a common right shift; eps = width * eps_real * 2**(2F)."""

    gain: NDArray[np.int32]
    shift: int
    eps: int


@dataclass(frozen=True)
class Softcap:
    """cap * tanh(x / cap), mantissa / 2**shift = 2 * log2(e) * 2**28 / cap.

    cap in [1, 2**31), mantissa in [2**30, 2**31], shift in [1, 32].
    """

    cap: int
    mantissa: int
    shift: int

    @classmethod
    def of(cls, cap: int) -> Softcap:
        """Of a cap in the units of x."""
        if not 0 < cap < 2**31:
            raise ValueError(f"a cap of {cap} units; it must be positive and below 2**31")
        part, exponent = math.frexp(2 * LOG2_E * 2.0**SOFTCAP_FRACTION / cap)
        return cls(cap, round(part * 2.0**31), 31 - exponent)


@dataclass(frozen=True)
class Layer:
    """One decoder layer.

    q_norm, k_norm: of each head's row, before its rotation; both or none. window: a position
    sees itself and window - 1 before it; 0 stands for all before it. score_cap bounds scores;
    attn_post_norm, mlp_post_norm (both or none): of what is added to the residual. The four
    `…_bits`, 16 or 8: of q, k and v's quantised input, of o's, of gate and up's, of down's.
    """

    attn_norm: Norm
    q: Linear
    k: Linear
    v: Linear
    v_shift: int
    score_mantissa: int
    score_shift: int
    o: Linear
    mlp_norm: Norm
    gate: Linear
    up: Linear
    gate_fraction: int
    product_shift: int
    down: Linear
    q_norm: Norm | None = None
    k_norm: Norm | None = None
    window: int = 0
    score_cap: Softcap | None = None
    attn_post_norm: Norm | None = None
    mlp_post_norm: Norm | None = None
    attn_input_bits: int = 16
    o_input_bits: int = 16
    mlp_input_bits: int = 16
    product_bits: int = 16


@dataclass(frozen=True)
class ExactModel:
    """A whole model in integers.

    embedding int16 (vocab, hidden), residual = embedding << embedding_shift; rope int16
    (context, head_dim) in Q14, cosines then sines; gumbel int32 (128, 128) in Q16;
    final_input_bits, 16 or 8, of the head's quantised input.
    """

    name: str
    shape: DecoderShape
    embedding: NDArray[np.int16]
    embedding_shift: int
    layers: tuple[Layer, ...]
    final_norm: Norm
    head: Linear
    logit_fraction: int
    rope: NDArray[np.int16]
    gumbel: NDArray[np.int32]
    tokenizer_hash: bytes
    config_hash: bytes
    logit_cap: Softcap | None = None
    final_input_bits: int = 16
