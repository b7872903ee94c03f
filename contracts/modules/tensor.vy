# pragma version 0.4.3
"""
@title Arithmetic over tiles of committed tensors
@license AGPL-3.0-only
@notice Reads one element of a tile, and reduces a whole tile: dot products, sums, maxima,
        sums of squares. A tile is up to 512 elements of one row, signed, big-endian, packed.
@dev Reductions take a word of the tile at a time and keep four numbers in it, as the digits
     of a number in base B = 2**64, digit 3 on top:

         X = x3*B**3 + x2*B**2 + x1*B + x0.

     Additions, shifts, masks then work on four elements at once, and with Y reversed,

         X * (y0*B**3 + y1*B**2 + y2*B + y3)  has the digit  x0*y0 + x1*y1 + x2*y2 + x3*y3

     on top: four products summed by one multiplication, the higher digits cut off by the
     word's end. Digits may be negative: X is then a sum like any other, taken modulo 2**256
     (two's complement). `_top` reads the top digit back exactly as long as all digits are
     below 2**62 in size: those below it add up to less than half of B**3, which rounding
     removes.
     SAFETY (all unsafe operations on words of digits): arithmetic modulo 2**256 is what the
     digits need; each function states the bound of its digits.

     int16 and int8 elements enter as x + 2**15 (their sign bit flipped), so that a mask cuts
     them out unsigned, and get the bias subtracted again as a word of digits.
"""

# ------------------------------------------------------------------
#                            CONSTANTS
# ------------------------------------------------------------------

TILE_BYTES: constant(uint256) = 2048

# One digit of 1 in each place.
ONES: constant(uint256) = 1 + 2**64 + 2**128 + 2**192
LOW_8: constant(uint256) = ONES * (2**8 - 1)
LOW_16: constant(uint256) = ONES * (2**16 - 1)
LOW_32: constant(uint256) = ONES * (2**32 - 1)
BIAS_8: constant(uint256) = ONES * 2**7
BIAS_16: constant(uint256) = ONES * 2**15
RAISED: constant(uint256) = ONES * 2**50

# Digits 0 and 2.
EVEN_DIGITS: constant(uint256) = (2**64 - 1) * (1 + 2**128)

# A 1 in each of eight packed 32-bit elements.
UNITS_32: constant(uint256) = ONES * (1 + 2**32)

