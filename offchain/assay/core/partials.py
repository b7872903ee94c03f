"""Partials of a reduction as the contracts read them: eight bytes each, signed and big-endian."""

from __future__ import annotations

from collections.abc import Sequence

from assay.core.errors import InputError

PARTIAL_BYTES = 8


def packed(partials: Sequence[int]) -> bytes:
    """The bytes of int64 partials; InputError for one beyond 64 bits, which no operands give."""
    try:
        parts = [partial.to_bytes(PARTIAL_BYTES, "big", signed=True) for partial in partials]
    except OverflowError as error:
        limit = 1 << (8 * PARTIAL_BYTES - 1)
        wrong = next(p for p in partials if not -limit <= p < limit)
        raise InputError(
            f"a partial of {wrong}; it must fit 64 signed bits: recompute the reduction"
        ) from error
    return b"".join(parts)


def unpacked(data: bytes) -> tuple[int, ...]:
    """The partials in such bytes."""
    starts = range(0, len(data), PARTIAL_BYTES)
    return tuple(
        int.from_bytes(data[start : start + PARTIAL_BYTES], "big", signed=True) for start in starts
    )
