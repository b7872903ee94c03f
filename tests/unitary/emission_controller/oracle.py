"""The schedule and the split in plain integers, to compare the controller with."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

Stage = tuple[int, int]  # first second, wei a year

FOREVER = 2**40


def integral(stages: Sequence[Stage], begin: int, end: int) -> int:
    """Sum of rate x seconds."""
    ends = [start for start, _ in stages[1:]] + [FOREVER]
    return sum(
        rate * max(0, min(end, until) - max(begin, start))
        for (start, rate), until in zip(stages, ends, strict=True)
    )


def share(corners: Sequence[tuple[int, int]], used_bps: int) -> int:
    """The stakers' share at a utilisation, rounded up, in bps."""
    for (low, high_share), (high, low_share) in pairwise(corners):
        if low <= used_bps <= high:
            return high_share - (high_share - low_share) * (used_bps - low) // (high - low)
    raise AssertionError(used_bps)
