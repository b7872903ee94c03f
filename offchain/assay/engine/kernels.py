"""The opcodes of `exact.ops` in torch, fused where that saves passes over memory; same bits.

Tensors are float64 holding integers, because BLAS and the vector units are fastest there, and
float64 is exact for what passes through it: sums and products below 2**53, multiplication by
powers of two, floor. The comment at each step bounds it. Where products pass 2**53 (NORM, the
gates, SOFTCAP, ATTEND's division) the step runs in int64.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from assay.engine.gemm import Gemm
from assay.exact import ops
from assay.exact.fixed import DIGIT_MAX, INT32_MAX, INT32_MIN, MASKED, pow2neg
from assay.exact.model import SOFTCAP_FRACTION, Linear, Norm, Softcap

FLOAT_WIDTH = 2**14
"""Up to here |acc * mantissa| <= 2**14 * 2**15 * 2**7 * 2**16 = 2**52, see `scale_rows`."""
EXP2_END = 16 << 16
"""From this distance on (Q16), EXP2 is 0: 2**15 * 2**-16 rounds down."""
MASK = float("-inf")


@dataclass(frozen=True)
class Rows:
    """Quantised rows: `values` (R, K) float64 within +-32515, real = values * 2**exponents.

    exponents (R, 1) int32 in [-15, 17]; scale (R, 1) float64 = 2**exponents. With `bits` 8 rather
    than 16, values are within +-127 and exponents in [-7, 25].
    """

    values: Tensor
    exponents: Tensor
    scale: Tensor
    bits: int = 16

    def map(self, view: Callable[[Tensor], Tensor]) -> Rows:
        """The same view (slice, reshape over rows) of all three."""
        return Rows(view(self.values), view(self.exponents), view(self.scale), self.bits)

    def rows(self, first: int, last: int) -> Rows:
        """Rows first..last-1 of the leading dimension."""
        return self.map(lambda t: t[first:last])


@dataclass(frozen=True)
class LinearWeights:
    """A `Linear`, or several that share their input, ready for `linear`.

    packed: see `Gemm`; factor (J,) float64 = mantissa * 2**-shift, exact; width K; bias (J,)
    float64 or None, added by the caller.
    """

    packed: Tensor
    factor: Tensor
    mantissa: Tensor
    shift: Tensor
    width: int
    bias: Tensor | None = None


@dataclass(frozen=True)
class NormWeights:
    """A `Norm`: gain (d,) int64; eps_terms (33,) int64 by exponent + 15; the bits of what is
    quantised after it."""

    gain: Tensor
    shift: int
    eps_terms: Tensor
    bits: int = 16


def stacked(gemm: Gemm, *parts: Linear) -> LinearWeights:
    """A layer, or several that share their input, one below the other."""
    mantissa = np.concatenate([part.mantissa for part in parts]).astype(np.int64)
    shift = np.concatenate([part.shift for part in parts]).astype(np.int64)
    weight = np.concatenate([part.weight for part in parts])
    biases = [np.zeros(len(p.weight)) if p.bias is None else p.bias for p in parts]
    has_bias = any(part.bias is not None for part in parts)
    return LinearWeights(
        packed=gemm.pack(torch.from_numpy(weight)),
        factor=torch.from_numpy(np.ldexp(mantissa.astype(np.float64), -shift)),
        mantissa=torch.from_numpy(mantissa),
        shift=torch.from_numpy(shift),
        width=weight.shape[1],
        bias=torch.from_numpy(np.concatenate(biases).astype(np.float64)) if has_bias else None,
    )


def norm_weights(norm: Norm, bits: int = 16) -> NormWeights:
    exponents = np.arange(-15, 18, dtype=np.int64)
    return NormWeights(
        gain=torch.tensor(norm.gain, dtype=torch.int64),
        shift=norm.shift,
        eps_terms=torch.from_numpy(ops.mean_square_eps(norm.eps, exponents)),
        bits=bits,
    )


def power(exponents: Tensor) -> Tensor:
    """2**exponents as float64, int64 in: the bits of a double, exact unlike a library's exp2."""
    return ((exponents + 1023) << 52).view(torch.float64)


def look_up(table: Tensor, index: Tensor) -> Tensor:
    """table[index] for a 1-D table; index_select is several times faster than indexing."""
    return table.index_select(0, index.reshape(-1)).view(index.shape)


@functools.cache
def exp2_table() -> Tensor:
    """EXP2's value by distance (Q16), 0 to EXP2_END inclusive: (2**20 + 1,) float32, 15 bits."""
    distance = np.arange(EXP2_END + 1, dtype=np.int64)
    table = ops.exp2(-distance[None, :], np.zeros((1, 1), dtype=np.int64))[0]
    return torch.from_numpy(table.astype(np.float32))


@functools.cache
def pow2neg_table() -> Tensor:
    """2**(-f / 65536) in Q30 by f: (65536,) int64."""
    return torch.from_numpy(pow2neg(np.arange(1 << 16, dtype=np.int64)))


def saturate32(x: Tensor) -> Tensor:
    """Clamp to int32, in place."""
    return x.clamp_(INT32_MIN, INT32_MAX)


