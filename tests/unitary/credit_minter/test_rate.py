"""CreditMinter.rate_at: the curve to the last digits, never below it."""

from __future__ import annotations

from typing import Any

import boa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.curve import BUCKET, RATE_ERROR, WAD, exact_rate
from tests.support.economy import CURVE, Economy

EXP = """
# pragma version 0.4.3
from contracts.interfaces import ICreditMinter
from contracts.modules import mint_curve

@pure
@external
def rate(curve: ICreditMinter.Curve, supply: uint256) -> uint256:
    return mint_curve.rate(curve, supply)
"""


@pytest.fixture(scope="module")
def curves() -> Any:
    """The module with any curve."""
    return boa.loads(EXP)


def assert_close(rate: int, curve: tuple[int, int, int], supply: int) -> None:
    exact = exact_rate(curve, supply)
    assert exact <= rate < exact * (1 + RATE_ERROR)


@pytest.mark.parametrize(
    ("supply", "published"), [(0, "90.00"), (10_000, "93.34"), (38_000, "665.01")]
)
def test_golden_points(economy: Economy, supply: int, published: str) -> None:
    """Venice's published point at 10,000, and 90 e^2 at the target."""
    rate = economy.minter.rate_at(supply * WAD)
    assert f"{rate // 10**16 / 100:.2f}" == published


def test_every_bucket_of_the_first_40000(economy: Economy) -> None:
    rates = [economy.minter.rate_at(bound) for bound in range(0, 40_000 * WAD + 1, BUCKET)]
    assert len(rates) == 81
    for place, rate in enumerate(rates):
        assert_close(rate, CURVE, place * BUCKET)
    assert rates == sorted(set(rates))


@settings(max_examples=300)
@given(
    base=st.integers(WAD, 10**5 * WAD),
    power=st.integers(WAD // 10, 10 * WAD),
    target=st.integers(10**3 * WAD, 10**6 * WAD),
    supply=st.integers(0, 10**6 * WAD),
)
def test_any_curve(curves: Any, base: int, power: int, target: int, supply: int) -> None:
    curve = (base, power, target)
    assert_close(curves.rate(curve, supply), curve, supply)


@settings(max_examples=300)
@given(exponent=st.integers(0, 64 * WAD))
def test_any_exponent(curves: Any, exponent: int) -> None:
    """The exponential alone, over its whole range: S = target, power as large as is asked."""
    curve = (WAD, exponent, 10**3 * WAD)
    assert_close(curves.rate(curve, 10**3 * WAD), curve, 10**3 * WAD)


@pytest.mark.parametrize("supply", [4_000 * WAD, 10**25 - 1, 10**25, 2**255])
@pytest.mark.parametrize("base", [WAD, 10**5 * WAD])
def test_end_of_the_curve(curves: Any, base: int, supply: int) -> None:
    """Past an exponent of 64 the rate stays; no supply overflows."""
    curve = (base, WAD, 10**3 * WAD)
    assert curves.rate(curve, supply) == curves.rate(curve, 4_000 * WAD)
    assert curves.rate((base, WAD // 10, 10**6 * WAD), 10**25) == curves.rate(curve, supply)
