"""The gateway's memory of jobs: what it signed, what came back, and who pays.

A job is written before it is sent, in the commit that reserves its price, so that its receipt can
be fetched even if the gateway is killed while the answer streams. Prompts and salts stay in this
database: a receipt can be recomputed by whoever holds it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Connection, Engine, RowMapping, bindparam, delete, insert, select, update

from assay.core import logs, metrics
from assay.core.database import reading
from assay.core.errors import InputError
from assay.core.types import Job, Receipt
from assay.core.wire import parse_job, parse_receipt, to_json
from assay.gateway.accounts.books import Admitted, Asked, Books, Payment, settle
from assay.gateway.accounts.caller import AccountExhausted, Caller
from assay.gateway.accounts.channels import Channels
from assay.gateway.accounts.debts import Outlay, charge
from assay.gateway.accounts.limits import Level
from assay.gateway.accounts.page import insert_absent
from assay.gateway.chain_time import ChainTime
from assay.gateway.prepared import Prepared
from assay.gateway.tables import distrusted, jobs, positions, reservations
from assay.gateway.writer import Writer


@dataclass(frozen=True)
class SignedJob:
    """A job as the gateway sends it.

    `salt` hides the prompt's tokens from the chain. `discount_bps`: what of the provider's price,
    in 1/10,000, it is spared as work that can wait; None: it cannot wait.
    """

    job_id: bytes
    model: str
    job: Job
    signature: bytes
    salt: bytes
    prompt: tuple[int, ...]
    provider_url: str
    created: float
    discount_bps: int | None = None


@dataclass(frozen=True)
class Answered:
    """What the provider returned: the tokens, the receipt over them and its signature."""

    output: tuple[int, ...]
    receipt: Receipt
    signature: bytes


class Store:
    """Jobs by their ids. Every method returns once the database has committed."""

    def __init__(
        self,
        engine: Engine,
        writer: Writer,
        books: Books,
        channels: Channels,
        chain_time: ChainTime,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._engine = engine
        self._writer = writer
        self._books = books
        self._channels = channels
        self._time = chain_time
        self._clock = clock

    async def add(self, signed: SignedJob, caller: Caller) -> Admitted:
        """Admit a job: count it, hold back its highest price, keep it.

        Raises InputError: 401 for a key that is none any more, 402 if owner or key have too
        little, 429 (`RateLimited`) for too many.
        """
        if caller.owner is not None:
            await self._channels.ensure(caller.owner)
        try:
            return await self._writer.write(self._add, (signed, caller))
        except AccountExhausted:
            if caller.owner is None or not await self._channels.renew(caller.owner):
                raise
            return await self._writer.write(self._add, (signed, caller))

    def _add(
        self, connection: Connection, added: Sequence[tuple[SignedJob, Caller]]
    ) -> list[Admitted | InputError]:
        day, now = self._time.day, self._clock()
        found = self._books.admit(connection, [_asked(*one, day, now) for one in added])
        rows = [
            _row(signed, caller)
            for (signed, caller), outcome in zip(added, found, strict=True)
            if isinstance(outcome, Admitted)
        ]
        if rows:
            _ADD.run(connection, rows)
        return found

    async def count_address(self, address: str) -> Level | None:
        """Count a request that is no job against its network address."""
        return await self._writer.write(self._books.count_address, (address, self._clock()))

    def ping(self) -> None:
        """Raises `DatabaseUnavailable` if the database does not answer. Blocks."""
        with reading(self._engine) as connection:
            connection.execute(select(1))

    async def drop(self, job_id: bytes) -> None:
        """Forget a job that its provider refused: there will be no receipt, and no charge."""
        await self._writer.write(drop_jobs, job_id)

    async def answer(self, job_id: bytes, answered: Answered) -> None:
        """Keep the answer and charge the receipt's price."""
        await self._writer.write(answer_jobs, (job_id, answered))

    async def release(self, job_id: bytes) -> None:
        """Charge nothing for a job that was not answered by its deadline, unless it is paid yet."""
        await self._writer.write(_release, job_id)

    async def pay(self, job_id: bytes, paid: int) -> None:
        """Charge what the chain paid, micro-USD, for a job that still holds money back."""
        await self._writer.write(_pay, (job_id, paid))

    async def charge(self, job_id: bytes, provider: str, paid: int, tokens: int = 0) -> str | None:
        """Charge it for a job that was released, and trust its provider no more; whom, the first
        time that this is told."""
        outlay = Outlay(job_id, provider, paid, self._time.day, int(self._clock()), tokens)
        owner = await self._writer.write(charge, outlay)
        if owner is not None:
            CHARGED.add(paid)
            logs.warning("charged_late", job=job_id, owner=owner, provider=provider, micro_usd=paid)
            await self._channels.refresh(owner)
        return owner

    async def held(self, job_ids: Sequence[bytes]) -> Sequence[bytes]:
        """Of these jobs, those that hold money back."""
        return await self._scalars(_HELD, {"ids": job_ids})

    async def distrusted(self) -> frozenset[str]:
        """Providers that are not to be asked now."""
        return frozenset(await self._scalars(_DISTRUSTED, {"now": int(self._clock())}))

    async def position(self, name: str) -> tuple[int, str] | None:
        """Number and hash of the last block that `set_position` named."""

        def read() -> tuple[int, str] | None:
            with reading(self._engine) as connection:
                row = connection.execute(_POSITION, {"n": name}).first()
                return None if row is None else (row.block, row.hash)

        return await run_in_threadpool(read)

    async def set_position(self, name: str, block: int, hashed: str) -> None:
        await self._writer.write(_set_positions, {"name": name, "block": block, "hash": hashed})

    async def _scalars(self, statement: Any, values: Mapping[str, Any]) -> Sequence[Any]:
        def read() -> Sequence[Any]:
            with reading(self._engine) as connection:
                return connection.execute(statement, values).scalars().all()

        return await run_in_threadpool(read)

    async def lapsed(self, now: int) -> Sequence[bytes]:
        """Jobs whose deadline has passed without an answer, that still hold money back."""
        return await self._scalars(_LAPSED, {"now": now})

    async def owner(self, job_id: bytes) -> str | None:
        """Whose job it is; None for one of the gateway's own account, or of nobody."""
        row = await run_in_threadpool(self._row, job_id)
        return row["owner"] if row else None

    async def set_batch(self, job_id: bytes, batch: Mapping[str, Any]) -> None:
        """Keep a batch and proof that were checked, so that they outlive the provider."""
        await self._writer.write(_set_batches, (job_id, batch))

    async def batch(self, job_id: bytes) -> dict[str, Any] | None:
        row = await run_in_threadpool(self._row, job_id)
        return json.loads(row["batch"]) if row and row["batch"] else None

    async def find(self, job_id: bytes) -> tuple[SignedJob, Answered | None] | None:
        row = await run_in_threadpool(self._row, job_id)
        return None if row is None else (_signed(row), _answered(row))

    def _row(self, job_id: bytes) -> RowMapping | None:
        with reading(self._engine) as connection:
            return connection.execute(_FIND, {"id": job_id}).mappings().first()


