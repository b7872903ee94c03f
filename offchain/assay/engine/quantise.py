"""Float weights to the integer model. Every number's meaning is fixed here.

A real x is kept as round(x * 2**f), f its fraction bits from the calibration. A linear layer
computes acc * mantissa / 2**(shift - e) from inputs in units of 2**e; with an integer weight
standing for `weight * s` the scale that takes f_in to f_out is

    mantissa / 2**shift = s * 2**(f_out - f_in),    mantissa in [2**15, 2**16).

s is rounded up to 16 bits first and weights are rounded against that s, so the mantissa's own
rounding costs nothing. Only single IEEE operations on float64: no sum decides an integer.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from assay.core.errors import ModelError
from assay.engine.calibration import PEAK_BITS, Calibration
from assay.engine.checkpoint import (
    EMBEDDING,
    FINAL_NORM,
    HEAD,
    Array,
    Checkpoint,
    layer_names,
)
from assay.engine.feedback import Feedback
from assay.engine.rope import rope_table
from assay.exact.fixed import INT32_MAX
from assay.exact.model import LOG2_E, ExactModel, Layer, Linear, Norm, Softcap
from assay.exact.ops import ATTEND_FRACTION
from assay.exact.sampling import gumbel_table

WEIGHT_MAX = 127
NORM_FRACTION = 20
"""Fraction bits of x / rms inside NORM."""
GAIN_BITS = 30
MAX_GAIN_FRACTION = 40
"""Keeps NORM's shift within 62 bits."""
SCORE_FRACTION = 16

InputProducts = Mapping[str, Array]
"""Input products by site ("0.attn_input", …, "final_input"); missing sites round to nearest."""


def quantise(
    equalised: Checkpoint, calibration: Calibration, inputs: InputProducts | None = None
) -> ExactModel:
    """The integer model of an equalised checkpoint."""
    return _Quantiser(equalised, calibration.fraction_bits, inputs or {}).model()


class Complete(dict[str, int]):
    """Fraction bits; a missing one names itself."""

    def __missing__(self, name: str) -> int:
        raise ModelError(
            f"the calibration record lacks the fraction bits of {name}; delete exact.json and "
            "import again"
        )


class _Quantiser:
    def __init__(self, source: Checkpoint, bits: Mapping[str, int], inputs: InputProducts) -> None:
        self._source = source
        self._bits = Complete(bits)
        self._feedback = {site: Feedback(products) for site, products in inputs.items()}

    def model(self) -> ExactModel:
        source, bits, shape = self._source, self._bits, self._source.shape
        table = source.tensors[EMBEDDING] * 2.0 ** bits["embedding"]
        return ExactModel(
            name=source.name,
            shape=shape,
            embedding=np.clip(np.rint(table), -(2**15), 2**15 - 1).astype(np.int16),
            embedding_shift=bits["residual"] - bits["embedding"],
            layers=tuple(self._layer(i) for i in range(shape.layers)),
            final_norm=self._norm(FINAL_NORM, "final_input", bits["residual"]),
            head=self._linear(HEAD, "final_input", bits["final_input"], bits["logits"]),
            logit_fraction=bits["logits"],
            rope=rope_table(shape),
            gumbel=_gumbel_table(),
            tokenizer_hash=source.tokenizer_hash,
            config_hash=source.config_hash,
            logit_cap=self._logit_cap(),
        )

    def _logit_cap(self) -> Softcap | None:
        cap = self._source.shape.logit_cap
        return None if cap is None else Softcap.of(round(cap * 2.0 ** self._bits["logits"]))

    def _layer(self, index: int) -> Layer:
        shape = self._source.shape
        names, at = layer_names(shape, index), f"{index}."
        residual = self._bits["residual"]

        def f(short: str) -> int:
            return self._bits[at + short]

        has_norms = shape.head_norm
        turned = ("q_normed", "k_normed") if has_norms else ("q", "k")
        scalar = shape.query_scalar or shape.head_dim
        mantissa, shift = score_scale(scalar, sum(f(name) for name in turned))

        def linear(short: str, site: str, f_in: int, f_out: int) -> Linear:
            plain = self._linear(names[short], at + site, f_in, f_out)
            if f"{short}_bias" not in names:
                return plain
            return replace(plain, bias=bias(f"{short}_bias", f_out))

        def bias(short: str, f_out: int) -> NDArray[np.int32]:
            return quantise_bias(names[short], self._source.tensors[names[short]], f_out)

        def head_norm(short: str) -> Norm | None:
            if not has_norms:
                return None
            return self._norm(names[f"{short}_norm"], f"{at}{short}_normed", f(short))

        def ending(short: str) -> int:
            return f(short) if shape.post_norms else residual

        def post_norm(half: str, short: str) -> Norm | None:
            if not shape.post_norms:
                return None
            return self._norm(names[f"{half}_post_norm"], "residual", f(short))

        return Layer(
            attn_norm=self._norm(names["attn_norm"], at + "attn_input", residual),
            q=linear("q", "attn_input", f("attn_input"), f("q")),
            k=linear("k", "attn_input", f("attn_input"), f("k")),
            v=linear("v", "attn_input", f("attn_input"), f("v")),
            v_shift=f("v") - f("v_kept"),
            score_mantissa=mantissa,
            score_shift=shift,
            o=linear("o", "o_input", f("v_kept") + ATTEND_FRACTION, ending("o")),
            mlp_norm=self._norm(names["mlp_norm"], at + "mlp_input", residual),
            gate=linear("gate", "mlp_input", f("mlp_input"), f("gate")),
            up=linear("up", "mlp_input", f("mlp_input"), f("up")),
            gate_fraction=f("gate"),
            product_shift=f("gate") + f("up") - f("product"),
            down=linear("down", "product", f("product"), ending("down")),
            q_norm=head_norm("q"),
            k_norm=head_norm("k"),
            window=shape.window(index),
            score_cap=score_cap(shape.score_cap),
            attn_post_norm=post_norm("attn", "o"),
            mlp_post_norm=post_norm("mlp", "down"),
        )

    def _linear(self, name: str, site: str, f_in: int, f_out: int) -> Linear:
        return quantise_linear(self._source.tensors[name], f_in, f_out, self._feedback.get(site))

    def _norm(self, name: str, output: str, f_in: int) -> Norm:
        return quantise_norm(
            self._source.tensors[name], self._source.shape.rms_eps, f_in, self._bits[output]
        )


