"""Rotation and cache, and exact attention: one pass for the maxima, one for everything else.

For one layer, in pages of PAGE positions: keys (pages, KV, 2, PAGE, hd) int8 digits with exponents
(pages, KV, PAGE) int8; values (pages, KV, 2, hd, PAGE) int8 digits. Queries (T, H, 2, hd) int8
with exponents (T, H) int32.

A program attends with up to BLOCK queries that share a key head: the heads of its group, for the
rows of one block. Block b has rows firsts[b] to firsts[b] + counts[b] - 1 of the pass, all of one
sequence, whose pages are tables[starts[b]:]. A context is cut into SPLITS parts of at most 512
pages, so that sums of digits' products fit int32: 2 * 2**14 * 2**15 < 2**31.
"""

from __future__ import annotations

import triton
import triton.language as tl

from assay.engine.backends.base import PAGE as PAGE_POSITIONS
from assay.engine.gpu.arithmetic import (
    ATTEND_FRACTION,
    DIGIT_MAX,
    INT32_MAX,
    MASKED,
    exact_dot,
    exp2,
    exponent,
    floor_divide,
    high_digit,
    inverse_rms,
    joined,
    low_digit,
    quantised,
    rescale,
    saturate32,
    softcap,
)

PAGE = tl.constexpr(PAGE_POSITIONS)


@triton.jit
def normed_half(x, e, scale, gain, live, shift):
    """NORM of half a head."""
    t = rescale(x * scale, e + 11)
    g = tl.load(gain, mask=live, other=0).to(tl.int64)
    return rescale(t * g, tl.full(t.shape, shift, tl.int64))


@triton.jit
def turn_head(x, table, gain, eps_terms, norm_shift, hd, NORMED: tl.constexpr, HALF: tl.constexpr):
    """NORM, where there is one, and ROPE of the head at x: its two halves."""
    half = hd // 2
    index = tl.arange(0, HALF)
    live = index < half
    low = tl.load(x + index, mask=live, other=0).to(tl.int64)
    high = tl.load(x + half + index, mask=live, other=0).to(tl.int64)
    if NORMED:
        e = exponent(tl.maximum(tl.max(tl.abs(low), axis=0), tl.max(tl.abs(high), axis=0)))
        q_low, q_high = quantised(low, e), quantised(high, e)
        total = tl.sum(q_low * q_low, axis=0) + tl.sum(q_high * q_high, axis=0)
        scale = inverse_rms(total, tl.load(eps_terms + e + 15), hd)
        low = normed_half(low, e, scale, gain + index, live, norm_shift)
        high = normed_half(high, e, scale, gain + half + index, live, norm_shift)
    cos = tl.load(table + index, mask=live, other=0).to(tl.int64)
    sin = tl.load(table + half + index, mask=live, other=0).to(tl.int64)
    by = tl.full(low.shape, 14, tl.int64)
    return rescale(low * cos - high * sin, by), rescale(high * cos + low * sin, by)


@triton.jit
def store_head(digits, plane, exponents, low, high, hd, HALF: tl.constexpr):
    """EXPONENT and QUANT of a head's halves, into the planes at `digits` and `plane` further."""
    half = hd // 2
    index = tl.arange(0, HALF)
    live = index < half
    e = exponent(tl.maximum(tl.max(tl.abs(low), axis=0), tl.max(tl.abs(high), axis=0)))
    low, high = quantised(low, e), quantised(high, e)
    tl.store(digits + index, high_digit(low), mask=live)
    tl.store(digits + half + index, high_digit(high), mask=live)
    tl.store(digits + plane + index, low_digit(low), mask=live)
    tl.store(digits + plane + half + index, low_digit(high), mask=live)
    tl.store(exponents, e.to(exponents.dtype.element_ty))


@triton.jit
def store_rows(
    qkv, queries, query_exponents, keys, key_exponents, values, positions, pages, rope,
    q_gain, q_eps, q_shift, k_gain, k_eps, k_shift, v_shift, H, KV, hd,
    NORMED: tl.constexpr, HALF: tl.constexpr,
):  # fmt: skip
    """A program a head of a row: a query, a key or a value of qkv (T, (H + 2 * KV) * hd) int32.

    positions, pages (T,) int32: where the row belongs; rope (context, hd) int16.
    """
    row, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    x = qkv + (row * (H + 2 * KV) + head) * hd
    position = tl.load(positions + row)
    table = rope + position.to(tl.int64) * hd
    within = position % PAGE
    page = tl.load(pages + row).to(tl.int64) * KV
    if head < H:
        low, high = turn_head(x, table, q_gain, q_eps, q_shift, hd, NORMED, HALF)
        at = row * H + head
        store_head(queries + at * 2 * hd, hd, query_exponents + at, low, high, hd, HALF)
    elif head < H + KV:
        low, high = turn_head(x, table, k_gain, k_eps, k_shift, hd, NORMED, HALF)
        at = page + head - H
        place = keys + at * 2 * PAGE * hd + within * hd
        store_head(place, PAGE * hd, key_exponents + at * PAGE + within, low, high, hd, HALF)
    else:
        at = page + head - H - KV
        index = tl.arange(0, 2 * HALF)
        live = index < hd
        v = tl.load(x + index, mask=live, other=0).to(tl.int64)
        v = rescale(v, tl.full(v.shape, v_shift, tl.int64))
        v = tl.minimum(tl.maximum(v, -DIGIT_MAX), DIGIT_MAX)
        value_at = values + at * 2 * PAGE * hd + index * PAGE + within
        tl.store(value_at, high_digit(v), mask=live)
        tl.store(value_at + PAGE * hd, low_digit(v), mask=live)