_ID = jobs.c.job_id == bindparam("id")
_FIND = select(jobs).where(_ID)
_ADD = Prepared(
    insert(jobs),
    (
        "job_id", "model", "job", "signature", "salt", "prompt", "provider_url", "created", "owner",
        "discount_bps",
    ),
)  # fmt: skip
_DROP = delete(jobs).where(_ID, jobs.c.receipt.is_(None))
_ANSWER = Prepared(update(jobs).where(_ID), ("output", "receipt", "receipt_signature"))
_BATCH = update(jobs).where(_ID)

_LAPSED = (
    select(reservations.c.job_id)
    .where(reservations.c.deadline < bindparam("now"))
    .order_by(reservations.c.deadline)
    .limit(10_000)
)
_HELD = select(reservations.c.job_id).where(
    reservations.c.job_id.in_(bindparam("ids", expanding=True))
)
_DISTRUSTED = select(distrusted.c.provider).where(distrusted.c.until > bindparam("now"))
_POSITION = select(positions).where(positions.c.name == bindparam("n"))
_MOVE = (
    update(positions)
    .where(positions.c.name == bindparam("n"))
    .values(block=bindparam("b"), hash=bindparam("h"))
)

CHARGED = metrics.counter(
    "assay_charged_late_micro_usd_total",
    "Micro-USD that the chain paid for released jobs, and their owners were charged then.",
)


