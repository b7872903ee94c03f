"""The frontier's closed form, the script's verdict, and the kept document."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from assay.chain.parameters import ETHER, STANDARD, Parameters
from scripts.sim import cheats, frontier
from scripts.sim.cheats import Setting
from scripts.sim.frontier import RATES, SLASHES, best, edge, surface
from scripts.sim.needs import Constants
from scripts.sim.strategies import CHEATS

TOKEN = 0.1


@pytest.fixture(scope="module")
def setting() -> Setting:
    return Setting.of(Constants.of(STANDARD), canary_share=0.005)


def test_nothing_pays_as_deployed(setting: Setting) -> None:
    for kind in CHEATS:
        for price, drawn in zip(setting.prices, setting.policy.drawn, strict=True):
            gains = frontier.per_claim(kind, price, drawn, setting.policy, setting.terms)
            assert max(gains) < 0
    assert best(setting.prices, setting.policy, setting.terms).value < 0


@pytest.mark.parametrize("times", [0.3, 0.9])
def test_a_smaller_slash_or_fewer_audits_pay(setting: Setting, times: float) -> None:
    smaller = replace(setting.terms, slash=setting.terms.slash * times)
    assert best(setting.prices, setting.policy, smaller).value > 0
    fewer = setting.policy.scaled(setting.policy.audits.base_rate * times)
    assert best(setting.prices, fewer, setting.terms).value > 0


def test_the_best_is_the_largest_of_all(setting: Setting) -> None:
    top = best(setting.prices, setting.policy, setting.terms)
    kind = next(kind for kind in CHEATS if kind.name == top.kind)
    drawn = setting.policy.drawn[setting.prices.index(top.price)]
    gains = frontier.per_claim(kind, top.price, drawn, setting.policy, setting.terms)
    assert max(gains) / top.price == top.value


def test_gains_fall_with_audits_and_with_the_slash(setting: Setting) -> None:
    gains = surface(setting.prices, setting.policy, setting.terms, TOKEN)
    assert gains.shape == (len(RATES), len(SLASHES))
    assert (np.diff(gains, axis=0) <= 1e-12).all()
    assert (np.diff(gains, axis=1) <= 1e-12).all()


def test_the_edge_is_where_the_formula_says(setting: Setting) -> None:
    """Of claims of one price, copied and sold: (1 - q) (net + price) = q burn."""
    price, rate = 0.01, 0.05
    policy = replace(setting.policy, drawn=(rate,))
    gains = surface([price], policy, setting.terms, TOKEN)
    at = int(np.argmin(np.abs(RATES - rate)))
    seen = float(RATES[at]) * policy.audits.sees
    gain = price * (2 - setting.terms.fee_share)
    burn = gain * (1 - seen) / seen
    least = burn / (1 - setting.terms.reward_share) / TOKEN
    found = edge(gains)[at]
    assert found is not None
    assert found / float(SLASHES[1] / SLASHES[0]) <= least <= found


def test_audits_are_cut_to_their_budget(setting: Setting) -> None:
    demand, whole = setting.scenario.demand, setting.policy
    cost = whole.cost(demand, 0.3)
    assert whole.within(2 * cost, demand, 0.3) == whole
    half = whole.within(cost / 2, demand, 0.3)
    assert half.cost(demand, 0.3) == pytest.approx(cost / 2)
    assert half.drawn == tuple(rate / 2 for rate in whole.drawn)


def test_more_lazy_auditors_cost_more_and_cover_less(setting: Setting) -> None:
    found = frontier.Frontier(setting.scenario.demand, setting.policy, setting.terms, TOKEN, 0.3)
    rows = [found.lazy(share, 2) for share in (0.1, 0.5, 0.9)]
    assert [row["cost_share"] for row in rows] == sorted(row["cost_share"] for row in rows)
    dearest = [row["dearest_claim_usd"] for row in rows]
    assert dearest == sorted(dearest, reverse=True)
    assert found.budget(0.001)["gain"] > 0


def test_an_edge_beyond_the_grid_is_none() -> None:
    assert edge(np.ones((1, len(SLASHES)))) == [None]
    assert edge(-np.ones((1, len(SLASHES)))) == [SLASHES[0]]


def run(monkeypatch: pytest.MonkeyPatch, out: Path, parameters: Parameters) -> int:
    arguments = ["--providers", "600", "--days", "20", "--no-plots", "--out", str(out)]
    monkeypatch.setattr("sys.argv", ["cheats", *arguments])
    monkeypatch.setattr(cheats, "STANDARD", parameters)
    return cheats.main()


def test_the_script_passes_as_deployed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert run(monkeypatch, tmp_path, STANDARD) == 0
    found = json.loads((tmp_path / "cheats.json").read_text())
    assert found["holds"]
    assert found["pays"] == []
    assert found["totals"]["convicted"] > 0


def test_the_script_fails_if_auditors_are_outbid(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Dear claims need more than all audits see, if a slash burns next to nothing."""
    assert run(monkeypatch, tmp_path, replace(STANDARD, slash_per_claim=ETHER)) == 1
    found = json.loads((tmp_path / "cheats.json").read_text())
    assert "one-off" in found["pays"]


def test_the_kept_document_is_of_the_deployed_constants() -> None:
    kept = json.loads((cheats.RESULTS / "cheats.json").read_text())
    assert kept["deployed"] == asdict(Constants.of(STANDARD)), "run scripts/sim/cheats"
    assert kept["holds"]
