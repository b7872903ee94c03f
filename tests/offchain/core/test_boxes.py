"""Boxes: what is sealed opens with its key, and with nothing else."""

from __future__ import annotations

import pytest

from assay.core.boxes import private_key, public_key, seal, unseal
from assay.core.errors import ProofError

KEY = private_key(b"\x01" * 32)


@pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 100])
def test_default_behavior(data: bytes) -> None:
    box = seal(data, public_key(KEY))
    assert unseal(box, KEY) == data
    assert len(data) < 16 or data[:16] not in box
    assert seal(data, public_key(KEY)) != box


def test_another_key_does_not_open() -> None:
    box = seal(b"data", public_key(KEY))
    with pytest.raises(ProofError, match="does not open"):
        unseal(box, private_key(b"\x02" * 32))


@pytest.mark.parametrize("place", [0, 31, 32, 47, 48, -1])
def test_a_changed_box_does_not_open(place: int) -> None:
    box = bytearray(seal(b"data", public_key(KEY)))
    box[place] ^= 1
    with pytest.raises(ProofError, match="does not open"):
        unseal(bytes(box), KEY)


@pytest.mark.parametrize("length", [0, 31, 40])
def test_a_box_cut_short_does_not_open(length: int) -> None:
    with pytest.raises(ProofError, match="does not open"):
        unseal(seal(b"data", public_key(KEY))[:length], KEY)


@pytest.mark.parametrize("key", [b"", bytes(31), bytes(32)])
def test_what_is_no_key(key: bytes) -> None:
    """Zero is a point of small order: everybody would know the secret."""
    with pytest.raises(ProofError, match="no X25519 public key"):
        seal(b"data", key)