@triton.jit
def split_pages(last, earliest, split, SPLITS):
    """The pages, first and beyond the last, that one of SPLITS parts of the context has."""
    begin = tl.maximum(earliest, 0) // PAGE
    end = last // PAGE + 1
    each = tl.cdiv(end - begin, SPLITS)
    first = begin + split * each
    return first, tl.minimum(first + each, end)


@triton.jit
def page_scores(
    q_high, q_low, eq, position, keys, key_exponents, page, index, KV, kv, hd, mantissa, shift,
    window, cap, cap_mantissa, cap_shift,
    BLOCK: tl.constexpr, WIDTH: tl.constexpr, HELD: tl.constexpr, CAPPED: tl.constexpr,
):  # fmt: skip
    """SCORES, and SOFTCAP where there is one, of BLOCK queries and the keys of a page, the
    sequence's page number `index`."""
    at = page.to(tl.int64) * KV + kv
    n, d = tl.arange(0, PAGE), tl.arange(0, WIDTH)
    live = (d < hd)[:, None]
    key_at = keys + at * 2 * PAGE * hd + n[None, :] * hd + d[:, None]
    k_high = tl.load(key_at, mask=live, other=0)
    k_low = tl.load(key_at + PAGE * hd, mask=live, other=0)
    zero = tl.zeros((BLOCK, PAGE), tl.int32)
    high = exact_dot(q_high, k_high, zero, HELD)
    middle = exact_dot(q_low, k_high, exact_dot(q_high, k_low, zero, HELD), HELD)
    low = exact_dot(q_low, k_low, zero, HELD)
    ek = tl.load(key_exponents + at * PAGE + n).to(tl.int32)
    by = shift - (eq[:, None] + ek[None, :])
    scores = tl.maximum(rescale(joined(high, middle, low) * mantissa, by), -INT32_MAX)
    if CAPPED:
        scores = softcap(scores, cap, cap_mantissa, cap_shift)
    key_position = index * PAGE + n
    seen = key_position[None, :] <= position[:, None]
    if window > 0:
        seen = seen & (key_position[None, :] > position[:, None] - window)
    return tl.where(seen, scores, MASKED)


