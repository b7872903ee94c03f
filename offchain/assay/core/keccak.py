"""Keccak-256 in C: a request takes some of these, and eth-utils' take three times as long."""

from __future__ import annotations

from sha3 import keccak_256


def keccak(data: bytes) -> bytes:
    """32 bytes."""
    digest: bytes = keccak_256(data).digest()
    return digest
