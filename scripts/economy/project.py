"""Supply, emission and burn of ASSAY under stated demand, and when burns overtake emission.

    python -m scripts.economy.project [--out FOLDER] [--no-plots]

A projection, no forecast: everything that is not the protocol's own rule is in `Assumptions` and
is printed with the result. The rules (stages, split, 80 % for locked stake, fee, burn) are those
of the deployed defaults (assay.chain.parameters). Writes projection.json and projection.png.

How burns follow from demand: consumers spend dollars or daily credit; of the dollars the fee, and
subscriptions, buy ASSAY and burn it, at a price at which all ASSAY is worth `multiple` times a
year of that burn revenue, or `floor_value` if that is more. So in the long run the burn is supply
/ multiple a year, whatever the demand: a higher demand shortens the time until that holds, and a
market that pays a high multiple keeps the supply growing.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict, dataclass, field, replace
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from assay.chain.parameters import Parameters

RESULTS = Path(__file__).resolve().parent / "results"
ETHER = 10**18
BPS = 10_000
DAYS_A_YEAR = 365
STANDARD = Parameters()


@dataclass(frozen=True)
class Demand:
    """One path. Spending per day follows a logistic curve.

    first_usd_day    spent on the first day, dollars and credit together
    plateau_usd_day  what it grows towards
    growth           of the young curve, per year: 1.0 means e-fold
    multiple         value of all ASSAY over a year's burn revenue
    """

    name: str
    first_usd_day: float
    plateau_usd_day: float
    growth: float
    multiple: float

    def spending(self, years: float) -> float:
        """Dollars and credit a day."""
        gap = self.plateau_usd_day / self.first_usd_day - 1
        return self.plateau_usd_day / (1 + gap * math.exp(-self.growth * years))


@dataclass(frozen=True)
class Assumptions:
    """Everything that the result rests on.

    Protocol, from the defaults of a deployment:
    stage_rates          tokens a year
    stage_years          length of each stage, the last for ever
    corners              of the split: (utilisation, stakers' share), bps
    locked_bps           what locked stake earns
    fee_bps              of dollars paid for claims

    Launch, as Venice's went:
    genesis, airdrop     tokens
    claimed_share        of the airdrop; the rest is burned
    airdrop_days         until then

    Market, guessed:
    locked_share         of the stake, behind KARAT (Venice on 2026-09-18: 0.26)
    credit_share         of spending that is paid with daily credit, not with dollars
    utilisation          credit spent over published capacity: owners publish what is needed
    subscriptions        dollars of subscriptions for a dollar of spending
    auction_discount     of the market's price, what takers keep
    floor_value_usd      least that all ASSAY is worth
    """

    start: date = date(2027, 1, 1)
    years: int = 15
    stage_rates: tuple[float, ...] = tuple(rate / ETHER for rate in STANDARD.stage_rates)
    stage_years: float = STANDARD.stage_seconds / (DAYS_A_YEAR * 86_400)
    corners: tuple[tuple[int, int], ...] = tuple(
        (corner.used_bps, corner.stakers_bps) for corner in STANDARD.corners
    )
    locked_bps: int = 8_000
    fee_bps: int = STANDARD.fee_bps
    genesis: float = 100e6
    airdrop: float = 50e6
    claimed_share: float = 0.348
    airdrop_days: int = 45
    locked_share: float = 0.26
    credit_share: float = 0.5
    utilisation: float = 0.4
    subscriptions: float = 0.10
    auction_discount: float = 0.01
    floor_value_usd: float = 30e6
    demands: tuple[Demand, ...] = field(
        default_factory=lambda: (
            # Venice's own multiple in September 2026: $2.2 B over 12 x $0.7 M of burns.
            Demand("low", 2_000, 50_000, 0.8, 260.0),
            Demand("base", 5_000, 600_000, 1.2, 35.0),
            Demand("high", 20_000, 3_000_000, 1.6, 20.0),
        )
    )

    def rate(self, years: float) -> float:
        """Emission in tokens a year."""
        stage = min(int(years / self.stage_years), len(self.stage_rates) - 1)
        return self.stage_rates[stage]

    def stakers_share(self) -> float:
        used = self.utilisation * BPS
        for (low, high_share), (high, low_share) in pairwise(self.corners):
            if used <= high:
                fall = (high_share - low_share) * (used - low) / (high - low)
                return (high_share - fall) / BPS
        raise ValueError("the last corner is at full use")

    def minted_share(self) -> float:
        """Part of the emission that is minted: what locked stake leaves is not."""
        lost = self.locked_share * (BPS - self.locked_bps) / BPS
        stakers = self.stakers_share()
        return stakers * (1 - lost) + (1 - stakers)


@dataclass(frozen=True)
class Day:
    """One day of a path: tokens, and dollars."""

    day: date
    spending_usd: float
    burn_usd: float
    price_usd: float
    minted: float
    burned: float
    supply: float


def path(assumptions: Assumptions, demand: Demand) -> list[Day]:
    """Day by day; the airdrop's burn is the only burn that is not bought."""
    supply, days = assumptions.genesis, []
    for number in range(assumptions.years * DAYS_A_YEAR):
        years = number / DAYS_A_YEAR
        spending = demand.spending(years)
        dollars = spending * (1 - assumptions.credit_share)
        burn_usd = dollars * assumptions.fee_bps / BPS + spending * assumptions.subscriptions
        value = max(assumptions.floor_value_usd, demand.multiple * DAYS_A_YEAR * burn_usd)
        price = value / supply
        burned = burn_usd * (1 - assumptions.auction_discount) / price
        minted = assumptions.rate(years) / DAYS_A_YEAR * assumptions.minted_share()
        unclaimed = 0.0
        if number == assumptions.airdrop_days:
            unclaimed = assumptions.airdrop * (1 - assumptions.claimed_share)
        supply += minted - burned - unclaimed
        today = assumptions.start + timedelta(days=number)
        days.append(Day(today, spending, burn_usd, price, minted, burned, supply))
    return days


def crossover(days: list[Day]) -> date | None:
    """The first day from which on burns exceed what is minted, to the end of the path."""
    crossed = None
    for day in days:
        if day.burned <= day.minted:
            crossed = None
        elif crossed is None:
            crossed = day.day
    return crossed


def summary(days: list[Day], burned_airdrop: int) -> dict[str, Any]:
    """The path in a few figures; the peak is the one after the airdrop's burn."""
    crossed, last = crossover(days), days[-1]
    peak = max(days[burned_airdrop + 1 :], key=lambda day: day.supply)
    return {
        "net_deflation_from": crossed.isoformat() if crossed else None,
        "supply_peak_millions": round(peak.supply / 1e6, 2),
        "supply_peak_on": peak.day.isoformat(),
        "supply_end_millions": round(last.supply / 1e6, 2),
        "last_year_minted_millions": round(sum(d.minted for d in days[-DAYS_A_YEAR:]) / 1e6, 3),
        "last_year_burned_millions": round(sum(d.burned for d in days[-DAYS_A_YEAR:]) / 1e6, 3),
        "spending_end_usd_day": round(last.spending_usd),
        "burn_end_usd_day": round(last.burn_usd),
        "price_end_usd": round(last.price_usd, 3),
    }


def sensitivity(assumptions: Assumptions) -> list[dict[str, Any]]:
    """When each path turns, at other multiples."""
    multiples = (10.0, 20.0, 30.0, 40.0, 60.0, 100.0)
    table = []
    for demand in assumptions.demands:
        turns = {}
        for multiple in multiples:
            crossed = crossover(path(assumptions, replace(demand, multiple=multiple)))
            turns[f"{multiple:g}"] = crossed.isoformat() if crossed else None
        table.append({"demand": demand.name, "net_deflation_from_by_multiple": turns})
    return table


def run(assumptions: Assumptions) -> dict[str, Any]:
    """All paths as one document, one row a month."""
    paths = []
    for demand in assumptions.demands:
        days = path(assumptions, demand)
        rows = [
            {
                "day": day.day.isoformat(),
                "supply_millions": round(day.supply / 1e6, 4),
                "minted_a_year_millions": round(day.minted * DAYS_A_YEAR / 1e6, 4),
                "burned_a_year_millions": round(day.burned * DAYS_A_YEAR / 1e6, 4),
                "spending_usd_day": round(day.spending_usd),
                "burn_usd_day": round(day.burn_usd),
                "price_usd": round(day.price_usd, 4),
            }
            for day in days
            if day.day.day == 1
        ]
        paths.append(
            {
                "demand": demand.name,
                "summary": summary(days, assumptions.airdrop_days),
                "series": rows,
            }
        )
    stated = asdict(assumptions)
    stated["start"] = assumptions.start.isoformat()
    return {
        "what": "a projection of ASSAY's supply under stated assumptions; no forecast",
        "assumptions": stated,
        "derived": {
            "stakers_share": assumptions.stakers_share(),
            "minted_share": assumptions.minted_share(),
            "break_even_multiple": {
                "meaning": "supply over what is minted in a year: a market that values ASSAY at"
                " less than this many years of burn revenue has net deflation",
                "of_100_million_by_stage": [
                    round(100e6 / (rate * assumptions.minted_share()), 1)
                    for rate in assumptions.stage_rates
                ],
            },
        },
        "paths": paths,
        "sensitivity": sensitivity(assumptions),
    }


def show(document: dict[str, Any]) -> None:
    """Assumptions first, then what follows from them."""
    console = Console(stderr=True)
    console.print("[bold]assumptions[/bold]")
    for name, value in document["assumptions"].items():
        for line in value if name == "demands" else [value]:
            console.print(f"  {name}: {line}", highlight=False)
    table = Table(title="paths", title_justify="left")
    for name in ("demand", *document["paths"][0]["summary"]):
        table.add_column(name.replace("_", " "))
    for found in document["paths"]:
        table.add_row(found["demand"], *(str(value) for value in found["summary"].values()))
    console.print(table)
    for row in document["sensitivity"]:
        console.print(f"  {row['demand']}: {row['net_deflation_from_by_multiple']}")


def main() -> None:
    parser = argparse.ArgumentParser(description="ASSAY's supply under stated demand.")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of JSON and plots")
    parser.add_argument("--no-plots", action="store_true", help="JSON only; needs no matplotlib")
    options = parser.parse_args()
    document = run(Assumptions())
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "projection.json").write_text(json.dumps(document, indent=1) + "\n")
    show(document)
    if not options.no_plots:
        from scripts.economy import plots

        plots.projection(document, options.out / "projection.png")


if __name__ == "__main__":
    main()
