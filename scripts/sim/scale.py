"""A day of the network on paper: 10,000 providers, and the 45 billion tokens that Venice publishes.

    scripts/sim/scale [--out FOLDER]

Transactions, gas, dollars, database rows and gateways, from unit costs that are measured: gas from
`scripts/bench/results` (contracts, dispute), rows from `results/rows.json`, gateways from
`scripts/bench/results/gateway.json` where that is. What is assumed is in `Load` and in
`scenario.py`. Writes scale.json; tables on stderr.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from scripts.bench.conditions import print_table, stderr
from scripts.sim import measured, rows
from scripts.sim.scenario import CHAINS, DAY, ROLLUP, Chain

RESULTS = Path(__file__).resolve().parent / "results"
PER_CALL = 16
"""Claims of one `finalise_many`; vouchers of one `collect_many` are COLLECTED."""
COLLECTED = 200
GATEWAY_ROWS = 2
"""Of a request: its job, and what it was charged."""
CLAIM_TOKENS = (2_000, 20_000, 200_000, 2_000_000)
SHARE = 0.05
"""Of sales that gas may take: as much as the protocol's fee."""


@dataclass(frozen=True)
class Load:
    """A day.

    providers     that serve, in equal parts
    tokens        prompts and answers together; Venice's published load
    claim_tokens  of a job, which is a claim
    tokens_usd    price of a million tokens
    batch         receipts of a batch; each provider posts one a day at least
    owners        accounts whose channels are collected from, once a day
    peak          busiest second over the mean
    wrong         share of claims that are challenged on chain
    """

    providers: int = 10_000
    tokens: float = 45e9
    claim_tokens: int = 2_000
    tokens_usd: float = 1.0
    batch: int = 1_000
    owners: int = 100_000
    peak: float = 3.0
    wrong: float = 1e-5

    @property
    def claims(self) -> float:
        return self.tokens / self.claim_tokens

    @property
    def sales_usd(self) -> float:
        return self.tokens * self.tokens_usd / 1e6

    @property
    def batches(self) -> float:
        return self.providers * math.ceil(self.claims / self.providers / self.batch)


@dataclass(frozen=True)
class Item:
    """One kind of transaction: how many a day, and the gas of each."""

    what: str
    by: str
    transactions: float
    gas_each: float

    @property
    def gas(self) -> float:
        return self.transactions * self.gas_each


def items(load: Load) -> Iterator[Item]:
    """Every transaction of a day."""
    units = measured.unit_gas()
    payments = load.claims / PER_CALL
    collections = load.owners / COLLECTED
    yield Item("post a batch", "providers", load.batches, units.post)
    yield Item("pay 16 claims", "providers", payments, PER_CALL * units.pay)
    yield Item("play a game to its end", "both sides", load.claims * load.wrong, units.game)
    yield Item("collect 200 vouchers", "gateways", collections, COLLECTED * units.voucher)
    yield Item("reward a provider's day", "keepers", load.providers, units.reward)
    yield Item("withdraw earnings, weekly", "providers", load.providers / 7, units.withdraw)
    yield Item("roll the day", "keepers", 1, units.checkpoint)
    yield Item("sweep fees, start and take an auction", "keepers", 1, units.auction)


def day(load: Load, chain: Chain) -> dict[str, Any]:
    """The sums of a day on a chain. `of_the_chain`: its gas over what the chain's blocks aim at."""
    found = list(items(load))
    gas = sum(item.gas for item in found)
    usd = chain.usd(gas, chain.busy_gwei)
    room = chain.target_gas * DAY / chain.block_seconds
    return {
        "chain": chain.name,
        "claim_tokens": load.claim_tokens,
        "claims": load.claims,
        "transactions": sum(item.transactions for item in found),
        "gas": gas,
        "of_the_chain": gas / room,
        "gas_usd": usd,
        "of_sales": usd / load.sales_usd,
        "carries": usd <= SHARE * load.sales_usd and gas <= room,
    }


def least_claim(load: Load, chain: Chain) -> float:
    """Tokens of a claim from which on paying for it costs at most SHARE of its price."""
    return chain.usd(measured.unit_gas().pay, chain.busy_gwei) / (SHARE * load.tokens_usd / 1e6)


def stored(load: Load) -> dict[str, float]:
    """Rows and bytes of a day, and how many indexers' worth of writing it is."""
    units = rows.kept()
    return {
        "gateway_rows": GATEWAY_ROWS * load.claims,
        "index_rows": units["rows_per_claim"] * load.claims,
        "index_gigabytes": units["bytes_per_claim"] * load.claims / 1e9,
        "of_an_indexer": load.claims / DAY / units["claims_per_second"],
    }


def served(load: Load) -> dict[str, float | str | None]:
    """What gateways and providers must bear."""
    busiest = load.peak * load.claims / DAY
    rate = measured.gateway_requests()
    return {
        "requests_per_second": load.claims / DAY,
        "requests_per_second_at_peak": busiest,
        "tokens_per_second_of_a_provider": load.tokens / DAY / load.providers,
        "gateway_requests_per_second": rate,
        "gateway_replicas": None if rate is None else math.ceil(busiest / rate),
        "gateways": "scripts/bench/results/gateway.json" if rate else "not measured yet",
    }


def document(load: Load) -> dict[str, Any]:
    sizes = [replace(load, claim_tokens=tokens) for tokens in CLAIM_TOKENS]
    return {
        "what": "a day of 10,000 providers and 45 billion tokens",
        "command": "scripts/sim/scale",
        "load": asdict(load) | {"sales_usd": load.sales_usd},
        "chains": [asdict(chain) for chain in CHAINS],
        "unit_gas": asdict(measured.unit_gas()),
        "transactions": [rounded({**asdict(item), "gas": item.gas}) for item in items(load)],
        "days": [rounded(day(size, chain)) for chain in CHAINS for size in sizes],
        "least_claim_tokens": {chain.name: round(least_claim(load, chain)) for chain in CHAINS},
        "rows": rounded(stored(load)),
        "service": rounded(served(load)),
    }


def rounded(row: dict[str, Any]) -> dict[str, Any]:
    """Floats to four digits, for reading; large ones whole."""
    return {name: _rounded(value) for name, value in row.items()}


def _rounded(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    short = float(f"{value:.4g}")
    return int(short) if short >= 1_000 else short


def _said(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "carries": "yes" if row["carries"] else "no"}


def main() -> None:
    parser = argparse.ArgumentParser(description="A day at Venice's load, on paper.")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    found = document(Load())
    (options.out / "scale.json").write_text(json.dumps(found, indent=1) + "\n")
    columns = ("what", "by", "transactions", "gas_each", "gas")
    print_table(f"One day, claims of 2,000 tokens, {ROLLUP.name}", columns, found["transactions"])
    shown = ("chain", "claim_tokens", "transactions", "of_the_chain", "gas_usd", "of_sales")
    print_table("By the tokens of a claim", (*shown, "carries"), map(_said, found["days"]))
    for part in ("least_claim_tokens", "rows", "service"):
        stderr.print(part.replace("_", " "), found[part])


if __name__ == "__main__":
    main()
