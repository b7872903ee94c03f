"""Jobs and answers in both databases, and the group commit that writes them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, event, func, select, text

from assay.core.database import reading, writing
from assay.core.errors import DatabaseUnavailable
from assay.core.types import Job, Receipt
from assay.gateway.accounts.books import Admitted, Books
from assay.gateway.accounts.caller import Caller
from assay.gateway.accounts.limits import Rates
from assay.gateway.chain_time import ChainTime
from assay.gateway.store import Answered, SignedJob, Store
from assay.gateway.tables import jobs, metadata
from assay.gateway.writer import Writer

JOB = Job(
    bytes(32), "0x" + "11" * 20, "0x" + "22" * 20, bytes(32), 3, 4, 0, bytes(32),
    10**6, 10**6, 100, 2**40, 0, bytes(32),
)  # fmt: skip
SIGNED = SignedJob(bytes([1]) * 32, "m", JOB, b"\x05" * 65, bytes(32), (1, 2), "http://p", 0.5)
ANSWERED = Answered((7, -8), Receipt(SIGNED.job_id, bytes(32), 2, 5), b"\x06" * 65)


NOBODY = Caller("127.0.0.1")


class Noon(ChainTime):
    """A chain that stands still."""

    def __init__(self) -> None:
        self.block = 20_000 * 86_400 + 43_200


@pytest.fixture
def store(engine: Engine, writer: Writer) -> Store:
    channels: Any = None  # of owners only: nobody here has any
    return Store(engine, writer, Books(Rates(None, None), None), channels, Noon())


def test_the_revisions_make_the_tables_of_the_code(engine: Engine) -> None:
    with reading(engine) as connection:
        ours = {"include_name": lambda name, kind, _: kind != "table" or name in metadata.tables}
        context = MigrationContext.configure(connection, opts=ours)
        assert compare_metadata(context, metadata) == []


def test_default_behavior(store: Store) -> None:
    async def run() -> None:
        await store.add(SIGNED, NOBODY)
        assert await store.find(SIGNED.job_id) == (SIGNED, None)
        await store.answer(SIGNED.job_id, ANSWERED)
        await store.drop(SIGNED.job_id)  # there is a receipt: it stays
        assert await store.find(SIGNED.job_id) == (SIGNED, ANSWERED)
        waits = replace(SIGNED, job_id=bytes([2]) * 32, discount_bps=0)
        await store.add(waits, NOBODY)
        assert await store.find(waits.job_id) == (waits, None)
        assert await store.batch(SIGNED.job_id) is None
        await store.set_batch(SIGNED.job_id, {"index": 3})
        assert await store.batch(SIGNED.job_id) == {"index": 3}

    asyncio.run(run())


def test_a_job_that_was_refused_is_forgotten(store: Store) -> None:
    async def run() -> None:
        await store.add(SIGNED, NOBODY)
        await store.drop(SIGNED.job_id)
        assert await store.find(SIGNED.job_id) is None
        assert await store.batch(SIGNED.job_id) is None

    asyncio.run(run())


def test_many_writes_share_a_commit(engine: Engine, store: Store) -> None:
    sizes: list[int] = []

    async def run() -> None:
        added = [replace(SIGNED, job_id=bytes([n]) * 32) for n in range(200)]
        await asyncio.gather(*(store.add(one, NOBODY) for one in added))

    event.listen(engine, "commit", lambda connection: sizes.append(1))
    asyncio.run(run())
    with reading(engine) as connection:
        assert connection.execute(select(func.count()).select_from(jobs)).scalar_one() == 200
    assert len(sizes) < 50


def test_a_write_that_fails_fails_alone(engine: Engine, writer: Writer, store: Store) -> None:
    def wait(connection: Connection, items: Sequence[int]) -> Sequence[None]:
        connection.execute(text("SELECT 1"))
        return [None for _ in items]

    async def run() -> list[object]:
        same = replace(SIGNED, model="another")
        other = replace(SIGNED, job_id=bytes([9]) * 32)
        writes = [
            store.add(SIGNED, NOBODY),
            store.add(same, NOBODY),
            store.add(other, NOBODY),
            writer.write(wait, 1),
        ]
        return list(await asyncio.gather(*writes, return_exceptions=True))

    first, second, third, fourth = asyncio.run(run())
    assert (first, third, fourth) == (Admitted(), Admitted(), None)
    assert isinstance(second, Exception)
    with reading(engine) as connection:
        found = connection.execute(select(jobs.c.model).order_by(jobs.c.job_id)).scalars().all()
    assert found == ["m", "m"]


def test_each_item_has_its_own_outcome(writer: Writer) -> None:
    def odd(connection: Connection, items: Sequence[int]) -> Sequence[int | Exception]:
        return [item if item % 2 else ValueError(str(item)) for item in items]

    async def run() -> list[object]:
        writes = (writer.write(odd, n) for n in range(4))
        return list(await asyncio.gather(*writes, return_exceptions=True))

    assert [str(found) for found in asyncio.run(run())] == ["0", "1", "2", "3"]


def test_a_caller_that_leaves_is_no_harm(store: Store) -> None:
    async def run() -> None:
        task = asyncio.create_task(store.add(SIGNED, NOBODY))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await store.answer(SIGNED.job_id, ANSWERED)
        assert await store.find(SIGNED.job_id) == (SIGNED, ANSWERED)

    asyncio.run(run())


def test_revert_closed(engine: Engine) -> None:
    writer = Writer(engine)
    done = writer.submit(lambda connection, items: items, 5)
    writer.close()
    assert done.result(0) == 5
    with pytest.raises(DatabaseUnavailable, match="shutting down"):
        writer.submit(lambda connection, items: items, 6)


def test_revert_the_tables_are_gone(engine: Engine, store: Store) -> None:
    with writing(engine) as connection:
        connection.execute(text("DROP TABLE jobs"))
    with pytest.raises(Exception, match="jobs"):
        asyncio.run(store.add(SIGNED, NOBODY))
