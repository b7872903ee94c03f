# pragma version 0.4.3
"""
@title Fixed-point arithmetic of the exact inference
@license AGPL-3.0-only
@notice The one rounding rule (half up: floor(v / 2**s + 1/2)), saturation, floor division,
        powers of two. Each is a function of mathematical integers; the comments argue that
        256 bits hold every intermediate. offchain/assay/exact/fixed.py is the same in Python.
        Vyper's `>>` on int256 floors as Python's does; its `//` truncates, hence `floor_div`.
"""

# ------------------------------------------------------------------
#                            CONSTANTS
# ------------------------------------------------------------------

# Beyond it a right shift of any |v| < 2**254 rounds to 0, as the exact value does.
MAX_RIGHT_SHIFT: constant(int256) = 254

# Beyond it a left shift of any v != 0 leaves every range of at most 63 bits.
MAX_LEFT_SHIFT: constant(int256) = 64


# ------------------------------------------------------------------
#                            FUNCTIONS
# ------------------------------------------------------------------


@internal
@pure
def saturate(v: int256, bits: uint256) -> int256:
    """
    @notice Clamp to the signed range of `bits` bits, 1 <= bits <= 64.
    """
    limit: int256 = convert(1 << unsafe_sub(bits, 1), int256)
    return max(min(v, unsafe_sub(limit, 1)), unsafe_sub(0, limit))


@internal
@pure
def shift_round(v: int256, s: int256) -> int256:
    """
    @notice round_half_up(v / 2**s) for s > 0, v * 2**-s otherwise, for |v| < 2**190.
    @dev A left shift by more than 64 stops at 64: what it returns is out of every range of
         at most 63 bits with the same sign, so that saturating it gives the exact result.
         SAFETY (unsafe operations): |v| + 2**253 < 2**254 on the right; |v| * 2**64 < 2**254
         on the left; the shift amounts are within [1, 254] and [0, 64].
    """
    if s > 0:
        right: uint256 = convert(min(s, MAX_RIGHT_SHIFT), uint256)
        half: int256 = convert(1 << unsafe_sub(right, 1), int256)
        return unsafe_add(v, half) >> right
    return v << convert(min(unsafe_sub(0, max(s, -MAX_LEFT_SHIFT)), MAX_LEFT_SHIFT), uint256)


@internal
@pure
def rescale(v: int256, s: int256, bits: uint256) -> int256:
    """
    @notice saturate(shift_round(v, s), bits), bits <= 63.
    """
    return self.saturate(self.shift_round(v, s), bits)


@internal
@pure
def floor_div(a: int256, b: int256) -> int256:
    """
    @notice floor(a / b) for b > 0 and |a| < 2**255.
    @dev Vyper's division truncates towards zero, which is one too high for a negative
         quotient with a remainder.
         SAFETY (unsafe operations): b > 0, so neither a zero divisor nor -2**255 / -1.
    """
    quotient: int256 = unsafe_div(a, b)
    if a < 0 and unsafe_mul(quotient, b) != a:
        return unsafe_sub(quotient, 1)
    return quotient


@internal
@pure
def bit_length(v: uint256) -> int256:
    """
    @notice Bits of v, 0 for 0; v < 2**128.
    """
    rest: uint256 = v
    bits: int256 = 0
    for exponent: uint256 in [64, 32, 16, 8, 4, 2, 1]:
        if rest >> exponent != 0:
            rest = rest >> exponent
            bits = unsafe_add(bits, convert(exponent, int256))
    return unsafe_add(bits, convert(rest, int256))


@internal
@pure
def pow2neg(fraction: int256) -> int256:
    """
    @notice 2**(-fraction / 65536) in Q30, for 0 <= fraction < 65536.
    @dev Horner with the Q30 coefficients of 2**-x on [0, 1), minimax to 6.3e-8 and strictly
         decreasing.
         SAFETY (unsafe operations): |v| < 2**31 throughout, so products stay below 2**47.
    """
    v: int256 = unsafe_add(9908895, unsafe_mul(-1024386, fraction) >> 16)
    v = unsafe_add(-59395846, unsafe_mul(v, fraction) >> 16)
    v = unsafe_add(257898518, unsafe_mul(v, fraction) >> 16)
    v = unsafe_add(-744258157, unsafe_mul(v, fraction) >> 16)
    return unsafe_add(1073741824, unsafe_mul(v, fraction) >> 16)
