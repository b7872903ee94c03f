"""Integer arithmetic of single elements, for the kernels; int64 unless a name says otherwise.

`>>` is arithmetic and so floors; `//` truncates, so it divides what is not negative. A float64 is
only ever a first guess that integers settle.
"""

from __future__ import annotations

import triton
import triton.language as tl

from assay.exact import fixed, model, ops

INT32_MAX = tl.constexpr(fixed.INT32_MAX)
INT32_MIN = tl.constexpr(fixed.INT32_MIN)
DIGIT_MAX = tl.constexpr(fixed.DIGIT_MAX)
MASKED = tl.constexpr(fixed.MASKED)
MEAN_SQUARE_MAX = tl.constexpr(ops.MEAN_SQUARE_MAX)
EXP_PEAK = tl.constexpr(ops.EXP_PEAK)
LOG2E_Q30 = tl.constexpr(ops.LOG2E_Q30)
GELU_TANH_LINEAR = tl.constexpr(ops.GELU_TANH_LINEAR)
GELU_TANH_CUBIC = tl.constexpr(ops.GELU_TANH_CUBIC)
LN2_Q16 = tl.constexpr(ops.LN2_Q16)
SOFTCAP_FRACTION = tl.constexpr(model.SOFTCAP_FRACTION)
ATTEND_FRACTION = tl.constexpr(ops.ATTEND_FRACTION)
P0, P1, P2, P3, P4, P5 = (tl.constexpr(coefficient) for coefficient in fixed.POW2NEG)


@triton.jit
def saturate32(x):
    return tl.minimum(tl.maximum(x, INT32_MIN), INT32_MAX)


@triton.jit
def rescale(values, shift):
    """`fixed.rescale` to 32 bits: |values| <= 2**62, < 2**61 for shifts over 62."""
    shift = shift.to(tl.int64)
    right = tl.minimum(tl.maximum(shift, 0), 62)
    left = tl.minimum(tl.maximum(-shift, 0), 32)
    half = (tl.full(right.shape, 1, tl.int64) << right) >> 1
    return saturate32(saturate32((values + half) >> right) << left)


@triton.jit
def bit_length(x):
    """Of x in [0, 2**53): the exponent's field of a float64 that holds it exactly."""
    field = x.to(tl.float64).to(tl.int64, bitcast=True) >> 52
    return tl.maximum(field - 1022, 0)


@triton.jit
def exponent(peak, PLANES: tl.constexpr = 2):
    """EXPONENT from a row's largest magnitude, for so many digits of 8 bits."""
    return bit_length(peak + (peak >> 7)) - (8 * PLANES - 1)


@triton.jit
def quantised(x, e):
    """QUANT with the row's own exponent, which needs no saturation."""
    right = tl.maximum(e, 0)
    half = (tl.full(right.shape, 1, tl.int64) << right) >> 1
    return ((x + half) >> right) << tl.maximum(-e, 0)


@triton.jit
def high_digit(x):
    """x = 256 * high + low, both int8, for |x| <= 32639; int8."""
    return ((x + 128) >> 8).to(tl.int8)


@triton.jit
def low_digit(x):
    return (x - (((x + 128) >> 8) << 8)).to(tl.int8)


@triton.jit
def joined(high, middle, low):
    """The product of two numbers of two digits each, from sums of the digits' products."""
    return (high.to(tl.int64) << 16) + (middle.to(tl.int64) << 8) + low.to(tl.int64)


@triton.jit
def floor_divide(n, d):
    """floor(n / d) where the quotient is below 2**32, d > 0, |n| <= 2**62: the guess is at most
    one off."""
    guess = tl.floor(n.to(tl.float64) / d.to(tl.float64)).to(tl.int64)
    rest = n - guess * d
    return guess + (rest >= d).to(tl.int64) - (rest < 0).to(tl.int64)


@triton.jit
def isqrt(v):
    """floor(sqrt(v)) for 0 <= v <= 2**62; the guess is at most one off."""
    root = tl.sqrt(v.to(tl.float64)).to(tl.int64)
    root = root - (root * root > v).to(tl.int64)
    return root + ((root + 1) * (root + 1) <= v).to(tl.int64)


