"""How the wallet's commands print: tables for people, one JSON document with `--json`."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from assay.core.errors import AssayError
from assay.wallet.amounts import Amount, Moment
from assay.wallet.plan import Change, Fact, Table

FAILED = 2


class Screen:
    """Results on stdout, progress and errors on stderr.

    With `as_json`, stdout gets exactly one document, at the end, whatever happens.
    """

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.document: dict[str, Any] = {}
        self._out = Console(highlight=False)
        self._err = Console(stderr=True, highlight=False)

    def title(self, text: str) -> None:
        if not self.as_json:
            self._out.print(Text(text, style="bold"))

    def facts(self, facts: Mapping[str, Fact]) -> None:
        """Names and values, a line each; a long value is never cut."""
        self.document["facts"] = {slug(name): plain(value) for name, value in facts.items()}
        if self.as_json or not facts:
            return
        width = max(len(name) for name in facts)
        for name, value in facts.items():
            line = Text.assemble((f"  {name:<{width}}  ", "dim"), shown(value))
            self._out.print(line, soft_wrap=True)

    def tables(self, tables: Sequence[Table]) -> None:
        for table in tables:
            self.document[slug(table.name)] = table_document(table)
            if not self.as_json and table.rows:
                self._out.print(_grid(table))

    def changes(self, changes: Sequence[Change]) -> None:
        self.document["changes"] = [change_document(change) for change in changes]
        rows = [(c.what, Amount(c.before, c.unit), Amount(c.after, c.unit)) for c in changes]
        estimates = [
            (what, before, f"about {after}" if change.about else after)
            for change, (what, before, after) in zip(changes, rows, strict=True)
        ]
        if changes and not self.as_json:
            self._out.print(_grid(Table("balances", ("what", "now", "afterwards"), estimates)))

    def warnings(self, warnings: Sequence[str]) -> None:
        self.document["warnings"] = list(warnings)
        if not self.as_json:
            for warning in warnings:
                self._out.print(Text.assemble(("  note: ", "yellow"), warning), soft_wrap=True)

    def line(self, text: str) -> None:
        """A result in words."""
        if not self.as_json:
            self._out.print(text, markup=False, soft_wrap=True)

    def progress(self, text: str) -> None:
        self._err.print(text, markup=False, soft_wrap=True)

    def finish(self) -> None:
        """The document, if one is wanted."""
        if self.as_json:
            sys.stdout.write(json.dumps(self.document, indent=2, ensure_ascii=False) + "\n")
            sys.stdout.flush()

    def fail(self, error: AssayError) -> int:
        """Report an error; returns the exit code. What was mined before stays in the document."""
        self._err.print(f"[bold red]error[/] \\[{error.code}] ", end="")
        self._err.print(error.message, markup=False, soft_wrap=True)
        self.document["error"] = {"code": error.code, "message": error.message}
        self.finish()
        return FAILED


def slug(name: str) -> str:
    """A JSON key from a name: "share of all stake" gives "share_of_all_stake"."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower().replace("'", "")).strip("_")


def plain(value: Fact) -> Any:
    """The JSON form of a fact; amounts with every decimal, as text."""
    if isinstance(value, Amount):
        return {"amount": value.exact, "unit": value.unit.symbol}
    if isinstance(value, Moment):
        return {"time": value.exact, "unix": value.at}
    return value


def shown(value: Fact) -> str:
    """Text of a cell."""
    if value is None:
        return "—"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def change_document(change: Change) -> dict[str, Any]:
    return {
        "what": slug(change.what),
        "unit": change.unit.symbol,
        "before": Amount(change.before, change.unit).exact,
        "after": Amount(change.after, change.unit).exact,
        "about": change.about,
    }


def table_document(table: Table) -> Any:
    if table.keyed:
        return {slug(str(name)): plain(value) for name, value in table.rows}
    names = [slug(name) for name in table.header]
    return [dict(zip(names, map(plain, row), strict=True)) for row in table.rows]


def _grid(table: Table) -> Grid:
    """A rich table; amounts are aligned right, long cells are folded."""
    grid = Grid(title=table.name, title_justify="left", title_style="bold")
    for index, name in enumerate(table.header):
        amounts = all(isinstance(row[index], Amount | int) for row in table.rows)
        grid.add_column(name, justify="right" if amounts else "left", overflow="fold")
    for row in table.rows:
        grid.add_row(*(Text(shown(cell)) for cell in row))
    return grid
