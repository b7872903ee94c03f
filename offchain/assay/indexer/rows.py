"""Rows of the derived tables while a range of blocks is worked in, and how that is undone.

A row is read once, changed in memory, written at the end; what it was before the range goes to
the table `index_undo` in the same transaction. To undo a range is to put those rows back.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, Table, and_, bindparam, delete, insert, select, update

from assay.indexer import schema

Row = dict[str, Any]
T = TypeVar("T")
BATCH = 500
"""Rows of one statement: PostgreSQL and SQLite bound the number of its parameters."""


class Rows:
    """The rows that one range touches.

    `payments` are those of the range whose claim has not been named yet, by job: the ledger's
    event comes before the settlement's, in one transaction.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.payments: dict[str, Row] = {}
        self._now: dict[tuple[str, tuple[Any, ...]], Row] = {}
        self._before: dict[tuple[str, tuple[Any, ...]], Row | None] = {}

    def find(self, table: Table, *key: Any) -> Row | None:
        """The row, to be changed in place; None if there is none."""
        place = (table.name, key)
        if place not in self._before:
            found = self._connection.execute(select(table).where(_is(table, key))).mappings()
            row = found.first()
            self._before[place] = dict(row) if row is not None else None
            if row is not None:
                self._now[place] = dict(row)
        return self._now.get(place)

    def load(self, table: Table, keys: Iterable[str]) -> None:
        """Read rows that will be asked for, all at once."""
        (column,) = table.primary_key.columns
        for some in _pieces(sorted(set(keys))):
            rows = self._connection.execute(select(table).where(column.in_(some))).mappings()
            found = {row[column.name]: dict(row) for row in rows}
            for key in some:
                row = found.get(key)
                self._before[table.name, (key,)] = dict(row) if row is not None else None
                if row is not None:
                    self._now[table.name, (key,)] = row

    def get(self, table: Table, *key: Any, **first: Any) -> Row:
        """The row, made if need be: of defaults and what `first` says."""
        row = self.find(table, *key)
        return row if row is not None else self._new(table, key, first)

    def add(self, table: Table, *key: Any, **values: Any) -> Row:
        """A row that is known to be new: nothing is asked of the database."""
        self._before[table.name, key] = None
        return self._new(table, key, values)

    def _new(self, table: Table, key: tuple[Any, ...], values: Row) -> Row:
        row = schema.blank(table) | dict(zip(_names(table), key, strict=True)) | values
        self._now[table.name, key] = row
        return row

    def write(self, head: int) -> int:
        """Write what changed and how to undo it; the number of rows."""
        places = [p for p, row in self._now.items() if row != self._before[p]]
        for table in schema.DERIVED:
            changed = [place for place in places if place[0] == table.name]
            new = [self._now[place] for place in changed if self._before[place] is None]
            for some in _pieces(new):
                self._connection.execute(insert(table), some)
            old = [self._now[place] for place in changed if self._before[place] is not None]
            for some in _pieces(old):
                self._connection.execute(_by_key(table), [_with_key(table, row) for row in some])
        for some in _pieces([self._undo(head, n, place) for n, place in enumerate(places)]):
            self._connection.execute(insert(schema.undo), some)
        return len(places)

    def _undo(self, head: int, number: int, place: tuple[str, tuple[Any, ...]]) -> Row:
        before = self._before[place]
        return {
            "head": head,
            "place": number,
            "table_name": place[0],
            "key": json.dumps(place[1]),
            "before": None if before is None else json.dumps(before),
        }


def put_back(connection: Connection, block: int) -> None:
    """Undo all ranges that ended after `block`, newest first."""
    undo = schema.undo
    tables = {table.name: table for table in schema.DERIVED}
    newest_first = select(undo).where(undo.c.head > block).order_by(undo.c.head.desc())
    for entry in connection.execute(newest_first).mappings().all():
        table, key = tables[entry["table_name"]], tuple(json.loads(entry["key"]))
        connection.execute(delete(table).where(_is(table, key)))
        if entry["before"] is not None:
            connection.execute(insert(table).values(json.loads(entry["before"])))
    connection.execute(delete(undo).where(undo.c.head > block))


def _names(table: Table) -> list[str]:
    return [column.name for column in table.primary_key.columns]


def _is(table: Table, key: tuple[Any, ...]) -> Any:
    columns = table.primary_key.columns
    return and_(*(column == value for column, value in zip(columns, key, strict=True)))


def _by_key(table: Table) -> Any:
    """An update of many rows, whose keys come as `key_…`."""
    keys = _names(table)
    same = and_(*(table.c[name] == bindparam(f"key_{name}") for name in keys))
    others = [column.name for column in table.columns if column.name not in keys]
    return update(table).where(same).values({name: bindparam(name) for name in others})


def _with_key(table: Table, row: Row) -> Row:
    keys = _names(table)
    return {f"key_{name}" if name in keys else name: value for name, value in row.items()}


def _pieces(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(rows), BATCH):
        yield rows[start : start + BATCH]
