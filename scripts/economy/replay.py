"""Venice's history through our contracts: schedule, airdrop burn, cuts, mint curve.

    python -m scripts.economy.replay [--out FOLDER] [--no-plots]

Deploys AssayToken, MerkleAirdrop, EmissionController, Staking, KaratToken and CreditMinter on
titanoboa at Venice's launch, walks through the published dates (`venice.py`), and compares what
the contracts emit, mint and burn with integers computed here from rates and seconds alone. Writes
replay.json, and replay.png and curve.png of the same series. Stops at the first disagreement.

What differs on purpose: our burns lower totalSupply. What is left out: who received the emission;
one staker holds all stake here, so that all of it is minted.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import boa  # type: ignore[import-untyped]
import boa.interpret  # type: ignore[import-untyped]
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from scripts.economy import venice
from scripts.economy.venice import AIRDROP_END, LAUNCH, MILLION, RATES, timestamp

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).resolve().parent / "results"
ETHER = 10**18
DAY = 86_400
YEAR = 365 * DAY
BPS = 10_000
WHOLE = ((0, BPS), (BPS, BPS))  # all emission to stakers, whatever the utilisation
CAPACITY = 10**10  # micro-USD a day; plays no part here
LAST = date(2026, 12, 31)


@dataclass(frozen=True)
class Row:
    """The state as a UTC day begins, in wei.

    rate       a year, from this moment on
    emitted    by the schedule until now, rounded down
    minted     by the contracts until now: what the one staker has claimed
    burned     until now
    supply     totalSupply() of AssayToken
    """

    day: str
    rate: int
    emitted: int
    minted: int
    burned: int
    supply: int


def emitted_until(moment: int) -> int:
    """Sum of rate x seconds from the launch to a Unix time, in wei x seconds / year.

    Written without any part of the contracts: each rate holds until the next one's day.
    """
    starts = [timestamp(rate.since) for rate in RATES]
    total = 0
    for rate, start, end in zip(RATES, starts, [*starts[1:], 2**40], strict=True):
        total += rate.per_year * ETHER * max(0, min(end, moment) - start)
    return total


def burned_until(day: date) -> int:
    """All burns in wei, on the straight line between two readings; none after the last."""
    if day < AIRDROP_END:
        return 0
    for before, after in pairwise(venice.BURNS):
        if day < after.on:
            part = (after.burned - before.burned) * ETHER * (day - before.on).days
            return before.burned * ETHER + part // (after.on - before.on).days
    return venice.BURNS[-1].burned * ETHER


class Replay:
    """The contracts, from Venice's launch on. Time only goes forward: ask for days in order."""

    def __init__(self) -> None:
        boa.interpret.set_search_paths([str(ROOT)])
        boa.env.evm.patch.timestamp = timestamp(LAUNCH)
        self.treasury = boa.env.generate_address("treasury")
        self.claimant = boa.env.generate_address("claimant")
        with boa.env.prank(self.treasury):
            self._deploy()
            self._fund()
        self.rows: list[Row] = []
        self.claims = 0
        self.claimed = 0
        self.burned = 0

    def _deploy(self) -> None:
        stages = [(timestamp(rate.since), rate.per_year * ETHER) for rate in RATES]
        self.token = load("tokens/AssayToken")(self.treasury, venice.GENESIS * ETHER)
        self.emissions = load("emissions/EmissionController")(
            self.token, self.treasury, stages, WHOLE, CAPACITY
        )
        self.staking = load("staking/Staking")(self.token, self.emissions, 7 * DAY)
        self.karat = load("tokens/KaratToken")(DAY)
        curve = (venice.CURVE_BASE, venice.CURVE_POWER, venice.CURVE_TARGET)
        self.minter = load("staking/CreditMinter")(
            self.staking, self.karat, self.treasury, [value * ETHER for value in curve]
        )
        self.token.set_minter(self.emissions)
        # Nobody records work here: any contract may stand for the ledger.
        self.emissions.set_links(self.staking, self.token)
        self.staking.set_minter(self.minter)
        self.karat.set_links(self.minter, self.token)

    def _fund(self) -> None:
        """Half into an airdrop of two leaves, one of which is never claimed; the rest staked."""
        claimed = (venice.AIRDROP - venice.AIRDROP_BURNED) * ETHER
        leaves = [
            leaf(self.claimant, claimed),
            leaf(boa.env.generate_address("absent"), venice.AIRDROP_BURNED * ETHER),
        ]
        root = keccak(b"".join(sorted(leaves)))
        deadline = timestamp(AIRDROP_END) - 1
        self.airdrop = load("tokens/MerkleAirdrop")(self.token, root, deadline)
        self.token.transfer(self.airdrop, venice.AIRDROP * ETHER)
        self.airdrop.claim(self.claimant, claimed, [leaves[1]])
        self.token.approve(self.staking, venice.GENESIS * ETHER)
        self.staking.stake(self.token.balanceOf(self.treasury))

    def at(self, day: date) -> Row:
        """Go to the beginning of a day, claim and burn what is due, and read the contracts."""
        boa.env.time_travel(seconds=timestamp(day) - boa.env.evm.patch.timestamp)
        if day >= AIRDROP_END and self.burned == 0:
            self.burned = int(self.airdrop.burn_unclaimed())
        self._burn_revenue(day)
        self.claimed += int(self.staking.claim(sender=self.treasury))
        self.claims += 1
        row = Row(
            day=day.isoformat(),
            rate=next(rate.per_year for rate in reversed(RATES) if rate.since <= day) * ETHER,
            emitted=int(self.emissions.emitted()) // YEAR,
            minted=self.claimed,
            burned=self.burned,
            supply=int(self.token.totalSupply()),
        )
        self._check(day, row)
        self.rows.append(row)
        return row

    def _burn_revenue(self, day: date) -> None:
        due = burned_until(day) - self.burned
        if due > 0:
            self.token.burn(due, sender=self.claimant)
            self.burned += due

    def _check(self, day: date, row: Row) -> None:
        """The contracts' numerators are exact; what is minted lags by less than a wei a claim."""
        exact = emitted_until(timestamp(day))
        agree("emitted", day, int(self.emissions.emitted()), exact)
        agree("staker_numerator", day, int(self.emissions.staker_numerator()), exact * BPS)
        agree("minted_to_stakers", day, int(self.emissions.minted_to_stakers()), row.minted)
        # Each claim rounds down once, and so does the accumulator below it: two wei at most.
        lag = exact // YEAR - row.minted
        if not 0 <= lag <= 2 * self.claims:
            raise AssertionError(f"{day}: minted {row.minted}, {lag} wei off the schedule")
        agree("supply", day, row.supply, venice.GENESIS * ETHER + row.minted - row.burned)

    def curve(self) -> list[dict[str, Any]]:
        """The published points on the contract's curve, and what minting up to them locks."""
        points = []
        for point in venice.CURVE_POINTS:
            rate = int(self.minter.rate_at(point.supply * ETHER))
            # Published figures are cut, not rounded: 90 e^2 is 665.015.
            shown = f"{rate // (ETHER // 100) / 100:.2f}"
            if shown != point.rate:
                raise AssertionError(f"rate at {point.supply}: {shown}, published {point.rate}")
            points.append(
                {
                    "supply": point.supply,
                    "published": point.rate,
                    "rate_wei": rate,
                    "lock_from_zero_wei": self._lock_for(point.supply),
                    "source": point.source,
                }
            )
        return points

    def curve_series(self) -> list[dict[str, int]]:
        """The rate at each bucket's upper bound, up to a little past the target."""
        return [
            {"supply": supply, "rate_wei": int(self.minter.rate_at(supply * ETHER))}
            for supply in range(0, 42_001, 500)
        ]

    def mint(self, karat: int) -> tuple[int, int]:
        """Mint so many whole KARAT; returns ASSAY locked and KARAT minted, in wei."""
        locked = int(self.minter.quote_lock(karat * ETHER))
        minted = int(self.minter.mint(locked, karat * ETHER, sender=self.treasury))
        return locked, minted

    def _lock_for(self, supply: int) -> int:
        """By buckets of 500 from zero, at the contract's rates; it quotes 64 buckets at most."""
        rates = (int(self.minter.rate_at(upper * ETHER)) for upper in range(500, supply + 1, 500))
        return sum(500 * rate for rate in rates)


