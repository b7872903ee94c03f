# pragma version 0.4.3
"""
@title A price that falls geometrically from a start to a floor
@license AGPL-3.0-only
@notice price(t) = floor * (start / floor)**((duration - t) / duration). Every second takes the
        same share of the price away, so what a block's delay costs does not depend on where
        between start and floor the market is.
"""

from snekmate.utils import math

WAD: constant(uint256) = 10**18

# What the importer must hold to; the arguments below rest on it, and on start < 2**110.
MIN_FLOOR: constant(uint256) = 10**6
MAX_FLOOR: constant(uint256) = 2**96
MIN_MULTIPLE_BPS: constant(uint256) = 11_000
MIN_DURATION_SECONDS: constant(uint256) = 10
MAX_DURATION_SECONDS: constant(uint256) = 7 * 86_400


@pure
@internal
def _price(
    start_price: uint256, floor_price: uint256, duration_seconds: uint256, elapsed: uint256
) -> uint256:
    """
    @notice The price `elapsed` seconds after the start, at most `duration_seconds`; rounded up.
    """
    # No overflow: start * WAD < 2**170; start / floor < 2**91 has a logarithm below 64 * WAD,
    # and wad_exp takes up to 135 * WAD.
    # INVARIANT: never rises. Consecutive exponents differ by at least
    # ln(1.1) * WAD / MAX_DURATION_SECONDS > 10**11 units, consecutive results by more than
    # 10**-7 of themselves; wad_exp errs by about 10**-18 of its result, which is at least WAD.
    ratio: uint256 = math._ceil_div(start_price * WAD, floor_price)
    # Two units up: what wad_ln and wad_exp cut off, so that the first price is the start's.
    full: uint256 = convert(math._wad_ln(convert(ratio, int256)), uint256) + 2
    exponent: uint256 = math._ceil_div(full * (duration_seconds - elapsed), duration_seconds)
    factor: uint256 = convert(math._wad_exp(convert(exponent, int256)), uint256)
    # INVARIANT: floor <= price <= start.
    return max(floor_price, min(start_price, math._ceil_div(floor_price * factor, WAD)))
