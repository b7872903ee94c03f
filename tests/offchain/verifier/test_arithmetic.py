"""Rounding and saturation are those of unbounded integers, to the ends of int64."""

from __future__ import annotations

from math import floor

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from assay_verifier.arithmetic import pow2neg, rescale, rounded, shifted_down

VALUES = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([0, 1, -1, 2**62, -(2**62), 2**63 - 1, -(2**63), 2**31, -(2**31)]),
)


def by_definition(v: int, s: int) -> int:
    return (2 * v + 2**s) // 2 ** (s + 1) if s > 0 else v * 2**-s


@given(v=VALUES, s=st.integers(1, 200))
def test_shifts_down(v: int, s: int) -> None:
    assert shifted_down(np.array([v]), s).tolist() == [by_definition(v, s)]
    assert shifted_down(np.array([v]), np.array([s])).tolist() == [by_definition(v, s)]
    assert rounded(v, s) == by_definition(v, s)


@given(v=VALUES, s=st.integers(-200, 200), b=st.sampled_from([8, 16, 32]))
def test_rescaling(v: int, s: int, b: int) -> None:
    limit = 2 ** (b - 1)
    right = max(-limit, min(by_definition(v, s), limit - 1))
    assert rescale(np.array([[v]]), s, b).tolist() == [[right]]
    assert rescale(np.array([[v]]), np.array([s]), b).tolist() == [[right]]


def test_the_furthest_shifts() -> None:
    v = np.array([5, 0, -5])
    assert rescale(v, 2**63 - 1).tolist() == [0, 0, 0]
    assert rescale(v, -(2**63)).tolist() == [2**31 - 1, 0, -(2**31)]


def test_powers_of_two() -> None:
    f = np.arange(0, 65536)
    exact = 2.0 ** (30 - f / 65536)
    assert np.abs(pow2neg(f) - exact).max() < floor(6.4e-8 * 2**30)
    assert (np.diff(pow2neg(f)) < 0).all()