def round_half_up(x: Tensor) -> Tensor:
    """floor(x + 1/2), in place; exact for |x| < 2**52 with at most 52 significant bits.

    x is n * 2**-s. For s <= 52 the sum is a multiple of 2**-s below 2**53 of them; for a larger
    s, |x| < 1/2 by at least 2**-53, and the sum stays inside (0, 1).
    """
    return x.add_(0.5).floor_()


def quantise(x: Tensor, bits: int = 16) -> Rows:
    """EXPONENT and QUANT: (R, K) within int32 -> rows; the honest exponent needs no saturation.

    frexp's exponent is the bit length of an integer, and 0 for 1/2, which stands in for 0. The
    quotients are by and of powers of two, so exact.
    """
    peak = x.abs().amax(dim=-1, keepdim=True)
    peak += (peak * 2.0**-7).floor_()
    mantissa, exponents = torch.frexp(peak.clamp_(min=0.5))
    scale = peak.div_(mantissa).mul_(2.0 ** (1 - bits))
    return Rows(round_half_up(x / scale), exponents - (bits - 1), scale, bits)


def linear(rows: Rows, weights: LinearWeights, gemm: Gemm) -> Tensor:
    """LINEAR: (R, K) -> (R, J) within int32."""
    acc = gemm.multiply(rows.values, weights.packed, rows.bits)
    if weights.width <= FLOAT_WIDTH:
        # |acc * mantissa| <= 2**52, scaled by powers of two: exact, and rounds as integers do.
        return saturate32(round_half_up(acc.mul_(weights.factor).mul_(rows.scale)))
    wide = acc.to(torch.int64) * weights.mantissa
    return rescale(wide, weights.shift - rows.exponents).to(torch.float64)


def rescale(values: Tensor, shift: Tensor) -> Tensor:
    """sat32(round_half_up(values / 2**shift)) in int64 for any shift, |values| < 2**61."""
    shift = shift.to(torch.int64)
    right = shift.clamp(0, 62)
    half = torch.where(right > 0, 1 << (right - 1).clamp(min=0), 0)
    rounded = ((values + half) >> right).clamp_(INT32_MIN, INT32_MAX)
    return (rounded << (-shift).clamp(0, 32)).clamp_(INT32_MIN, INT32_MAX)


def rescale_by(values: Tensor, shift: int) -> Tensor:
    """`rescale` by one shift for all, in place; |values| <= 2**62 and shift in [-31, 62]."""
    if shift > 0:
        return (
            values.add_(1 << (shift - 1)).bitwise_right_shift_(shift).clamp_(INT32_MIN, INT32_MAX)
        )
    return saturate32(saturate32(values).bitwise_left_shift_(-shift))


