"""The model's exponential and logarithm are snekmate's; how far both are from the true ones."""

from __future__ import annotations

from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import boa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.reference.base import WAD
from tests.support.reference.wad import exact_exp, wad_exp, wad_ln

exponents = st.integers(0, 135 * WAD)
ratios = st.integers(WAD, 2**180)


@pytest.fixture(scope="module")
def snekmate() -> Any:
    return boa.load(str(Path(__file__).with_name("functions.vy")))


@given(x=exponents)
@example(x=0)
@example(x=1)
@example(x=2 * WAD)
@example(x=64 * WAD)
def test_exponential_is_snekmates(snekmate: Any, x: int) -> None:
    assert snekmate.exponential(x) == wad_exp(x)


@given(x=ratios)
@example(x=WAD)
@example(x=WAD + 1)
@example(x=10 * WAD)
def test_logarithm_is_snekmates(snekmate: Any, x: int) -> None:
    assert snekmate.logarithm(x) == wad_ln(x)


@given(x=exponents)
def test_exponential_errs_by_two_units_of_its_last_digit_or_its_20th(x: int) -> None:
    """It cuts off a unit, and approximates to 2 x 10**-20 of the result."""
    exact = exact_exp(x, WAD) * WAD
    error = Decimal(wad_exp(x)) - exact
    assert -1 - exact * Decimal("3e-21") - Decimal("0.1") < error < exact * Decimal("2e-20") + 1


@given(x=ratios)
def test_logarithm_errs_by_less_than_two_units(x: int) -> None:
    with localcontext() as context:
        context.prec = 60
        exact = (Decimal(x) / WAD).ln() * WAD
    assert -2 < Decimal(wad_ln(x)) - exact < 1
