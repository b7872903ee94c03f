"""Every opcode again, one element at a time, in unbounded Python integers.

Written from the definition rather than from `exact.ops`: no arrays, no int64, no shared helper.
What it disagrees with is an overflow or a slip in one of the two.
"""

from __future__ import annotations

from math import isqrt

POLY = (1073741824, -744258157, 257898518, -59395846, 9908895, -1024386)
MASKED = -(2**31)
Row = list[int]
Matrix = list[Row]


def rnd(value: int, shift: int) -> int:
    return (value + (1 << (shift - 1))) >> shift if shift > 0 else value << -shift


def clamp(value: int, bits: int) -> int:
    return max(-(1 << (bits - 1)), min(value, (1 << (bits - 1)) - 1))


def pow2neg(f: int) -> int:
    value = POLY[5]
    for c in (POLY[4], POLY[3], POLY[2], POLY[1], POLY[0]):
        value = c + ((value * f) >> 16)
    return value


def embed(table: Matrix, token: int, k: int, shift: int) -> int:
    return table[token][k] << shift


def exponent(row: Row, bits: int = 16) -> int:
    peak = max(abs(v) for v in row)
    e = 1 - bits
    while peak + peak // 128 >= 2 ** (bits - 1 + e):
        e += 1
    return e


def quant(x: int, e: int, bits: int = 16) -> int:
    return clamp(rnd(x, e), bits)


