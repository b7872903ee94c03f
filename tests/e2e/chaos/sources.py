"""What the books are compared from: the chain's events, the provider's journal, the databases.

Services are not asked: the events are read anew from the deployment on, the rest by its own engine,
read only.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, create_engine, func, select

from assay.chain.events import Event
from assay.core.database import DRIVERS
from assay.core.wire import hexed, parse_receipt
from assay.gateway.tables import channel_days, jobs, reservations, usage
from tests.e2e.chaos.town import Town
from tests.integration.services import Running


@dataclass(frozen=True)
class Answer:
    """An answer in the gateway's database; `charged` is None if nobody was."""

    provider: str
    price: int
    charged: int | None


def events(town: Town) -> list[Event]:
    return town.arena.network.reader().poll().added


def named(found: Sequence[Event], name: str) -> list[Event]:
    return [event for event in found if event.name == name]


def journal(provider: Running) -> dict[str, tuple[int, str]]:
    """(price, state) of a provider's claims by job id."""
    rows = journal_rows(provider, "SELECT job_id, receipt, state FROM claims")
    return {
        hexed(job_id): (parse_receipt(json.loads(receipt)).price, state)
        for job_id, receipt, state in rows
    }


def journal_rows(provider: Running, statement: str) -> list[tuple[Any, ...]]:
    path = provider.folder / "data" / "provider.sqlite"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as database:
        return database.execute(statement).fetchall()


def answers(town: Town) -> dict[str, Answer]:
    """Every answer in the gateway's database by job id."""
    query = (
        select(jobs.c.job_id, jobs.c.job, jobs.c.receipt, usage.c.price)
        .outerjoin(usage, usage.c.receipt_id == jobs.c.job_id)
        .where(jobs.c.receipt.is_not(None))
    )
    return {
        hexed(bytes(job_id)): Answer(
            json.loads(job)["provider"], json.loads(receipt)["price"], charged
        )
        for job_id, job, receipt, charged in _gateway_rows(town, query)
    }


def charges(town: Town) -> dict[str, int]:
    """What customers were charged, by job id, whether their answers came or not."""
    rows = _gateway_rows(town, select(usage.c.receipt_id, usage.c.price))
    return {hexed(bytes(job_id)): price for job_id, price in rows}


def held_back(town: Town) -> int:
    """Jobs of which the gateway does not know yet whether they cost anything."""
    ((count,),) = _gateway_rows(town, select(func.count()).select_from(reservations))
    return int(count)


def uncollected(town: Town) -> int:
    """Micro-USD that answers cost their owners' channels and the gateway has not yet."""
    open_ = channel_days.c.metered - channel_days.c.collected
    ((total,),) = _gateway_rows(town, select(func.sum(open_)).where(open_ > 0))
    return int(total or 0)


def _gateway_rows(town: Town, query: Select[Any]) -> Sequence[Any]:
    backend, _, rest = town.databases.gateway.partition("://")
    engine = create_engine(f"{DRIVERS[backend]}://{rest}")
    try:
        with engine.connect() as connection:
            return connection.execute(query).all()
    finally:
        engine.dispose()
