"""Four panels about cheats; needs matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from scripts.economy.plots import BLUE, GREEN, GREY, INK, RED, save

LIMIT = 0.5  # of the colours: gains over a claim's price


def cheats(document: dict[str, Any], out: Path) -> None:
    figure, panels = plt.subplots(2, 2, figsize=(13, 10))
    _frontier(panels[0][0], document)
    _gains(panels[0][1], document["kinds"][1:])
    _detection(panels[1][0], document["found_after"])
    _money(panels[1][1], document["totals"])
    save(figure, out)


def _frontier(axes: Axes, document: dict[str, Any]) -> None:
    """Most that any cheat gains; the line is where the best of them gains nothing."""
    found = document["frontier"]
    gain = np.clip(np.array(found["gain"]), -LIMIT, LIMIT)
    mesh = axes.pcolormesh(
        found["base_rates"], found["slashes"], gain.T, cmap="RdYlGn_r", vmin=-LIMIT, vmax=LIMIT
    )
    axes.contour(found["base_rates"], found["slashes"], gain.T, levels=[0.0], colors=INK)
    rate = document["scenario"]["audits"]["base_rate"]
    axes.plot([rate], [document["deployed"]["slash"]], "o", color=INK, label="deployed")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("share of common claims that are drawn; of dear ones in proportion more")
    axes.set_ylabel(f"slash, ASSAY at ${document['scenario']['low_usd']:.3f}")
    axes.set_title("Gain of the most profitable cheat, over its claim's price", loc="left")
    axes.legend(loc="upper right")
    figure = axes.get_figure()
    assert figure is not None
    figure.colorbar(mesh, ax=axes)


def _gains(axes: Axes, kinds: list[dict[str, Any]]) -> None:
    """A bar as simulated, a mark at the worst expectation."""
    names = [row["kind"] for row in kinds]
    at = np.arange(len(names))
    axes.barh(at, [row["gain_usd"] or 0.0 for row in kinds], color=BLUE, label="simulated")
    worst = [row["worst_usd"] for row in kinds]
    axes.plot(worst, at, "|", color=RED, markersize=14, label="expected where it pays most")
    axes.axvline(0.0, color=INK)
    axes.set_yticks(at, names)
    axes.invert_yaxis()
    axes.set_xscale("symlog", linthresh=0.01)
    axes.set_xlim(left=-100.0)
    axes.set_xlabel("dollars a wrong claim, over the honest answer")
    axes.set_title("What cheating gains", loc="left")
    axes.legend(loc="lower left")


def _detection(axes: Axes, found: dict[str, list[float]]) -> None:
    days = found["within_days"]
    colours = (RED, BLUE, GREEN, GREY, INK)
    for number, (kind, shares) in enumerate(list(found.items())[2:]):
        style = ("-", "--", ":")[number // len(colours)]
        axes.plot(days, shares, style, color=colours[number % len(colours)], label=kind)
    axes.set_xscale("log", base=2)
    axes.set_xlabel("days from entry")
    axes.set_ylabel("share of those ever convicted")
    axes.set_title("Time to detection", loc="left")
    axes.legend(fontsize=8)


def _money(axes: Axes, totals: dict[str, float]) -> None:
    names = {
        "slashed_usd": "slashed",
        "burned_usd": "of this burned",
        "to_challengers_usd": "to challengers",
        "back_through_puppets_usd": "back through puppets",
        "audits_usd": "audits",
        "sales_usd": "sales",
    }
    values = [totals[name] / 1_000 for name in names]
    axes.barh(list(names.values()), values, color=GREEN)
    axes.invert_yaxis()
    axes.set_xlabel("thousand dollars in the run")
    axes.set_title("Where money went", loc="left")
