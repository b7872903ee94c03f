"""LINEAR: rows of one or two digit planes by int8 weights, then the scale, BIAS and ADD in one go.

rows (R, PLANES, K) int8, as in `rows`; exponents (R,) int32; weights
(J, K) int8; mantissa, shift, bias (J,) int32; out (R, J) int32. K < 2**17, so that a plane's sum
fits int32.
"""

from __future__ import annotations

import triton
import triton.language as tl

from assay.engine.gpu.arithmetic import exact_dot, rescale, saturate32


@triton.jit
def finish(
    sums, exponents, mantissa, shift, bias, onto, WITH_BIAS: tl.constexpr, ONTO: tl.constexpr
):
    """From the sums of products, |sums| < 2**39, to what is stored."""
    y = rescale(sums * mantissa.to(tl.int64), shift - exponents)
    if WITH_BIAS:
        y = saturate32(y + bias)
    if ONTO:
        y = saturate32(y + onto)
    return y.to(tl.int32)


@triton.jit
def narrow_product(
    rows, exponents, weights, mantissa, shift, bias, out, R, J, K,
    WITH_BIAS: tl.constexpr, ONTO: tl.constexpr, EVEN: tl.constexpr, HELD: tl.constexpr,
    PLANES: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr, DEPTH: tl.constexpr,
):  # fmt: skip
    """Few rows, bound by reading weights: a program takes CHANNELS channels and all rows.

    All planes of all rows are the columns of one product, PLANES * ROWS of them (ROWS >= R).
    """
    j = tl.program_id(0) * CHANNELS + tl.arange(0, CHANNELS)
    column = tl.arange(0, PLANES * ROWS)
    k = tl.arange(0, DEPTH)
    live = (j < J)[:, None]
    weight_at = weights + j.to(tl.int64)[:, None] * K + k[None, :]
    row_at = rows + column[None, :] * K + k[:, None]
    acc = tl.zeros((CHANNELS, PLANES * ROWS), tl.int32)
    for start in range(0, K, DEPTH):
        inside = k < K - start
        if EVEN:
            w = tl.load(weight_at + start, mask=live, other=0)
            a = tl.load(row_at + start, mask=(column < PLANES * R)[None, :], other=0)
        else:
            w = tl.load(weight_at + start, mask=live & inside[None, :], other=0)
            a = tl.load(
                row_at + start, mask=(column < PLANES * R)[None, :] & inside[:, None], other=0
            )
        acc = exact_dot(w, a, acc, HELD)
    if PLANES == 2:
        high, low = tl.split(tl.reshape(acc, (CHANNELS, ROWS, 2)))
        sums = high.to(tl.int64) * 256 + low.to(tl.int64)
    else:
        sums = acc.to(tl.int64)
    row = tl.arange(0, ROWS)
    e = tl.load(exponents + row, mask=row < R, other=0)[None, :]
    m = tl.load(mantissa + j, mask=j < J, other=0)[:, None]
    s = tl.load(shift + j, mask=j < J, other=0)[:, None]
    stored = live & (row < R)[None, :]
    at = out + row.to(tl.int64)[None, :] * J + j[:, None]
    b, x = 0, 0
    if WITH_BIAS:
        b = tl.load(bias + j, mask=j < J, other=0).to(tl.int64)[:, None]
    if ONTO:
        x = tl.load(at, mask=stored, other=0).to(tl.int64)
    tl.store(at, finish(sums, e, m, s, b, x, WITH_BIAS, ONTO), mask=stored)


@triton.jit
def wide_product(
    rows, exponents, weights, mantissa, shift, bias, out, R, J, K,
    WITH_BIAS: tl.constexpr, ONTO: tl.constexpr, EVEN: tl.constexpr, HELD: tl.constexpr,
    PLANES: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr, DEPTH: tl.constexpr,
    GROUP: tl.constexpr,
):  # fmt: skip
    """Many rows, bound by arithmetic: a program takes ROWS rows by CHANNELS channels.

    Programs go through GROUP blocks of rows before the next channels, so that weights are read
    from the cache.
    """
    blocks = tl.cdiv(R, ROWS)
    program = tl.program_id(0)
    span = GROUP * tl.cdiv(J, CHANNELS)
    first = (program // span) * GROUP
    group = tl.minimum(blocks - first, GROUP)
    block = first + (program % span) % group
    row = block * ROWS + tl.arange(0, ROWS)
    j = ((program % span) // group) * CHANNELS + tl.arange(0, CHANNELS)
    k = tl.arange(0, DEPTH)
    row_at = rows + row.to(tl.int64)[:, None] * (PLANES * K) + k[None, :]
    weight_at = weights + j.to(tl.int64)[None, :] * K + k[:, None]
    acc = tl.zeros((ROWS, CHANNELS), tl.int32)
    low = tl.zeros((ROWS, CHANNELS), tl.int32)
    in_rows, in_channels = (row < R)[:, None], (j < J)[None, :]
    for start in range(0, K, DEPTH):
        if EVEN:
            a = tl.load(row_at + start, mask=in_rows, other=0)
            w = tl.load(weight_at + start, mask=in_channels, other=0)
        else:
            inside = k < K - start
            a = tl.load(row_at + start, mask=in_rows & inside[None, :], other=0)
            w = tl.load(weight_at + start, mask=in_channels & inside[:, None], other=0)
        acc = exact_dot(a, w, acc, HELD)
        if PLANES == 2:
            if EVEN:
                a = tl.load(row_at + K + start, mask=in_rows, other=0)
            else:
                a = tl.load(row_at + K + start, mask=in_rows & (k < K - start)[None, :], other=0)
            low = exact_dot(a, w, low, HELD)
    sums = acc.to(tl.int64)
    if PLANES == 2:
        sums = sums * 256 + low.to(tl.int64)
    e = tl.load(exponents + row, mask=row < R, other=0)[:, None]
    m = tl.load(mantissa + j, mask=j < J, other=0)[None, :]
    s = tl.load(shift + j, mask=j < J, other=0)[None, :]
    stored = in_rows & in_channels
    at = out + row.to(tl.int64)[:, None] * J + j[None, :]
    b, x = 0, 0
    if WITH_BIAS:
        b = tl.load(bias + j, mask=j < J, other=0).to(tl.int64)[None, :]
    if ONTO:
        x = tl.load(at, mask=stored, other=0).to(tl.int64)
    tl.store(at, finish(sums, e, m, s, b, x, WITH_BIAS, ONTO), mask=stored)
