# pragma version 0.4.3
"""
@title The values of a program's steps
@license AGPL-3.0-only
@notice From the values of an element's operands to the element: the arithmetic half of
        offchain/assay/exact/ops.py, one element at a time.
@dev Operands are committed by a provider that may be lying, so they may be anything that their
     element size holds, at most 64 signed bits. Every function is exact on all of that.
     SAFETY (all unsafe operations): operands and parameters are below 2**63 in size, sums of
     partials at most 2**71, what `rescale` returns at most 2**31. So each product of two is
     below 2**134, each sum below 2**135: far from 2**255 and within the 2**190 that
     `fixed_point.shift_round` asks for.
"""

from . import fixed_point
from . import opcodes
from ..interfaces import Types

# ------------------------------------------------------------------
#                            CONSTANTS
# ------------------------------------------------------------------

INT32_MAX: constant(int256) = 2**31 - 1
INT32_MIN: constant(int256) = -(2**31)

# A score outside the causal mask.
MASKED: constant(int256) = INT32_MIN

# Largest magnitude of values kept as two balanced base-256 digits.
DIGIT_MAX: constant(int256) = 127 * 256

# exp2(0) in the attention numerators.
EXP_PEAK: constant(int256) = DIGIT_MAX

LOG2E_Q30: constant(int256) = 1549082005
HALF_LOG2E_Q30: constant(int256) = 774541002
GELU_P: constant(int256) = 248723584
GELU_TANH_LINEAR: constant(int256) = 2471977230
GELU_TANH_CUBIC: constant(int256) = 110534462
LN2_Q16: constant(int256) = 45426
ONE_Q30: constant(int256) = 2**30
MEAN_SQUARE_MAX: constant(int256) = 2**46 - 1

# Fraction bits that ATTEND adds to those of v.
ATTEND_FRACTION: constant(uint256) = 8

# Most partials that a reduction may have, and the size of each.
MAX_PARTIALS: constant(uint256) = 256
PARTIAL_BYTES: constant(uint256) = 8


# ------------------------------------------------------------------
#                        ELEMENTWISE STEPS
# ------------------------------------------------------------------