@triton.jit
def inverse_rms(total, eps_term, width):
    """RMS from the sum of squares of a quantised row; see `ops.rms_finish`."""
    bounded = tl.minimum(total + eps_term, MEAN_SQUARE_MAX)
    mean = (bounded << 16) // width
    root = tl.maximum(isqrt(tl.minimum(mean, MEAN_SQUARE_MAX) << 16), 1)
    one = tl.full(root.shape, 1, tl.int64)
    return tl.minimum((one << 47) // root, INT32_MAX)


@triton.jit
def pow2neg(fraction):
    """2**(-fraction / 65536) in Q30 for 0 <= fraction < 65536."""
    value = tl.full(fraction.shape, P5, tl.int64)
    value = P4 + ((value * fraction) >> 16)
    value = P3 + ((value * fraction) >> 16)
    value = P2 + ((value * fraction) >> 16)
    value = P1 + ((value * fraction) >> 16)
    return P0 + ((value * fraction) >> 16)


@triton.jit
def exp2(scores, peak):
    """EXP2: EXP_PEAK * 2**(score - peak), scores in Q16; masked ones give 0."""
    distance = tl.maximum(peak - scores, 0)
    whole = distance >> 16
    by = 30 + tl.minimum(whole, 30)
    half = (tl.full(by.shape, 1, tl.int64) << by) >> 1
    value = (pow2neg(distance & 0xFFFF) * EXP_PEAK + half) >> by
    return tl.where((scores == MASKED) | (whole > 30), 0, value)


@triton.jit
def gated(gate, up, fraction, shift, ACTIVATION: tl.constexpr):
    """SILU_GATE or GELU_GATE; see `ops` for the bounds."""
    size = tl.abs(gate)
    if ACTIVATION == "silu":
        z = (size * LOG2E_Q30) >> (14 + fraction)
    else:
        u = tl.minimum((size << 20) >> fraction, 16 << 20)
        z = (u * (GELU_TANH_LINEAR + ((GELU_TANH_CUBIC * ((u * u) >> 20)) >> 20))) >> 34
    whole = z >> 16
    tail = tl.where(whole > 30, 0, pow2neg(z & 0xFFFF) >> tl.minimum(whole, 30))
    one = tl.full(tail.shape, 1 << 30, tl.int64)
    sigmoid = floor_divide(tl.where(gate >= 0, one, tail) << 30, one + tail)
    activated = (gate * sigmoid + (1 << 29)) >> 30
    return rescale(activated * up, shift)


@triton.jit
def softcap(x, cap, mantissa, shift):
    """SOFTCAP; cap below 2**31, mantissa at most 2**31."""
    z = (tl.abs(x) * mantissa) >> shift
    power = pow2neg((z >> 12) & 0xFFFF)
    power = power - ((power * (z & 0xFFF) * LN2_Q16) >> (16 + SOFTCAP_FRACTION))
    whole = z >> SOFTCAP_FRACTION
    tail = tl.where(whole > 30, 0, power >> tl.minimum(whole, 30))
    one = tl.full(tail.shape, 1 << 30, tl.int64)
    above = one + tail
    size = floor_divide(((one - tail) * cap << 1) + above, above << 1)
    return tl.where(x == MASKED, MASKED, tl.where(x < 0, -size, size))


@triton.jit
def exact_dot(a, b, acc, HELD: tl.constexpr):
    """acc + a @ b for int8 a and b, int32 acc.

    A 16-bit float has every int8; a block's sums are then integers of at most 2**24 for up to
    1,024 terms, and float32, in which tensor cores add them, has all of those.
    """
    if HELD == "int8":
        return tl.dot(a, b, acc, out_dtype=tl.int32)
    elif HELD == "bfloat16":
        return acc + tl.dot(a.to(tl.bfloat16), b.to(tl.bfloat16)).to(tl.int32)
    else:
        return acc + tl.dot(a.to(tl.float16), b.to(tl.float16)).to(tl.int32)
