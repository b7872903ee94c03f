"""The index as a database: where it stands, one more range of events, ranges undone.

Everything of a range is written in one transaction, the cursor included, so a kill at any
instant leaves the index at the end of one range. Several indexers may share a database: whoever
finds the cursor moved leaves its range to the other.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.engine import Engine

from assay.chain.events import Event
from assay.chain.ranges import Block, Chunk
from assay.core.database import open_database, reading, writing
from assay.core.errors import ConfigError
from assay.indexer import schema
from assay.indexer.folds import fold
from assay.indexer.folds.base import Happening
from assay.indexer.folds.claims import claims_named
from assay.indexer.rows import BATCH, Rows, put_back

ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
MIGRATIONS = Path(__file__).with_name("migrations")


@dataclass(frozen=True)
class Stand:
    """Up to which block the index has read."""

    block: int
    hash: str
    timestamp: int


class Index:
    """One network's index.

    Args:
        url: as in `core.database`.
        origin: which network; a database that holds another one's is refused.
        start: the first block that can hold an event.
        depth: blocks whose replacement can be undone; after a deeper one the index is read anew.
    """

    def __init__(self, url: str, origin: str, start: int, depth: int) -> None:
        self._engine: Engine = open_database(url, MIGRATIONS)
        self._origin, self._start, self._depth = origin, start, depth
        try:
            self._begin()
        except BaseException:
            self.close()
            raise

    @property
    def origin(self) -> str:
        return self._origin

    @property
    def engine(self) -> Engine:
        return self._engine

    def close(self) -> None:
        self._engine.dispose()

    def stand(self) -> Stand:
        with reading(self._engine) as connection:
            return stand_of(connection)

    def add(self, since: Stand, chunk: Chunk) -> bool:
        """Work a range in that follows `since`; False if somebody else has moved the cursor."""
        with writing(self._engine) as connection:
            if not _claim_turn(connection, since):
                return False
            rows = Rows(connection)
            rows.load(schema.claims, claims_named(chunk.events))
            for event in chunk.events:
                fold(Happening(event, chunk.times[event.block_number], rows))
            rows.write(chunk.last.number)
            _write_events(connection, chunk)
            _move(connection, chunk.last)
            connection.execute(insert(schema.heads), [_values(chunk.last)])
            self._prune(connection, chunk.last.number)
        return True

    def standing_block(self, lookup: Callable[[int], Block | None]) -> Stand | None:
        """The newest block that the index ended a range with and that the chain still has.

        None if it has none of those that are remembered. Blocks before one that holds, hold.
        """
        with reading(self._engine) as connection:
            newest_first = select(schema.heads).order_by(schema.heads.c.block.desc())
            heads = [
                Stand(row.block, row.hash, row.timestamp)
                for row in connection.execute(newest_first)
            ]
        if not heads:
            return _nothing(self._start)

        def holds(head: Stand) -> bool:
            found = lookup(head.block)
            return found is not None and found.hash == head.hash

        if holds(heads[0]):
            return heads[0]
        place = bisect_left(heads, True, key=holds)
        return heads[place] if place < len(heads) else None

    def undo(self, since: Stand, to: Stand) -> bool:
        """Undo all ranges after `to`; False if somebody else has moved the cursor."""
        with writing(self._engine) as connection:
            if not _claim_turn(connection, since):
                return False
            put_back(connection, to.block)
            for table in (*schema.READ, schema.heads):
                connection.execute(delete(table).where(table.c.block > to.block))
            _move(connection, Block(to.block, to.hash, to.timestamp))
        return True

    def clear(self) -> None:
        """Forget everything: the next range is the first."""
        with writing(self._engine) as connection:
            for table in (*schema.DERIVED, *schema.READ, schema.heads, schema.undo):
                connection.execute(delete(table))
            self._reset(connection)

    def counts(self) -> dict[str, int]:
        """Rows by table."""
        tables = (*schema.READ, *schema.DERIVED)
        with reading(self._engine) as connection:
            return {
                table.name.removeprefix("index_"): connection.execute(
                    select(func.count()).select_from(table)
                ).scalar_one()
                for table in tables
            }

    def _begin(self) -> None:
        with writing(self._engine) as connection:
            found = connection.execute(select(schema.cursor).with_for_update()).one()
            if not found.origin:
                self._reset(connection)
            elif found.origin != self._origin:
                raise ConfigError(
                    f"the database indexes {found.origin}, this deployment is {self._origin}; "
                    "name another database (ASSAY_DATABASE_URL)"
                )

    def _reset(self, connection: Connection) -> None:
        values = {"origin": self._origin, "start": self._start, **vars(_nothing(self._start))}
        connection.execute(update(schema.cursor).values(values))

    def _prune(self, connection: Connection, head: int) -> None:
        """Forget how to undo what no reorganisation within the depth can undo."""
        heads, undo = schema.heads, schema.undo
        final = connection.execute(
            select(func.max(heads.c.block)).where(heads.c.block <= head - self._depth)
        ).scalar_one()
        if final is not None:
            connection.execute(delete(heads).where(heads.c.block < final))
            connection.execute(delete(undo).where(undo.c.head <= final))


def _values(block: Block) -> dict[str, Any]:
    return {"block": block.number, "hash": block.hash, "timestamp": block.timestamp}


def plain(value: Any) -> Any:
    """A parameter of an event for JSON: bytes as 0x-hex, integers as decimal text."""
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value


def _nothing(start: int) -> Stand:
    return Stand(start - 1, "", 0)


def stand_of(connection: Connection, lock: bool = False) -> Stand:
    """Where the index stands, in a transaction of the caller's."""
    query = select(schema.cursor.c.block, schema.cursor.c.hash, schema.cursor.c.timestamp)
    row = connection.execute(query.with_for_update() if lock else query).one()
    return Stand(*row)


def _claim_turn(connection: Connection, since: Stand) -> bool:
    return stand_of(connection, lock=True) == since


def _move(connection: Connection, to: Block) -> None:
    connection.execute(update(schema.cursor).values(_values(to)))


def _write_events(connection: Connection, chunk: Chunk) -> None:
    stored = [
        {
            "block": event.block_number,
            "log_index": event.log_index,
            "transaction_hash": event.transaction,
            "contract": event.contract,
            "name": event.name,
            "args": json.dumps(plain(event.args)),
        }
        for event in chunk.events
    ]
    hashes = {event.block_number: event.block_hash for event in chunk.events}
    blocks = [
        {"block": number, "hash": found, "timestamp": chunk.times[number]}
        for number, found in hashes.items()
    ]
    mentions = [
        {"subject": subject, "block": event.block_number, "log_index": event.log_index}
        for event in chunk.events
        for subject in sorted(_subjects(event))
    ]
    for table, rows in ((schema.events, stored), (schema.blocks, blocks)):
        _insert(connection, table, rows)
    _insert(connection, schema.mentions, mentions)


def _insert(connection: Connection, table: Any, rows: list[dict[str, Any]]) -> None:
    for start in range(0, len(rows), BATCH):
        connection.execute(insert(table), rows[start : start + BATCH])


def _subjects(event: Event) -> set[str]:
    """Whom and what an event names: addresses, and the ids of claims, games, jobs, models."""
    texts = (value for value in event.args.values() if isinstance(value, str))
    found = {text for text in texts if ADDRESS.fullmatch(text)}
    ids = (v for name, v in event.args.items() if name.endswith(("_id", "model_root")))
    return found | {str(plain(value)) for value in ids if isinstance(value, bytes)}
