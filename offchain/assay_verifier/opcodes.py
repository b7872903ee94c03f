"""The specification's "Opcodes": a step's output from what it reads.

Operands have been checked by `program`: shapes, element sizes, parameters. Bounds are argued for
all that they can hold: |x| <= 2**31 where an element has 4 bytes, and so on.
"""

from __future__ import annotations

from enum import IntEnum
from math import isqrt

import numpy as np

from assay_verifier.arithmetic import (
    GELU_P,
    HALF_LOG2E,
    LN2,
    LOG2E,
    MASKED,
    MEAN_SQUARE_MAX,
    PEAK,
    TANH_CUBIC,
    TANH_LINEAR,
    Ints,
    pow2neg,
    product,
    rescale,
    rounded,
    sat,
    shifted_down,
)

Params = tuple[int, ...]
"""All six of a step."""


class Op(IntEnum):
    """Numbers of the opcodes."""

    EMBED = 1
    EXPONENT = 2
    RMS = 3
    NORM = 4
    QUANT = 5
    LINEAR = 6
    ROPE = 7
    SCORES = 8
    ROWMAX = 9
    EXP2 = 10
    SUM = 11
    TRANSPOSE = 12
    ATTEND = 13
    ADD = 14
    SILU_GATE = 15
    LAST = 16
    BIAS = 17
    SPLIT = 18
    MEAN = 19
    CENTER = 20
    GELU = 21
    SOFTCAP = 22
    GELU_GATE = 23


def output(op: Op, p: Params, x: list[Ints], t: list[Ints], tokens: Ints) -> Ints:
    """The output of a step of parameters p, inputs x and tensors t in a pass over `tokens`."""
    match op:
        case Op.EMBED:
            return t[0][tokens] << p[0]
        case Op.EXPONENT:
            return exponent(x[0], p[1] or 16)
        case Op.RMS:
            return rms(x[0], x[1], p[0], p[1])
        case Op.NORM:
            # Both products are at most 2**31 * 2**31.
            return rescale(rescale(x[0] * x[2], 11 + x[1]) * t[0], p[0])
        case Op.QUANT:
            return rescale(x[0], x[1], p[0] or 16)
        case Op.LINEAR:
            # 2**17 products of 2**15 * 2**7 are 2**39, times a mantissa of 2**16: 2**55.
            return rescale(product(x[0], t[0].T) * t[1][:, 0], t[1][:, 1] - x[1])
        case Op.ROPE:
            return rope(x[0], t[0], p[0])
        case Op.SCORES:
            return scores(x[0], x[1], x[2], x[3], p)
        case Op.ROWMAX:
            return np.asarray(x[0].max(axis=1, keepdims=True))
        case Op.EXP2:
            return exp2(x[0], x[1])
        case Op.SUM:
            return np.asarray(x[0].sum(axis=1, keepdims=True))
        case Op.TRANSPOSE:
            return transpose(x[0], p[0])
        case Op.ATTEND:
            return attend(x[0], x[1], x[2], p[0], p[1])
        case Op.ADD:
            return sat(x[0] + x[1], 32)
        case Op.SILU_GATE:
            z = (np.abs(x[0]) * LOG2E) >> min(14 + p[0], 63)
            return gated(x[0], x[1], z, p[1])
        case Op.LAST:
            return x[0][-1:]
        case Op.BIAS:
            return sat(x[0] + (t[0][: len(x[0])] if p[0] else t[0]), 32)
        case Op.SPLIT:
            return x[0].reshape(len(x[0]) * p[0], -1)
        case Op.MEAN:
            return mean(x[0], p[0])
        case Op.CENTER:
            return sat(x[0] - x[1], 32)
        case Op.GELU:
            return gelu(x[0], p[0], p[1])
        case Op.SOFTCAP:
            return softcap(x[0], p[0], p[1], p[2])
        case Op.GELU_GATE:
            return gelu_gate(x[0], x[1], p[0], p[1])


def exponent(x: Ints, b: int) -> Ints:
    """EXPONENT."""
    peaks = [int(m) for m in np.abs(x).max(axis=1)]
    return np.array([[(m + (m >> 7)).bit_length() - (b - 1)] for m in peaks], dtype=np.int64)


def rms(x: Ints, e: Ints, eps: int, width: int) -> Ints:
    """RMS; below a row's sum in Python's integers."""
    q = rescale(x, e, 16)
    totals = (q * q).sum(axis=1)
    values = [
        _inverse_rms(int(total), int(unit), eps, width)
        for total, unit in zip(totals, e[:, 0], strict=True)
    ]
    return np.array(values, dtype=np.int64)[:, None]


