# pragma version 0.4.3
"""
@title Sampling: the score by which a token is drawn
@license AGPL-3.0-only
@notice Greedy: the logit. With a temperature: logit / T + noise, the noise Gumbel-distributed,
        so that the largest score is a draw from the softmax. The noise is an entry of a
        committed table, chosen by a counter-based generator keyed by the job's seed and the
        token's place, so that the score of any single token can be recomputed.
        offchain/assay/exact/sampling.py is the same in Python.
"""

from . import fixed_point

# ------------------------------------------------------------------
#                            CONSTANTS
# ------------------------------------------------------------------

MASK_64: constant(uint256) = 2**64 - 1

# SplitMix64 (Steele, Lea, Flood 2014).
GOLDEN: constant(uint256) = 11400714819323198485
MIX_1: constant(uint256) = 13787848793156543929
MIX_2: constant(uint256) = 10723151780598845931


# ------------------------------------------------------------------
#                            FUNCTIONS
# ------------------------------------------------------------------


@internal
@pure
def noise_place(seed: bytes32, token_index: uint32, token: uint32) -> (uint256, uint256):
    """
    @notice Row and column of the noise table for one token at one output index.
    @dev SAFETY (unsafe operations): products of 64-bit numbers fit 128 bits; the masks are the
         generator's arithmetic modulo 2**64.
    """
    key: uint256 = convert(
        keccak256(concat(seed, convert(convert(token_index, uint256), bytes32))), uint256
    )
    count: uint256 = unsafe_add(convert(token, uint256), 1)
    z: uint256 = unsafe_add(key & MASK_64, unsafe_mul(count, GOLDEN)) & MASK_64
    z = unsafe_mul(z ^ (z >> 30), MIX_1) & MASK_64
    z = unsafe_mul(z ^ (z >> 27), MIX_2) & MASK_64
    return self.noise_slot((z ^ (z >> 31)) >> 32)


@internal
@pure
def noise_slot(uniform: uint256) -> (uint256, uint256):
    """
    @notice Row and column of the noise table for 32 random bits.
    @dev Rows count leading zeros in fours, at most 31 of them; the next nine bits choose among
         512 quantiles.
         SAFETY (unsafe operations): uniform < 2**32, so it has at most 32 bits.
    """
    bits: uint256 = convert(fixed_point.bit_length(uniform), uint256)
    zeros: uint256 = min(unsafe_sub(32, bits), 31)
    mantissa: uint256 = ((uniform << unsafe_add(zeros, 1)) & (2**32 - 1)) >> 23
    return unsafe_add(unsafe_mul(zeros, 4), mantissa >> 7), mantissa & 127


@internal
@pure
def score(logit: int256, inv_temperature: uint64, fraction: uint8, noise: int256) -> int256:
    """
    @notice What sampling maximises. `noise` is not read when greedy.
    """
    if inv_temperature == 0:
        return logit
    # SAFETY: |logit| < 2**63 and inv_temperature < 2**64, so the product is below 2**127.
    scaled: int256 = unsafe_mul(logit, convert(inv_temperature, int256))
    return unsafe_add(fixed_point.shift_round(scaled, convert(fraction, int256)), noise)
