"""How a token follows from its logits: greedy, or Gumbel-max with committed noise.

`argmax(logit / T + g)` with g Gumbel-distributed draws from softmax(logit / T) (Gumbel 1954;
Maddison et al. 2014). The noise of token v at output index t is a table entry chosen by a
counter-based generator, so anyone recomputes the score of any single token.
"""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np
from eth_utils.crypto import keccak
from numpy.typing import NDArray

from assay.exact.fixed import Ints, shift_round

GUMBEL_ROWS = 128
GUMBEL_COLUMNS = 128
_MASK64 = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_MIX1 = 0xBF58476D1CE4E5B9
_MIX2 = 0x94D049BB133111EB


def gumbel_table() -> NDArray[np.int32]:
    """Q16 noise by quantile: (128, 128) int32.

    Entry (4z + h, l) stands for uniforms u in [2**-(z+1), 2**-z) whose next nine bits are
    128h + l, taken at the middle of that interval: g = -ln(-ln(1 - u)). Quantiles are fine where
    noise is large (u small), which is where a token is won. Computed in decimal arithmetic, so
    that every machine builds the same table.
    """
    table = np.zeros((GUMBEL_ROWS, GUMBEL_COLUMNS), dtype=np.int32)
    with localcontext() as context:
        context.prec = 30
        for index in range(GUMBEL_ROWS * GUMBEL_COLUMNS):
            zeros, mantissa = index >> 9, index & 511
            u = (1 + (Decimal(mantissa) + Decimal("0.5")) / 512) / Decimal(2) ** (zeros + 1)
            noise = -(-(1 - u).ln()).ln()
            table.flat[index] = int((noise * 65536).to_integral_value())
    return table


def noise_key(seed: bytes, index: int) -> int:
    """64-bit key of output index `index`: the low bits of keccak(seed, index)."""
    return int.from_bytes(keccak(seed + index.to_bytes(32, "big"))[-8:], "big")


def noise_uniform(key: int, token: int) -> int:
    """32 random bits of one token: the SplitMix64 finaliser (Steele et al. 2014) of a counter."""
    z = (key + (token + 1) * _GOLDEN) & _MASK64
    z = ((z ^ (z >> 30)) * _MIX1) & _MASK64
    z = ((z ^ (z >> 27)) * _MIX2) & _MASK64
    return (z ^ (z >> 31)) >> 32


def noise_slot(uniform: int) -> tuple[int, int]:
    """(row, column) of the Gumbel table for 32 random bits."""
    zeros = min(32 - uniform.bit_length(), 31)
    mantissa = ((uniform << (zeros + 1)) & 0xFFFFFFFF) >> 23
    return zeros * 4 + (mantissa >> 7), mantissa & 127


def noise_row(seed: bytes, index: int, vocab: int, table: NDArray[np.int32]) -> Ints:
    """Noise of all tokens at one output index: (vocab,) int64, Q16."""
    with np.errstate(over="ignore"):
        z = np.uint64(noise_key(seed, index)) + np.arange(
            1, vocab + 1, dtype=np.uint64
        ) * np.uint64(_GOLDEN)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(_MIX1)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(_MIX2)
    uniform = ((z ^ (z >> np.uint64(31))) >> np.uint64(32)).astype(np.int64)
    length = np.frexp(uniform.astype(np.float64))[1].astype(np.int64)
    zeros = np.minimum(32 - length, 31)
    mantissa = ((uniform << (zeros + 1)) & 0xFFFFFFFF) >> 23
    noise: Ints = table[zeros * 4 + (mantissa >> 7), mantissa & 127].astype(np.int64)
    return noise


def score_row(
    logits: Ints,
    inv_temperature: int,
    fraction: int,
    seed: bytes,
    index: int,
    table: NDArray[np.int32],
) -> Ints:
    """What sampling maximises: (vocab,). |logit * inv_temperature| < 2**31 * 2**22 = 2**53."""
    if inv_temperature == 0:
        return logits
    scaled = shift_round(logits * inv_temperature, fraction)
    return scaled + noise_row(seed, index, len(logits), table)


def sample(
    logits: Ints,
    inv_temperature: int,
    fraction: int,
    seed: bytes,
    index: int,
    table: NDArray[np.int32],
) -> int:
    """The token: argmax of the scores, ties to the lowest id."""
    return int(score_row(logits, inv_temperature, fraction, seed, index, table).argmax())
