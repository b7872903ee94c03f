"""The rotary table, the same bits on every machine.

Library cosines differ in their last bit and lose much more at large angles. Here an angle is a
fixed-point fraction of a turn, so that reducing it is the overflow of an integer; sine and cosine
are then Taylor sums of single IEEE operations.
"""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np
from numpy.typing import NDArray

from assay.exact.model import DecoderShape, RopeScaling

FRACTION = 14
"""Fraction bits of the table: cos(0) is 2**14."""
TWO_PI = Decimal("6.283185307179586476925286766559005768394338798750211641949889")
HALF_PI = 1.5707963267948966
TERMS = 13
"""(pi/2)**27 / 27! < 2e-23."""


def rope_table(shape: DecoderShape) -> NDArray[np.int16]:
    """Q14 cosines, then sines, of position * theta**(-2i / head_dim): (context, head_dim)."""
    step = np.array(_turns_per_position(shape), dtype=np.uint64)
    position = np.arange(shape.context, dtype=np.uint64)[:, None]
    with np.errstate(over="ignore"):
        turn = position * step  # Q64 fraction of a turn; whole turns overflow away
    quarter = (turn >> np.uint64(62)).astype(np.int64)
    # Below 2**53, so exact; the bits shifted out are worth 2**-55 of a turn.
    rest = ((turn & np.uint64(2**62 - 1)) >> np.uint64(9)).astype(np.float64)
    cosine, sine = _quarter_turn(rest * 2.0**-53 * HALF_PI)
    full_cosine = np.choose(quarter, [cosine, -sine, -cosine, sine])
    full_sine = np.choose(quarter, [sine, cosine, -sine, -cosine])
    table = np.concatenate([full_cosine, full_sine], axis=1)
    rounded: NDArray[np.int16] = np.rint(table * 2**FRACTION).astype(np.int16)
    return rounded


def _turns_per_position(shape: DecoderShape) -> list[int]:
    """theta**(-i / half) / (2 pi), scaled, in Q64, for i < half = head_dim / 2."""
    half, scaling = shape.head_dim // 2, shape.rope_scaling
    with localcontext() as context:
        context.prec = 50
        logarithm = Decimal(shape.rope_theta).ln()
        turns = [(-logarithm * i / half).exp() / TWO_PI for i in range(half)]
        if scaling:
            turns = [turn * _stretch(turn, scaling) for turn in turns]
        return [int((turn * 2**64).to_integral_value()) for turn in turns]


def _stretch(turn: Decimal, scaling: RopeScaling) -> Decimal:
    """What a frequency is multiplied by, 1 / factor to 1; see `RopeScaling`."""
    slowest = 1 / Decimal(scaling.factor)
    if scaling.kind == "linear":
        return slowest
    low, high = Decimal(scaling.low_turns), Decimal(scaling.high_turns)
    share = (turn * scaling.original_context - low) / (high - low)
    kept = min(max(share, Decimal(0)), Decimal(1))
    return kept + (1 - kept) * slowest


def _quarter_turn(angle: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(cos, sin) of angles in [0, pi/2) by Horner's scheme, to about 1e-16."""
    square = angle * angle
    cosine, sine = np.ones_like(angle), np.ones_like(angle)
    for k in range(TERMS, 0, -1):
        cosine = 1.0 - square * cosine / float((2 * k - 1) * (2 * k))
        sine = 1.0 - square * sine / float(2 * k * (2 * k + 1))
    return cosine, angle * sine
