"""A gateway's day from its database. Reads what it needs of tables that the gateway keeps."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Column, Connection, Engine, MetaData, RowMapping, Table, inspect, select
from sqlalchemy import types as sql

from assay.books.entries import Answer, ChannelDay, Usage
from assay.core.database import reading, translated
from assay.core.errors import ConfigError
from assay.core.vouchers import DAY_SECONDS
from assay.core.wire import hexed

AT_ONCE = 500
"""Ids of one query."""

METADATA = MetaData()
JOBS = Table(
    "jobs",
    METADATA,
    Column("job_id", sql.LargeBinary),
    Column("owner", sql.String),
    Column("job", sql.Text),
    Column("receipt", sql.Text),
    Column("batch", sql.Text),
    Column("created", sql.Double),
)
USAGE = Table(
    "usage",
    METADATA,
    Column("receipt_id", sql.LargeBinary),
    Column("owner", sql.String),
    Column("day", sql.Integer),
    Column("price", sql.BigInteger),
    Column("from_channel", sql.BigInteger),
    Column("from_prepaid", sql.BigInteger),
)
CHANNEL_DAYS = Table(
    "channel_days",
    METADATA,
    Column("owner", sql.String),
    Column("day", sql.Integer),
    Column("metered", sql.BigInteger),
    Column("collected", sql.BigInteger),
    Column("delegated", sql.Boolean),
    Column("returned", sql.BigInteger),
    Column("repaid", sql.BigInteger),
)

T = TypeVar("T")


class GatewayBooks:
    """One day of a gateway's database; `accounts` are those that it signs with.

    An answer is of the day that its owner was charged on; one that nobody was charged for, of the
    day that it was asked on.
    """

    def __init__(self, engine: Engine, day: int) -> None:
        _check(engine)
        with reading(engine) as connection:
            self.usage = _usage(connection, day)
            self.channels = _channels(connection, day)
            self.answers = _answers(connection, day, self.usage)
            self.accounts = {answer.consumer for answer in self.answers.values()}
            self.accounts |= _newest_account(connection)
        self._engine = engine

    def known(self, job_ids: Iterable[str]) -> frozenset[str]:
        """Of these jobs, those that were answered or charged for on whatever day, and those of the
        gateway's own account."""
        ids = list(job_ids)
        with reading(self._engine) as connection:
            rows = _jobs(connection, ids)
            own = {hexed(r["job_id"]) for r in rows if r["receipt"] is not None or not r["owner"]}
            return frozenset(own | _charged(connection, ids))


def _check(engine: Engine) -> None:
    with translated():
        inspector = inspect(engine)
        tables = set(inspector.get_table_names())
        missing = [
            f"{table.name}.{column.name}"
            for table in METADATA.tables.values()
            for column in table.columns
            if table.name not in tables
            or column.name not in {found["name"] for found in inspector.get_columns(table.name)}
        ]
    if missing:
        raise ConfigError(
            f"the gateway's database has not the tables of a gateway (no {missing[0]}); check "
            "ASSAY_GATEWAY_DATABASE_URL, and start the gateway once with this version"
        )


def _usage(connection: Connection, day: int) -> dict[str, Usage]:
    rows = connection.execute(select(USAGE).where(USAGE.c.day == day)).mappings()
    return {
        hexed(row["receipt_id"]): Usage(
            job_id=hexed(row["receipt_id"]),
            owner=row["owner"],
            price=row["price"],
            from_channel=row["from_channel"],
            from_prepaid=row["from_prepaid"],
        )
        for row in rows
    }


def _channels(connection: Connection, day: int) -> dict[str, ChannelDay]:
    rows = connection.execute(select(CHANNEL_DAYS).where(CHANNEL_DAYS.c.day == day)).mappings()
    names = [column.name for column in CHANNEL_DAYS.columns if column.name != "day"]
    return {row["owner"]: ChannelDay(**{name: row[name] for name in names}) for row in rows}


def _answers(connection: Connection, day: int, usage: Mapping[str, Usage]) -> dict[str, Answer]:
    asked = select(JOBS).where(
        JOBS.c.created >= day * DAY_SECONDS, JOBS.c.created < (day + 1) * DAY_SECONDS
    )
    created = connection.execute(asked).mappings().all()
    ids = [hexed(row["job_id"]) for row in created]
    elsewhere = _charged(connection, ids, but=day)  # asked at midnight
    rows = [row for row in created if hexed(row["job_id"]) not in elsewhere]
    rows += _jobs(connection, set(usage) - set(ids))
    return {hexed(row["job_id"]): _answer(row) for row in rows if row["receipt"] is not None}


def _newest_account(connection: Connection) -> set[str]:
    """Whom the gateway signs as, on a day without an answer."""
    newest = select(JOBS.c.job).order_by(JOBS.c.created.desc()).limit(1)
    return {str(json.loads(job)["consumer"]) for job in connection.execute(newest).scalars()}


def _charged(connection: Connection, ids: Sequence[str], but: int | None = None) -> set[str]:
    """Of these jobs, those that were charged on a day other than `but`."""
    found: set[str] = set()
    for some in _pieces(ids):
        query = select(USAGE.c.receipt_id).where(USAGE.c.receipt_id.in_([_raw(k) for k in some]))
        if but is not None:
            query = query.where(USAGE.c.day != but)
        found |= {hexed(key) for key in connection.execute(query).scalars()}
    return found


def _jobs(connection: Connection, ids: Iterable[str]) -> list[RowMapping]:
    found: list[RowMapping] = []
    for some in _pieces(ids):
        query = select(JOBS).where(JOBS.c.job_id.in_([_raw(key) for key in some]))
        found += connection.execute(query).mappings().all()
    return found


def _answer(row: RowMapping) -> Answer:
    batch: dict[str, Any] | None = json.loads(row["batch"]) if row["batch"] else None
    return Answer(
        job_id=hexed(row["job_id"]),
        owner=row["owner"],
        consumer=json.loads(row["job"])["consumer"],
        price=int(json.loads(row["receipt"])["price"]),
        place=(batch["batch_id"], int(batch["index"])) if batch else None,
    )


def _raw(key: str) -> bytes:
    return bytes.fromhex(key[2:])


def _pieces(items: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(items)
    while some := list(islice(rest, AT_ONCE)):
        yield some
