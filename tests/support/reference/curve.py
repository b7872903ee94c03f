"""The mint curve: rate(S) = base x exp(power x (S / target)^3), sold in buckets of 500 KARAT."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal, localcontext

from tests.support.reference.base import WAD, ceil_div, require
from tests.support.reference.wad import exact_exp, wad_exp

BUCKET = 500 * WAD
MAX_BUCKETS = 64
MAX_EXPONENT = 64 * WAD  # the curve ends there: all ASSAY buys 12 units of KARAT
MAX_LOCK = 2**96 - 1


@dataclass(frozen=True)
class Curve:
    """18 decimals each: ASSAY per KARAT, a pure number, KARAT."""

    base: int
    power: int
    target: int

    def exact_rate(self, supply: int) -> int:
        """The real curve, rounded up to 10**-18 ASSAY per KARAT."""
        growth = exact_exp(self.power * supply**3, self.target**3 * WAD)
        with localcontext() as context:
            context.prec = 60
            rate = Decimal(self.base) * growth
        return int(rate.to_integral_value(rounding=ROUND_CEILING))

    def rate(self, supply: int) -> int:
        """The contract's: snekmate's exponential of the exponent rounded up, and its error added.

        Exactly that, so that whole runs agree to the unit. Never below `exact_rate`, and above
        it by less than 5 x 10**-18 of the rate; the suite measures it.
        """
        exponent = min(ceil_div(supply**3 * self.power, self.target**3), MAX_EXPONENT)
        growth = wad_exp(exponent)
        return ceil_div(self.base * (growth + growth // 10**20 + 2), WAD)

    def minted_for(self, supply: int, locked: int) -> int:
        """KARAT for a lock, rounded down; each bucket's cost is rounded up."""
        require(locked <= MAX_LOCK, "lock too large")
        left, reached = locked, supply
        for _ in range(MAX_BUCKETS):
            upper = (reached // BUCKET + 1) * BUCKET
            price = self.rate(upper)
            cost = ceil_div(price * (upper - reached), WAD)
            if left < cost:
                return reached - supply + left * WAD // price
            left -= cost
            reached = upper
        require(left == 0, "too many buckets")
        return reached - supply

    def lock_for(self, supply: int, minted: int) -> int:
        """The least lock that mints so much, rounded up."""
        total, left, reached, buckets = 0, minted, supply, 0
        while left:
            buckets += 1
            require(buckets <= MAX_BUCKETS, "too many buckets")
            upper = (reached // BUCKET + 1) * BUCKET
            part = min(left, upper - reached)
            total += ceil_div(self.rate(upper) * part, WAD)
            left -= part
            reached += part
        return total
