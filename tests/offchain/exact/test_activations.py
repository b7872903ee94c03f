"""The activations that a decoder's gate and caps are made of, against float64."""

from __future__ import annotations

import math

import numpy as np
import pytest

from assay.exact import ops
from assay.exact.fixed import MASKED, Ints
from assay.exact.model import LOG2_E, Softcap


def gelu_tanh(x: np.ndarray) -> np.ndarray:
    bent: np.ndarray = 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return bent


def capped(x: Ints, cap: int) -> Ints:
    made = Softcap.of(cap)
    return ops.softcap(x, made.cap, made.mantissa, made.shift)


def test_constants() -> None:
    linear = 2 * math.sqrt(2 / math.pi) * LOG2_E * 2**30
    assert round(linear) == ops.GELU_TANH_LINEAR
    assert round(0.044715 * linear) == ops.GELU_TANH_CUBIC
    assert round(math.log(2) * 2**16) == ops.LN2_Q16


@pytest.mark.parametrize("fraction", [16, 20, 26])
def test_gelu_gate_is_gelu(fraction: int) -> None:
    """Off by less than 2e-6 and a unit of the gate, up to where the gate reaches 2**26."""
    end = min(20, 2 ** (26 - fraction))
    x = np.rint(np.linspace(-end, end, 400_001) * 2**fraction).astype(np.int64)
    one = np.full_like(x, 1 << 20)
    found = ops.gelu_gate(x, one, fraction, 20) / 2**fraction
    expected = gelu_tanh(x / 2**fraction)
    assert np.abs(found - expected).max() < 2e-6 + 2.0**-fraction


@pytest.mark.parametrize("cap", [30 << 21, round(50 * LOG2_E * 2**16), 1 << 30])
def test_softcap_is_tanh(cap: int) -> None:
    """Off by less than 1e-7 of the cap and a unit; odd; it never turns back by more."""
    x = np.rint(np.linspace(-1, 1, 400_001) * min(12 * cap, 2**31 - 1)).astype(np.int64)
    found = capped(x, cap)
    bound = 1e-7 * cap + 1
    assert np.abs(found - cap * np.tanh(x / cap)).max() < bound
    assert np.array_equal(capped(-x, cap), -found)
    assert np.diff(found).min() >= -bound


def test_close_logits_stay_apart() -> None:
    """At 2 % of the cap, where logits of a sharp model's runners-up lie, neighbours differ."""
    x = np.arange(1_258_291, 1_258_291 + 4096)
    assert len(np.unique(capped(x, 30 << 21))) > 4000


@pytest.mark.parametrize("cap", [1, 7, 2**31 - 1])
def test_a_masked_score_stays_masked(cap: int) -> None:
    x = np.array([MASKED, MASKED + 1, 0, 2**31 - 1])
    found = capped(x, cap)
    assert found[0] == MASKED
    assert np.abs(found[1:]).max() <= cap and found[1] == -found[3]


@pytest.mark.parametrize("cap", [0, -1, 2**31])
def test_caps_that_no_int32_holds_are_refused(cap: int) -> None:
    with pytest.raises(ValueError, match=f"cap of {cap} units; it must be positive and below"):
        Softcap.of(cap)
