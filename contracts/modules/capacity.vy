# pragma version 0.4.3
"""
@title The network's published capacity of a day, in micro-USD at reference prices
@license AGPL-3.0-only
@notice A change holds from the next day on, at most doubles or halves, and comes at most every
        second day: so the one word knows yesterday's, today's and every later day's value.
@dev The word: value before 50 bits, value from `from_day` on 50 bits, from_day above.
"""

# ------------------------------------------------------------------
#                             CONSTANTS
# ------------------------------------------------------------------

DAY: constant(uint256) = 86_400
MIN_USD_MICRO: constant(uint256) = 10**6
MAX_USD_MICRO: constant(uint256) = 10**15

VALUE_BITS: constant(uint256) = 50
VALUE_MASK: constant(uint256) = 2**50 - 1

# ------------------------------------------------------------------
#                              STORAGE
# ------------------------------------------------------------------

word: uint256


@deploy
def __init__(usd_micro: uint256):
    self._check_bounds(usd_micro)
    self.word = usd_micro | (usd_micro << VALUE_BITS)


@internal
def _set(usd_micro: uint256) -> uint256:
    """
    @return The day from which it holds.
    """
    self._check_bounds(usd_micro)
    today: uint256 = block.timestamp // DAY
    word: uint256 = self.word
    # INVARIANT: the value that becomes "before" held yesterday as well.
    assert today > word >> (2 * VALUE_BITS), "capacity: changed within two days"
    current: uint256 = (word >> VALUE_BITS) & VALUE_MASK
    assert usd_micro <= 2 * current, "capacity: more than doubled"
    assert 2 * usd_micro >= current, "capacity: less than halved"
    self.word = current | (usd_micro << VALUE_BITS) | ((today + 1) << (2 * VALUE_BITS))
    return today + 1


@view
@internal
def _on(day: uint256) -> uint256:
    """
    @notice Right from yesterday on; older days may have had another value.
    """
    word: uint256 = self.word
    if day < word >> (2 * VALUE_BITS):
        return word & VALUE_MASK
    return (word >> VALUE_BITS) & VALUE_MASK


@pure
@internal
def _check_bounds(usd_micro: uint256):
    assert usd_micro >= MIN_USD_MICRO, "capacity: too small"
    assert usd_micro <= MAX_USD_MICRO, "capacity: too large"
