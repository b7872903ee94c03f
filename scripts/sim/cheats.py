"""A year of providers, cheats and auditors under the deployed constants: what cheating gains.

    scripts/sim/cheats [--providers 100000] [--days 365] [--seed 1] [--out FOLDER] [--no-plots]

The token is worth what the scenario of `bonds.py` lets it fall to; audits are those of
`scenario.py`, dearer claims audited more often (`rules.audit_rate`), and cost no more than the
protocol's fee. Writes cheats.json and cheats.png; progress and tables on stderr. Exits 1 if a
cheat pays: in the simulation, or in expectation at any price of a claim, with the provider its
own puppet and none of its other claims looked at.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from assay.chain.parameters import STANDARD
from scripts.bench.conditions import print_table, stderr
from scripts.sim import frontier, measured, rates
from scripts.sim.accounts import MICRO, accounts, advantage
from scripts.sim.auditors import Auditors, least_stake
from scripts.sim.bonds import RESULTS, rounded
from scripts.sim.frontier import Policy
from scripts.sim.needs import Constants, Model, Scenario
from scripts.sim.network import Network, World
from scripts.sim.scenario import DAY
from scripts.sim.strategies import STRATEGIES, Terms

QUANTILES = (0.1, 0.5, 0.9, 0.99)
SHOWN = (
    "kind",
    "wrong_claims",
    "paid_share",
    "gain_usd",
    "expected_usd",
    "worst_usd",
    "days_10",
    "days_50",
    "days_90",
    "days_99",
)


@dataclass(frozen=True)
class Setting:
    """Constants and assumptions of a run, in dollars."""

    scenario: Scenario
    constants: Constants
    terms: Terms
    policy: Policy

    @classmethod
    def of(cls, constants: Constants, canary_share: float) -> Setting:
        s = Scenario()
        gas = Model(s, constants, rates.kept()).gas
        terms = Terms(
            constants.slash * s.market.low_usd,
            constants.reward_share,
            constants.fee_share,
            s.audits.compute_share,
            s.chain.usd(gas.game, s.chain.busy_gwei),
        )
        policy = Policy.of(s.demand, terms.burn, s.audits, canary_share)
        affordable = policy.within(constants.fee_share, s.demand, measured.verify_share())
        return cls(s, constants, terms, affordable)

    @property
    def prices(self) -> list[float]:
        return [price for price, _ in self.scenario.demand.prices]

    def network(self, world: World) -> Network:
        a = self.scenario.audits
        pool = Auditors(np.array(self.policy.drawn), a.auditors, a.lazy_share, a.pool, a.traps)
        return Network(world, STRATEGIES, self.scenario.demand.prices, pool)


def kind_row(setting: Setting, network: Network, index: int) -> dict[str, Any]:
    """One kind of provider; dollars are per wrong claim, over the honest answer."""
    kind, tally = network.kinds[index], network.tally
    wrong = tally.wrong[index]
    count = max(int(wrong.sum()), 1)
    pairs = [
        (i, frontier.per_claim(kind, price, drawn, setting.policy, setting.terms))
        for i, (price, drawn) in enumerate(zip(setting.prices, setting.policy.drawn, strict=True))
        if kind.cheats_at(price)
    ]
    expected = sum(float(wrong[i]) * gains[0] for i, gains in pairs) / count
    return rounded(
        {
            "kind": kind.name,
            "entries": int(tally.entries[index]),
            "wrong_claims": int(wrong.sum()),
            "paid_share": float(tally.paid_wrong[index].sum()) / count,
            "gain_usd": advantage(network, setting.terms, index) / count if wrong.any() else None,
            "expected_usd": expected,
            "worst_usd": max(max(gains) for _, gains in pairs),
            **detection(network, index),
        }
    )


def is_paid(row: dict[str, Any]) -> bool:
    """Whether cheating pays, as simulated (if it ever came to it) or in expectation."""
    return row["worst_usd"] >= 0 or (row["gain_usd"] is not None and row["gain_usd"] >= 0)


def detection(network: Network, index: int) -> dict[str, Any]:
    """Days from an entry to the first conviction; quantiles of those that were convicted."""
    found = network.tally.found_after[index]
    total, days = int(found.sum()), network.world.step_days
    entered = int(network.tally.entries[index])
    below = np.cumsum(found)
    row: dict[str, Any] = {"convicted_share": total / max(entered, 1)}
    for quantile in QUANTILES:
        step = int(np.searchsorted(below, quantile * total)) + 1
        row[f"days_{round(quantile * 100)}"] = step * days if total else None
    return row


def totals(setting: Setting, network: Network) -> dict[str, Any]:
    """Where the money went; dollars."""
    rows = accounts(network, setting.terms)
    tally, a = network.tally, setting.scenario.audits
    sales = sum(row["sales"] for row in rows) / MICRO
    once = measured.verify_share() * a.compute_share
    paid = float(tally.audits @ np.array(setting.prices)) * a.auditors * once
    wrong, found = int(tally.wrong[1:].sum()), int(tally.convicted[1:].sum())
    convicted = sum(int(tally.convicted[i].sum()) for i, k in enumerate(STRATEGIES) if not k.puppet)
    gas = setting.terms.game_usd * convicted
    audits = int(tally.audits.sum()) * a.auditors
    return rounded(
        {
            "sales_usd": sales,
            "wrong_claims_of_cheats": wrong,
            "convicted": found,
            "wrong_and_paid_share": 1.0 - found / max(wrong, 1),
            "wrong_and_paid_share_of_all": (wrong - found)
            / max(int(tally.right.sum() + tally.wrong.sum()), 1),
            "slashed_usd": sum(row["slashed"] for row in rows) / MICRO,
            "burned_usd": sum(row["burned"] for row in rows) / MICRO,
            "burned_assay": sum(row["burned"] for row in rows)
            / MICRO
            / setting.scenario.market.low_usd,
            "to_challengers_usd": sum(row["rewards"] for row in rows) / MICRO,
            "games_gas_usd": gas,
            "back_through_puppets_usd": sum(row["puppets"] for row in rows) / MICRO,
            "audits": audits,
            "audits_usd": paid,
            "audits_share_of_sales": paid / sales,
            "audits_usd_per_million_tokens": paid / sales * a.tokens_usd,
            "most_open_claims": tally.most_open,
            "most_locked_assay": tally.most_open * setting.constants.slash,
            "lazy_share_begin": tally.lazy_share[0],
            "lazy_share_end": tally.lazy_share[-1],
            "auditor_stake_least_usd": least_stake(paid / max(audits, 1), a.traps),
        }
    )


def document(setting: Setting, network: Network, seconds: float) -> dict[str, Any]:
    world = network.world
    kinds = [kind_row(setting, network, i) for i in range(len(network.kinds))]
    market, demand = setting.scenario.market, setting.scenario.demand
    limit = frontier.Frontier(
        demand, setting.policy, setting.terms, market.low_usd, measured.verify_share()
    )
    pays = [row["kind"] for row in kinds[1:] if is_paid(row)]
    return {
        "what": "what cheating gains over a year under the deployed constants",
        "command": f"scripts/sim/cheats --providers {world.providers} --days {world.days} "
        f"--seed {world.seed}",
        "seconds": round(seconds),
        "world": asdict(world),
        "scenario": asdict(setting.scenario)
        | {"low_usd": round(setting.scenario.market.low_usd, 4)},
        "deployed": asdict(setting.constants),
        "terms": rounded(asdict(setting.terms)),
        "drawn": dict(
            zip(
                map(str, setting.prices), map(float, np.round(setting.policy.drawn, 4)), strict=True
            )
        ),
        "kinds": kinds,
        "totals": totals(setting, network),
        "found_after": found_series(network),
        "frontier": limit.document(market.assay_usd),
        "pays": pays,
        "holds": not pays,
    }


def found_series(network: Network) -> dict[str, list[float]]:
    """By kind: the share of convicted entries that were convicted within 1, 2, … days."""
    series = {}
    days = [2**power for power in range(9)]
    for kind, found in zip(network.kinds, network.tally.found_after, strict=True):
        steps = [round(day / network.world.step_days) for day in days]
        total = max(int(found.sum()), 1)
        series[kind.name] = [round(int(found[:n].sum()) / total, 4) for n in steps]
    return {"within_days": [float(day) for day in days], **series}


def simulate(setting: Setting, world: World) -> tuple[Network, float]:
    """Runs the world, with a line of progress a tenth."""
    network, begun = setting.network(world), time.perf_counter()

    def progress(done: int, of: int) -> None:
        if done * 10 // of != (done - 1) * 10 // of:
            spent = time.perf_counter() - begun
            stderr.print(f"{done * 100 // of} % after {spent:.0f} s", highlight=False)

    network.run(progress)
    return network, time.perf_counter() - begun


def show(found: dict[str, Any]) -> None:
    print_table("cheats: dollars a wrong claim, over the honest answer", SHOWN, found["kinds"])
    for name, value in found["totals"].items():
        stderr.print(f"  {name}: {value}", highlight=False)
    for name in ("most_profitable", "at_the_markets_price"):
        stderr.print(f"{name}: {found['frontier'][name]}", highlight=False)
    for name in ("budgets", "lazy"):
        rows = found["frontier"][name]
        print_table(name, tuple(rows[0]), rows)
    verdict = "no modelled cheat pays" if found["holds"] else f"these pay: {found['pays']}"
    stderr.print(f"[bold]{verdict}[/bold] at the deployed constants")


def main() -> int:
    parser = argparse.ArgumentParser(description="What cheating gains, simulated.")
    parser.add_argument("--providers", type=int, default=100_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of JSON and plot")
    parser.add_argument("--no-plots", action="store_true", help="JSON only; needs no matplotlib")
    options = parser.parse_args()
    constants = Constants.of(STANDARD)
    world = World(
        providers=options.providers,
        days=options.days,
        claims_day=Scenario().demand.claims_day / options.providers,
        window_days=constants.window / DAY,
        seed=options.seed,
    )
    setting = Setting.of(constants, world.canary_share)
    found = document(setting, *simulate(setting, world))
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "cheats.json").write_text(json.dumps(found, indent=1) + "\n")
    show(found)
    if not options.no_plots:
        from scripts.sim import cheat_plots

        cheat_plots.cheats(found, options.out / "cheats.png")
    return 0 if found["holds"] else 1


if __name__ == "__main__":
    sys.exit(main())
