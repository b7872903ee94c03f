"""The helpers under every opcode, where their cases turn."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.core.merkle import depth_of
from assay.exact import fixed
from tests.support.scalar import clamp, pow2neg, rnd

wide = st.integers(-(2**190) + 1, 2**190 - 1) | st.integers(-(2**70), 2**70)
shifts = st.integers(-(2**64), 2**64) | st.integers(-70, 260)


def rounded(value: int, shift: int, bits: int) -> int:
    """The definition; Python cannot shift by 2**64 bits, so such shifts stop where all is lost."""
    return clamp(rnd(value, max(min(shift, 1000), -1000)), bits)


@settings(max_examples=20)
@given(cases=st.lists(st.tuples(wide, shifts), min_size=1, max_size=100), bits=st.integers(1, 63))
def test_rescale(probe: Any, cases: list[tuple[int, int]], bits: int) -> None:
    values, amounts = [v for v, _ in cases], [s for _, s in cases]
    assert probe.rescaled(values, amounts, bits) == [rounded(v, s, bits) for v, s in cases]


def test_rescale_rounds_half_up(probe: Any) -> None:
    values = list(range(-9, 10))
    assert probe.rescaled(values, [2] * 19, 32) == [int(np.floor(v / 4 + 0.5)) for v in values]


@settings(max_examples=20)
@given(
    st.lists(st.tuples(wide, st.integers(1, 2**64) | st.integers(1, 5)), min_size=1, max_size=100)
)
def test_floor_div(probe: Any, cases: list[tuple[int, int]]) -> None:
    values, divisors = [v for v, _ in cases], [d for _, d in cases]
    assert probe.floor_divided(values, divisors) == [v // d for v, d in cases]


def test_bit_length(probe: Any) -> None:
    edges = [v for n in range(128) for v in (2**n, 2**n - 1)]
    assert probe.bit_lengths(edges) == [v.bit_length() for v in edges]


def test_pow2neg(probe: Any) -> None:
    fractions = [0, 1, 65534, 65535, *range(7, 65536, 263)][:256]
    expected = fixed.pow2neg(np.array(fractions)).tolist()
    assert probe.powers(fractions) == expected == [pow2neg(f) for f in fractions]


def test_depth(probe: Any) -> None:
    counts = [1, 2, 3, *(2**n + d for n in range(2, 55) for d in (-1, 0, 1))]
    assert probe.depths(counts) == [depth_of(count) for count in counts]


@settings(max_examples=15)
@given(data=st.binary(min_size=8, max_size=2048), log_size=st.integers(0, 3))
def test_element(probe: Any, data: bytes, log_size: int) -> None:
    size = 1 << log_size
    data = data[: len(data) // size * size]
    values = np.frombuffer(data, dtype=f">i{size}").tolist()
    places = [0, len(values) - 1, *range(0, len(values), max(1, len(values) // 60))]
    assert probe.reads(data, size, places) == [values[place] for place in places]