def rms(row: Row, e: int, eps: int) -> int:
    cap = 2**46 - 1
    total = min(sum(quant(x, e) ** 2 for x in row) + min(rnd(eps, 2 * e), cap), cap)
    root = max(isqrt(min((total << 16) // len(row), cap) << 16), 1)
    return min(2**47 // root, 2**31 - 1)


def norm(x: int, e: int, r: int, gain: int, shift: int) -> int:
    return clamp(rnd(clamp(rnd(x * r, 11 + e), 32) * gain, shift), 32)


def linear(a: Row, w: Row, mantissa: int, shift: int, e: int) -> int:
    return clamp(rnd(sum(x * y for x, y in zip(a, w, strict=True)) * mantissa, shift - e), 32)


def rope(head: Row, table: Row, d: int) -> int:
    half = len(head) // 2
    if d < half:
        return clamp(rnd(head[d] * table[d] - head[d + half] * table[half + d], 14), 32)
    j = d - half
    return clamp(rnd(head[d] * table[j] + head[j] * table[half + j], 14), 32)


def score(q: Row, eq: int, k: Row, ek: int, mantissa: int, shift: int, masked: bool) -> int:
    if masked:
        return MASKED
    dot = sum(x * y for x, y in zip(q, k, strict=True))
    value = clamp(rnd(dot * mantissa, shift - eq - ek), 32)
    return max(value, -(2**31) + 1)


def exp2(s: int, m: int) -> int:
    distance = max(m - s, 0)
    if s == MASKED or distance >> 16 > 30:
        return 0
    return rnd(pow2neg(distance & 0xFFFF) * 32512, 30 + (distance >> 16))


def transpose(v: int, shift: int) -> int:
    return max(-32512, min(rnd(v, shift), 32512))


def attend(p: Row, v: Row, total: int) -> int:
    if total == 0:
        return 0
    acc = sum(x * y for x, y in zip(p, v, strict=True))
    return clamp((acc * 512 + total) // (2 * total), 32)


def add(x: int, y: int) -> int:
    return clamp(x + y, 32)


def bias(x: int, b: int) -> int:
    return clamp(x + b, 32)


def mean(row: Row) -> int:
    return (2 * sum(row) + len(row)) // (2 * len(row))


def gelu(x: int, fraction: int, shift: int) -> int:
    u = min((abs(x) * 2**20) >> fraction, 2**24)
    t = 2**60 // (2**30 + (248723584 * u) // 2**20)
    p = 0
    for c in (569837701, -780155054, 763115691, -152738022, 136810595):
        p = c + ((p * t) >> 30)
    d = (((u * u) // 2**20) * 774541002) >> 34
    tail = 0 if d >> 16 > 30 else (((p * t) >> 30) * pow2neg(d & 0xFFFF)) >> (30 + (d >> 16))
    return clamp(rnd((x if x > 0 else 0) - rnd(abs(x) * tail, 30), shift), 32)


def silu_gate(gate: int, up: int, fraction: int, shift: int) -> int:
    return gated(gate, up, (abs(gate) * 1549082005) >> (14 + fraction), shift)


def gelu_gate(gate: int, up: int, fraction: int, shift: int) -> int:
    u = min((abs(gate) * 2**20) >> fraction, 2**24)
    inner = 2471977230 + (110534462 * ((u * u) // 2**20)) // 2**20
    return gated(gate, up, (u * inner) // 2**34, shift)


def gated(gate: int, up: int, z: int, shift: int) -> int:
    tail = 0 if z >> 16 > 30 else pow2neg(z & 0xFFFF) >> (z >> 16)
    sigmoid = ((2**30 if gate >= 0 else tail) << 30) // (2**30 + tail)
    return clamp(rnd(rnd(gate * sigmoid, 30) * up, shift), 32)


def softcap(x: int, cap: int, mantissa: int, shift: int) -> int:
    if x == MASKED:
        return MASKED
    z = (abs(x) * mantissa) >> shift
    whole, fine = divmod(z, 2**28)
    near = pow2neg(fine // 2**12)
    tail = (near - near * (fine % 2**12) * 45426 // 2**44) >> whole if whole <= 30 else 0
    size = (2 * cap * (2**30 - tail) + 2**30 + tail) // (2 * (2**30 + tail))
    return size if x >= 0 else -size


def element(case: dict[str, object], row: int, column: int) -> int:
    """One output element of a golden-vector case (`tests/vectors/README.md`)."""
    x: list[Matrix] = case["inputs"]  # type: ignore[assignment]
    t: list[Matrix] = case["tensors"]  # type: ignore[assignment]
    p: list[int] = case["params"]  # type: ignore[assignment]
    tokens: list[int] = case["tokens"]  # type: ignore[assignment]
    match case["op"]:
        case "EMBED":
            return embed(t[0], tokens[row], column, p[0])
        case "EXPONENT":
            return exponent(x[0][row], *p[1:])
        case "RMS":
            return rms(x[0][row], x[1][row][0], p[0])
        case "NORM":
            return norm(x[0][row][column], x[1][row][0], x[2][row][0], t[0][0][column], p[0])
        case "QUANT":
            return quant(x[0][row][column], x[1][row][0], *p)
        case "LINEAR":
            return linear(x[0][row], t[0][column], *t[1][column], e=x[1][row][0])
        case "ROPE":
            position, head = divmod(row, p[0])
            width = len(t[0][0])
            if p[1:] == [1]:
                return rope(x[0][row], t[0][position], column)
            return rope(x[0][position][head * width :][:width], t[0][position], column)
        case "SCORES":
            position, head = divmod(row, p[2])
            k = column * p[3] + head // (p[2] // p[3])
            window = p[4] if len(p) > 4 else 0
            masked = (column > position and window >= 0) or 0 < window <= position - column
            return score(x[0][row], x[1][row][0], x[2][k], x[3][k][0], p[0], p[1], masked)
        case "ROWMAX":
            return max(x[0][row])
        case "EXP2":
            return exp2(x[0][row][column], x[1][row][0])
        case "SUM":
            return sum(x[0][row])
        case "TRANSPOSE":
            return transpose(x[0][column][row], p[0])
        case "ATTEND":
            heads, kv = p[0], p[1]
            width = len(x[1]) // kv
            head, d = divmod(column, width)
            source = row * heads + head
            return attend(x[0][source], x[1][head // (heads // kv) * width + d], x[2][source][0])
        case "ADD":
            return add(x[0][row][column], x[1][row][column])
        case "SILU_GATE":
            return silu_gate(x[0][row][column], x[1][row][column], p[0], p[1])
        case "GELU_GATE":
            return gelu_gate(x[0][row][column], x[1][row][column], p[0], p[1])
        case "SOFTCAP":
            return softcap(x[0][row][column], p[0], p[1], p[2])
        case "LAST":
            return x[0][-1][column]
        case "BIAS":
            return bias(x[0][row][column], t[0][row if p else 0][column])
        case "MEAN":
            return mean(x[0][row])
        case "CENTER":
            return clamp(x[0][row][column] - x[1][row][0], 32)
        case "GELU":
            return gelu(x[0][row][column], p[0], p[1])
        case "SPLIT":
            position, head = divmod(row, p[0])
            return x[0][position][head * len(x[0][0]) // p[0] + column]
    raise ValueError(f"unknown op {case['op']}")