def _inverse_rms(total: int, e: int, eps: int, width: int) -> int:
    total = min(total + min(rounded(eps, 2 * e), MEAN_SQUARE_MAX), MEAN_SQUARE_MAX)
    mean = min((total << 16) // width, MEAN_SQUARE_MAX)
    return min(2**47 // max(isqrt(mean << 16), 1), 2**31 - 1)


def rope(x: Ints, table: Ints, heads: int) -> Ints:
    """ROPE: a row a head, or all heads in a row, are the same integers in the same order."""
    width = table.shape[1]
    half = width // 2
    z = x.reshape(-1, heads, width)
    turn = table[: len(z), None]
    low, high, cos, sin = z[..., :half], z[..., half:], turn[..., :half], turn[..., half:]
    turned = [low * cos - high * sin, high * cos + low * sin]
    return rescale(np.concatenate(turned, axis=2), 14).reshape(-1, width)


def scores(q: Ints, eq: Ints, k: Ints, ek: Ints, p: Params) -> Ints:
    """SCORES: |p0 * dot| <= 2**16 * 512 * 2**30."""
    mantissa, shift, heads, kv_heads, window = p[0], max(-1000, min(p[1], 1000)), *p[2:5]
    n = len(k) // kv_heads
    back = np.arange(n)[:, None] - np.arange(n)  # how far a key lies before its query
    hidden = (back < 0) & (window >= 0) | (window > 0) & (window <= back)
    result = np.empty((n, heads, n), dtype=np.int64)
    for head in range(heads):
        own, other = slice(head, None, heads), slice(head // (heads // kv_heads), None, kv_heads)
        dot = product(q[own], k[other].T)
        value = np.maximum(rescale(mantissa * dot, shift - eq[own] - ek[other].T), MASKED + 1)
        result[:, head] = np.where(hidden, MASKED, value)
    return result.reshape(n * heads, n)


def exp2(s: Ints, m: Ints) -> Ints:
    """EXP2."""
    u = np.maximum(m - s, 0)
    value = shifted_down(pow2neg(u & 65535) * PEAK, 30 + (u >> 16))
    return np.where((s == MASKED) | (u >> 16 > 30), 0, value)


def transpose(x: Ints, s: int) -> Ints:
    """TRANSPOSE."""
    kept: Ints = np.clip(rescale(x, s), -PEAK, PEAK)
    return kept.T


def attend(a: Ints, v: Ints, t: Ints, heads: int, kv_heads: int) -> Ints:
    """ATTEND: the sums are at most 2**17 * 2**15 * 2**15, so 2**56 when shifted."""
    n, width = a.shape[1], len(v) // kv_heads
    result = np.empty((n, heads, width), dtype=np.int64)
    for head in range(heads):
        start = head // (heads // kv_heads) * width
        total = t[head::heads]
        safe = np.maximum(total, 1)
        sums = product(a[head::heads], v[start : start + width].T)
        result[:, head] = np.where(total > 0, sat(((sums << 9) + safe) // (2 * safe), 32), 0)
    return result.reshape(n, heads * width)


def mean(x: Ints, width: int) -> Ints:
    """MEAN: a sum is at most 2**17 * 2**31."""
    quotient: Ints = (2 * x.sum(axis=1, keepdims=True) + width) // (2 * width)
    return quotient


def gated(x: Ints, y: Ints, z: Ints, s: int) -> Ints:
    """x * sigmoid * y: |x * sigmoid| <= 2**61, the other product 2**62."""
    tail = np.where(z >> 16 > 30, 0, pow2neg(z & 65535) >> np.minimum(z >> 16, 63))
    sigmoid = (np.where(x >= 0, 1 << 30, tail) << 30) // ((1 << 30) + tail)
    return rescale(shifted_down(x * sigmoid, 30) * y, s)


def gelu_gate(x: Ints, y: Ints, fraction: int, s: int) -> Ints:
    """GELU_GATE: u <= 2**24, so the slope is below 2**35 and u * slope below 2**59."""
    u = np.minimum((np.abs(x) << 20) >> min(fraction, 63), 1 << 24)
    slope = TANH_LINEAR + ((TANH_CUBIC * ((u * u) >> 20)) >> 20)
    return gated(x, y, (u * slope) >> 34, s)


def gelu(x: Ints, fraction: int, s: int) -> Ints:
    """GELU: u <= 2**24; t, v and the power are at most Q30's 1 or near it, products below 2**61."""
    u = np.minimum((np.abs(x) << 20) >> min(fraction, 63), 1 << 24)
    t = (1 << 60) // ((1 << 30) + ((GELU_P * u) >> 20))
    v = np.full_like(t, 569837701)
    for c in (-780155054, 763115691, -152738022, 136810595):
        v = c + ((v * t) >> 30)
    z = (((u * u) >> 20) * HALF_LOG2E) >> 34
    tail = (((v * t) >> 30) * pow2neg(z & 65535)) >> np.minimum(30 + (z >> 16), 63)
    tail = np.where(z >> 16 > 30, 0, tail)
    return rescale(np.maximum(x, 0) - shifted_down(np.abs(x) * tail, 30), s)


def softcap(x: Ints, cap: int, mantissa: int, shift: int) -> Ints:
    """SOFTCAP: |x| * mantissa <= 2**62, power * rest * LN2 < 2**58, the dividend below 2**63."""
    z = (np.abs(x) * mantissa) >> min(shift, 63)
    power = pow2neg((z >> 12) & 65535)
    power = power - ((power * (z & 4095) * LN2) >> 44)
    tail = np.where(z >> 28 > 30, 0, power >> np.minimum(z >> 28, 63))
    size = (2 * cap * ((1 << 30) - tail) + (1 << 30) + tail) // (2 * ((1 << 30) + tail))
    return np.where(x == MASKED, MASKED, np.where(x >= 0, size, -size))
