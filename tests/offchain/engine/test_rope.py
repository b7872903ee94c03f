"""The rotary table against arbitrary-precision cosines."""

from __future__ import annotations

from dataclasses import replace

import mpmath
import numpy as np
import pytest

from assay.engine.rope import rope_table
from assay.exact.model import RopeScaling
from tests.support.models import SMALL


@pytest.mark.parametrize(("theta", "context"), [(10000.0, 2048), (500000.0, 131072)])
def test_every_sampled_entry_is_the_nearest(theta: float, context: int) -> None:
    shape = replace(SMALL, rope_theta=theta, context=context, head_dim=32)
    table = rope_table(shape)
    assert table.shape == (context, 32) and table.dtype == np.int16
    rng = np.random.default_rng(0)
    positions = [0, 1, context - 1, *rng.integers(0, context, 60).tolist()]
    with mpmath.workdps(40):
        for position in positions:
            for i in range(16):
                angle = position * mpmath.mpf(theta) ** (mpmath.mpf(-i) / 16)
                assert table[position, i] == int(mpmath.nint(mpmath.cos(angle) * 2**14))
                assert table[position, 16 + i] == int(mpmath.nint(mpmath.sin(angle) * 2**14))


@pytest.mark.parametrize(
    "scaling",
    [RopeScaling("linear", 4.0), RopeScaling("llama3", 8.0, 1.0, 4.0, 8192)],
    ids=lambda scaling: scaling.kind,
)
def test_scaled_frequencies(scaling: RopeScaling) -> None:
    """Llama 3.1's rule, from its paper's code: by the wavelength in the original context."""
    theta, context, half = 500000.0, 131072, 32
    shape = replace(
        SMALL, rope_theta=theta, context=context, head_dim=2 * half, rope_scaling=scaling
    )
    table, position = rope_table(shape), context - 1
    with mpmath.workdps(40):
        for i in range(half):
            frequency = mpmath.mpf(theta) ** (mpmath.mpf(-i) / half)
            wavelength = 2 * mpmath.pi / frequency
            kept = mpmath.mpf(0)
            if scaling.kind == "llama3":
                turns = scaling.original_context / wavelength
                if turns > scaling.high_turns:
                    kept = mpmath.mpf(1)
                elif turns > scaling.low_turns:
                    kept = (turns - scaling.low_turns) / (scaling.high_turns - scaling.low_turns)
            angle = position * frequency * (kept + (1 - kept) / scaling.factor)
            assert table[position, i] == int(mpmath.nint(mpmath.cos(angle) * 2**14))
            assert table[position, half + i] == int(mpmath.nint(mpmath.sin(angle) * 2**14))
