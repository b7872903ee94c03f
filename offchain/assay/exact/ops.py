"""Reference semantics of every opcode: one function per op, whole tensors in, whole tensor out.

All arrays are int64 holding values of the stated ranges. N is the number of positions of the
pass, H the heads, KV the key/value heads, hd the head dimension; row `pos * H + h` of a per-head
tensor belongs to position `pos` and head `h`. K, the length of a reduction, is below 2**17.

Where a value could leave its output's range it saturates, so that each op is total; comments say
which saturations an honest run can meet.
"""

from __future__ import annotations

import numpy as np

from assay.core.types import TILE
from assay.exact.fixed import (
    DIGIT_MAX,
    INT32_MAX,
    MASKED,
    Ints,
    bit_length,
    isqrt,
    matmul,
    pow2neg,
    rescale,
    saturate,
    shift_round,
)
from assay.exact.model import SOFTCAP_FRACTION

LOG2E_Q30 = 1549082005
"""round(log2(e) * 2**30)."""
HALF_LOG2E_Q30 = 774541002
"""round(log2(e) / 2 * 2**30)."""
GELU_P = 248723584
"""round(0.3275911 / sqrt(2) * 2**30)."""
GELU_TAIL = (136810595, -152738022, 763115691, -780155054, 569837701)
"""Half of Abramowitz and Stegun's a1 to a5, Q30."""
LN2_Q16 = 45426
"""round(ln(2) * 2**16)."""
GELU_TANH_LINEAR = 2471977230
"""round(2 * sqrt(2 / pi) * log2(e) * 2**30)."""
GELU_TANH_CUBIC = 110534462
"""round(0.044715 * 2 * sqrt(2 / pi) * log2(e) * 2**30)."""
EXP_PEAK = DIGIT_MAX
"""exp2(0) in the attention numerators; it cancels in the division by their sum."""
ATTEND_FRACTION = 8
"""Fraction bits that ATTEND adds to those of v."""
MEAN_SQUARE_MAX = 2**46 - 1


def embed(table: Ints, tokens: Ints, shift: int) -> Ints:
    """Residual rows: int16 table (vocab, d) -> (N, d); shift <= 15, so within int32."""
    return table[tokens] << shift


def exponent(x: Ints, bits: int = 16) -> Ints:
    """Row exponent e: max|x| * (1 + 1/128) < 2**(bits - 1 + e); (R, w) -> (R, 1).

    16 bits: e in [-15, 17], and the margin of 1/128 keeps round(x / 2**e) within 32515 <= 32639,
    so that both digits are int8. 8 bits, a single digit: e in [-7, 25], within 127.
    """
    peak = np.abs(x).max(axis=1, keepdims=True)
    return bit_length(peak + (peak >> 7)) - (bits - 1)


def quant(x: Ints, e: Ints, bits: int = 16) -> Ints:
    """x in units of 2**e, for an honest e within +-32515, or +-127 if 8 bits; a left shift
    (e < 0) is exact."""
    return rescale(x, e, bits)


def mean_square_eps(eps: int, e: Ints) -> Ints:
    """The norm's epsilon in the units of the quantised row: round(eps / 2**(2e)), saturated."""
    table = [_eps_term(eps, exponent) for exponent in range(-128, 128)]
    terms: Ints = np.array(table, dtype=np.int64)[np.asarray(e) + 128]
    return terms


def _eps_term(eps: int, e: int) -> int:
    shift = 2 * e
    value = (eps + (1 << (shift - 1))) >> shift if shift > 0 else eps << -shift
    return min(value, MEAN_SQUARE_MAX)


