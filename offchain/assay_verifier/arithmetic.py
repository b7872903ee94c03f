"""The specification's "Numbers", over int64 arrays.

Every function is exact where its docstring says; nothing may reach 2**63 on the way.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Shift = Ints | int

MASKED = -(2**31)
PEAK = 127 * 256
LOG2E = 1549082005
HALF_LOG2E = 774541002
LN2 = 45426
GELU_P = 248723584
TANH_LINEAR = 2471977230
TANH_CUBIC = 110534462
MEAN_SQUARE_MAX = 2**46 - 1


def sat(v: Ints, b: int) -> Ints:
    """v within the signed integers of b bits."""
    clamped: Ints = np.clip(v, -(1 << (b - 1)), (1 << (b - 1)) - 1)
    return clamped


def shifted_down(v: Ints, s: Shift) -> Ints:
    """round(v, s) for s > 0 and any int64 v.

    v / 2**s + 1/2 is floor(v / 2**s) plus the highest bit that the shift drops. From 64 on all
    bits are the sign's, and a sign's floor and bit add up to 0.
    """
    s = np.minimum(s, 64)
    down: Ints = (v >> np.minimum(s, 63)) + ((v >> (s - 1)) & 1)
    return down


def rescale(v: Ints, s: Shift, b: int = 32) -> Ints:
    """sat(round(v, s), b) for any int64 v and s, b <= 32.

    Clamped first and then shifted up by at most 31, v stays below 2**63: whatever is out of range
    before is so afterwards, and 31 places move all but 0 to the limits or beyond.
    """
    up = sat(v, b) << np.clip(-np.maximum(s, -31), 0, 31)
    return sat(np.where(np.asarray(s) > 0, shifted_down(v, np.maximum(s, 1)), up), b)


def rounded(v: int, s: int) -> int:
    """round(v, s) of a Python integer."""
    return (v + (1 << (s - 1))) >> s if s > 0 else v << -s


def pow2neg(f: Ints) -> Ints:
    """2**(-f / 65536) in Q30 for 0 <= f < 65536."""
    v = np.full_like(f, -1024386)
    for c in (9908895, -59395846, 257898518, -744258157, 1073741824):
        v = c + ((v * f) >> 16)
    return v


def product(a: Ints, b: Ints) -> Ints:
    """a @ b, exactly, where the sums of magnitudes stay below 2**53.

    NumPy multiplies integer matrices one by one, and float64 ones fast; up to 2**53 every sum in
    any order is an integer that float64 holds.
    """
    result: Ints = (a.astype(np.float64) @ b.astype(np.float64)).astype(np.int64)
    return result
