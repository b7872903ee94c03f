# pragma version 0.4.3
"""
@title Openings: what a value was as a UTC day began, for today and yesterday
@license AGPL-3.0-only
@notice Beside a value its owner keeps the day of its last change, and one word: the value as
        that day began, and as the day before it began. The word is rolled to today before the
        value changes; while the value does not change, nothing needs to be written.
@dev The word: value as the day began 96 bits, as the day before began above it. Pure: where
     word, day and value are kept is the caller's, and its values are below 2^96.
"""

DAY: constant(uint256) = 86_400
VALUE_BITS: constant(uint256) = 96
VALUE_MASK: constant(uint256) = 2**96 - 1


@view
@internal
def _rolled(word: uint256, day: uint256, current: uint256) -> uint256:
    """
    @param day The day of the last change.
    @param current The value now, the same since that day.
    @return The word of today.
    """
    today: uint256 = block.timestamp // DAY
    if day == today:
        return word
    before: uint256 = current
    if day == today - 1:
        before = word & VALUE_MASK
    return current | (before << VALUE_BITS)


@view
@internal
def _check(asked: uint256):
    today: uint256 = block.timestamp // DAY
    assert asked == today or asked == today - 1, "openings: neither today nor yesterday"


@pure
@internal
def _kept(word: uint256, day: uint256, asked: uint256) -> uint256:
    """
    @notice For a day not after the last change; before a later day began, the value was what
            it is now.
    @param day The day of the last change.
    @param asked That day or the one before: today or yesterday, and no change is later.
    @return The value as the asked day began.
    """
    if asked == day:
        return word & VALUE_MASK
    return word >> VALUE_BITS
