"""Amounts, percentages and times as people write them, and back: exact, never a float."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from assay.core.errors import InputError

BPS = 10_000
SECONDS_PER_DAY = 86_400
EVERYTHING = "max"
SHOWN_DECIMALS = 6
LAST_SECOND = 253_402_300_799  # of the year 9999: beyond it there is no date to write

NUMBER = re.compile(r"(\d+(?:_\d+)*)(?:\.(\d+))?", re.ASCII)
SPAN = re.compile(r"(\d+)([smhdw])", re.ASCII)
SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": SECONDS_PER_DAY, "w": 7 * SECONDS_PER_DAY}


@dataclass(frozen=True)
class Unit:
    """A token or a ratio: how it is called, and how many decimals its smallest unit has."""

    symbol: str
    decimals: int


ASSAY = Unit("ASSAY", 18)
KARAT = Unit("KARAT", 18)
USDC = Unit("USDC", 6)
ETHER = Unit("ETH", 18)
ASSAY_PER_KARAT = Unit("ASSAY per KARAT", 18)
ASSAY_PER_DOLLAR = Unit("ASSAY per USDC", 18)
PERCENT = Unit("%", 2)


@dataclass(frozen=True)
class Amount:
    """So many smallest units of something."""

    units: int
    unit: Unit

    def __str__(self) -> str:
        """For people: thousands separated, at most six decimals, cut ones marked.

        What would be cut to nothing is written out.
        """
        whole, _, fraction = self.exact.partition(".")
        if len(fraction) > SHOWN_DECIMALS and (
            whole != "0" or fraction[:SHOWN_DECIMALS].strip("0")
        ):
            fraction = fraction[:SHOWN_DECIMALS] + "…"
        return f"{int(whole):,}{'.' if fraction else ''}{fraction} {self.unit.symbol}"

    @property
    def exact(self) -> str:
        """All decimals, no separators: what a program reads, and what `parse_amount` takes."""
        return decimal(self.units, self.unit.decimals)


@dataclass(frozen=True)
class Moment:
    """A second of Unix time, seen from `now`."""

    at: int
    now: int

    def __str__(self) -> str:
        left = self.at - self.now
        distance = f"in {span(left)}" if left > 0 else f"{span(-left)} ago" if left < 0 else "now"
        return f"{utc(self.at)} UTC ({distance})"

    @property
    def exact(self) -> str:
        return utc(self.at).replace(" ", "T") + "Z"


def decimal(units: int, decimals: int) -> str:
    """Every digit of an amount, without zeros at the end."""
    digits = str(units).rjust(decimals + 1, "0")
    whole, fraction = digits[: len(digits) - decimals], digits[len(digits) - decimals :]
    fraction = fraction.rstrip("0")
    return whole + (f".{fraction}" if fraction else "")


def is_everything(text: str) -> bool:
    """Whether "max" was written instead of an amount."""
    return text.strip().lower() == EVERYTHING


def parse_amount(text: str, unit: Unit, what: str = "amount") -> int:
    """Smallest units of a positive decimal number such as 12.5; InputError says what is wrong."""
    found = NUMBER.fullmatch(text.strip())
    if found is None:
        raise InputError(
            f"{text!r} is no amount of {unit.symbol} for the {what}; write a number with a point, "
            "such as 12.5, without separators",
            code="bad_amount",
        )
    whole, fraction = found[1].replace("_", ""), found[2] or ""
    if len(fraction) > unit.decimals:
        raise InputError(
            f"{text} has {len(fraction)} decimals, {unit.symbol} has {unit.decimals}; "
            f"write at most {unit.decimals}",
            code="bad_amount",
        )
    units = int(whole + fraction.ljust(unit.decimals, "0"))
    if units == 0:
        raise InputError(f"the {what} is zero; write a positive number", code="bad_amount")
    if units >= 2**256:
        raise InputError(f"{text} {unit.symbol} is beyond any balance", code="bad_amount")
    return units


def parse_percent(text: str, what: str) -> int:
    """Basis points of "1", "0.5" or "0.5%"; at most 100 %."""
    found = NUMBER.fullmatch(text.strip().removesuffix("%").strip())
    if found is None or len(found[2] or "") > PERCENT.decimals:
        raise InputError(
            f"{text!r} is no percentage for the {what}; write one with at most two decimals, "
            "such as 0.5",
            code="bad_amount",
        )
    bps = int(found[1].replace("_", "") + (found[2] or "").ljust(PERCENT.decimals, "0"))
    if bps > BPS:
        raise InputError(f"the {what} of {text} is above 100 %", code="bad_amount")
    return bps


def parse_moment(text: str, now: int) -> int:
    """Unix time of "30d" or "12h" from now, of "2026-05-01[T12:00]" in UTC, or of a number."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return int(text)
    if found := SPAN.fullmatch(text):
        return now + int(found[1]) * SECONDS[found[2]]
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(
            f"{text!r} is no time; write 30d, 12h, 2026-05-01, 2026-05-01T12:00 (UTC) or Unix "
            "seconds",
            code="bad_time",
        ) from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def utc(at: int) -> str:
    """A second of Unix time, to read."""
    return f"{datetime.fromtimestamp(min(at, LAST_SECOND), UTC):%Y-%m-%d %H:%M:%S}"


def span(seconds: int) -> str:
    """A length of time in its two largest units."""
    parts = []
    for name, size in (("d", SECONDS_PER_DAY), ("h", 3_600), ("min", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts[:2]) or "0 s"
