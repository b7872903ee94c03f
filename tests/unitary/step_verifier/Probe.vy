# pragma version 0.4.3
# pragma evm-version cancun
"""
@title Probe: the verifier's arithmetic without its openings, many vectors a call
@license AGPL-3.0-only
@notice For tests only. Calls the same modules as StepVerifier, so that thousands of vectors
        can be compared with the reference in the time of a few openings.
"""

from contracts.interfaces import Types
from contracts.modules import fixed_point
from contracts.modules import merkle
from contracts.modules import sampling
from contracts.modules import step_arithmetic
from contracts.modules import tensor

BATCH: constant(uint256) = 256


@external
@pure
def elements(
    step: Types.Step, column: uint256, values: DynArray[int256[6], BATCH]
) -> DynArray[int256, BATCH]:
    results: DynArray[int256, BATCH] = []
    for v: int256[6] in values:
        results.append(step_arithmetic.element(step, column, v))
    return results


@external
@pure
def joined(
    step: Types.Step, totals: DynArray[int256, BATCH], values: DynArray[int256[6], BATCH]
) -> DynArray[int256, BATCH]:
    results: DynArray[int256, BATCH] = []
    for i: uint256 in range(len(totals), bound=BATCH):
        results.append(step_arithmetic.joined(step, totals[i], values[i]))
    return results


@external
@pure
def dots(
    a: DynArray[Bytes[2048], 64], b: DynArray[Bytes[2048], 64], b_bits: uint256
) -> DynArray[int256, 64]:
    results: DynArray[int256, 64] = []
    for i: uint256 in range(len(a), bound=64):
        results.append(tensor.dot(a[i], b[i], b_bits))
    return results


@external
@pure
def dots_8(
    a: DynArray[Bytes[2048], 64], b: DynArray[Bytes[2048], 64]
) -> DynArray[int256, 64]:
    results: DynArray[int256, 64] = []
    for i: uint256 in range(len(a), bound=64):
        results.append(tensor.dot_8(a[i], b[i]))
    return results


@external
@pure
def sums(tiles: DynArray[Bytes[2048], 64]) -> DynArray[int256, 64]:
    results: DynArray[int256, 64] = []
    for tile: Bytes[2048] in tiles:
        results.append(tensor.sum_16(tile))
    return results


@external
@pure
def sums_32(tiles: DynArray[Bytes[2048], 64]) -> DynArray[int256, 64]:
    results: DynArray[int256, 64] = []
    for tile: Bytes[2048] in tiles:
        results.append(tensor.sum_32(tile))
    return results


@external
@pure
def maxima(tiles: DynArray[Bytes[2048], 64]) -> DynArray[int256, 64]:
    results: DynArray[int256, 64] = []
    for tile: Bytes[2048] in tiles:
        results.append(tensor.max_32(tile))
    return results


@external
@pure
def magnitudes(tiles: DynArray[Bytes[2048], 64]) -> DynArray[int256, 64]:
    results: DynArray[int256, 64] = []
    for tile: Bytes[2048] in tiles:
        results.append(tensor.abs_max_32(tile))
    return results


@external
@pure
def square_sums(
    tiles: DynArray[Bytes[2048], 64], exponents: DynArray[int256, 64]
) -> DynArray[int256, 64]:
    results: DynArray[int256, 64] = []
    for i: uint256 in range(len(tiles), bound=64):
        results.append(tensor.square_sum_32(tiles[i], exponents[i]))
    return results


@external
@pure
def reads(
    tile: Bytes[2048], elem_bytes: uint256, places: DynArray[uint256, BATCH]
) -> DynArray[int256, BATCH]:
    results: DynArray[int256, BATCH] = []
    for place: uint256 in places:
        results.append(tensor.element(tile, elem_bytes, place))
    return results


@external
@pure
def rescaled(
    values: DynArray[int256, BATCH], shifts: DynArray[int256, BATCH], bits: uint256
) -> DynArray[int256, BATCH]:
    results: DynArray[int256, BATCH] = []
    for i: uint256 in range(len(values), bound=BATCH):
        results.append(fixed_point.rescale(values[i], shifts[i], bits))
    return results


@external
@pure
def floor_divided(
    values: DynArray[int256, BATCH], divisors: DynArray[int256, BATCH]
) -> DynArray[int256, BATCH]:
    results: DynArray[int256, BATCH] = []
    for i: uint256 in range(len(values), bound=BATCH):
        results.append(fixed_point.floor_div(values[i], divisors[i]))
    return results


@external
@pure
def bit_lengths(values: DynArray[uint256, BATCH]) -> DynArray[int256, BATCH]:
    results: DynArray[int256, BATCH] = []
    for v: uint256 in values:
        results.append(fixed_point.bit_length(v))
    return results


@external
@pure
def powers(fractions: DynArray[int256, BATCH]) -> DynArray[int256, BATCH]:
    results: DynArray[int256, BATCH] = []
    for f: int256 in fractions:
        results.append(fixed_point.pow2neg(f))
    return results


@external
@pure
def noise_places(
    seed: bytes32, token_index: uint32, tokens: DynArray[uint32, BATCH]
) -> DynArray[uint256[2], BATCH]:
    results: DynArray[uint256[2], BATCH] = []
    for token: uint32 in tokens:
        row: uint256 = 0
        column: uint256 = 0
        row, column = sampling.noise_place(seed, token_index, token)
        results.append([row, column])
    return results


@external
@pure
def noise_slots(uniforms: DynArray[uint256, BATCH]) -> DynArray[uint256[2], BATCH]:
    results: DynArray[uint256[2], BATCH] = []
    for uniform: uint256 in uniforms:
        row: uint256 = 0
        column: uint256 = 0
        row, column = sampling.noise_slot(uniform)
        results.append([row, column])
    return results


@external
@pure
def depths(counts: DynArray[uint256, BATCH]) -> DynArray[uint256, BATCH]:
    results: DynArray[uint256, BATCH] = []
    for count: uint256 in counts:
        results.append(merkle.depth_of(count))
    return results