def inverse_rms(rows: Rows, eps_terms: Tensor) -> Tensor:
    """RMS: (R, 1) int64. Squares are below 2**30, their sum below 2**47, exact in any order."""
    total = rows.values.square().sum(dim=-1, keepdim=True).to(torch.int64)
    bounded = (total + eps_terms[rows.exponents + 15]).clamp_(max=ops.MEAN_SQUARE_MAX)
    mean = torch.div(bounded << 16, rows.values.shape[-1], rounding_mode="floor")
    root = isqrt(mean.clamp_(max=ops.MEAN_SQUARE_MAX) << 16).clamp_(min=1)
    return ((1 << 47) // root).clamp_(max=INT32_MAX)


def isqrt(values: Tensor) -> Tensor:
    """floor(sqrt(v)), int64, v <= 2**62: the float root is at most one off, then settled."""
    root = values.to(torch.float64).sqrt_().to(torch.int64)
    root -= (root * root > values).to(torch.int64)
    return root + ((root + 1) * (root + 1) <= values).to(torch.int64)


def norm(x: Tensor, weights: NormWeights) -> Tensor:
    """EXPONENT, RMS and NORM: (R, d) within int32 -> (R, d) within int32.

    Products reach 2**62, so int64. A left shift (11 + e < 0, by 4 at most) meets |x| < 2**4, and
    so cannot overflow before it saturates.
    """
    rows = quantise(x)
    shift = rows.exponents.to(torch.int64) + 11
    right, left = shift.clamp(min=0), (-shift).clamp(min=0)
    t = x.to(torch.int64).mul_(inverse_rms(rows, weights.eps_terms)).add_((1 << right) >> 1)
    t.bitwise_right_shift_(right).bitwise_left_shift_(left).clamp_(INT32_MIN, INT32_MAX)
    return rescale_by(t.mul_(weights.gain), weights.shift).to(torch.float64)


def rope(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """ROPE: x (n, H, hd), cos and sin (n, 1, hd / 2) Q14; products below 2**46."""
    half = x.shape[-1] // 2
    low, high = x[..., :half], x[..., half:]
    turned = torch.cat([low * cos - high * sin, high * cos + low * sin], dim=-1)
    return saturate32(round_half_up(turned.mul_(2.0**-14)))


def keep_values(v: Tensor, shift: int) -> Tensor:
    """TRANSPOSE's scaling: within int32 -> int16 within +-32512, for the cache."""
    kept = round_half_up(v * 2.0**-shift).clamp_(-DIGIT_MAX, DIGIT_MAX)
    return kept.to(torch.int16)


def scores(q: Rows, k: Rows, mantissa: int, shift: int) -> Tensor:
    """SCORES without the mask: q (..., n, hd), k (..., p, hd) -> (..., n, p) within int32.

    With the powers of two folded into the factors, each sum is an integer of q * k * mantissa
    below 2**(15 + 15 + 16 + 6) = 2**52 times one power of two, for head sizes up to 64.
    """
    width = q.values.shape[-1]
    if width <= 64:
        left = q.values * (q.scale * (mantissa * 2.0**-shift))
        product = round_half_up(left @ (k.values * k.scale).transpose(-1, -2))
        return product.clamp_(-INT32_MAX, INT32_MAX)
    dot = (q.values @ k.values.transpose(-1, -2)).to(torch.int64)  # below 2**30 * 512
    by_element = shift - q.exponents - k.exponents.transpose(-1, -2)
    return rescale(dot * mantissa, by_element).clamp_(-INT32_MAX, INT32_MAX).to(torch.float64)


def softmax_numerators(s: Tensor) -> tuple[Tensor, Tensor]:
    """ROWMAX, EXP2 and SUM: s (..., n, p), masked by -inf -> numerators, their sum (..., n, 1).

    The difference of two int32 is exact; a masked score is infinitely far from the maximum.
    """
    distance = (s.amax(dim=-1, keepdim=True) - s).clamp_(max=EXP2_END)
    numerators = look_up(exp2_table(), distance.to(torch.int32)).to(torch.float64)
    return numerators, numerators.sum(dim=-1, keepdim=True)


def attend(numerators: Tensor, total: Tensor, v: Tensor) -> Tensor:
    """ATTEND: (..., n, p), (..., n, 1), v (..., p, hd) -> (..., n, hd) within int32.

    acc < 2**30 * 2**17 is exact in float64; acc * 512 + total needs int64. Each row has an
    unmasked score, so total >= 1.
    """
    acc = (numerators @ v).to(torch.int64)
    whole = total.to(torch.int64)
    quotient = torch.div(
        (acc << (ops.ATTEND_FRACTION + 1)).add_(whole), whole << 1, rounding_mode="floor"
    )
    return saturate32(quotient).to(torch.float64)


def add(x: Tensor, y: Tensor) -> Tensor:
    """ADD."""
    return saturate32(x + y)


def silu_gate(gate: Tensor, up: Tensor, fraction: int, shift: int) -> Tensor:
    """SILU_GATE in int64: |gate| * LOG2E_Q30 reaches 2**62."""
    g = gate.to(torch.int64)
    return _gated(g, up, (g.abs() * ops.LOG2E_Q30) >> (14 + fraction), shift)


def gelu_gate(gate: Tensor, up: Tensor, fraction: int, shift: int) -> Tensor:
    """GELU_GATE in int64, bounded as in `ops.gelu_gate`."""
    g = gate.to(torch.int64)
    u = ((g.abs() << 20) >> fraction).clamp_(max=16 << 20)
    slope = ((((u * u) >> 20) * ops.GELU_TANH_CUBIC) >> 20) + ops.GELU_TANH_LINEAR
    return _gated(g, up, slope.mul_(u).bitwise_right_shift_(34), shift)


def _gated(gate: Tensor, up: Tensor, z: Tensor, shift: int) -> Tensor:
    """gate * sigmoid * up, products up to 2**62; overwrites `gate`."""
    whole, part = z >> 16, z & 0xFFFF
    tail = look_up(pow2neg_table(), part) >> whole.clamp(max=31)  # below 2**31, so 31 gives 0
    numerator = torch.where(gate >= 0, 1 << 30, tail)
    sigmoid = torch.div(numerator << 30, tail + (1 << 30), rounding_mode="floor")
    activated = gate.mul_(sigmoid).add_(1 << 29).bitwise_right_shift_(30)
    return rescale_by(activated.mul_(up.to(torch.int64)), shift).to(torch.float64)


def softcap(x: Tensor, cap: Softcap) -> Tensor:
    """SOFTCAP in int64, bounded as in `ops.softcap`."""
    z = x.to(torch.int64).abs_().mul_(cap.mantissa).bitwise_right_shift_(cap.shift)
    power = look_up(pow2neg_table(), (z >> 12) & 0xFFFF)
    rest = (z & 0xFFF).mul_(power).mul_(ops.LN2_Q16)
    power -= rest.bitwise_right_shift_(16 + SOFTCAP_FRACTION)
    tail = power >> (z >> SOFTCAP_FRACTION).clamp_(max=31)  # at most 2**30, so 31 gives 0
    above = tail + (1 << 30)
    dividend = ((1 << 30) - tail).mul_(2 * cap.cap).add_(above)
    size = torch.div(dividend, above.mul_(2), rounding_mode="floor").to(torch.float64)
    return torch.where(x == MASKED, x, size.copysign_(x))
