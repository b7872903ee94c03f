"""Partials as bytes."""

from __future__ import annotations

import pytest

from assay.core.errors import InputError
from assay.core.partials import packed, unpacked


def test_eight_bytes_each_signed_and_big_endian() -> None:
    assert packed([]) == b""
    assert packed([1, -2]) == bytes(7) + b"\x01" + b"\xff" * 7 + b"\xfe"


def test_round_trip() -> None:
    partials = (-(2**63), 2**63 - 1, 0, -1, 123456789)
    assert unpacked(packed(partials)) == partials


@pytest.mark.parametrize("partial", [2**63, -(2**63) - 1, 2**200])
def test_beyond_64_bits_is_refused(partial: int) -> None:
    with pytest.raises(InputError, match=rf"{partial}; it must fit 64 signed bits"):
        packed([0, partial])
