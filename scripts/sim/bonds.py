"""Bonds, slash, clocks and window: what stated scenarios ask of them, beside what is deployed.

    scripts/sim/bonds [--out FOLDER] [--no-plots]

Assumptions are in `scenario.py`, formulas in `rules.py`, measured figures in `measured.py` and
`results/rates.json`. Writes bonds.json and bonds.png; tables on stderr. Exits 1 if a constant of
`assay.chain.parameters` does not meet the default scenario of `needs.py`.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

from assay.chain.parameters import STANDARD
from scripts.bench.conditions import print_table, stderr
from scripts.sim import measured, rates
from scripts.sim.needs import Constants, Model, Need, Scenario
from scripts.sim.scenario import CHAINS, HOUR, MARKETS, Demand
from scripts.sim.shapes import SHAPES, work

RESULTS = Path(__file__).resolve().parent / "results"
CLAIMS_USD = (0.001, 0.01, 0.1, 1.0)
SIZES = (("8B", 2_048), ("70B", 2_048), ("70B", 8_192))
GAMES = (1, 10, 100, 1_000)
POSITIONS = (512, 2_048, 8_192, 32_768)
ASKED = ("slash_per_claim", "challenger_bond", "clock")
GIB = 2**30


def document(constants: Constants, traced: rates.Rates) -> dict[str, Any]:
    """Everything that is printed and plotted."""
    model = Model(Scenario(), constants, traced)
    return {
        "what": "what scenarios ask of bonds, slash and clocks, beside the deployed constants",
        "command": "scripts/sim/bonds",
        "scenario": asdict(model.s) | {"low_usd": round(model.s.market.low_usd, 4)},
        "deployed": asdict(constants),
        "measured": {
            "gas": asdict(measured.gas()),
            "verify_share": measured.verify_share(),
            "trace_per_second": asdict(traced),
        },
        "needs": [need_row(need) for need in model.needs()],
        "holds": all(need.holds for need in model.needs()),
        "spam": {
            "spike": rounded(model.spam(model.s.chain.spike_gwei)),
            "busy": rounded(model.spam(model.s.chain.busy_gwei)),
        },
        "flood": {
            "answered_in_a_clock": float(f"{model.answered:.4g}"),
            "games": [rounded(model.flooded(games)) for games in GAMES],
        },
        "censorship": rounded(model.censorship()),
        "limits": rounded(model.limits()),
        "work": list(works(model, traced)),
        "scenarios": list(grid(constants, traced)),
    }


def need_row(need: Need) -> dict[str, Any]:
    row = asdict(need) | {"holds": need.holds}
    return rounded({**row, "most": None if math.isinf(need.most) else need.most})


def rounded(row: dict[str, Any]) -> dict[str, Any]:
    """Floats to four digits, for reading."""
    return {
        name: float(f"{value:.4g}") if isinstance(value, float) else value
        for name, value in row.items()
    }


def works(model: Model, traced: rates.Rates) -> Iterator[dict[str, Any]]:
    """Recomputing and tracing, by size and length, on the scenario's machine. `held_gib`: what
    the reference interpreter keeps of a pass, 8 bytes an element."""
    times, hourly = model.s.machine.times, model.s.machine.usd_per_hour
    for (name, shape), positions in product(SHAPES.items(), POSITIONS):
        done = work(shape, positions)
        seconds = traced.seconds(done) / times
        yield rounded(
            {
                "model": name,
                "positions": positions,
                "prefill_seconds": measured.prefill_seconds(shape, positions) / times,
                "trace_seconds": seconds,
                "trace_usd": seconds / HOUR * hourly,
                "hashed_gib": done.hashed / GIB,
                "held_gib": done.elements * 8 / GIB,
                "fits_clock": seconds <= model.c.clock,
            }
        )


def grid(constants: Constants, traced: rates.Rates) -> Iterator[dict[str, Any]]:
    """What every combination of chain, price, size and mean claim asks."""
    for chain, market, (shape, positions), claim in product(CHAINS, MARKETS, SIZES, CLAIMS_USD):
        demand = Demand().of_mean(claim)
        scenario = Scenario(chain, market, shape, positions, demand=demand)
        needs = Model(scenario, constants, traced).needs()
        by_name = {name: [n for n in needs if n.name == name] for name in ASKED}
        least = {name: max(n.least for n in found) for name, found in by_name.items()}
        yield rounded(
            {
                "chain": chain.name,
                "assay_usd": market.assay_usd,
                "claim_usd": claim,
                "model": shape,
                "positions": positions,
                "slash_least": least["slash_per_claim"],
                "slash_most": by_name["slash_per_claim"][0].most,
                "bond_least": least["challenger_bond"],
                "clock_least": least["clock"],
                "holds": all(need.holds for need in needs),
            }
        )


def show(found: dict[str, Any]) -> None:
    columns = ("name", "deployed", "least", "most", "unit", "why", "holds")
    print_table("the deployed constants in their scenario", columns, worded(found["needs"]))
    games = found["flood"]["games"]
    print_table("false challenges at once", tuple(games[0]), games)
    for name in ("spam", "censorship", "limits"):
        stderr.print(f"{name}: {found[name]}", highlight=False)
    print_table("recomputing a claim", tuple(found["work"][0]), worded(found["work"]))
    typical = [row for row in found["scenarios"] if row["claim_usd"] == CLAIMS_USD[1]]
    print_table("scenarios of claims of a cent", tuple(typical[0]), worded(typical))


def worded(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """With yes and no."""
    words = {True: "yes", False: "no"}
    return [
        {name: words[value] if isinstance(value, bool) else value for name, value in row.items()}
        for row in rows
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description="What scenarios ask of bonds and clocks.")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of JSON and plot")
    parser.add_argument("--no-plots", action="store_true", help="JSON only; needs no matplotlib")
    options = parser.parse_args()
    found = document(Constants.of(STANDARD), rates.kept())
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "bonds.json").write_text(json.dumps(found, indent=1) + "\n")
    show(found)
    if not options.no_plots:
        from scripts.sim import bond_plots

        bond_plots.bonds(found, options.out / "bonds.png")
    for need in found["needs"]:
        if not need["holds"]:
            stderr.print(f"[red]{need['name']} is {need['deployed']}: {need['why']}[/red]")
    return 0 if found["holds"] else 1


if __name__ == "__main__":
    sys.exit(main())