def quantise_linear(
    weights: Array, f_in: int, f_out: int, feedback: Feedback | None = None
) -> Linear:
    """A linear layer, rounded to nearest or with its inputs' feedback."""
    mantissa, exponent = row_scales(weights)
    units = weights / np.ldexp(mantissa, exponent)[:, None]
    if feedback:
        rounded = feedback.round(units)
    else:
        rounded = np.clip(np.rint(units), -WEIGHT_MAX, WEIGHT_MAX).astype(np.int8)
    shift = f_in - f_out - exponent
    return Linear(rounded, mantissa.astype(np.int32), shift.astype(np.int32))


def quantise_bias(name: str, bias: Array, fraction: int) -> NDArray[np.int32]:
    """What is added to an output with `fraction` bits; `name` is for the error."""
    scaled = np.rint(np.ldexp(bias, fraction))
    peak = float(np.abs(scaled).max())
    if peak > INT32_MAX:
        raise ModelError(
            f"{name} reaches {math.ldexp(peak, -fraction):.3g}, the layer's output on the "
            f"calibration text only {2.0 ** (PEAK_BITS - fraction):.3g}; delete exact.json and "
            "import again, or put a text beside the checkpoint that is more like its use"
        )
    rounded: NDArray[np.int32] = scaled.astype(np.int32)
    return rounded


def quantise_norm(gain: Array, eps: float, f_in: int, f_out: int) -> Norm:
    """A norm of rows with `f_in` fraction bits, as wide as its gain."""
    peak = float(np.abs(gain).max())
    fraction = min(GAIN_BITS - math.frexp(peak)[1], MAX_GAIN_FRACTION)
    return Norm(
        gain=np.rint(np.ldexp(gain, fraction)).astype(np.int32),
        shift=NORM_FRACTION + fraction - f_out,
        eps=round(gain.size * eps * 2 ** (2 * f_in)),
    )


def score_scale(scalar: float, fraction: int) -> tuple[int, int]:
    """(C, sh) with C / 2**sh = log2(e) / sqrt(scalar) in Q16 from products of `fraction`."""
    scale = LOG2_E / math.sqrt(scalar)
    part, exponent = math.frexp(scale)
    return round(part * 2**16), 16 - exponent + fraction - SCORE_FRACTION


def score_cap(cap: float | None) -> Softcap | None:
    """A bound of scores, which are Q16 in log2 units."""
    return None if cap is None else Softcap.of(round(cap * LOG2_E * 2**SCORE_FRACTION))


@functools.cache
def _gumbel_table() -> NDArray[np.int32]:
    return gumbel_table()


def row_scales(weights: Array) -> tuple[Array, NDArray[np.int64]]:
    """Per-row scale s = mantissa * 2**exponent >= max|row| / 127, mantissa in [2**15, 2**16).

    An all-zero row gets the smallest mantissa and exponent 0.
    """
    part, exponent = np.frexp(np.abs(weights).max(axis=1) / WEIGHT_MAX)
    mantissa = np.ceil(np.ldexp(part, 16))
    carry = mantissa == 2**16
    mantissa = np.where(carry | (part == 0), 2.0**15, mantissa)
    return mantissa, exponent.astype(np.int64) - 16 + carry
