"""Random integers of every magnitude, with the extremes of their range always among them."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

seeds = st.integers(0, 2**32 - 1)
"""Hypothesis draws the seed and the step's parameters; numpy fills the batch from the seed."""

BATCH = 256
Ints = np.ndarray[Any, Any]


def spread(rng: np.random.Generator, bits: int, size: int = BATCH, low: int | None = None) -> Ints:
    """Signed integers of `bits` bits (not below `low`), log-uniform in size, extremes included."""
    bottom, top = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    values = rng.integers(bottom, top, size, endpoint=True) >> rng.integers(0, bits, size)
    edges = [bottom, bottom + 1, -2, -1, 0, 1, 2, top - 1, top]
    count = min(len(edges), size)
    values[rng.permutation(size)[:count]] = rng.permutation(edges)[:count]
    return values if low is None else np.maximum(values, low)


def around(rng: np.random.Generator, centres: list[int], size: int = BATCH) -> Ints:
    """Integers within 2 of some centres, where clamps and roundings turn."""
    return rng.choice(np.array(centres, dtype=np.int64), size) + rng.integers(-2, 3, size)
