"""Batches in the database: what was asked, how far each is, and which gateway works on it.

A gateway works on a batch while it holds its lease, which it renews. Whatever it writes of a line,
it writes only where the lease is still its own, so that one that was cut off and comes back cannot
send a job for a line that another gateway has taken over.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from fastapi.concurrency import run_in_threadpool
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    RowMapping,
    case,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from assay.core.database import database_time, reading
from assay.core.errors import InputError
from assay.gateway.batches.lines import Line
from assay.gateway.batches.rows import RUNNING, Answer, Batch, Counts, Entry, State
from assay.gateway.batches.tables import batch_jobs, batch_lines, batches
from assay.gateway.writer import Writer

LEASE_SECONDS = 6.0


class LeaseLost(Exception):
    """Another gateway has taken the batch over."""


class Book:
    """The batches of all gateways on this database.

    Args:
        holder: the name under which this one holds leases.
    """

    def __init__(self, engine: Engine, writer: Writer, holder: str) -> None:
        self._engine = engine
        self._writer = writer
        self._holder = holder

    async def add(self, batch: Batch) -> None:
        await self._writer.write(_add, batch)

    async def get(self, batch_id: str, owner: str) -> Batch:
        """InputError (404) if there is none, or it is somebody else's."""
        found = await run_in_threadpool(self._get, batch_id)
        if found is None or found.owner != owner:
            raise InputError(
                f"No batch found with id '{batch_id[:80]}'.",
                code="batch_not_found",
                status=404,
                param="batch_id",
            )
        return found

    async def page(self, owner: str, after: str | None, limit: int) -> list[Batch]:
        last = await self.get(after, owner) if after else None
        return await run_in_threadpool(self._list, owner, last, limit)

    async def counts(self, batch_ids: Sequence[str]) -> Mapping[str, Counts]:
        return await run_in_threadpool(self._counts, batch_ids)

    async def cancel(self, batch: Batch) -> None:
        """Ask whoever works on it to stop; nothing if it has ended."""
        await self._writer.write(_cancel, batch.batch_id)

    async def take(self, besides: Sequence[str]) -> Batch | None:
        """The lease of a batch that has work left and nobody works on; the oldest."""
        return await self._writer.write(_take, (self._holder, tuple(besides)))

    async def renew(self, batch_id: str) -> Batch:
        """The batch as it stands, held for another while; `LeaseLost` if it is not ours."""
        found = await self._writer.write(_renew, (self._holder, batch_id))
        if found is None:
            raise LeaseLost(batch_id)
        return found

    async def set(self, batch_id: str, release: bool = False, **values: Any) -> None:
        """Write fields of a batch whose lease we hold; `LeaseLost` if we do not."""
        if release:
            values |= {"holder": None, "held_until": 0.0}
        if not await self._writer.write(_set, (self._holder, batch_id, values)):
            raise LeaseLost(batch_id)

    async def advance(self, batch_id: str, status: str, before: str, **values: Any) -> Batch:
        """The batch, now of a status if it was of the one before it: a cancellation that came
        meanwhile stands. `LeaseLost` if we do not hold it."""
        changed = {"status": status, **values}
        if not await self._writer.write(_advance, (self._holder, batch_id, before, changed)):
            raise LeaseLost(batch_id)
        return await self.renew(batch_id)

    async def begin(self, batch_id: str) -> None:
        """Forget the lines of a validation that was interrupted; `LeaseLost` if it goes on."""
        if not await self._writer.write(_forget, (self._holder, batch_id)):
            raise LeaseLost(batch_id)

    async def add_lines(self, batch_id: str, lines: Sequence[Line]) -> None:
        """`LeaseLost` if the batch is not ours any more."""
        if not await self._writer.write(_add_lines, (self._holder, batch_id, lines)):
            raise LeaseLost(batch_id)

    async def waiting(self, batch_id: str, after: int, limit: int) -> Sequence[Entry]:
        """Lines without an answer, in order, from behind a line on."""
        return await run_in_threadpool(self._lines, batch_id, (State.WAITING,), after, limit)

    async def lines(
        self, batch_id: str, states: Sequence[State], after: int, limit: int
    ) -> Sequence[Entry]:
        return await run_in_threadpool(self._lines, batch_id, states, after, limit)

    async def answer(self, batch_id: str, answer: Answer) -> None:
        """Keep a line's end; `LeaseLost` if the batch is not ours any more."""
        if not await self._writer.write(_answer, (self._holder, batch_id, answer)):
            raise LeaseLost(batch_id)

    async def expire(self, batch_id: str) -> None:
        """The lines that wait will not be answered."""
        await self._writer.write(_expire, (self._holder, batch_id))

    async def jobs(self, batch_id: str, line: int) -> Mapping[int, bytes]:
        """The job of each part of a line that has one."""
        return await run_in_threadpool(self._jobs, batch_id, line)

    async def tie(
        self, batch_id: str, line: int, part: int, job_id: bytes, instead_of: bytes | None
    ) -> None:
        """Let a job stand for a part of a line; `LeaseLost` if that is not ours to say, or another
        job than the one that is known stands there."""
        tied = (self._holder, batch_id, line, part, job_id, instead_of)
        if not await self._writer.write(_tie, tied):
            raise LeaseLost(batch_id)

    def _get(self, batch_id: str) -> Batch | None:
        with reading(self._engine) as connection:
            return _find(connection, batch_id)

    def _list(self, owner: str, after: Batch | None, limit: int) -> list[Batch]:
        query = select(batches).where(batches.c.owner == owner)
        created, number = batches.c.created, batches.c.batch_id
        if after is not None:
            same = (created == after.created) & (number < after.batch_id)
            query = query.where(or_(created < after.created, same))
        query = query.order_by(created.desc(), number.desc()).limit(limit)
        with reading(self._engine) as connection:
            return [_batch(row) for row in connection.execute(query).mappings()]

    def _counts(self, batch_ids: Sequence[str]) -> Mapping[str, Counts]:
        lines = batch_lines.c
        answered = func.sum(case((lines.state == State.ANSWERED, 1), else_=0))
        failed = func.sum(case((lines.state.in_((State.FAILED, State.EXPIRED)), 1), else_=0))
        query = select(lines.batch_id, func.count(), answered, failed).group_by(lines.batch_id)
        with reading(self._engine) as connection:
            rows = connection.execute(query.where(lines.batch_id.in_(batch_ids))).all()
        found = {row[0]: Counts(int(row[1]), int(row[2]), int(row[3])) for row in rows}
        return {batch_id: found.get(batch_id, Counts()) for batch_id in batch_ids}

    def _lines(
        self, batch_id: str, states: Sequence[State], after: int, limit: int
    ) -> Sequence[Entry]:
        lines = batch_lines.c
        query = select(*(lines[field.name] for field in fields(Entry))).where(
            lines.batch_id == batch_id, lines.state.in_(states), lines.line > after
        )
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(lines.line).limit(limit)).mappings()
            return [Entry(**{**row, "state": State(row["state"])}) for row in rows]

    def _jobs(self, batch_id: str, line: int) -> Mapping[int, bytes]:
        query = select(batch_jobs.c.part, batch_jobs.c.job_id)
        query = query.where(batch_jobs.c.batch_id == batch_id, batch_jobs.c.line == line)
        with reading(self._engine) as connection:
            return {part: bytes(job_id) for part, job_id in connection.execute(query).all()}