# The sign bits of all packed elements of a word.
SIGNS_8: constant(uint256) = ONES * ((2**64 - 1) // (2**8 - 1) * 2**7)
SIGNS_16: constant(uint256) = ONES * ((2**64 - 1) // (2**16 - 1) * 2**15)
SIGNS_32: constant(uint256) = UNITS_32 * 2**31


# ------------------------------------------------------------------
#                           ONE ELEMENT
# ------------------------------------------------------------------


@internal
@pure
def element(data: Bytes[TILE_BYTES], elem_bytes: uint256, index: uint256) -> int256:
    """
    @notice Element `index` of a tile of big-endian signed elements of 1 to 32 bytes.
    @dev The caller has checked that the tile holds it: the word read may then begin in the
         tile's last byte and end in the 32 bytes appended.
    """
    padded: Bytes[TILE_BYTES + 32] = concat(data, empty(bytes32))
    word: int256 = extract32(padded, unsafe_mul(index, elem_bytes), output_type=int256)
    return word >> unsafe_sub(256, unsafe_mul(8, elem_bytes))


# ------------------------------------------------------------------
#                         WORDS OF DIGITS
# ------------------------------------------------------------------


@internal
@pure
def _top(word: uint256) -> int256:
    """
    @notice The signed top digit, all digits being below 2**62 in size.
    @dev |d2*B**2 + d1*B + d0| < 2**62 * B**2 * (1 + 2**-63) < B**3 / 2: after adding half of
         B**3, the floor of the division by B**3 is d3 whatever the signs below.
    """
    return convert(convert(unsafe_add(word, 1 << 191), bytes32), int256) >> 192


@internal
@pure
def _digit_max(best: uint256, x: uint256, y: uint256) -> uint256:
    """
    @notice Digit by digit the largest of three, all within [0, 2**33).
    @dev a + 2**33 - b is within (0, 2**34), so no digit borrows and bit 33 says a >= b; times
         2**33 - 1 that bit selects a, as b ^ (a ^ b).
    """
    larger: uint256 = x ^ (
        (x ^ y)
        & unsafe_mul((unsafe_sub(unsafe_add(y, ONES << 33), x) >> 33) & ONES, 2**33 - 1)
    )
    return larger ^ (
        (larger ^ best)
        & unsafe_mul((unsafe_sub(unsafe_add(best, ONES << 33), larger) >> 33) & ONES, 2**33 - 1)
    )


@internal
@pure
def _saturated(raised: uint256) -> uint256:
    """
    @notice Clamp u in digits 2**50 + u, all within (2**49, 2**51), to [0, 2**16).
    @dev Bit 50 says u >= 0 and clears u where it is not set; then bit 50 of 2**50 - 2**16 + u
         says u >= 2**16 and sets the low bits.
    """
    u: uint256 = raised & unsafe_mul((raised >> 50) & ONES, 2**50 - 1)
    over: uint256 = (unsafe_add(u, ONES * (2**50 - 2**16)) >> 50) & ONES
    return (u | unsafe_mul(over, 2**16 - 1)) & LOW_16


@internal
@pure
def _largest(word: uint256) -> int256:
    """
    @notice The largest of four digits within [0, B).
    """
    best: uint256 = word >> 192
    for low: uint256 in [0, 64, 128]:
        best = max(best, (word >> low) & (2**64 - 1))
    return convert(best, int256)


# ------------------------------------------------------------------
#                          DOT PRODUCTS
# ------------------------------------------------------------------


@internal
@pure
def dot(a: Bytes[TILE_BYTES], b: Bytes[TILE_BYTES], b_bits: uint256) -> int256:
    """
    @notice sum(a[k] * b[k]) over an int16 tile and a tile of int16 (b_bits 16) or int8 (8) of
            as many elements, at most 512.
    @dev Digits stay within 512 * 2**30 = 2**39. Appended zeros count as elements of 0; what a
         word of int8 has beyond the sixteen elements of a step is dropped.
         About 44 gas a product; a plain loop over the elements takes 230.
    """
    a_padded: Bytes[TILE_BYTES + 32] = concat(a, empty(bytes32))
    b_padded: Bytes[TILE_BYTES + 32] = concat(b, empty(bytes32))
    a_mask: uint256 = LOW_16
    a_bias: uint256 = BIAS_16
    b_mask: uint256 = LOW_16 if b_bits == 16 else LOW_8
    b_bias: uint256 = BIAS_16 if b_bits == 16 else BIAS_8
    b_bits_2: uint256 = unsafe_mul(2, b_bits)
    b_bits_3: uint256 = unsafe_mul(3, b_bits)
    total: uint256 = 0
    for i: uint256 in range(unsafe_add(len(a), 31) >> 5, bound=64):
        x: uint256 = extract32(a_padded, i << 5, output_type=uint256) ^ SIGNS_16
        y: uint256 = extract32(b_padded, unsafe_mul(i << 1, b_bits), output_type=uint256)
        # Elements four to a digit, digits reversed: first the halves of what holds the sixteen
        # elements, then the two digits, or the two halves of a digit, within each.
        if b_bits == 16:
            y = y ^ SIGNS_16
            y = (y << 128) | (y >> 128)
            y = ((y & EVEN_DIGITS) << 64) | ((y >> 64) & EVEN_DIGITS)
        else:
            y = y ^ SIGNS_8
            y = (((y >> 128) << 128) | (y >> 192)) & EVEN_DIGITS
            y = ((y << 64) | (y >> 32)) & LOW_32
        total = unsafe_add(
            unsafe_add(
                unsafe_mul(
                    unsafe_sub(x & a_mask, a_bias),
                    unsafe_sub(y & b_mask, b_bias),
                ),
                unsafe_mul(
                    unsafe_sub((x >> 16) & a_mask, a_bias),
                    unsafe_sub((y >> b_bits) & b_mask, b_bias),
                ),
            ),
            unsafe_add(
                unsafe_add(
                    total,
                    unsafe_mul(
                        unsafe_sub((x >> 32) & a_mask, a_bias),
                        unsafe_sub((y >> b_bits_2) & b_mask, b_bias),
                    ),
                ),
                unsafe_mul(
                    unsafe_sub((x >> 48) & a_mask, a_bias),
                    unsafe_sub((y >> b_bits_3) & b_mask, b_bias),
                ),
            ),
        )
    return self._top(total)


@internal
@pure
def dot_8(a: Bytes[TILE_BYTES], b: Bytes[TILE_BYTES]) -> int256:
    """
    @notice sum(a[k] * b[k]) over two int8 tiles of as many elements, at most 512.
    @dev Digits stay within 512 * 2**14 = 2**23. Appended zeros count as elements of 0.
    """
    a_padded: Bytes[TILE_BYTES + 32] = concat(a, empty(bytes32))
    b_padded: Bytes[TILE_BYTES + 32] = concat(b, empty(bytes32))
    mask: uint256 = LOW_8
    bias: uint256 = BIAS_8
    total: uint256 = 0
    for i: uint256 in range(unsafe_add(len(a), 31) >> 5, bound=64):
        x: uint256 = extract32(a_padded, i << 5, output_type=uint256) ^ SIGNS_8
        y: uint256 = extract32(b_padded, i << 5, output_type=uint256) ^ SIGNS_8
        # Eight elements to a digit, digits reversed.
        y = (y << 128) | (y >> 128)
        y = ((y & EVEN_DIGITS) << 64) | ((y >> 64) & EVEN_DIGITS)
        for _: uint256 in range(8):
            total = unsafe_add(
                total, unsafe_mul(unsafe_sub(x & mask, bias), unsafe_sub(y & mask, bias))
            )
            x = x >> 8
            y = y >> 8
    return self._top(total)


# ------------------------------------------------------------------
#                       SUMS, MAXIMA, SQUARES
# ------------------------------------------------------------------


@internal
@pure
def sum_16(data: Bytes[TILE_BYTES]) -> int256:
    """
    @notice Sum of an int16 tile.
    @dev Digits stay below 64 * 4 * 2**16 = 2**24, those of the last product below 2**26.
    """
    padded: Bytes[TILE_BYTES + 32] = concat(data, empty(bytes32))
    words: uint256 = unsafe_add(len(data), 31) >> 5
    low: uint256 = LOW_16
    total: uint256 = 0
    for i: uint256 in range(words, bound=64):
        x: uint256 = extract32(padded, i << 5, output_type=uint256) ^ SIGNS_16
        total = unsafe_add(
            unsafe_add(unsafe_add(total, x & low), (x >> 16) & low),
            unsafe_add((x >> 32) & low, (x >> 48) & low),
        )
    # The product's top digit adds up the four; each word brought 16 biases of 2**15.
    return unsafe_sub(self._top(unsafe_mul(total, ONES)), convert(words << 19, int256))


@internal
@pure
def sum_32(data: Bytes[TILE_BYTES]) -> int256:
    """
    @notice Sum of an int32 tile. Appended zeros count as elements of 0.
    @dev Digits stay below 128 * 2**32 = 2**39, the sum of four below 2**41.
    """
    padded: Bytes[TILE_BYTES + 32] = concat(data, empty(bytes32))
    words: uint256 = unsafe_add(len(data), 31) >> 5
    total: uint256 = 0
    for i: uint256 in range(words, bound=64):
        x: uint256 = extract32(padded, i << 5, output_type=uint256) ^ SIGNS_32
        total = unsafe_add(total, unsafe_add(x & LOW_32, (x >> 32) & LOW_32))
    # The product's top digit adds up the four; each word brought 8 biases of 2**31.
    return unsafe_sub(self._top(unsafe_mul(total, ONES)), convert(words << 34, int256))


@internal
@pure
def max_32(data: Bytes[TILE_BYTES]) -> int256:
    """
    @notice Largest element of an int32 tile. What is appended counts as -2**31.
    """
    padded: Bytes[TILE_BYTES + 32] = concat(data, convert(SIGNS_32, bytes32))
    best: uint256 = 0
    for i: uint256 in range(unsafe_add(len(data), 31) >> 5, bound=64):
        x: uint256 = extract32(padded, i << 5, output_type=uint256) ^ SIGNS_32
        best = self._digit_max(best, x & LOW_32, (x >> 32) & LOW_32)
    return unsafe_sub(self._largest(best), 2**31)


@internal
@pure
def abs_max_32(data: Bytes[TILE_BYTES]) -> int256:
    """
    @notice Largest magnitude in an int32 tile, at most 2**31. Appended zeros change nothing.
    """
    padded: Bytes[TILE_BYTES + 32] = concat(data, empty(bytes32))
    best: uint256 = 0
    for i: uint256 in range(unsafe_add(len(data), 31) >> 5, bound=64):
        x: uint256 = extract32(padded, i << 5, output_type=uint256)
        # Two's complement, ~x + 1, of the negative ones among the eight packed elements. No
        # carry leaves an element: ~x < 2**31 where x is negative.
        negative: uint256 = (x >> 31) & UNITS_32
        x = unsafe_add(x ^ unsafe_mul(negative, 2**32 - 1), negative)
        best = self._digit_max(best, x & LOW_32, (x >> 32) & LOW_32)
    return self._largest(best)


@internal
@pure
def square_sum_32(data: Bytes[TILE_BYTES], e: int256) -> int256:
    """
    @notice Sum over an int32 tile of q**2, q = x rounded to units of 2**e, saturated to int16.
    @dev Each biased element u = x + 2**31 becomes ((u << left) + half) >> right, which is
         q + offset before saturation: offset = 2**31 * 2**left / 2**right is whole because
         right <= 31. Adding 2**50 + 2**15 - offset makes it q + 2**15 + 2**50 with all digits
         in (2**49, 2**51), from which `_saturated` reads the saturated q + 2**15.
         The sums of squares stay within 512 * 2**30 = 2**39.
    """
    # From e = 32 on, |x| <= 2**31 rounds to 0; from e = -16 down, any x != 0 saturates.
    if e > 31:
        return 0
    left: uint256 = convert(min(max(unsafe_sub(0, e), 0), 16), uint256)
    right: uint256 = convert(max(e, 0), uint256)
    half: uint256 = ONES * ((1 << right) >> 1)
    mask: uint256 = ONES * ((2**64 - 1) >> right)
    raise_by: uint256 = ONES * (2**50 + 2**15 - ((2**31 << left) >> right))
    low: uint256 = LOW_16
    bias: uint256 = BIAS_16
    padded: Bytes[TILE_BYTES + 32] = concat(data, empty(bytes32))
    total: uint256 = 0
    for i: uint256 in range(unsafe_add(len(data), 31) >> 5, bound=64):
        x: uint256 = extract32(padded, i << 5, output_type=uint256) ^ SIGNS_32
        y: uint256 = (unsafe_add(((x >> 32) & LOW_32) << left, half) >> right) & mask
        x = (unsafe_add((x & LOW_32) << left, half) >> right) & mask
        x = unsafe_add(x, raise_by)
        y = unsafe_add(y, raise_by)
        # In range, what is above the low 16 bits is 2**50: so in every honest row.
        if ((x ^ RAISED) | (y ^ RAISED)) & ~LOW_16 != 0:
            x = self._saturated(x)
            y = self._saturated(y)
        # Two to a digit, so that one reversal serves both.
        x = (x & low) | ((y & low) << 16)
        y = (x << 128) | (x >> 128)
        y = ((y & EVEN_DIGITS) << 64) | ((y >> 64) & EVEN_DIGITS)
        total = unsafe_add(
            unsafe_add(
                total,
                unsafe_mul(unsafe_sub(x & low, bias), unsafe_sub(y & low, bias)),
            ),
            unsafe_mul(
                unsafe_sub((x >> 16) & low, bias), unsafe_sub((y >> 16) & low, bias)
            ),
        )
    return self._top(total)
