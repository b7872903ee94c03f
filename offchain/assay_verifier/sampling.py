"""The specification's "Sampling"."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay_verifier.arithmetic import Ints
from assay_verifier.hashes import keccak

NOISE_SHAPE = (128, 128)


def token_of(
    logits: Ints, inv_temperature: int, fraction: int, seed: bytes, index: int, noise: Ints
) -> int:
    """Output token `index` of logits (V,); noise (128, 128). Of equal scores the lowest id."""
    return int(scores(logits, inv_temperature, fraction, seed, index, noise).argmax())


def scores(
    logits: Ints, inv_temperature: int, fraction: int, seed: bytes, index: int, noise: Ints
) -> NDArray[Any]:
    """Of all tokens (V,), in Python's integers: the inverse of a temperature has up to 64 bits."""
    exact = logits.astype(object)
    if inv_temperature == 0:
        return exact
    scaled = exact * inv_temperature
    if fraction:
        scaled = (scaled + (1 << (fraction - 1))) >> fraction
    row, column = places(uniforms(seed, index, len(logits)))
    sums: NDArray[Any] = scaled + noise[row, column].astype(object)
    return sums


def uniforms(seed: bytes, index: int, vocab: int) -> Ints:
    """u of each token, 32 bits; uint64 arrays wrap, as the generator does."""
    key = np.uint64(int.from_bytes(keccak(seed + index.to_bytes(32, "big"))[-8:], "big"))
    counter = np.arange(1, vocab + 1, dtype=np.uint64)
    z = counter * np.uint64(0x9E3779B97F4A7C15) + key
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(32)).astype(np.int64)


def places(u: Ints) -> tuple[Ints, Ints]:
    """(rows, columns) of the noise table."""
    bits = np.array([int(one).bit_length() for one in u], dtype=np.int64)
    zeros = np.minimum(32 - bits, 31)
    m = ((u << (zeros + 1)) & 0xFFFFFFFF) >> 23
    return 4 * zeros + (m >> 7), m & 127