def _find(connection: Connection, batch_id: str) -> Batch | None:
    query = select(batches).where(batches.c.batch_id == batch_id)
    row = connection.execute(query).mappings().first()
    return _batch(row) if row else None


def _batch(row: RowMapping) -> Batch:
    return Batch(**row)


def _is_held(holder: str, batch_id: str) -> ColumnElement[bool]:
    return (batches.c.batch_id == batch_id) & (batches.c.holder == holder)


def _held(connection: Connection, holder: str, batch_id: str) -> bool:
    """Whether the lease is ours; until the transaction ends nobody takes it."""
    query = select(batches.c.batch_id).where(_is_held(holder, batch_id)).with_for_update()
    return connection.execute(query).first() is not None


def _add(connection: Connection, added: Sequence[Batch]) -> Sequence[None]:
    connection.execute(insert(batches), [vars(batch) for batch in added])
    return [None] * len(added)


def _cancel(connection: Connection, ids: Sequence[str]) -> Sequence[None]:
    going_on = batches.c.status.in_(("validating", "in_progress"))
    values = {"status": "cancelling", "cancelling": int(time.time())}
    connection.execute(update(batches).where(batches.c.batch_id.in_(ids), going_on).values(values))
    return [None] * len(ids)


def _take(
    connection: Connection, wanted: Sequence[tuple[str, tuple[str, ...]]]
) -> Sequence[Batch | None]:
    return [_take_one(connection, *one) for one in wanted]


