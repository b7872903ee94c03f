"""NORM, SILU_GATE, GELU_GATE, SOFTCAP and the quantising of rows.

Quantised rows are (R, PLANES, K) int8 with exponents (R,) int32: of 16 bits, a row's high digits
and then its low ones, or of 8 bits, its only ones.

A row that one program does not hold is done in two kernels: the first writes int32 values
and the largest magnitude of each part, the second takes the row's exponent from those.
"""

from __future__ import annotations

import triton
import triton.language as tl

from assay.engine.gpu.arithmetic import (
    exponent,
    gated,
    high_digit,
    inverse_rms,
    low_digit,
    quantised,
    rescale,
    saturate32,
    softcap,
)


@triton.jit
def store_digits(rows, row, K, column, live, q, PLANES: tl.constexpr):
    """The planes of one row's elements."""
    at = rows + row.to(tl.int64) * (PLANES * K) + column
    if PLANES == 2:
        tl.store(at, high_digit(q), mask=live)
        tl.store(at + K, low_digit(q), mask=live)
    else:
        tl.store(at, q.to(tl.int8), mask=live)


@triton.jit
def normed(x, row, gain, eps_terms, K, shift, WIDTH: tl.constexpr):
    """NORM of one row; x (R, K) int32, gain (K,) int32, eps_terms (33,) int64 by exponent + 15."""
    column = tl.arange(0, WIDTH)
    live = column < K
    value = tl.load(x + row.to(tl.int64) * K + column, mask=live, other=0).to(tl.int64)
    e = exponent(tl.max(tl.abs(value), axis=0))
    q = quantised(value, e)
    scale = inverse_rms(tl.sum(q * q, axis=0), tl.load(eps_terms + e + 15), K)
    t = rescale(value * scale, e + 11)
    g = tl.load(gain + column, mask=live, other=0).to(tl.int64)
    return rescale(t * g, tl.full(t.shape, shift, tl.int64))


@triton.jit
def norm_rows(
    x, gain, eps_terms, rows, exponents, K, shift, WIDTH: tl.constexpr, PLANES: tl.constexpr
):
    """NORM, EXPONENT and QUANT, a program a row."""
    row = tl.program_id(0)
    y = normed(x, row, gain, eps_terms, K, shift, WIDTH)
    e = exponent(tl.max(tl.abs(y), axis=0), PLANES)
    column = tl.arange(0, WIDTH)
    store_digits(rows, row, K, column, column < K, quantised(y, e), PLANES)
    tl.store(exponents + row, e.to(tl.int32))


@triton.jit
def norm_rows_onto(x, gain, eps_terms, onto, K, shift, WIDTH: tl.constexpr):
    """NORM, then ADD to the residual onto (R, K) int32, a program a row."""
    row = tl.program_id(0)
    y = normed(x, row, gain, eps_terms, K, shift, WIDTH)
    column = tl.arange(0, WIDTH)
    at = onto + row.to(tl.int64) * K + column
    before = tl.load(at, mask=column < K, other=0).to(tl.int64)
    tl.store(at, saturate32(before + y).to(tl.int32), mask=column < K)


@triton.jit
def cap_elements(x, N, cap, mantissa, shift, PART: tl.constexpr):
    """SOFTCAP of x (N,) int32, in place."""
    index = tl.program_id(0).to(tl.int64) * PART + tl.arange(0, PART)
    value = tl.load(x + index, mask=index < N, other=0).to(tl.int64)
    tl.store(x + index, softcap(value, cap, mantissa, shift).to(tl.int32), mask=index < N)


@triton.jit
def row_peaks(x, peaks, K, PARTS, PART: tl.constexpr):
    """The largest magnitude of part program_id(1) of row program_id(0): peaks (R, PARTS) int64."""
    row, part = tl.program_id(0), tl.program_id(1)
    column = part * PART + tl.arange(0, PART)
    value = tl.load(x + row.to(tl.int64) * K + column, mask=column < K, other=0).to(tl.int64)
    tl.store(peaks + row * PARTS + part, tl.max(tl.abs(value), axis=0))


@triton.jit
def gate_products(
    gate_up, products, peaks, K, PARTS, fraction, shift,
    PART: tl.constexpr, ACTIVATION: tl.constexpr,
):  # fmt: skip
    """SILU_GATE or GELU_GATE of gate_up (R, 2 * K) int32 into products (R, K) int32, and the
    largest magnitude of each part."""
    row, part = tl.program_id(0), tl.program_id(1)
    column = part * PART + tl.arange(0, PART)
    live = column < K
    at = gate_up + row.to(tl.int64) * (2 * K) + column
    gate = tl.load(at, mask=live, other=0).to(tl.int64)
    up = tl.load(at + K, mask=live, other=0).to(tl.int64)
    by = tl.full(gate.shape, shift, tl.int64)
    y = gated(gate, up, fraction, by, ACTIVATION)
    tl.store(products + row.to(tl.int64) * K + column, y.to(tl.int32), mask=live)
    tl.store(peaks + row * PARTS + part, tl.max(tl.abs(y), axis=0))


@triton.jit
def quantise_rows(
    x, peaks, rows, exponents, K, PARTS,
    PART: tl.constexpr, PARTS_WIDTH: tl.constexpr, PLANES: tl.constexpr,
):  # fmt: skip
    """A part of a row a program, once its peaks (R, PARTS) int64 are known."""
    row, part = tl.program_id(0), tl.program_id(1)
    index = tl.arange(0, PARTS_WIDTH)
    found = tl.load(peaks + row * PARTS + index, mask=index < PARTS, other=0)
    e = exponent(tl.max(found, axis=0), PLANES)
    column = part * PART + tl.arange(0, PART)
    live = column < K
    value = tl.load(x + row.to(tl.int64) * K + column, mask=live, other=0).to(tl.int64)
    store_digits(rows, row, K, column, live, quantised(value, e), PLANES)
    tl.store(exponents + row, e.to(tl.int32), mask=part == 0)
