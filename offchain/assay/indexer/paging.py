"""Pages by key: a cursor names the last row of the page before, so rows that come meanwhile
move nothing."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, literal, tuple_

from assay.core.errors import InputError
from assay.indexer.schema import Amount

MOST = 200
USUAL = 50
MAX_INTEGER = 2**63 - 1
MAX_AMOUNT = 2**256 - 1

Columns = Sequence[ColumnElement[Any]]


def after(query: Select[Any], columns: Columns, cursor: str | None, limit: int) -> Select[Any]:
    """The rows that follow the cursor's, greatest keys first, one more than a page holds."""
    if cursor is not None:
        last = zip(columns, _parse(cursor, columns), strict=True)
        values = [literal(value, column.type) for column, value in last]
        query = query.where(tuple_(*columns) < tuple_(*values))
    return query.order_by(*(column.desc() for column in columns)).limit(limit + 1)


def next_cursor(rows: Sequence[Any], columns: Columns, limit: int) -> str | None:
    """The cursor of the page after these rows, of which there is one too many if there is one."""
    if len(rows) <= limit:
        return None
    last = rows[limit - 1]
    key = json.dumps([last[column.key] for column in columns], separators=(",", ":"))
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def _parse(cursor: str, columns: Columns) -> list[Any]:
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise _refused(cursor) from error
    if not isinstance(key, list) or len(key) != len(columns):
        raise _refused(cursor)
    if not all(_fits(value, column) for value, column in zip(key, columns, strict=True)):
        raise _refused(cursor)
    return key


def _fits(value: object, column: ColumnElement[Any]) -> bool:
    if isinstance(column.type, Amount):
        return type(value) is int and 0 <= value <= MAX_AMOUNT
    if column.type.python_type is int:
        return type(value) is int and 0 <= value <= MAX_INTEGER
    return isinstance(value, str) and value.isascii() and value.isprintable()


def _refused(cursor: str) -> InputError:
    return InputError(
        f"{cursor[:64]!r} is no cursor of this list; take `next` of the page before",
        code="invalid_cursor",
        param="cursor",
    )
