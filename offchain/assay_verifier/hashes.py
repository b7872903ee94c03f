"""The specification's "Hashes": trees, tagged leaves, ABI words."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import numpy as np
from eth_hash.auto import keccak as _keccak
from numpy.typing import NDArray

TILE = 512
ZERO = bytes(32)
PROMPT, OUTPUT = 0, 1
"""Sides of a salt."""


def keccak(data: bytes) -> bytes:
    return bytes(_keccak(data))


def sha(tag: int, *parts: bytes) -> bytes:
    """SHA-256 of a tag and what it marks."""
    return sha256(bytes([tag]) + b"".join(parts)).digest()


def u32(value: int) -> bytes:
    return value.to_bytes(4, "big")


def tree(leaves: Sequence[bytes]) -> bytes:
    """The root; of no leaves 32 zero bytes."""
    row, padding = list(leaves) or [ZERO], ZERO
    while len(row) > 1:
        row += [padding] * (len(row) % 2)
        row = [sha(1, row[i], row[i + 1]) for i in range(0, len(row), 2)]
        padding = sha(1, padding, padding)
    return row[0]


def depth_of(count: int) -> int:
    """Levels of a tree of `count` leaves, at least one."""
    return (count - 1).bit_length()


def climbed(leaf: bytes, index: int, path: Sequence[bytes]) -> bytes:
    """The root that a leaf and its path lead to."""
    for level, sibling in enumerate(path):
        leaf = sha(1, sibling, leaf) if index >> level & 1 else sha(1, leaf, sibling)
    return leaf


def tensor(values: NDArray[np.signedinteger[Any]], elem_bytes: int) -> bytes:
    """Of a matrix."""
    rows, width = values.shape
    tiles = []
    for row in values.astype(f">i{elem_bytes}", copy=False):
        data = row.tobytes()
        size = TILE * elem_bytes
        tiles += [sha(0, data[start : start + size]) for start in range(0, len(data), size)]
    return sha(2, u32(rows), u32(width), bytes([elem_bytes]), tree(tiles))


def salt(job_salt: bytes, side: int, index: int) -> bytes:
    return sha(6, job_salt, bytes([side]), u32(index))


def token_list(tokens: Sequence[int], job_salt: bytes, side: int) -> bytes:
    """Of a prompt or an output."""
    leaves = [sha(4, salt(job_salt, side, i), u32(token)) for i, token in enumerate(tokens)]
    return sha(5, u32(len(leaves)), tree(leaves))


def embedding(values: NDArray[np.signedinteger[Any]], job_salt: bytes) -> bytes:
    """Of an output that is an embedding (1, W)."""
    return sha(11, salt(job_salt, PROMPT, 0), tensor(values, 4))


def words(*values: int | bytes) -> bytes:
    """ABI words: integers in two's complement, bytes32 as they are, addresses on the right."""
    return b"".join(
        (value % 2**256).to_bytes(32, "big") if isinstance(value, int) else value.rjust(32, b"\0")
        for value in values
    )