@internal
@pure
def element(
    step: Types.Step, column: uint256, v: int256[opcodes.MAX_OPERANDS]
) -> int256:
    """
    @notice The element of a step without reduction.
    @param v Values of `opcodes.element_operands`, in order.
    """
    opcode: uint8 = step.opcode
    p: int64[6] = step.params
    if opcode == opcodes.EMBED:
        assert p[0] >= 0 and p[0] <= 64, "step_verifier: shift"
        return v[0] << convert(p[0], uint256)
    if opcode == opcodes.NORM:
        t: int256 = fixed_point.rescale(unsafe_mul(v[0], v[2]), unsafe_add(v[1], 11), 32)
        return fixed_point.rescale(unsafe_mul(t, v[3]), convert(p[0], int256), 32)
    if opcode == opcodes.QUANT:
        return fixed_point.rescale(v[0], v[1], self._input_bits(p[0]))
    if opcode == opcodes.ROPE:
        # First half of a head: x * cos - partner * sin; second: x * cos + partner * sin.
        turned: int256 = unsafe_mul(v[1], v[3])
        if column < convert(step.width // 2, uint256):
            turned = unsafe_sub(0, turned)
        return fixed_point.rescale(unsafe_add(unsafe_mul(v[0], v[2]), turned), 14, 32)
    if opcode == opcodes.EXP2:
        return self._exp2(v[0], v[1])
    if opcode == opcodes.TRANSPOSE:
        kept: int256 = fixed_point.rescale(v[0], convert(p[0], int256), 32)
        return max(min(kept, DIGIT_MAX), -DIGIT_MAX)
    if opcode == opcodes.ADD or opcode == opcodes.BIAS:
        return fixed_point.saturate(unsafe_add(v[0], v[1]), 32)
    if opcode == opcodes.SILU_GATE:
        return self._silu_gate(v[0], v[1], convert(p[0], int256), convert(p[1], int256))
    if opcode == opcodes.GELU_GATE:
        return self._gelu_gate(v[0], v[1], convert(p[0], int256), convert(p[1], int256))
    if opcode == opcodes.SOFTCAP:
        return self._softcap(
            v[0], convert(p[0], int256), convert(p[1], int256), convert(p[2], int256)
        )
    if opcode == opcodes.CENTER:
        return fixed_point.saturate(unsafe_sub(v[0], v[1]), 32)
    if opcode == opcodes.GELU:
        return self._gelu(v[0], convert(p[0], int256), convert(p[1], int256))
    # INVARIANT: LAST or SPLIT, as `opcodes.element_operands` has refused unknown opcodes.
    return v[0]


@internal
@pure
def _input_bits(said: int64) -> uint256:
    """
    @notice Bits of a quantised row, two digits or one, by the last parameter of its steps, of
            which 0 stands for 16.
    """
    if said == 0:
        return 16
    assert said == 8, "step_verifier: bits"
    return 8


@internal
@pure
def _exp2(s: int256, m: int256) -> int256:
    """
    @notice EXP_PEAK * 2**((s - m) / 65536), 0 for a masked score.
    """
    distance: int256 = max(unsafe_sub(m, s), 0)
    whole: int256 = distance >> 16
    if s == MASKED or whole > 30:
        return 0
    return fixed_point.shift_round(
        unsafe_mul(fixed_point.pow2neg(distance & 65535), EXP_PEAK), unsafe_add(whole, 30)
    )


@internal
@pure
def _silu_gate(g: int256, u: int256, fraction: int256, s: int256) -> int256:
    """
    @notice silu(g) * u, g with `fraction` bits: a sigmoid with the exponent |g| log2 e.
    """
    assert fraction >= 0 and fraction <= 64, "step_verifier: fraction"
    z: int256 = unsafe_mul(abs(g), LOG2E_Q30) >> convert(unsafe_add(fraction, 14), uint256)
    return self._gated(g, u, z, s)


@internal
@pure
def _gelu_gate(g: int256, u: int256, fraction: int256, s: int256) -> int256:
    """
    @notice gelu(g) * u by the approximation with tanh; see `gelu_gate` in exact/ops.py.
    @dev SAFETY: size <= 2**24, so the slope stays below 2**35 and z below 2**59.
    """
    assert fraction >= 0 and fraction <= 64, "step_verifier: fraction"
    size: int256 = min((abs(g) << 20) >> convert(fraction, uint256), 16 << 20)
    cubic: int256 = unsafe_mul(GELU_TANH_CUBIC, unsafe_mul(size, size) >> 20) >> 20
    z: int256 = unsafe_mul(size, unsafe_add(GELU_TANH_LINEAR, cubic)) >> 34
    return self._gated(g, u, z, s)


@internal
@pure
def _gated(g: int256, u: int256, z: int256, s: int256) -> int256:
    """
    @notice g * sigmoid * u with sigmoid = num / (1 + E), E = 2**-z, z in Q16.
    """
    tail: int256 = 0
    if z >> 16 <= 30:
        tail = fixed_point.pow2neg(z & 65535) >> convert(z >> 16, uint256)
    numerator: int256 = ONE_Q30 if g >= 0 else tail
    sigmoid: int256 = unsafe_div(numerator << 30, unsafe_add(ONE_Q30, tail))
    activated: int256 = fixed_point.shift_round(unsafe_mul(g, sigmoid), 30)
    return fixed_point.rescale(unsafe_mul(activated, u), s, 32)


@internal
@pure
def _softcap(x: int256, cap: int256, mantissa: int256, s: int256) -> int256:
    """
    @notice cap * tanh(x / cap), a masked score as it is; see `softcap` in exact/ops.py.
    @dev SAFETY: |x| <= 2**63, so z < 2**126; what is made of it stays within Q30 and 2**62, and
         the dividend below 2**95.
    """
    assert cap > 0 and mantissa >= 0, "step_verifier: cap"
    assert s >= 0 and s <= 64, "step_verifier: shift"
    if x == MASKED:
        return MASKED
    z: int256 = unsafe_mul(abs(x), mantissa) >> convert(s, uint256)
    tail: int256 = 0
    if z >> 28 <= 30:
        power: int256 = fixed_point.pow2neg((z >> 12) & 65535)
        rest: int256 = unsafe_mul(unsafe_mul(power, z & 4095), LN2_Q16) >> 44
        tail = unsafe_sub(power, rest) >> convert(z >> 28, uint256)
    above: int256 = unsafe_add(ONE_Q30, tail)
    dividend: int256 = unsafe_mul(unsafe_mul(2, cap), unsafe_sub(ONE_Q30, tail))
    size: int256 = unsafe_div(unsafe_add(dividend, above), unsafe_mul(2, above))
    return size if x >= 0 else unsafe_sub(0, size)


@internal
@pure
def _gelu(x: int256, fraction: int256, s: int256) -> int256:
    """
    @notice max(x, 0) - |x| * Phi(-|x|), x with `fraction` bits; see `gelu` in exact/ops.py.
    @dev SAFETY: u <= 2**24, so t and all that is made of it stay within Q30 and 2**61.
    """
    assert fraction >= 0 and fraction <= 64, "step_verifier: fraction"
    size: int256 = abs(x)
    u: int256 = min((size << 20) >> convert(fraction, uint256), 16 << 20)
    t: int256 = unsafe_div(
        1 << 60, unsafe_add(ONE_Q30, unsafe_mul(GELU_P, u) >> 20)
    )
    value: int256 = unsafe_add(-780155054, unsafe_mul(569837701, t) >> 30)
    value = unsafe_add(763115691, unsafe_mul(value, t) >> 30)
    value = unsafe_add(-152738022, unsafe_mul(value, t) >> 30)
    value = unsafe_add(136810595, unsafe_mul(value, t) >> 30)
    distance: int256 = unsafe_mul(unsafe_mul(u, u) >> 20, HALF_LOG2E_Q30) >> 34
    tail: int256 = 0
    if distance >> 16 <= 30:
        tail = unsafe_mul(
            unsafe_mul(value, t) >> 30, fixed_point.pow2neg(distance & 65535)
        ) >> convert(unsafe_add(30, distance >> 16), uint256)
    below: int256 = fixed_point.shift_round(unsafe_mul(size, tail), 30)
    return fixed_point.rescale(unsafe_sub(max(x, 0), below), s, 32)


# ------------------------------------------------------------------
#                           REDUCTIONS
# ------------------------------------------------------------------


@internal
@pure
def gather(opcode: uint8, partials: Bytes[2048]) -> int256:
    """
    @notice Sum of the partials, or their maximum: at most 256 * 2**63 = 2**71 in size.
    @dev There is at least one. The last is read with part of the 32 bytes appended, which the
         shift drops.
    """
    padded: Bytes[2048 + 32] = concat(partials, empty(bytes32))
    largest: bool = opcode == opcodes.EXPONENT or opcode == opcodes.ROWMAX
    total: int256 = extract32(padded, 0, output_type=int256) >> 192
    for i: uint256 in range(1, len(partials) // PARTIAL_BYTES, bound=MAX_PARTIALS):
        term: int256 = extract32(padded, unsafe_mul(i, PARTIAL_BYTES), output_type=int256) >> 192
        total = max(total, term) if largest else unsafe_add(total, term)
    return total


@internal
@pure
def joined(
    step: Types.Step, total: int256, v: int256[opcodes.MAX_OPERANDS]
) -> int256:
    """
    @notice The element of a reduction.
    @param total Sum or maximum of its partials.
    @param v Values of `opcodes.join_operands`, in order; for SCORES of all its operands.
    """
    opcode: uint8 = step.opcode
    if opcode == opcodes.EXPONENT:
        # A negative peak is nobody's maximum of magnitudes; its chunk shows the lie.
        peak: uint256 = convert(max(total, 0), uint256)
        magnitude_bits: uint256 = unsafe_sub(self._input_bits(step.params[1]), 1)
        return unsafe_sub(
            fixed_point.bit_length(unsafe_add(peak, peak >> 7)), convert(magnitude_bits, int256)
        )
    if opcode == opcodes.RMS:
        return self._inverse_rms(step, total, v[0])
    if opcode == opcodes.LINEAR:
        return fixed_point.rescale(unsafe_mul(total, v[1]), unsafe_sub(v[2], v[0]), 32)
    if opcode == opcodes.ATTEND:
        if v[0] <= 0:
            return 0
        scaled: int256 = unsafe_add(total << (ATTEND_FRACTION + 1), v[0])
        return fixed_point.saturate(fixed_point.floor_div(scaled, unsafe_mul(v[0], 2)), 32)
    if opcode == opcodes.SCORES:
        s: int256 = unsafe_sub(convert(step.params[1], int256), unsafe_add(v[1], v[3]))
        product: int256 = unsafe_mul(total, convert(step.params[0], int256))
        return max(fixed_point.rescale(product, s, 32), -INT32_MAX)
    if opcode == opcodes.MEAN:
        # INVARIANT: the width is positive, or `opcodes.reduction_width` would have refused it.
        width: int256 = convert(step.params[0], int256)
        twice: int256 = unsafe_add(unsafe_mul(total, 2), width)
        return fixed_point.floor_div(twice, unsafe_mul(width, 2))
    # INVARIANT: ROWMAX or SUM, the only other opcodes with chunks.
    return total


@internal
@pure
def _inverse_rms(step: Types.Step, total: int256, e: int256) -> int256:
    """
    @notice 2**31 / rms of a row in units of 2**e, from its sum of squares.
    """
    eps: int256 = fixed_point.shift_round(convert(step.params[0], int256), unsafe_mul(e, 2))
    bounded: int256 = min(unsafe_add(total, min(eps, MEAN_SQUARE_MAX)), MEAN_SQUARE_MAX)
    assert bounded >= 0, "step_verifier: negative"
    # INVARIANT: the width is positive, or `opcodes.reduction_width` would have refused it.
    width: int256 = convert(step.params[1], int256)
    mean: int256 = min(unsafe_div(bounded << 16, width), MEAN_SQUARE_MAX)
    root: uint256 = max(isqrt(convert(mean << 16, uint256)), 1)
    return min(convert(unsafe_div(2**47, root), int256), INT32_MAX)
