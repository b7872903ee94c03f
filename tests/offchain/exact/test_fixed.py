"""Fixed-point helpers at and around their bounds."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from assay.exact import fixed


def array(*values: int) -> fixed.Ints:
    return np.array(values, dtype=np.int64)


@given(st.integers(-(2**62), 2**62), st.integers(-20, 62))
def test_rescale_is_the_mathematical_function(value: int, shift: int) -> None:
    exact = (value + (1 << (shift - 1))) >> shift if shift > 0 else value << -shift
    expected = max(-(2**31), min(exact, 2**31 - 1))
    assert fixed.rescale(array(value), shift)[0] == expected


@given(st.integers(-(2**60), 2**60), st.integers(63, 2**31 - 1))
def test_rescale_far_right_is_zero(value: int, shift: int) -> None:
    assert fixed.rescale(array(value), shift)[0] == 0


def test_rounding_is_half_up() -> None:
    assert fixed.shift_round(array(-3, -1, 1, 3, 5), 1).tolist() == [-1, 0, 1, 2, 3]


@given(st.integers(0, 2**62))
def test_isqrt(value: int) -> None:
    assert fixed.isqrt(array(value))[0] == math.isqrt(value)


def test_isqrt_around_every_large_square() -> None:
    roots = np.concatenate([2**31 - np.arange(1000), np.arange(1000)])
    for offset in (-1, 0, 1):
        squares = np.clip(roots * roots + offset, 0, 2**62)
        assert fixed.isqrt(squares).tolist() == [math.isqrt(int(v)) for v in squares]


def test_pow2neg_whole_domain() -> None:
    f = np.arange(65536, dtype=np.int64)
    values = fixed.pow2neg(f)
    assert values[0] == 1 << 30
    assert (np.diff(values) < 0).all(), "strictly decreasing"
    assert np.abs(values / 2**30 - 2.0 ** (-f / 65536)).max() < 6.4e-8


def test_digits_recompose_on_the_whole_range() -> None:
    values = np.arange(-32639, 32640, dtype=np.int64)
    hi, lo = fixed.digits(values)
    assert (256 * hi + lo == values).all()
    assert min(hi.min(), lo.min()) >= -128 and max(hi.max(), lo.max()) <= 127


@given(st.integers(0, 2**53 - 1))
def test_bit_length(value: int) -> None:
    assert fixed.bit_length(array(value))[0] == value.bit_length()


def test_blas_product_is_exact_at_its_bound() -> None:
    rng = np.random.default_rng(3)
    a = rng.choice([-32768, 32767], (3, 4096)).astype(np.int64)
    b = rng.choice([-32768, 32767], (4096, 5)).astype(np.int64)
    a[0], b[:, 0] = -32768, -32768
    assert (fixed.matmul(a, b) == a @ b).all()
