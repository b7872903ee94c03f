"""Venice's public figures: what the replay repeats, each with where it was published.

VVV on Base, 0xacfE6019Ed1A7Dc6f7B508C02d1b04ec88cC21bf. Dates are UTC days; the sources give no
times, so every change is taken to hold from 00:00. Venice's burns are transfers to the zero
address: its `totalSupply` does not fall, and "supply" here is what is left after burns.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

MILLION = 10**6
LAUNCH = date(2025, 1, 27)


@dataclass(frozen=True)
class Rate:
    """Emission from a day on, in tokens a year."""

    since: date
    per_year: int
    source: str
    note: str = ""


@dataclass(frozen=True)
class CurvePoint:
    """VVV locked per DIEM at a supply of DIEM, as published, to two decimals."""

    supply: int
    rate: str
    source: str


@dataclass(frozen=True)
class Published:
    """A figure that somebody read off the chain or computed, to compare with: millions of VVV.

    what    "supply" after burns, or "minted": since the launch, or since the day `since`
    """

    on: date
    what: str
    millions: float
    source: str
    since: date = LAUNCH


GENESIS = 100 * MILLION
AIRDROP = 50 * MILLION

# 17.4 M were claimed by some 40,000 wallets, the rest was burned when the 45 days were over.
# Elsewhere 32.7 M are named: about a third of the supply either way.
AIRDROP_END = date(2025, 3, 13)
AIRDROP_BURNED = 32_600_000
AIRDROP_SOURCES = (
    "https://venice.ai/blog/introducing-the-venice-token-vvv (2025-01-27)",
    "https://www.theblock.co/post/345912/venice-airdrop-ends-100-million-usd-unclaimed-vvv-tokens-burned"
    " (2025-03-12)",
)


@dataclass(frozen=True)
class Reading:
    """Tokens at the zero address on a day, all burns together."""

    on: date
    burned: int
    source: str


# Between two readings the burns are spread evenly: what is public are months at best.
BURNS = (
    Reading(AIRDROP_END, AIRDROP_BURNED, "as above"),
    Reading(
        date(2026, 4, 15),
        33_700_000,
        "https://venice.ai/blog/programmatic-vvv-buy-and-burn (over 33.7 M)",
    ),
    Reading(date(2026, 9, 18), 33_880_000, "balanceOf(0x0), as read by third parties that day"),
)

# A reading of the staking contract, 0x321b7ff75154472B18EDb199033fF4D116F340Ff, and of the token.
READ_FROM_CHAIN = "https://mrnasdog.com/research/vvv/inflation (2026-09-23)"

RATES = (
    Rate(LAUNCH, 14 * MILLION, "https://venice.ai/blog/introducing-the-venice-token-vvv"),
    Rate(
        date(2025, 8, 20),
        10 * MILLION,
        "https://venice.ai/blog/7-days-to-diem (effective as of Aug 20)",
    ),
    Rate(
        date(2025, 10, 23),
        8 * MILLION,
        "https://x.com/AskVenice/status/1975598404085371013 (announced 2025-10-07)",
        "the day is not certain: sources say October or November 2025; a month's difference is"
        " 0.16 M tokens",
    ),
    Rate(
        date(2026, 2, 10),
        6 * MILLION,
        "https://dex.gate.com/crypto-wiki/article/what-is-vvv-token-economics-model-50-airdrop-14-"
        "annual-inflation-and-governance-mechanisms-explained-20260110",
    ),
    Rate(date(2026, 5, 1), 5 * MILLION, "https://x.com/AskVenice/status/2050251602036941087"),
    Rate(
        date(2026, 6, 1),
        4 * MILLION,
        "https://x.com/AskVenice/status/2037231269449523276 (announced 2026-03-26)",
    ),
    Rate(
        date(2026, 7, 1),
        3 * MILLION,
        "https://x.com/AskVenice/status/2037231269449523276 (announced 2026-03-26)",
    ),
    Rate(
        date(2026, 9, 1),
        2_500_000,
        f"{READ_FROM_CHAIN}: 4 M until Jul 1, 3 M until Sep 1, 2.5 M since",
    ),
    Rate(
        date(2026, 10, 1),
        2 * MILLION,
        f"{READ_FROM_CHAIN}: announced by Venice",
        "announced; whether it came on that day was not looked up",
    ),
)

CURVE_SOURCE = "https://venice.ai/blog/7-days-to-diem"
CURVE_BASE, CURVE_POWER, CURVE_TARGET = 90, 2, 38_000
CURVE_POINTS = (
    CurvePoint(10_000, "93.34", f"{CURVE_SOURCE} (mint rate after Venice's own 10,000 DIEM)"),
    CurvePoint(38_000, "665.01", "90 e^2, the same formula at its target supply"),
)

PUBLISHED = (
    Published(
        date(2026, 4, 15),
        "supply",
        78.6,
        "https://venice.ai/blog/programmatic-vvv-buy-and-burn: 33.7 M burned are 42.9 % of it",
    ),
    Published(
        date(2026, 5, 20),
        "supply",
        79.8,
        "https://www.coingecko.com/en/coins/venice-token: FDV $1.38 B at $17.29",
    ),
    Published(
        date(2026, 9, 18),
        "minted",
        14.88,
        "totalSupply() 114.88 M less the genesis, as read by third parties on that day",
    ),
    Published(
        date(2026, 9, 23),
        "minted",
        0.728,
        f"{READ_FROM_CHAIN}: the total's rise in the 90 days before",
        since=date(2026, 6, 25),
    ),
    Published(
        date(2026, 9, 18),
        "supply",
        81.0,
        "totalSupply() 114.88 M less 33.88 M at the zero address, read on that day",
    ),
)


def timestamp(day: date) -> int:
    """Unix time of 00:00 UTC."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
