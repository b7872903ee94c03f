"""The mint curve in Python: exactly in decimals, and in integers as the contract walks it.

The decimals say what the rate should be; they know nothing of the contract's exponential. The
integers take the contract's own rates and repeat its rounding to the unit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Context, Decimal, localcontext
from fractions import Fraction

WAD = 10**18
BUCKET = 500 * WAD
MAX_BUCKETS = 64
MAX_EXPONENT = 64
RATE_ERROR = Fraction(5, 10**18)  # the rate is above the curve by less than this part of itself

Curve = tuple[int, int, int]
Rate = Callable[[int], int]


def exact_rate(curve: Curve, supply: int) -> Fraction:
    """base x exp(power x (S / target)^3) to 60 digits, in units; the exponent ends at 64."""
    base, power, target = curve
    exponent = min(Fraction(power, WAD) * Fraction(supply, target) ** 3, Fraction(MAX_EXPONENT))
    with localcontext(Context(prec=60)):
        growth = (Decimal(exponent.numerator) / Decimal(exponent.denominator)).exp()
        return base * Fraction(growth)


def pieces(supply: int, minted: int) -> Iterator[tuple[int, int]]:
    """A range of supply as (upper bound of its bucket, amount in it)."""
    reached, end = supply, supply + minted
    while reached < end:
        upper = (reached // BUCKET + 1) * BUCKET
        yield upper, min(end, upper) - reached
        reached = upper


def price(rate: Rate, supply: int, minted: int) -> Fraction:
    """What a range of supply costs in units of ASSAY, before any rounding of amounts."""
    return sum(
        (Fraction(rate(upper) * part, WAD) for upper, part in pieces(supply, minted)), Fraction()
    )


def lock_for(rate: Rate, supply: int, minted: int) -> int:
    """The least lock that mints so much: every bucket rounds up."""
    return sum(-(-rate(upper) * part // WAD) for upper, part in pieces(supply, minted))


def minted_for(rate: Rate, supply: int, locked: int) -> int:
    """What a lock mints: buckets passed round up, the last amount down."""
    reached = supply
    while True:
        upper = (reached // BUCKET + 1) * BUCKET
        cost = -(-rate(upper) * (upper - reached) // WAD)
        if locked < cost:
            return reached - supply + locked * WAD // rate(upper)
        locked -= cost
        reached = upper