def _asked(signed: SignedJob, caller: Caller, day: int, now: float) -> Asked:
    job = signed.job
    return Asked(
        job_id=signed.job_id,
        caller=caller,
        model=signed.model,
        tokens_in=job.prompt_tokens,
        tokens_out=job.max_output_tokens,
        wanted=job.max_price,
        deadline=job.deadline,
        discount_bps=signed.discount_bps,
        day=day,
        now=now,
    )


def _row(signed: SignedJob, caller: Caller) -> dict[str, Any]:
    return {
        "job_id": signed.job_id,
        "model": signed.model,
        "job": json.dumps(to_json(signed.job)),
        "signature": signed.signature,
        "salt": signed.salt,
        "prompt": json.dumps(signed.prompt),
        "provider_url": signed.provider_url,
        "created": signed.created,
        "discount_bps": signed.discount_bps,
        "owner": caller.owner,
    }


def drop_jobs(connection: Connection, ids: Sequence[bytes]) -> Sequence[None]:
    settle(connection, dict.fromkeys(ids))
    connection.execute(_DROP, [{"id": job_id} for job_id in ids])
    return [None] * len(ids)


def _pay(connection: Connection, paid: Sequence[tuple[bytes, int]]) -> Sequence[None]:
    settle(connection, {job_id: Payment(price) for job_id, price in paid})
    return [None] * len(paid)


def _set_positions(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> Sequence[None]:
    insert_absent(connection, positions, rows)
    for row in rows:
        connection.execute(_MOVE, {"n": row["name"], "b": row["block"], "h": row["hash"]})
    return [None] * len(rows)


def _release(connection: Connection, ids: Sequence[bytes]) -> Sequence[None]:
    settle(connection, dict.fromkeys(ids))
    return [None] * len(ids)


def answer_jobs(
    connection: Connection, answers: Sequence[tuple[bytes, Answered]]
) -> Sequence[None]:
    settle(connection, {job_id: answered.receipt for job_id, answered in answers})
    rows = [
        {
            "id": job_id,
            "output": json.dumps(answered.output),
            "receipt": json.dumps(to_json(answered.receipt)),
            "receipt_signature": answered.signature,
        }
        for job_id, answered in answers
    ]
    _ANSWER.run(connection, rows)
    return [None] * len(answers)


def _set_batches(
    connection: Connection, batches: Sequence[tuple[bytes, Mapping[str, Any]]]
) -> Sequence[None]:
    rows = [{"id": job_id, "batch": json.dumps(batch)} for job_id, batch in batches]
    connection.execute(_BATCH, rows)
    return [None] * len(batches)


def _signed(row: RowMapping) -> SignedJob:
    return SignedJob(
        job_id=row["job_id"],
        model=row["model"],
        job=parse_job(json.loads(row["job"])),
        signature=row["signature"],
        salt=row["salt"],
        prompt=tuple(json.loads(row["prompt"])),
        provider_url=row["provider_url"],
        created=row["created"],
        discount_bps=row["discount_bps"],
    )


def _answered(row: RowMapping) -> Answered | None:
    if row["receipt"] is None:
        return None
    return Answered(
        output=tuple(json.loads(row["output"])),
        receipt=parse_receipt(json.loads(row["receipt"])),
        signature=row["receipt_signature"],
    )
