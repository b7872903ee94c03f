"""Fixed-point helpers on int64 arrays: the one rounding rule, saturation, roots, powers of two.

Everything is a mathematical integer function; the comments argue that no int64 intermediate can
overflow in the stated range. `>>` and `//` floor, as Python's do and unlike the EVM's `sdiv`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

INT32_MAX = 2**31 - 1
INT32_MIN = -(2**31)
MASKED = INT32_MIN
"""A score outside the causal mask."""
DIGIT_MAX = 127 * 256
"""Largest magnitude of values kept as two balanced base-256 digits (both within int8)."""

POW2NEG = (1073741824, -744258157, 257898518, -59395846, 9908895, -1024386)
"""Q30 coefficients of 2**-x on [0, 1), ascending; minimax to 6.3e-8, strictly decreasing."""

_MAX_SHIFT = 62


def saturate(values: Ints, bits: int) -> Ints:
    """Clamp to the signed range of `bits` bits."""
    limit = 1 << (bits - 1)
    return np.clip(values, -limit, limit - 1)


def shift_round(values: Ints, shift: Ints | int) -> Ints:
    """round_half_up(values / 2**shift), shift > 0; values << -shift otherwise.

    Requires |values| <= 2**62, and that a left shift stays below 2**63 (the caller argues it).
    A right shift by 63 or more gives 0, as the mathematical value does: it is clamped to 62,
    where |v| < 2**61 still rounds to 0; callers with larger values never shift that far.
    """
    s = np.asarray(shift, dtype=np.int64)
    right = np.clip(s, 0, _MAX_SHIFT)
    left = np.clip(-s, 0, _MAX_SHIFT)
    half = np.where(right > 0, np.int64(1) << np.maximum(right - 1, 0), 0)
    result: Ints = ((values + half) >> right) << left
    return result


def rescale(values: Ints, shift: Ints | int, bits: int = 32) -> Ints:
    """saturate(round_half_up(values / 2**shift)): |values| <= 2**62, < 2**61 for shifts over 62.

    A left shift saturates before it shifts (by at most 32), so that it cannot wrap: a value
    outside the range stays outside it when doubled.
    """
    s = np.asarray(shift, dtype=np.int64)
    rounded = shift_round(values, np.maximum(s, 0))
    left = np.clip(-s, 0, 32)
    return saturate(saturate(rounded, bits) << left, bits)


def bit_length(values: Ints) -> Ints:
    """Bits of a non-negative integer below 2**53; 0 for 0."""
    # frexp's exponent is exact: float64 holds such integers exactly.
    exponent: Ints = np.frexp(values.astype(np.float64))[1].astype(np.int64)
    return exponent


def isqrt(values: Ints) -> Ints:
    """floor(sqrt(v)) for 0 <= v <= 2**62.

    The float root is a first guess, at most one off; the integer comparisons settle it. Roots
    are at most 2**31, so that their squares fit.
    """
    root = np.sqrt(values.astype(np.float64)).astype(np.int64)
    root = np.where(root * root > values, root - 1, root)
    return np.where((root + 1) * (root + 1) <= values, root + 1, root)


def pow2neg(fraction: Ints) -> Ints:
    """2**(-fraction / 65536) in Q30 for 0 <= fraction < 65536; |v * f| < 2**47 throughout."""
    value = np.full_like(fraction, POW2NEG[-1])
    for coefficient in POW2NEG[-2::-1]:
        value = coefficient + ((value * fraction) >> 16)
    return value


def matmul(a: Ints, b: Ints) -> Ints:
    """a @ b, exactly, for K * max|a| * max|b| < 2**53.

    Runs in float64 BLAS: every product and partial sum is an integer below 2**53, which float64
    holds exactly, so neither order nor fused multiply-add can change the result.
    """
    product: Ints = np.matmul(a.astype(np.float64), b.astype(np.float64)).astype(np.int64)
    return product


def digits(values: Ints) -> tuple[Ints, Ints]:
    """Balanced base-256 digits (hi, lo), v = 256*hi + lo, both in [-128, 127], |v| <= 32639."""
    hi = (values + 128) >> 8
    return hi, values - (hi << 8)
