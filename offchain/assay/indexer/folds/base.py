"""What a fold is given: the event with its time, and the rows that it may change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from assay.chain.events import Event
from assay.indexer import schema
from assay.indexer.rows import Row, Rows

DAY_SECONDS = 86_400
ZERO_ADDRESS = "0x" + "00" * 20


@dataclass(frozen=True)
class Happening:
    """An event at `time` (Unix), and the rows of its range."""

    event: Event
    time: int
    rows: Rows

    @property
    def contract(self) -> str:
        return self.event.contract

    @property
    def name(self) -> str:
        return self.event.name

    def __getitem__(self, name: str) -> Any:
        """A parameter of the event."""
        return self.event.args[name]

    def hex(self, name: str) -> str:
        """A bytes parameter as 0x-hex."""
        return "0x" + bytes(self.event.args[name]).hex()

    @property
    def place(self) -> Row:
        return {"block": self.event.block_number, "log_index": self.event.log_index}

    def provider(self, address: str) -> Row:
        row = self.rows.find(schema.providers, address)
        if row is None:
            row = self.rows.get(schema.providers, address, first_seen_at=self.time, **self.place)
            self.totals["providers"] += 1
        return row

    def account(self, address: str) -> Row:
        return self.rows.get(schema.accounts, address)

    @property
    def totals(self) -> Row:
        return self.rows.get(schema.totals, 1)

    @property
    def day(self) -> Row:
        """The row of the event's UTC day; a new one begins as the totals stand."""
        number = self.time // DAY_SECONDS
        row = self.rows.find(schema.days, number)
        if row is None:
            row = self.rows.get(schema.days, number)
            self.carry()
        return row

    def carry(self) -> None:
        """Bring the day's levels up to the totals."""
        row, totals = self.rows.get(schema.days, self.time // DAY_SECONDS), self.totals
        for name in ("supply", "karat_supply", "karat_staked", "staked"):
            row[name] = totals[name]
