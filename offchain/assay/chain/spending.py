"""What an account's transactions have cost, remembered in a file: each is asked for once.

A transaction in a block that may still be undone is asked for again the next time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from web3.exceptions import TransactionNotFound

from assay.chain.network import Network
from assay.chain.node import node_errors, url_of

ASKED_AT_ONCE = 8
TABLE = """
CREATE TABLE IF NOT EXISTS fees (
    hash TEXT PRIMARY KEY, sender TEXT NOT NULL, gas INTEGER NOT NULL, wei TEXT NOT NULL
)
"""
LIMIT = 500
"""Of values in one query."""


@dataclass(frozen=True)
class Spent:
    """Of mined transactions that one account sent."""

    transactions: int = 0
    gas: int = 0
    wei: int = 0


@dataclass(frozen=True)
class _Fee:
    hash: str
    block: int
    sender: str
    gas: int
    wei: int


class Spending:
    """The fees of transactions, by their hashes."""

    def __init__(self, network: Network, path: Path) -> None:
        self._network = network
        self._path = path

    def of(self, account: str, transactions: Iterable[str]) -> Spent:
        """Those that `account` sent among the transactions."""
        wanted = set(transactions)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self._path)) as database, database:
            database.execute(TABLE)
            known = list(_known(database, sorted(wanted)))
            asked = self._ask(sorted(wanted - {fee.hash for fee in known}))
            self._keep(database, asked)
        own = [fee for fee in (*known, *asked) if fee.sender.lower() == account.lower()]
        return Spent(len(own), sum(fee.gas for fee in own), sum(fee.wei for fee in own))

    def _ask(self, hashes: list[str]) -> list[_Fee]:
        with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
            return [fee for fee in pool.map(self._fee, hashes) if fee is not None]

    def _fee(self, transaction: str) -> _Fee | None:
        """None if a reorganisation took the transaction back."""
        web3 = self._network.web3
        try:
            with node_errors(url_of(web3)):
                receipt = web3.eth.get_transaction_receipt(cast(Any, transaction))
        except TransactionNotFound:
            return None
        gas = int(receipt["gasUsed"])
        wei = gas * int(receipt["effectiveGasPrice"])
        return _Fee(transaction, int(receipt["blockNumber"]), str(receipt["from"]), gas, wei)

    def _keep(self, database: sqlite3.Connection, fees: list[_Fee]) -> None:
        if not fees:
            return
        final = self._network.head() - self._network.reorg_depth
        database.executemany(
            "INSERT OR REPLACE INTO fees VALUES (?, ?, ?, ?)",
            [(f.hash, f.sender, f.gas, str(f.wei)) for f in fees if f.block <= final],
        )


def _known(database: sqlite3.Connection, hashes: list[str]) -> Iterable[_Fee]:
    for start in range(0, len(hashes), LIMIT):
        part = hashes[start : start + LIMIT]
        marks = ",".join("?" * len(part))
        rows = database.execute(f"SELECT * FROM fees WHERE hash IN ({marks})", part)
        yield from (_Fee(hash, 0, sender, gas, int(wei)) for hash, sender, gas, wei in rows)
