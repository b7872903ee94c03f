"""Statements on every request's way, compiled once and handed to the driver.

SQLAlchemy's own execution of a compiled statement takes ten times as long as SQLite's; a request
needs sixteen of them. Its connections, transactions and errors stay in force.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Boolean, Connection, Delete, Dialect, Insert, Select, Update
from sqlalchemy.engine.interfaces import DBAPIModule
from sqlalchemy.exc import DBAPIError

_LIST = re.compile(r"__\[POSTCOMPILE_(\w+)[^\]]*\]")
"""Where SQLAlchemy would write out a list; a cast that it adds there is not needed."""

Row = tuple[Any, ...]


class Prepared:
    """One statement, for any dialect. Safe to share between threads.

    Args:
        statement: parameters that are lists are `bindparam(…, expanding=True)`.
        columns: what an insert or update without values sets.
    """

    def __init__(
        self, statement: Select[Any] | Insert | Update | Delete, columns: Sequence[str] = ()
    ) -> None:
        self._statement = statement
        self._columns = list(columns) or None
        self._flags = _flags(statement)
        self._texts: dict[tuple[object, ...], str] = {}

    def rows(self, connection: Connection, values: Mapping[str, Any]) -> list[Row]:
        """All rows that it selects or returns. A list must not be empty."""
        lists = {name: value for name, value in values.items() if isinstance(value, list)}
        given = {name: value for name, value in values.items() if name not in lists}
        sizes = tuple((name, _padded(len(value))) for name, value in lists.items())
        for name, size in sizes:
            items = lists[name]
            given |= {f"{name}_{i}": items[min(i, len(items) - 1)] for i in range(size)}
        text = self._text(connection.dialect, sizes)
        cursor = connection.connection.cursor()
        try:
            cursor.execute(text, given)
            found: Sequence[Row] = cursor.fetchall()
            cursor.close()
        except _driver(connection).Error as error:
            raise _translated(connection, cursor, text, error) from error
        return [self._typed(row) for row in found] if self._flags else list(found)

    def run(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Once for each; what it returns is left."""
        text = self._text(connection.dialect, ())
        cursor = connection.connection.cursor()
        try:
            if len(rows) == 1:
                cursor.execute(text, rows[0])
            else:
                cursor.executemany(text, rows)
            cursor.close()
        except _driver(connection).Error as error:
            raise _translated(connection, cursor, text, error) from error

    def _text(self, dialect: Dialect, sizes: tuple[tuple[str, int], ...]) -> str:
        known = self._texts.get((dialect.name, *sizes))
        if known is None:
            known = self._compiled(dialect, dict(sizes))
            self._texts[dialect.name, *sizes] = known
        return known

    def _compiled(self, dialect: Dialect, sizes: Mapping[str, int]) -> str:
        if dialect.paramstyle == "qmark":
            kind: Callable[..., Dialect] = type(dialect)
            dialect = kind(paramstyle="named")
        mark = "%({}_{})s" if dialect.paramstyle == "pyformat" else ":{}_{}"
        compiled = self._statement.compile(dialect=dialect, column_keys=self._columns)

        def listed(found: re.Match[str]) -> str:
            return ", ".join(mark.format(found[1], i) for i in range(sizes[found[1]]))

        return _LIST.sub(listed, str(compiled))

    def _typed(self, row: Row) -> Row:
        """SQLite's truth values are integers."""
        return tuple(bool(v) if i in self._flags else v for i, v in enumerate(row))


def _flags(statement: Select[Any] | Insert | Update | Delete) -> frozenset[int]:
    columns = statement.selected_columns if isinstance(statement, Select) else ()
    return frozenset(i for i, one in enumerate(columns) if isinstance(one.type, Boolean))


def _padded(count: int) -> int:
    """The next power of two, by repeating the last: few texts, however long lists are."""
    return 1 << max(count - 1, 0).bit_length()


def _driver(connection: Connection) -> DBAPIModule:
    dbapi = connection.dialect.dbapi
    assert dbapi is not None, "a dialect of an open connection has its driver"
    return dbapi


def _translated(connection: Connection, cursor: Any, text: str, error: Any) -> Exception:
    """A driver's error as SQLAlchemy's; one that says that the connection is lost takes it out of
    the pool."""
    dialect = connection.dialect
    lost = dialect.is_disconnect(error, connection.connection, cursor)
    if lost:
        connection.invalidate(error)
    kind = _driver(connection).Error
    found: Exception = DBAPIError.instance(
        text, None, error, kind, connection_invalidated=lost, dialect=dialect
    )
    return found
