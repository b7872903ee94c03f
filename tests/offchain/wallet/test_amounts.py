"""Amounts, percentages and times: exact in both directions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.core.errors import InputError
from assay.wallet.amounts import (
    ASSAY,
    USDC,
    Amount,
    Moment,
    decimal,
    parse_amount,
    parse_moment,
    parse_percent,
    span,
)

NOW = 1_700_000_000


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("12.5", 12_500_000),
        ("1_000", 1_000_000_000),
        (" 0.000001 ", 1),
        ("007", 7_000_000),
        ("3.100000", 3_100_000),
    ],
)
def test_amount(text: str, units: int) -> None:
    assert parse_amount(text, USDC) == units


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "1,5",
        "1,000",
        "1e3",
        "-1",
        "+1",
        "0",
        "0.0",
        ".5",
        "5.",
        "five",
        "١",
        "1.2.3",
        "1__0",
    ],
)
def test_bad_amount(text: str) -> None:
    with pytest.raises(InputError):
        parse_amount(text, USDC)


def test_too_many_decimals_are_refused_not_rounded() -> None:
    with pytest.raises(InputError, match="7 decimals, USDC has 6"):
        parse_amount("1.0000001", USDC)


def test_amount_beyond_any_balance() -> None:
    with pytest.raises(InputError, match="beyond"):
        parse_amount("9" * 70, ASSAY)


@given(st.integers(min_value=1, max_value=2**256 - 1), st.integers(min_value=0, max_value=18))
def test_what_is_written_can_be_read_back(units: int, decimals: int) -> None:
    unit = type(ASSAY)("X", decimals)
    assert parse_amount(decimal(units, decimals), unit) == units


@pytest.mark.parametrize(
    ("units", "text"),
    [
        (0, "0 ASSAY"),
        (1_234_567 * 10**18, "1,234,567 ASSAY"),
        (15 * 10**17, "1.5 ASSAY"),
        (10**18 + 1, "1.000000… ASSAY"),
        (123456789 * 10**9, "0.123456… ASSAY"),
        (1, "0.000000000000000001 ASSAY"),
    ],
)
def test_amount_for_people(units: int, text: str) -> None:
    assert str(Amount(units, ASSAY)) == text


@pytest.mark.parametrize(
    ("text", "bps"), [("0", 0), ("0.5", 50), ("0.01%", 1), ("12 %", 1_200), ("100", 10_000)]
)
def test_percent(text: str, bps: int) -> None:
    assert parse_percent(text, "part") == bps


@pytest.mark.parametrize("text", ["", "-1", "0.005", "100.01", "a", "1e1"])
def test_bad_percent(text: str) -> None:
    with pytest.raises(InputError):
        parse_percent(text, "part")


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("90m", NOW + 5_400),
        ("30d", NOW + 30 * 86_400),
        ("2w", NOW + 14 * 86_400),
        ("1800000000", 1_800_000_000),
        ("2030-01-01", 1_893_456_000),
        ("2030-01-01T00:00", 1_893_456_000),
        ("2030-01-01T01:00+01:00", 1_893_456_000),
    ],
)
def test_moment(text: str, at: int) -> None:
    assert parse_moment(text, NOW) == at


@pytest.mark.parametrize("text", ["", "soon", "3y", "2030-13-01", "-5d"])
def test_bad_moment(text: str) -> None:
    with pytest.raises(InputError):
        parse_moment(text, NOW)


def test_moment_for_people() -> None:
    assert str(Moment(NOW + 90_000, NOW)) == "2023-11-15 23:13:20 UTC (in 1 d 1 h)"
    assert str(Moment(NOW - 61, NOW)).endswith("(1 min 1 s ago)")
    assert str(Moment(NOW, NOW)).endswith("(now)")
    assert Moment(NOW, NOW).exact == "2023-11-14T22:13:20Z"
    assert "9999" in str(Moment(2**40 - 1, NOW))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (3_600, "1 h"), (90_061, "1 d 1 h"), (86_405, "1 d 5 s")],
)
def test_span(seconds: int, text: str) -> None:
    assert span(seconds) == text
