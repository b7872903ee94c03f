# pragma version 0.4.3
"""
@title Utilisation of the last seven days, and the stakers' share it gives
@license AGPL-3.0-only
@notice A day's utilisation is min(work / capacity, 1) in basis points. The share of a day
        follows from the mean over the seven days before it: nothing done on a day moves that
        day's share, and one day moves later ones by a seventh of itself.
        Between two corners the share is a straight line, rounded up for the stakers.
@dev The window is one number: seven fields of 14 bits, the latest day lowest. The corners are
     one word: four fields of 32 bits, `used_bps` in the low half of each.
"""

from ..interfaces import IEmissionController

# ------------------------------------------------------------------
#                             CONSTANTS
# ------------------------------------------------------------------

BPS: constant(uint256) = 10_000
MAX_CORNERS: constant(uint256) = 4
MIN_STAKERS_BPS: constant(uint256) = 1_000

WINDOW_DAYS: constant(uint256) = 7
DAY_BITS: constant(uint256) = 14
DAY_MASK: constant(uint256) = 2**14 - 1
WINDOW_MASK: constant(uint256) = 2**98 - 1

CORNER_BITS: constant(uint256) = 32
HALF_BITS: constant(uint256) = 16
HALF_MASK: constant(uint256) = 2**16 - 1

# ------------------------------------------------------------------
#                              STORAGE
# ------------------------------------------------------------------

corners: uint256


# ------------------------------------------------------------------
#                              CORNERS
# ------------------------------------------------------------------


@internal
def _set(corners: DynArray[IEmissionController.Corner, MAX_CORNERS]):
    """
    @notice Utilisation rises from 0 to 10,000 bps, the share never rises, and stakers keep at
            least a tenth.
    """
    assert len(corners) > 1, "split: fewer than two corners"
    last: uint256 = len(corners) - 1
    assert corners[0].used_bps == 0, "split: first corner not at 0"
    assert corners[last].used_bps == BPS, "split: last corner not at 10,000"
    assert corners[0].stakers_bps <= BPS, "split: share above 10,000"
    assert corners[last].stakers_bps >= MIN_STAKERS_BPS, "split: share below 1,000"
    word: uint256 = 0
    for index: uint256 in range(len(corners), bound=MAX_CORNERS):
        corner: IEmissionController.Corner = corners[index]
        if index > 0:
            before: IEmissionController.Corner = corners[index - 1]
            assert corner.used_bps > before.used_bps, "split: corners must rise"
            assert corner.stakers_bps <= before.stakers_bps, "split: share must not rise"
        # Both lie between their first and last values, below 2^16.
        word |= (corner.used_bps | (corner.stakers_bps << HALF_BITS)) << (CORNER_BITS * index)
    self.corners = word


@view
@internal
def _corners() -> DynArray[IEmissionController.Corner, MAX_CORNERS]:
    corners: DynArray[IEmissionController.Corner, MAX_CORNERS] = []
    word: uint256 = self.corners
    for _: uint256 in range(MAX_CORNERS):
        corner: IEmissionController.Corner = self._corner(word)
        corners.append(corner)
        if corner.used_bps == BPS:
            break
        word = word >> CORNER_BITS
    return corners


@view
@internal
def _share(used_bps: uint256) -> uint256:
    """
    @param used_bps At most 10,000.
    @return The stakers' share in bps.
    """
    word: uint256 = self.corners
    low: IEmissionController.Corner = self._corner(word)
    for _: uint256 in range(MAX_CORNERS - 1):
        word = word >> CORNER_BITS
        high: IEmissionController.Corner = self._corner(word)
        if used_bps <= high.used_bps:
            fall: uint256 = low.stakers_bps - high.stakers_bps
            width: uint256 = high.used_bps - low.used_bps
            return low.stakers_bps - fall * (used_bps - low.used_bps) // width
        low = high
    raise "split: unreachable"


@pure
@internal
def _corner(word: uint256) -> IEmissionController.Corner:
    return IEmissionController.Corner(
        used_bps=word & HALF_MASK, stakers_bps=(word >> HALF_BITS) & HALF_MASK
    )


# ------------------------------------------------------------------
#                               WINDOW
# ------------------------------------------------------------------


@pure
@internal
def _push(window: uint256, work: uint256, capacity: uint256) -> uint256:
    """
    @return The window after one more day, the oldest day dropped.
    """
    return ((window << DAY_BITS) & WINDOW_MASK) | min(work * BPS // capacity, BPS)


@pure
@internal
def _mean(window: uint256) -> uint256:
    """
    @return Mean utilisation in bps, rounded down.
    """
    sum: uint256 = 0
    for index: uint256 in range(WINDOW_DAYS):
        sum += (window >> (DAY_BITS * index)) & DAY_MASK
    return sum // WINDOW_DAYS