def _take_one(connection: Connection, holder: str, besides: Sequence[str]) -> Batch | None:
    now = database_time(connection)
    free = batches.c.status.in_(RUNNING) & (batches.c.held_until < now)
    query = select(batches.c.batch_id).where(free, batches.c.batch_id.not_in(besides))
    query = query.order_by(batches.c.created).limit(1).with_for_update(skip_locked=True)
    batch_id = connection.execute(query).scalar()
    if batch_id is None:
        return None
    held = {"holder": holder, "held_until": now + LEASE_SECONDS}
    connection.execute(update(batches).where(batches.c.batch_id == batch_id).values(held))
    return _find(connection, batch_id)


def _renew(connection: Connection, wanted: Sequence[tuple[str, str]]) -> Sequence[Batch | None]:
    found: list[Batch | None] = []
    for holder, batch_id in wanted:
        until = database_time(connection) + LEASE_SECONDS
        renewal = update(batches).where(_is_held(holder, batch_id)).values(held_until=until)
        held = connection.execute(renewal).rowcount == 1
        found.append(_find(connection, batch_id) if held else None)
    return found


def _set(
    connection: Connection, wanted: Sequence[tuple[str, str, Mapping[str, Any]]]
) -> Sequence[bool]:
    return [
        connection.execute(
            update(batches).where(_is_held(holder, batch_id)).values(**values)
        ).rowcount
        == 1
        for holder, batch_id, values in wanted
    ]


def _advance(
    connection: Connection, wanted: Sequence[tuple[str, str, str, Mapping[str, Any]]]
) -> Sequence[bool]:
    found = []
    for holder, batch_id, before, values in wanted:
        found.append(_held(connection, holder, batch_id))
        this = _is_held(holder, batch_id) & (batches.c.status == before)
        connection.execute(update(batches).where(this).values(**values))
    return found


def _forget(connection: Connection, wanted: Sequence[tuple[str, str]]) -> Sequence[bool]:
    found = [_held(connection, *one) for one in wanted]
    ids = [batch_id for (_, batch_id), held in zip(wanted, found, strict=True) if held]
    connection.execute(delete(batch_lines).where(batch_lines.c.batch_id.in_(ids)))
    return found


def _add_lines(
    connection: Connection, added: Sequence[tuple[str, str, Sequence[Line]]]
) -> Sequence[bool]:
    found = [_held(connection, holder, batch_id) for holder, batch_id, _ in added]
    rows = [
        {
            "batch_id": batch_id,
            "line": line.number,
            "custom_id": line.custom_id,
            "body": json.dumps(line.body),
            "state": State.WAITING,
        }
        for (_, batch_id, lines), held in zip(added, found, strict=True)
        for line in lines
        if held
    ]
    if rows:
        connection.execute(insert(batch_lines), rows)
    return found


def _answer(connection: Connection, answers: Sequence[tuple[str, str, Answer]]) -> Sequence[bool]:
    found = []
    for holder, batch_id, answer in answers:
        held = _held(connection, holder, batch_id)
        if held:
            values = {
                "state": answer.state,
                "status_code": answer.status_code,
                "request_id": answer.request_id,
                "answer": answer.body,
            }
            line = (batch_lines.c.batch_id == batch_id) & (batch_lines.c.line == answer.line)
            connection.execute(update(batch_lines).where(line).values(values))
        found.append(held)
    return found


def _expire(connection: Connection, wanted: Sequence[tuple[str, str]]) -> Sequence[None]:
    for holder, batch_id in wanted:
        if _held(connection, holder, batch_id):
            lines = batch_lines.c
            waiting = (lines.batch_id == batch_id) & (lines.state == State.WAITING)
            connection.execute(update(batch_lines).where(waiting).values(state=State.EXPIRED))
    return [None] * len(wanted)


def _tie(
    connection: Connection,
    tied: Sequence[tuple[str, str, int, int, bytes, bytes | None]],
) -> Sequence[bool]:
    return [_tie_one(connection, *one) for one in tied]


def _tie_one(
    connection: Connection,
    holder: str,
    batch_id: str,
    line: int,
    part: int,
    job_id: bytes,
    instead_of: bytes | None,
) -> bool:
    if not _held(connection, holder, batch_id):
        return False
    key = {"batch_id": batch_id, "line": line, "part": part}
    place = (
        (batch_jobs.c.batch_id == batch_id)
        & (batch_jobs.c.line == line)
        & (batch_jobs.c.part == part)
    )
    if instead_of is None:
        if connection.execute(select(exists().where(place))).scalar():
            return False
        connection.execute(insert(batch_jobs).values(**key, job_id=job_id))
        return True
    same = place & (batch_jobs.c.job_id == instead_of)
    return connection.execute(update(batch_jobs).where(same).values(job_id=job_id)).rowcount == 1
