"""Plots of the replay and of the projection; the only file here that needs matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.dates as mdates
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

ETHER = 10**18
MILLION = 10**6
INK, RED, BLUE, GREEN, GREY = "#222222", "#b3372f", "#27618d", "#3c7d4a", "#8a8a8a"
COLOURS = {"low": GREY, "base": BLUE, "high": GREEN}

plt.rcParams.update(
    {
        "font.size": 10,
        "axes.edgecolor": INK,
        "axes.grid": True,
        "grid.color": "#dddddd",
        "grid.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
        "figure.constrained_layout.use": True,
    }
)


def when(day: str) -> Any:
    """A date, which matplotlib takes wherever a number goes; its types do not say so."""
    return date.fromisoformat(day)


def history(document: dict[str, Any], out: Path) -> None:
    """Supply above, the rate of emission below, on one axis of time."""
    rows = document["series"]
    days = [when(row["day"]) for row in rows]
    figure, (above, below) = plt.subplots(
        2, 1, figsize=(10, 7.5), sharex=True, height_ratios=(3, 2)
    )
    supply = [row["supply"] / ETHER / MILLION for row in rows]
    without = [100 + row["minted"] / ETHER / MILLION for row in rows]
    above.plot(days, without, color=GREY, linestyle="--", label="genesis + minted, nothing burned")
    above.plot(days, supply, color=BLUE, linewidth=2, label="totalSupply() of AssayToken, replayed")
    _published(above, document["published"])
    end = when(document["airdrop"]["burned_on"])
    above.annotate(
        f"{document['airdrop']['burned'] / MILLION:.1f} M unclaimed\nburned on {end}",
        xy=(end, 50),
        xytext=(18, 0),
        textcoords="offset points",
        va="center",
    )
    above.set_ylabel("tokens, millions")
    above.set_ylim(0, 140)
    above.set_title("Venice's published history through our contracts", loc="left")
    above.legend(loc="upper left")
    rate = [row["rate"] / ETHER / MILLION for row in rows]
    below.step(days, rate, where="post", color=RED, linewidth=2)
    _label_rates(below, document["rates"])
    below.set_ylabel("emission, millions a year")
    below.set_ylim(0, 16)
    _time(below)
    save(figure, out)


def _published(axes: Axes, published: Sequence[dict[str, Any]]) -> None:
    points = [point for point in published if point["what"] == "supply"]
    axes.plot(
        [when(point["on"]) for point in points],
        [point["published_millions"] for point in points],
        "x",
        color=RED,
        markersize=8,
        markeredgewidth=1.8,
        label="supply after burns, as published or read from Base",
    )


def _label_rates(axes: Axes, rates: Sequence[dict[str, Any]]) -> None:
    for rate in rates:
        since = when(rate["since"])
        axes.annotate(
            f"{rate['per_year_millions']:g} M  {since}",
            xy=(since, rate["per_year_millions"]),
            xytext=(3, 4),
            textcoords="offset points",
            fontsize=8,
            rotation=22,
            rotation_mode="anchor",
        )


def curve(document: dict[str, Any], out: Path) -> None:
    """The smooth curve, the buckets that are charged, and Venice's points."""
    points = document["curve"]
    steps = document["curve_series"]
    supply = [row["supply"] for row in steps]
    rate = [row["rate_wei"] / ETHER for row in steps]
    figure, axes = plt.subplots(figsize=(9, 5.5))
    axes.step(
        supply,
        rate,
        where="pre",
        color=GREY,
        linewidth=1,
        label="charged: buckets of 500 KARAT at the rate of their upper bound",
    )
    axes.plot(supply, rate, color=BLUE, linewidth=2, label="rate(S) = 90 e^(2 (S / 38,000)³)")
    for point in points:
        axes.annotate(
            f"{point['published']} at {point['supply']:,}",
            xy=(point["supply"], float(point["published"])),
            xytext=(-12, 14),
            textcoords="offset points",
            ha="right",
        )
    axes.scatter(
        [point["supply"] for point in points],
        [float(point["published"]) for point in points],
        color=RED,
        zorder=3,
        label="Venice's figures",
    )
    axes.set_xlabel("supply of KARAT")
    axes.set_ylabel("ASSAY locked per KARAT")
    axes.set_title("Mint rate of CreditMinter", loc="left")
    axes.set_ylim(0, 1000)
    axes.set_xlim(0, 42_000)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.legend(loc="upper left")
    save(figure, out)


def projection(document: dict[str, Any], out: Path) -> None:
    """Supply of all paths above; what is minted and burned a year below, on a log scale."""
    figure, (above, below) = plt.subplots(2, 1, figsize=(10, 8), sharex=True, height_ratios=(1, 1))
    minted_days: list[Any] = []
    for found in document["paths"]:
        rows, colour = found["series"], COLOURS[found["demand"]]
        days = [when(row["day"]) for row in rows]
        above.plot(
            days,
            [row["supply_millions"] for row in rows],
            color=colour,
            linewidth=2,
            label=_path_label(document, found),
        )
        burned = [row["burned_a_year_millions"] for row in rows]
        below.plot(days, burned, color=colour, linewidth=2, label=f"burned, {found['demand']}")
        _mark_crossover(above, below, found, colour)
        minted_days = days
    minted = [row["minted_a_year_millions"] for row in document["paths"][0]["series"]]
    below.step(minted_days, minted, where="post", color=RED, linewidth=2, label="minted, all paths")
    above.set_ylabel("supply of ASSAY, millions")
    above.set_ylim(bottom=0)
    above.set_title("A projection under stated assumptions, no forecast", loc="left")
    above.legend(loc="lower left")
    below.set_ylabel("millions a year (log scale)")
    below.set_yscale("log")
    below.set_yticks([0.3, 1, 3, 10], labels=["0.3", "1", "3", "10"])
    below.legend(loc="lower right", ncols=2)
    _time(below)
    save(figure, out)


def _path_label(document: dict[str, Any], found: dict[str, Any]) -> str:
    demand = next(d for d in document["assumptions"]["demands"] if d["name"] == found["demand"])
    turn = found["summary"]["net_deflation_from"]
    then = f"net deflation from {turn}" if turn else "no net deflation"
    plateau = f"${demand['plateau_usd_day'] / 1000:,.0f}k a day"
    return f"{found['demand']}: to {plateau}, valued at {demand['multiple']:g}x burns; {then}"


def _mark_crossover(above: Axes, below: Axes, found: dict[str, Any], colour: str) -> None:
    turn = found["summary"]["net_deflation_from"]
    if turn:
        for axes in (above, below):
            axes.axvline(when(turn), color=colour, linewidth=1, linestyle=":")


def _time(axes: Axes) -> None:
    locator = mdates.AutoDateLocator()  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    formatter = mdates.ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(formatter)
    axes.set_xlabel("date (UTC)")


def save(figure: Figure, out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=130)
    plt.close(figure)
