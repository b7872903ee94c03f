"""Reductions: the partial of a tile, and what joins partials into an element."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.core.types import TILE, Op, Step
from assay.exact import ops
from tests.support import scalar
from tests.unitary.step_verifier.draws import BATCH, Ints, around, seeds, spread

TILES_PER_CALL = 48
PARTIALS = settings(max_examples=42)
JOINS = settings(max_examples=8)
WILD = settings(max_examples=4)
FULL = [TILE, TILE - 1, TILE - 15, TILE - 17]


def lengths(rng: np.random.Generator) -> list[int]:
    """Mostly short tiles, cheap to compute, of every length modulo a word; one long one."""
    return [*rng.integers(1, 70, TILES_PER_CALL - 1).tolist(), int(rng.choice(FULL))]


def styled(rng: np.random.Generator, bits: int, size: int) -> Ints:
    """A row as models have them, or one of the extreme ones."""
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    match int(rng.integers(8)):
        case 0:
            return np.full(size, rng.choice([low, high, 0, -1, low + 1]))
        case 1:
            return rng.choice(np.array([low, high]), size)
        case 2:
            return np.zeros(size, dtype=np.int64)
        case 3:
            return -np.abs(spread(rng, bits, size)) - (0 if bits > 8 else 1)
        case _:
            return spread(rng, bits, size)


def rows(rng: np.random.Generator, bits: int) -> list[Ints]:
    limit = -(2 ** (bits - 1))
    return [np.maximum(styled(rng, bits, size), limit) for size in lengths(rng)]


def packed(tiles: list[Ints], size: int) -> list[bytes]:
    return [tile.astype(f">i{size}").tobytes() for tile in tiles]


@PARTIALS
@given(seed=seeds)
def test_linear_partial(probe: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a = rows(rng, 16)
    w = [np.maximum(styled(rng, 8, len(row)), -128) for row in a]
    expected = [ops.partials_dot(x, y)[0] for x, y in zip(a, w, strict=True)]
    assert probe.dots(packed(a, 2), packed(w, 1), 8) == expected


@PARTIALS
@given(seed=seeds)
def test_linear_partial_of_digits(probe: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a = rows(rng, 8)
    w = [np.maximum(styled(rng, 8, len(row)), -128) for row in a]
    expected = [ops.partials_dot(x, y)[0] for x, y in zip(a, w, strict=True)]
    assert probe.dots_8(packed(a, 1), packed(w, 1)) == expected


@pytest.mark.parametrize("x", [-128, 127])
@pytest.mark.parametrize("y", [-128, 127])
@pytest.mark.parametrize("size", [1, 31, 32, 33, TILE])
def test_largest_dot_of_digits(probe: Any, x: int, y: int, size: int) -> None:
    a, b = np.full(size, x), np.full(size, y)
    assert probe.dots_8(packed([a], 1), packed([b], 1)) == [size * x * y]


@PARTIALS
@given(seed=seeds)
def test_attend_and_scores_partial(probe: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a = rows(rng, 16)
    b = [np.maximum(styled(rng, 16, len(row)), -(2**15)) for row in a]
    expected = [ops.partials_dot(x, y)[0] for x, y in zip(a, b, strict=True)]
    assert probe.dots(packed(a, 2), packed(b, 2), 16) == expected


@pytest.mark.parametrize("x", [-(2**15), 2**15 - 1])
@pytest.mark.parametrize("y", [-1, 1])
@pytest.mark.parametrize("bits", [8, 16])
def test_largest_dot(probe: Any, x: int, y: int, bits: int) -> None:
    """All 512 products at their bound: the digits' largest and most negative sums."""
    other = -(2 ** (bits - 1)) if y < 0 else 2 ** (bits - 1) - 1
    a, b = np.full(TILE, x), np.full(TILE, other)
    assert probe.dots(packed([a], 2), packed([b], bits // 8), bits) == [TILE * x * other]


@PARTIALS
@given(seed=seeds)
def test_sum_partial(probe: Any, seed: int) -> None:
    tiles = rows(np.random.default_rng(seed), 16)
    assert probe.sums(packed(tiles, 2)) == [ops.partials_sum(tile)[0] for tile in tiles]


@PARTIALS
@given(seed=seeds)
def test_mean_partial(probe: Any, seed: int) -> None:
    tiles = rows(np.random.default_rng(seed), 32)
    assert probe.sums_32(packed(tiles, 4)) == [ops.partials_sum(tile)[0] for tile in tiles]


@pytest.mark.parametrize("value", [-(2**31), 2**31 - 1])
@pytest.mark.parametrize("size", [1, 7, 8, 9, TILE])
def test_mean_partial_at_its_bound(probe: Any, value: int, size: int) -> None:
    tile = np.full(size, value)
    assert probe.sums_32(packed([tile], 4)) == [value * size]


@PARTIALS
@given(seed=seeds)
def test_rowmax_partial(probe: Any, seed: int) -> None:
    tiles = rows(np.random.default_rng(seed), 32)
    assert probe.maxima(packed(tiles, 4)) == [ops.partials_max(tile)[0] for tile in tiles]


@PARTIALS
@given(seed=seeds)
def test_exponent_partial(probe: Any, seed: int) -> None:
    tiles = rows(np.random.default_rng(seed), 32)
    assert probe.magnitudes(packed(tiles, 4)) == [ops.partials_absmax(t)[0] for t in tiles]


@PARTIALS
@given(seed=seeds, honest=st.booleans())
def test_rms_partial(probe: Any, seed: int, honest: bool) -> None:
    """With the row's own exponent nothing saturates; with any other, much does."""
    rng = np.random.default_rng(seed)
    tiles = rows(rng, 32)
    exponents = rng.integers(-128, 128, TILES_PER_CALL)
    exponents[::2] = rng.integers(-18, 34, TILES_PER_CALL)[::2]
    if honest:
        exponents = np.array([ops.exponent(tile[None])[0, 0] for tile in tiles])
    expected = []
    for tile, e in zip(tiles, exponents, strict=True):
        q = ops.quant(tile, e)
        expected.append(ops.partials_dot(q, q)[0])
    assert probe.square_sums(packed(tiles, 4), exponents.tolist()) == expected


def joined(
    probe: Any, op: Op, totals: Ints, columns: list[Ints], params: tuple[int, ...] = ()
) -> list[int]:
    """The contract's elements from a batch of totals and row scalars."""
    scalars = np.zeros((len(totals), 6), dtype=object)
    for index, values in enumerate(columns):
        scalars[:, index] = [int(v) for v in values]
    step = Step(int(op), 1, True, 2, 4, (), (), params)
    return list(probe.joined(step.abi(), [int(t) for t in totals], scalars.tolist()))


@JOINS
@given(seed=seeds, width=st.integers(1, 2**17))
def test_mean(probe: Any, seed: int, width: int) -> None:
    totals = spread(np.random.default_rng(seed), 48)
    expected = ops.mean_finish(totals, width).tolist()
    assert joined(probe, Op.MEAN, totals, [], (width,)) == expected


@JOINS
@given(seed=seeds, params=st.sampled_from([(5,), (5, 8)]))
def test_exponent(probe: Any, seed: int, params: tuple[int, ...]) -> None:
    rng = np.random.default_rng(seed)
    peaks = np.abs(spread(rng, 32))
    turns = [2**n for n in range(32)] + [2**n * 127 >> 7 for n in range(32)]
    peaks[::2] = np.abs(around(rng, turns))[::2]
    peaks = np.minimum(peaks, 2**31)
    expected = ops.exponent(peaks[:, None], *params[1:])[:, 0].tolist()
    assert joined(probe, Op.EXPONENT, peaks, [], params) == expected


@JOINS
@given(seed=seeds, eps=st.integers(0, 2**62), width=st.integers(1, 2**17))
def test_rms(probe: Any, seed: int, eps: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    totals = np.minimum(spread(rng, 49, low=0), width * 2**30)
    e = rng.integers(-15, 18, BATCH)
    e[:6] = [-128, 127, 0, -64, 30, 31]
    eps >>= int(rng.integers(0, 63))
    expected = ops.rms_finish(totals, e, eps, width)
    assert joined(probe, Op.RMS, totals, [e], (eps, width)) == expected.tolist()


@JOINS
@given(seed=seeds)
def test_linear(probe: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    totals = spread(rng, 40)
    mantissa = rng.integers(2**15, 2**16, BATCH)
    shift, e = rng.integers(-20, 70, BATCH), rng.integers(-15, 18, BATCH)
    expected = ops.linear_finish(totals, e, mantissa, shift)
    assert joined(probe, Op.LINEAR, totals, [e, mantissa, shift]) == expected.tolist()


@JOINS
@given(seed=seeds, mantissa=st.integers(0, 2**16 - 1), shift=st.integers(-20, 70))
def test_scores(probe: Any, seed: int, mantissa: int, shift: int) -> None:
    """Two-term rows, whose products the reference computes; the extremes of int16 among them."""
    rng = np.random.default_rng(seed)
    q = np.stack([spread(rng, 16), spread(rng, 16)], axis=1)
    k = np.stack([spread(rng, 16), spread(rng, 16)], axis=1)
    eq, ek = rng.integers(-15, 18, BATCH), rng.integers(-15, 18, BATCH)
    expected = [
        int(ops.scores(q[i : i + 1], eq[i : i + 1, None], k[i : i + 1], ek[i : i + 1, None],
                       mantissa, shift, 1, 1)[0, 0])
        for i in range(BATCH)
    ]  # fmt: skip
    totals = (q * k).sum(axis=1)
    zero = np.zeros(BATCH, dtype=np.int64)
    params = (mantissa, shift, 1, 1)
    assert joined(probe, Op.SCORES, totals, [zero, eq, zero, ek], params) == expected


@JOINS
@given(seed=seeds)
def test_attend(probe: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    totals = spread(rng, 48)
    weight = spread(rng, 33, low=-3)
    weight[:20] = rng.integers(0, 4, 20)
    expected = ops.attend_finish(totals, weight)
    assert joined(probe, Op.ATTEND, totals, [weight]) == expected.tolist()


@JOINS
@given(seed=seeds)
def test_rowmax_and_sum(probe: Any, seed: int) -> None:
    totals = spread(np.random.default_rng(seed), 49)
    assert joined(probe, Op.ROWMAX, totals, []) == totals.tolist()
    assert joined(probe, Op.SUM, totals, []) == totals.tolist()


@WILD
@given(seed=seeds)
def test_any_partials_and_scalars(probe: Any, seed: int) -> None:
    """Sums of 256 false partials, scalars of 64 bits: exact all the same."""
    rng = np.random.default_rng(seed)
    totals = [int(t) * 256 for t in spread(rng, 64)]
    scalars = [spread(rng, 64) for _ in range(2)]
    shift, e = spread(rng, 12), spread(rng, 12)
    expected = [
        scalar.clamp(scalar.rnd(total * int(mantissa), int(s) - int(x)), 32)
        for total, mantissa, s, x in zip(totals, scalars[0], shift, e, strict=True)
    ]
    big = np.array(totals, dtype=object)
    assert joined(probe, Op.LINEAR, big, [e, scalars[0], shift]) == expected
    expected = [
        scalar.clamp((total * 512 + int(weight)) // (2 * int(weight)), 32) if weight > 0 else 0
        for total, weight in zip(totals, scalars[1], strict=True)
    ]
    assert joined(probe, Op.ATTEND, big, [scalars[1]]) == expected
