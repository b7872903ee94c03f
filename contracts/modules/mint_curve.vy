# pragma version 0.4.3
"""
@title Mint curve: what KARAT costs in locked ASSAY
@license AGPL-3.0-only
@notice rate(S) = base x exp(power x (S / target)^3) ASSAY per KARAT at a supply of S. KARAT is
        sold in buckets [500 k, 500 (k + 1)), each at the rate of its upper bound; a mint that
        starts inside a bucket pays that bucket's price for what is left of it.
        The price of a range of supply is thus a sum over the buckets that it covers: it does
        not depend on who mints it, nor in how many calls, but for the rounding.
@dev Every rounding is against the minter. The rate is never below the curve, and above it by
     less than 5 x 10**-18 of itself (see `rate`); a bucket's cost rounds up by less than one
     unit of ASSAY, the KARAT of the last bucket down by less than one unit of KARAT.
"""

from snekmate.utils import math

from ..interfaces import ICreditMinter

# ------------------------------------------------------------------
#                             CONSTANTS
# ------------------------------------------------------------------

WAD: constant(uint256) = 10**18

BUCKET: constant(uint256) = 500 * WAD
MAX_BUCKETS: constant(uint256) = 64

MIN_BASE: constant(uint256) = WAD
MAX_BASE: constant(uint256) = 10**5 * WAD
MIN_POWER: constant(uint256) = WAD // 10
MAX_POWER: constant(uint256) = 10 * WAD
MIN_TARGET: constant(uint256) = 10**3 * WAD
MAX_TARGET: constant(uint256) = 10**6 * WAD

# At e**64 (6 x 10**27) and MIN_BASE, all ASSAY that can exist (2**96 units) buys 12 units of
# KARAT: the curve may as well end there, and no amount below overflows.
MAX_EXPONENT: constant(uint256) = 64 * WAD

# Ten times the largest target: with the smallest power the exponent is 100, past its end.
MAX_SUPPLY: constant(uint256) = 10 * MAX_TARGET

# ASSAY keeps its amounts below.
MAX_LOCK: constant(uint256) = 2**96 - 1


# ------------------------------------------------------------------
#                              BOUNDS
# ------------------------------------------------------------------


@internal
@pure
def check(curve: ICreditMinter.Curve):
    """
    @notice Reverts unless all parameters are within their bounds.
    """
    assert MIN_BASE <= curve.base and curve.base <= MAX_BASE, "credit_minter: base out of bounds"
    assert MIN_POWER <= curve.power and curve.power <= MAX_POWER, (
        "credit_minter: power out of bounds"
    )
    assert MIN_TARGET <= curve.target and curve.target <= MAX_TARGET, (
        "credit_minter: target out of bounds"
    )


# ------------------------------------------------------------------
#                               RATE
# ------------------------------------------------------------------


@internal
@pure
def rate(curve: ICreditMinter.Curve, supply: uint256) -> uint256:
    """
    @notice ASSAY per KARAT at a supply, 18 decimals, rounded up.
    @dev Against the minter: the exponent is rounded up by less than 10**-18, so the
         exponential grows by less than that part of itself. `_wad_exp` approximates it within
         -3 x 10**-21 and +2 x 10**-20 of itself (measured, test_curve) and rounds down to
         10**-18: 10**-20 of the result and two units more are above the true value. The
         exponential is at least 1 and so is the rate: all in all, with the last division,
         less than 5 x 10**-18 of the rate.
         No overflow: base < 2**77, exponential < 2**153.
    """
    exponent: int256 = convert(self._exponent(curve, supply), int256)
    growth: uint256 = convert(math._wad_exp(exponent), uint256)
    growth += growth // 10**20 + 2
    return math._ceil_div(curve.base * growth, WAD)


@internal
@pure
def _exponent(curve: ICreditMinter.Curve, supply: uint256) -> uint256:
    """
    @notice power x (supply / target)^3, 18 decimals, rounded up, at most MAX_EXPONENT.
    @dev The only division is the last step. No overflow: supply**3 < 10**75 < 2**250; the
         quotient is at most 10**75 x 10**19 / 10**63.
    """
    if supply >= MAX_SUPPLY:
        return MAX_EXPONENT
    exponent: uint256 = math._mul_div(supply**3, curve.power, curve.target**3, True)
    return min(exponent, MAX_EXPONENT)


# ------------------------------------------------------------------
#                              AMOUNTS
# ------------------------------------------------------------------


@internal
@pure
def minted_for(curve: ICreditMinter.Curve, supply: uint256, locked: uint256) -> uint256:
    """
    @notice KARAT that a lock of so much ASSAY mints at a supply, rounded down.
    @dev No overflow: left < 2**96.
    """
    assert locked <= MAX_LOCK, "credit_minter: lock too large"
    left: uint256 = locked
    reached: uint256 = supply
    for _: uint256 in range(MAX_BUCKETS):
        upper: uint256 = self._upper(reached)
        price: uint256 = self.rate(curve, upper)
        cost: uint256 = self._cost(price, upper - reached)
        if left < cost:
            # left x WAD < price x (upper - reached): the bucket is not passed.
            return reached - supply + left * WAD // price
        left -= cost
        reached = upper
    assert left == 0, "credit_minter: too many buckets, mint in parts"
    return reached - supply


@internal
@pure
def lock_for(curve: ICreditMinter.Curve, supply: uint256, minted: uint256) -> uint256:
    """
    @notice The least lock that mints so much KARAT at a supply, rounded up.
    @dev The inverse of `minted_for`: of a bucket of price p, ceil(p x m / WAD) is the least
         amount whose floor(amount x WAD / p) is m or more.
    """
    locked: uint256 = 0
    left: uint256 = minted
    reached: uint256 = supply
    for _: uint256 in range(MAX_BUCKETS):
        if left == 0:
            break
        upper: uint256 = self._upper(reached)
        part: uint256 = min(left, upper - reached)
        locked += self._cost(self.rate(curve, upper), part)
        left -= part
        reached += part
    assert left == 0, "credit_minter: too many buckets, mint in parts"
    return locked


@internal
@pure
def _upper(supply: uint256) -> uint256:
    """
    @notice The upper bound of the bucket that a supply lies in.
    """
    return (supply // BUCKET + 1) * BUCKET


@internal
@pure
def _cost(price: uint256, minted: uint256) -> uint256:
    """
    @dev No overflow: price < 2**171, minted <= BUCKET < 2**69.
    """
    return math._ceil_div(price * minted, WAD)
