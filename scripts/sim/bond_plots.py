"""Four panels about bonds and clocks; needs matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from scripts.economy.plots import BLUE, GREEN, GREY, RED, save
from scripts.sim import rules

LINES = {"1B": GREY, "8B": BLUE, "70B": GREEN}


def bonds(document: dict[str, Any], out: Path) -> None:
    figure, panels = plt.subplots(2, 2, figsize=(12, 9))
    _slash(panels[0][0], document)
    _capital(panels[0][1], document)
    _bond(panels[1][0], document)
    _clock(panels[1][1], document)
    save(figure, out)


def _slash(axes: Axes, document: dict[str, Any]) -> None:
    """Slash by audit rate, a line for each price of a claim."""
    low, deployed = document["scenario"]["low_usd"], document["deployed"]
    audits = document["scenario"]["audits"]
    sees = 1.0 - audits["lazy_share"] ** audits["auditors"]
    rate = np.geomspace(0.002, 0.95, 200)
    for price, colour in ((0.001, GREY), (0.01, BLUE), (0.1, GREEN), (1.0, RED)):
        burn = [rules.least_burn(audits["gain_multiple"] * price, r * sees, 0.0) for r in rate]
        needed = np.array(burn) / (1 - deployed["reward_share"]) / low
        axes.loglog(rate, needed, color=colour, label=f"claim of ${price:g}")
    axes.axhline(deployed["slash"], color="black", linestyle=":", label="deployed")
    axes.axvline(audits["base_rate"], color="black", linewidth=0.8)
    axes.set_xlabel("share of claims that are drawn")
    axes.set_ylabel(f"slash, ASSAY at ${low:.3f}")
    axes.set_title("Slash that deters, gas aside", loc="left")
    axes.legend()


def _capital(axes: Axes, document: dict[str, Any]) -> None:
    """Claims a day that bonds can back."""
    demand, deployed = document["scenario"]["demand"], document["deployed"]
    slash = np.geomspace(1, 2_000, 200)
    for window, colour in ((6, GREEN), (24, BLUE), (72, GREY)):
        lock = window + 1
        claims = demand["bonded_share"] * demand["supply"] / slash * 24 / lock
        axes.loglog(slash, claims, color=colour, label=f"window of {window} h")
    axes.axvline(deployed["slash"], color="black", linestyle=":", label="deployed")
    axes.set_xlabel("slash, ASSAY a claim")
    axes.set_ylabel("claims a day")
    axes.set_title(f"Claims that {demand['bonded_share']:.0%} of all ASSAY can back", loc="left")
    axes.legend()


def _bond(axes: Axes, document: dict[str, Any]) -> None:
    """Challenger's bond by gas price, a line for each price of the token."""
    gas, ether = document["measured"]["gas"], document["scenario"]["chain"]["ether_usd"]
    gwei = np.geomspace(0.01, 100, 200)
    low = document["scenario"]["low_usd"]
    for price, colour in ((low, RED), (0.3, BLUE), (1.0, GREEN), (5.0, GREY)):
        cost = gas["provider"] * gwei * 1e-9 * ether
        axes.loglog(gwei, cost / price, color=colour, label=f"ASSAY at ${price:.2f}")
    axes.axhline(document["deployed"]["bond"], color="black", linestyle=":", label="deployed")
    axes.axvline(document["scenario"]["chain"]["spike_gwei"], color="black", linewidth=0.8)
    axes.set_xlabel("gas price, gwei")
    axes.set_ylabel("ASSAY")
    axes.set_title("Bond that pays for answering, gas alone", loc="left")
    axes.legend()


def _clock(axes: Axes, document: dict[str, Any]) -> None:
    """Tracing beside the clock, recomputing beside the window."""
    machine = document["scenario"]["machine"]["name"]
    for model, colour in LINES.items():
        rows = [row for row in document["work"] if row["model"] == model]
        positions = [row["positions"] for row in rows]
        traced = [row["trace_seconds"] / 3_600 for row in rows]
        again = [row["prefill_seconds"] / 3_600 for row in rows]
        axes.loglog(positions, traced, "o-", color=colour, label=f"{model}, trace")
        axes.loglog(positions, again, "o--", color=colour, label=f"{model}, prefill")
    axes.axhline(document["deployed"]["clock"] / 3_600, color="black", linestyle=":", label="clock")
    axes.set_xlabel("positions")
    axes.set_ylabel(f"hours on {machine}")
    axes.set_title("Recomputing a claim, extrapolated", loc="left")
    axes.legend(ncols=2, fontsize=8)