def rms_finish(total: Ints, e: Ints, eps: int, width: int) -> Ints:
    """2**31 / rms from the sum of squares (R, 1) of the quantised row.

    m < 2**62 needs total < 2**46; an honest row has rms >= 2**14 / sqrt(K) > 2**5, so the
    result is below 2**26. An all-zero row without eps takes s = 1 and saturates.
    """
    bounded = np.minimum(total + mean_square_eps(eps, e), MEAN_SQUARE_MAX)
    mean = (bounded << 16) // width
    # |q| <= 2**15 keeps an honest mean within 2**46; only a huge eps over a short row is cut here.
    root = np.maximum(isqrt(np.minimum(mean, MEAN_SQUARE_MAX) << 16), 1)
    return np.minimum((1 << 47) // root, INT32_MAX)


def rms(x: Ints, e: Ints, eps: int) -> Ints:
    """Inverse root mean square, Q31 in units of 2**e; (N, d), (N, 1) -> (N, 1)."""
    q = quant(x, e)
    total = (q * q).sum(axis=1, keepdims=True)
    return rms_finish(total, e, eps, x.shape[1])


def norm(x: Ints, e: Ints, inverse_rms: Ints, gain: Ints, shift: int) -> Ints:
    """x / rms * gain. |x * inverse_rms| <= 2**62; the quotient t is Q20 and saturates at int32.

    The second product is at most 2**62 as well. Shifts are at most 28 (11 + e) and 62.
    """
    t = rescale(x * inverse_rms, 11 + e)
    return rescale(t * gain, shift)


def linear_finish(acc: Ints, e: Ints, mantissa: Ints, shift: Ints) -> Ints:
    """|acc| <= 2**17 * 2**15 * 2**7 = 2**39, times a 16-bit mantissa: below 2**55."""
    return rescale(acc * mantissa, shift - e)


def linear(a: Ints, e: Ints, weight: Ints, mantissa: Ints, shift: Ints) -> Ints:
    """a (R, K) int16 or int8 with exponents e (R, 1), weight int8 (J, K) -> (R, J) int32."""
    return linear_finish(matmul(a, weight.T), e, mantissa[None, :], shift[None, :])


def bias(x: Ints, row: Ints) -> Ints:
    """A committed row added to every row: (R, w), (1, w) -> (R, w).

    By position, row r of a table is added to row r: (R, w), (>= R, w) -> (R, w).
    Both are in the units of x; the import places the binary point so that x, the row and their
    sum stay below 2**26 on the calibration text.
    """
    return saturate(x + row[: len(x)], 32)


def split(x: Ints, heads: int) -> Ints:
    """A row per head: (N, H*hd) -> (N*H, hd)."""
    n, width = x.shape
    return x.reshape(n * heads, width // heads)


def rope(x: Ints, table: Ints, heads: int) -> Ints:
    """Rotary embedding, half-split pairs; products below 2**47.

    (N, H*hd), or the same split by heads, (N*H, hd) -> (N*H, hd).
    """
    n = x.size // (heads * table.shape[1])
    hd = table.shape[1]
    half = hd // 2
    cos = table[:n, None, :half]
    sin = table[:n, None, half:]
    heads_view = x.reshape(n, heads, hd)
    low, high = heads_view[..., :half], heads_view[..., half:]
    rotated = np.concatenate([low * cos - high * sin, high * cos + low * sin], axis=-1)
    return rescale(rotated, 14).reshape(n * heads, hd)


def scores(
    q: Ints,
    eq: Ints,
    k: Ints,
    ek: Ints,
    mantissa: int,
    shift: int,
    heads: int,
    kv_heads: int,
    window: int = 0,
) -> Ints:
    """Scaled scores in log2 units, Q16: (N*H, hd), (N*KV, hd) -> (N*H, N), causal.

    Position i sees max(0, i - window + 1) to i; all up to i where the window is 0; all there are
    where it is negative.
    |dot| <= 2**30 * 512 = 2**39, times a 16-bit mantissa: below 2**55.
    """
    n = k.shape[0] // kv_heads
    group = heads // kv_heads
    hd = q.shape[1]
    qh = q.reshape(n, heads, hd).transpose(1, 0, 2)
    kh = k.reshape(n, kv_heads, hd).transpose(1, 2, 0).repeat(group, axis=0)
    dot = matmul(qh, kh)
    e = (
        eq.reshape(n, heads).T[:, :, None]
        + ek.reshape(n, kv_heads).T.repeat(group, axis=0)[:, None, :]
    )
    value = np.clip(rescale(dot * mantissa, shift - e), -INT32_MAX, INT32_MAX)
    seen = np.tril(np.ones((n, n), dtype=bool))
    if window > 0:
        seen &= ~np.tril(seen, -window)
    if window < 0:
        seen[:] = True
    return np.where(seen[None], value, MASKED).transpose(1, 0, 2).reshape(n * heads, n)


def rowmax(s: Ints) -> Ints:
    """(R, N) -> (R, 1); a row always has an unmasked score."""
    peak: Ints = s.max(axis=1, keepdims=True)
    return peak


def exp2(s: Ints, m: Ints) -> Ints:
    """EXP_PEAK * 2**(s - m): (R, N), (R, 1) -> (R, N) in [0, EXP_PEAK]; masked scores give 0."""
    distance = np.maximum(m - s, 0)
    whole, fraction = distance >> 16, distance & 0xFFFF
    # 2**30 * 32512 < 2**45; a distance over 30 rounds to 0 anyway.
    value = shift_round(pow2neg(fraction) * EXP_PEAK, 30 + np.minimum(whole, 30))
    return np.where((s == MASKED) | (whole > 30), 0, value)


def rowsum(p: Ints) -> Ints:
    """(R, N) -> (R, 1), below 2**15 * 2**17."""
    total: Ints = p.sum(axis=1, keepdims=True)
    return total


def transpose(v: Ints, shift: int) -> Ints:
    """Values by channel, as digit-safe int16: (N, W) -> (W, N).

    The scale is static with head-room from calibration; beyond it an honest value saturates.
    """
    return np.clip(rescale(v, shift), -DIGIT_MAX, DIGIT_MAX).T


def attend_finish(acc: Ints, total: Ints) -> Ints:
    """round(acc * 2**8 / total); |acc| <= 2**47, so the dividend is below 2**57."""
    safe = np.maximum(total, 1)
    quotient = ((acc << (ATTEND_FRACTION + 1)) + safe) // (2 * safe)
    return np.where(total > 0, saturate(quotient, 32), 0)


def attend(p: Ints, v: Ints, total: Ints, heads: int, kv_heads: int) -> Ints:
    """Softmax-weighted values: (N*H, N), (KV*hd, N), (N*H, 1) -> (N, H*hd)."""
    n = p.shape[1]
    group = heads // kv_heads
    hd = v.shape[0] // kv_heads
    ph = p.reshape(n, heads, n).transpose(1, 0, 2)
    vh = v.reshape(kv_heads, hd, n).transpose(0, 2, 1).repeat(group, axis=0)
    acc = matmul(ph, vh)
    out = attend_finish(acc, total.reshape(n, heads).T[:, :, None])
    return out.transpose(1, 0, 2).reshape(n, heads * hd)


def add(x: Ints, y: Ints) -> Ints:
    """Residual sum."""
    return saturate(x + y, 32)


def silu_gate(gate: Ints, up: Ints, fraction: int, shift: int) -> Ints:
    """silu(gate) * up; `gate` has `fraction` bits. |gate| * LOG2E_Q30 <= 2**62."""
    return _gated(gate, up, (np.abs(gate) * LOG2E_Q30) >> (14 + fraction), shift)


def gelu_gate(gate: Ints, up: Ints, fraction: int, shift: int) -> Ints:
    """gelu(gate) * up with the approximation by tanh, which is a sigmoid:

    x * sigmoid(2 * sqrt(2 / pi) * (x + 0.044715 * x**3)); `gate` has `fraction` bits. u is |x| in
    Q20, cut at 16, far beyond 5.7, where the sigmoid's tail ends. So u**2 is at most 2**28 in
    Q20, its product with the cubic 2**55, the slope below 2**35, u times that below 2**59.
    """
    u = np.minimum((np.abs(gate) << 20) >> fraction, 16 << 20)
    slope = GELU_TANH_LINEAR + ((GELU_TANH_CUBIC * ((u * u) >> 20)) >> 20)
    return _gated(gate, up, (u * slope) >> 34, shift)


def _gated(gate: Ints, up: Ints, z: Ints, shift: int) -> Ints:
    """gate * sigmoid * up; 2**-z, z in Q16, is to sigmoid(-|x|) what its odds are.

    The sigmoid is num / (1 + E) with E = 2**-z in Q30, so it needs one division. |gate| * sigmoid
    <= 2**61 and the second product <= 2**62.
    """
    whole, part = z >> 16, z & 0xFFFF
    tail = np.where(whole > 30, 0, pow2neg(part) >> np.minimum(whole, 30))
    numerator = np.where(gate >= 0, 1 << 30, tail)
    sigmoid = (numerator << 30) // ((1 << 30) + tail)
    activated = shift_round(gate * sigmoid, 30)
    return rescale(activated * up, shift)


def softcap(x: Ints, cap: int, mantissa: int, shift: int) -> Ints:
    """cap * tanh(x / cap), odd in x, within +-cap < 2**31; a masked score stays masked.

    tanh(v) = (1 - E) / (1 + E) with E = 2**-z in Q30 and z = 2 * v * log2(e), which is |x| *
    mantissa / 2**shift in Q28: at most 2**62 for mantissa <= 2**31. The 12 bits of z beyond those
    that `pow2neg` takes count linearly, 1 - ln(2) * rest, so that tanh is good to 1e-7 and close
    scores stay apart: pow2neg * rest * ln(2) < 2**(30 + 12 + 16). Twice cap * (1 - E) < 2**62.
    """
    z = (np.abs(x) * mantissa) >> shift
    whole, part, rest = z >> SOFTCAP_FRACTION, (z >> 12) & 0xFFFF, z & 0xFFF
    power = pow2neg(part)
    power = power - ((power * rest * LN2_Q16) >> (16 + SOFTCAP_FRACTION))
    tail = np.where(whole > 30, 0, power >> np.minimum(whole, 30))
    below, above = (1 << 30) - tail, (1 << 30) + tail
    size = (2 * cap * below + above) // (2 * above)
    return np.where(x == MASKED, MASKED, np.where(x < 0, -size, size))


def mean_finish(total: Ints, width: int) -> Ints:
    """round_half_up(total / width); |total| <= 2**48."""
    return (2 * total + width) // (2 * width)


def mean(x: Ints) -> Ints:
    """Row means: (R, w) -> (R, 1), within int32 as x is."""
    return mean_finish(x.sum(axis=1, keepdims=True), x.shape[1])


def center(x: Ints, m: Ints) -> Ints:
    """x - m: (R, w), (R, 1) -> (R, w). An honest |x - m| < 2**32 saturates, far above any range
    that a calibrated x meets."""
    return saturate(x - m, 32)


def gelu(x: Ints, fraction: int, shift: int) -> Ints:
    """x * Phi(x) = max(x, 0) - |x| * Phi(-|x|), Phi the normal distribution; x has `fraction` bits.

    Phi(-u) = P(t) * 2**(-u**2 * log2(e) / 2) with t = 1 / (1 + p * u), P of degree 5 (Abramowitz
    and Stegun, 7.1.26, to 7.5e-8). |gelu| is off by less than 3e-6 plus a unit of x. u is Q20,
    cut at 16, where Phi(-u) < 2**-200; t, P and the power are Q30, products below 2**61.
    """
    size = np.abs(x)
    u = np.minimum((size << 20) >> fraction, 16 << 20)
    t = (1 << 60) // ((1 << 30) + ((GELU_P * u) >> 20))
    value = np.full_like(t, GELU_TAIL[-1])
    for coefficient in GELU_TAIL[-2::-1]:
        value = coefficient + ((value * t) >> 30)
    distance = (((u * u) >> 20) * HALF_LOG2E_Q30) >> 34
    whole, part = distance >> 16, distance & 0xFFFF
    tail = (((value * t) >> 30) * pow2neg(part)) >> (30 + np.minimum(whole, 30))
    tail = np.where(whole > 30, 0, tail)
    return rescale(np.maximum(x, 0) - shift_round(size * tail, 30), shift)


def last(x: Ints) -> Ints:
    """The row of the last position: (N, d) -> (1, d)."""
    return x[-1:]


def partials_absmax(row: Ints) -> list[int]:
    """EXPONENT's partial per chunk: max|x|."""
    return [int(np.abs(chunk).max()) for chunk in _chunks(row)]


def partials_max(row: Ints) -> list[int]:
    """ROWMAX's partial per chunk."""
    return [int(chunk.max()) for chunk in _chunks(row)]


def partials_sum(row: Ints) -> list[int]:
    """SUM's partial per chunk."""
    return [int(chunk.sum()) for chunk in _chunks(row)]


def partials_dot(a: Ints, b: Ints) -> list[int]:
    """LINEAR's and ATTEND's partial per chunk; RMS's with a = b."""
    return [int((x * y).sum()) for x, y in zip(_chunks(a), _chunks(b), strict=True)]


def _chunks(row: Ints) -> list[Ints]:
    return [row[i : i + TILE] for i in range(0, len(row), TILE)]