@triton.jit
def block_queries(
    queries, query_exponents, positions, first, count, kv, H, G, hd,
    BLOCK: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """A block's queries of one group: their places (row * H + head), which of them there are,
    digits, exponents, positions."""
    m, d = tl.arange(0, BLOCK), tl.arange(0, WIDTH)
    there = m // G < count
    row = first + m // G
    place = row.to(tl.int64) * H + kv * G + m % G
    at = queries + place[:, None] * (2 * hd) + d[None, :]
    live = there[:, None] & (d < hd)[None, :]
    high = tl.load(at, mask=live, other=0)
    low = tl.load(at + hd, mask=live, other=0)
    eq = tl.load(query_exponents + place, mask=there, other=0)
    position = tl.load(positions + row, mask=there, other=-1)
    return place, there, high, low, eq, position


@triton.jit
def score_peaks(
    queries, query_exponents, positions, keys, key_exponents, tables, firsts, counts, starts,
    peaks, T, H, KV, hd, mantissa, shift, window, cap, cap_mantissa, cap_shift, SPLITS,
    BLOCK: tl.constexpr, WIDTH: tl.constexpr, HELD: tl.constexpr, CAPPED: tl.constexpr,
):  # fmt: skip
    """ROWMAX within one part of the context: peaks (SPLITS, T, H) int32."""
    block, kv, split = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    first, count = tl.load(firsts + block), tl.load(counts + block)
    place, there, q_high, q_low, eq, position = block_queries(
        queries, query_exponents, positions, first, count, kv, H, H // KV, hd, BLOCK, WIDTH
    )
    earliest = tl.where(window > 0, tl.load(positions + first) - window + 1, 0)
    last = tl.load(positions + first + count - 1)
    begin, end = split_pages(last, earliest, split, SPLITS)
    table = tables + tl.load(starts + block)
    peak = tl.full((BLOCK,), MASKED, tl.int64)
    for index in range(begin, end):
        scores = page_scores(
            q_high, q_low, eq, position, keys, key_exponents, tl.load(table + index), index,
            KV, kv, hd, mantissa, shift, window, cap, cap_mantissa, cap_shift,
            BLOCK, WIDTH, HELD, CAPPED,
        )  # fmt: skip
        peak = tl.maximum(peak, tl.max(scores, axis=1))
    tl.store(peaks + split.to(tl.int64) * T * H + place, peak.to(tl.int32), mask=there)


@triton.jit
def weighted_sums(
    queries, query_exponents, positions, keys, key_exponents, values, tables, firsts, counts,
    starts, peaks, sums, totals, T, H, KV, hd, mantissa, shift, window, cap, cap_mantissa,
    cap_shift, SPLITS,
    BLOCK: tl.constexpr, WIDTH: tl.constexpr, HELD: tl.constexpr, CAPPED: tl.constexpr,
    SPLITS_WIDTH: tl.constexpr,
):  # fmt: skip
    """EXP2, SUM and ATTEND's sums within one part of the context, once all peaks are known:
    sums (SPLITS, T, H, hd) int64, totals (SPLITS, T, H) int64."""
    block, kv, split = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    first, count = tl.load(firsts + block), tl.load(counts + block)
    place, there, q_high, q_low, eq, position = block_queries(
        queries, query_exponents, positions, first, count, kv, H, H // KV, hd, BLOCK, WIDTH
    )
    earliest = tl.where(window > 0, tl.load(positions + first) - window + 1, 0)
    last = tl.load(positions + first + count - 1)
    begin, end = split_pages(last, earliest, split, SPLITS)
    table = tables + tl.load(starts + block)
    s = tl.arange(0, SPLITS_WIDTH)
    found = tl.load(
        peaks + s.to(tl.int64)[None, :] * T * H + place[:, None],
        mask=there[:, None] & (s < SPLITS)[None, :],
        other=MASKED,
    )
    peak = tl.max(found, axis=1).to(tl.int64)[:, None]
    n, d = tl.arange(0, PAGE), tl.arange(0, WIDTH)
    live = (d < hd)[None, :]
    total = tl.zeros((BLOCK,), tl.int64)
    high = tl.zeros((BLOCK, WIDTH), tl.int32)
    middle = tl.zeros((BLOCK, WIDTH), tl.int32)
    low = tl.zeros((BLOCK, WIDTH), tl.int32)
    for index in range(begin, end):
        page = tl.load(table + index)
        scores = page_scores(
            q_high, q_low, eq, position, keys, key_exponents, page, index,
            KV, kv, hd, mantissa, shift, window, cap, cap_mantissa, cap_shift,
            BLOCK, WIDTH, HELD, CAPPED,
        )  # fmt: skip
        p = exp2(scores, peak)
        total += tl.sum(p, axis=1)
        p_high, p_low = high_digit(p), low_digit(p)
        at = (page.to(tl.int64) * KV + kv) * 2 * PAGE * hd
        value_at = values + at + d[None, :] * PAGE + n[:, None]
        v_high = tl.load(value_at, mask=live, other=0)
        v_low = tl.load(value_at + PAGE * hd, mask=live, other=0)
        high = exact_dot(p_high, v_high, high, HELD)
        middle = exact_dot(p_low, v_high, exact_dot(p_high, v_low, middle, HELD), HELD)
        low = exact_dot(p_low, v_low, low, HELD)
    part = split.to(tl.int64) * T * H + place
    tl.store(totals + part, total, mask=there)
    at = sums + part[:, None] * hd + d[None, :]
    tl.store(at, joined(high, middle, low), mask=there[:, None] & live)


@triton.jit
def mix_heads(sums, totals, mixed, peaks, T, H, hd, SPLITS, WIDTH: tl.constexpr):
    """ATTEND from the parts' sums, a program a head of a row: mixed (T, H * hd) int32, and its
    largest magnitude by head, peaks (T, H) int64."""
    row, head = tl.program_id(0), tl.program_id(1)
    d = tl.arange(0, WIDTH)
    live = d < hd
    place = row.to(tl.int64) * H + head
    acc = tl.zeros((WIDTH,), tl.int64)
    total = tl.zeros((1,), tl.int64)
    for split in range(SPLITS):
        part = split * T * H + place
        acc += tl.load(sums + part * hd + d, mask=live, other=0)
        total += tl.load(totals + part)
    safe = tl.maximum(total, 1)
    y = saturate32(floor_divide((acc << (ATTEND_FRACTION + 1)) + safe, safe << 1))
    y = tl.where(total > 0, y, 0)
    tl.store(mixed + place * hd + d, y.to(tl.int32), mask=live)
    tl.store(peaks + place, tl.max(tl.abs(y), axis=0))
