"""The model's two price curves against exact ones: mint rate and auction decay."""

from __future__ import annotations

from decimal import Decimal, localcontext

from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.reference.auction import decayed
from tests.support.reference.base import WAD
from tests.support.reference.curve import Curve

VENICE = Curve(90 * WAD, 2 * WAD, 38_000 * WAD)

curves = st.builds(
    Curve,
    st.integers(WAD, 10**5 * WAD),
    st.integers(WAD // 10, 10 * WAD),
    st.integers(10**3 * WAD, 10**6 * WAD),
)
shares = st.fractions(0, 1, max_denominator=10**6)


@given(curve=curves, share=shares)
@example(curve=VENICE, share=1)
def test_rate_is_never_below_the_true_curve_and_hardly_above(curve: Curve, share: float) -> None:
    """Up to the curve's end at e**64, and to twice the target."""
    supply = int(share * 2 * curve.target)
    if curve.power * supply**3 > 64 * WAD * curve.target**3:
        return
    exact, rate = curve.exact_rate(supply), curve.rate(supply)
    assert exact - 1 <= rate <= exact + exact * 5 // 10**18 + 2


def test_rate_at_the_published_points() -> None:
    assert VENICE.rate(10_000 * WAD) // 10**16 == 9_334
    assert VENICE.rate(38_000 * WAD) // 10**16 == 66_501


@given(curve=curves, share=shares, minted=st.integers(1, 20_000 * WAD))
def test_the_least_lock_mints_it_and_a_wei_less_does_not(
    curve: Curve, share: float, minted: int
) -> None:
    supply = int(share * curve.target)
    lock = curve.lock_for(supply, minted)
    if lock >= 2**96:
        return
    assert curve.minted_for(supply, lock) >= minted
    assert curve.minted_for(supply, lock - 1) < minted


@given(
    floor=st.integers(10**6, 2**90),
    multiple=st.integers(11_000, 10**9),
    duration=st.integers(10, 7 * 86_400),
    share=shares,
)
def test_decay_is_the_exact_power_rounded_up(
    floor: int, multiple: int, duration: int, share: float
) -> None:
    start, elapsed = floor * multiple // 10_000, int(share * duration)
    price = decayed(start, floor, duration, elapsed)
    with localcontext() as context:
        context.prec = 60
        exponent = Decimal(duration - elapsed) / duration
        exact = floor * (Decimal(start) / floor) ** exponent
    assert floor <= price <= start
    assert exact - 1 <= price <= exact * (1 + Decimal("8e-18")) + 2


def test_decay_begins_at_the_start_and_ends_at_the_floor() -> None:
    assert decayed(20 * WAD, WAD, 3_600, 0) == 20 * WAD
    assert decayed(20 * WAD, WAD, 3_600, 3_600) == WAD