def load(source: str) -> Any:
    return boa.load_partial(str(ROOT / "contracts" / f"{source}.vy"))


def leaf(account: str, amount: int) -> bytes:
    """Of OpenZeppelin's merkle-tree library."""
    return keccak(keccak(encode(["address", "uint256"], [account, amount])))


def agree(what: str, day: date, found: int, expected: int) -> None:
    if found != expected:
        raise AssertionError(f"{day}: {what} is {found} on chain, {expected} by hand")


def days_of_interest(last: date = LAST) -> list[date]:
    """Every change, the day before and after it, every published reading, every month's first."""
    changes = [rate.since for rate in RATES[1:]] + [AIRDROP_END]
    around = {day + timedelta(days=shift) for day in changes for shift in (-1, 0, 1)}
    months = {
        date(year, month, 1)
        for year in range(LAUNCH.year, last.year + 1)
        for month in range(1, 13)
        if LAUNCH < date(year, month, 1) <= last
    }
    read = {day for published in venice.PUBLISHED for day in (published.on, published.since)}
    return sorted({LAUNCH, last} | around | months | read)


def compare_published(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """What was published, and what the replay gives on that day, in millions."""
    by_day = {row.day: row for row in rows}
    found = []
    for published in venice.PUBLISHED:
        row = by_day[published.on.isoformat()]
        wei = row.supply
        if published.what == "minted":
            wei = row.minted - by_day[published.since.isoformat()].minted
        ours = wei / ETHER / MILLION
        found.append(
            {
                "on": row.day,
                "what": published.what,
                "since": published.since.isoformat(),
                "published_millions": published.millions,
                "replayed_millions": round(ours, 3),
                "difference_percent": round(100 * (ours / published.millions - 1), 2),
                "source": published.source,
            }
        )
    return found


def run() -> dict[str, Any]:
    """The whole replay as one document."""
    replay = Replay()
    for day in days_of_interest():
        replay.at(day)
    locked, minted = replay.mint(10_000)
    return {
        "what": "Venice's published history, replayed by our contracts on titanoboa",
        "units": "wei, 18 decimals, unless the name says millions",
        "rates": [
            {
                "since": rate.since.isoformat(),
                "per_year_millions": rate.per_year / MILLION,
                "source": rate.source,
                **({"note": rate.note} if rate.note else {}),
            }
            for rate in RATES
        ],
        "airdrop": {
            "tokens": venice.AIRDROP,
            "burned_on": AIRDROP_END.isoformat(),
            "burned": venice.AIRDROP_BURNED,
            "sources": venice.AIRDROP_SOURCES,
        },
        "burns": [
            {"on": reading.on.isoformat(), "burned": reading.burned, "source": reading.source}
            for reading in venice.BURNS
        ],
        "curve": replay.curve(),
        "curve_series": replay.curve_series(),
        "first_10000_karat": {"locked_wei": locked, "minted_wei": minted},
        "published": compare_published(replay.rows),
        "greatest_lag_wei": max(row.emitted - row.minted for row in replay.rows),
        "series": [row.__dict__ for row in replay.rows],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Venice's history through our contracts.")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of JSON and plots")
    parser.add_argument("--no-plots", action="store_true", help="JSON only; needs no matplotlib")
    options = parser.parse_args()
    document = run()
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "replay.json").write_text(json.dumps(document, indent=1) + "\n")
    for row in document["published"]:
        print(
            f"{row['what']} from {row['since']} to {row['on']}: published"
            f" {row['published_millions']} M, replayed {row['replayed_millions']} M"
            f" ({row['difference_percent']:+} %)",
            file=sys.stderr,
        )
    if not options.no_plots:
        from scripts.economy import plots

        plots.history(document, options.out / "replay.png")
        plots.curve(document, options.out / "curve.png")


if __name__ == "__main__":
    main()
