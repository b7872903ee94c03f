"""Files and batches in both databases: nothing is lost, and no line is worked on twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, func, select, update

from assay.core.database import reading, writing
from assay.core.errors import InputError
from assay.gateway.accounts.caller import Caller
from assay.gateway.batches.book import Book, LeaseLost
from assay.gateway.batches.files import PART_BYTES, File, Files, new_file
from assay.gateway.batches.lines import Line
from assay.gateway.batches.objects import batch_object, new_batch
from assay.gateway.batches.rows import Answer, Batch, Counts, State
from assay.gateway.batches.runner import Work
from assay.gateway.batches.tables import batches, file_parts, files
from assay.gateway.writer import Writer

CALLER = Caller("10.0.0.1", "0x" + "11" * 20, "key")
BODY = {"input_file_id": "file-1", "endpoint": "/v1/completions", "completion_window": "24h"}


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def read(store: Files, file: File) -> bytes:
    return b"".join([part async for part in store.content(file.file_id)])


def batch(**changes: Any) -> Batch:
    return replace(new_batch(BODY, CALLER), **changes)


@pytest.fixture
def store(engine: Engine, writer: Writer) -> Files:
    return Files(engine, writer)


def test_a_file_of_several_pieces(store: Files) -> None:
    content = bytes(range(256)) * (PART_BYTES // 100)

    async def run() -> None:
        kept = await store.save(pieces(content[:7], content[7:]), new_file("me", "a", "batch"))
        assert kept.bytes == len(content)
        assert await store.get(kept.file_id, "me") == kept
        assert await read(store, kept) == content
        assert await store.used("me") == len(content)
        with pytest.raises(InputError) as caught:
            await store.get(kept.file_id, "somebody else")
        assert caught.value.status == 404
        await store.delete(kept.file_id)
        assert (await read(store, kept), await store.used("me")) == (b"", 0)

    asyncio.run(run())


def test_revert_a_file_that_is_too_long_leaves_nothing(store: Files, engine: Engine) -> None:
    async def run() -> None:
        with pytest.raises(InputError) as caught:
            await store.save(pieces(b"x" * 11), new_file("me", "a", "batch"), limit=10)
        assert caught.value.status == 413
        await store.delete("")  # written after the deletion that nobody waited for

    asyncio.run(run())
    with reading(engine) as connection:
        assert connection.execute(select(func.count()).select_from(files)).scalar() == 0
        assert connection.execute(select(func.count()).select_from(file_parts)).scalar() == 0


def test_files_are_listed_page_by_page(store: Files) -> None:
    async def run() -> None:
        made = [replace(new_file("me", str(n), "batch"), created=10**9 + n // 2) for n in range(5)]
        made = [replace(file, expires=None) for file in made]
        for file in (*made, new_file("other", "x", "batch")):
            await store.save(pieces(b"x"), file)
        for newest in (True, False):
            seen: list[str] = []
            while page := await store.page("me", "batch", seen[-1] if seen else None, 2, newest):
                seen += [file.file_id for file in page]
            key = sorted(made, key=lambda f: (f.created, f.file_id), reverse=newest)
            assert seen == [file.file_id for file in key]
        assert await store.page("me", "output", None, 9, True) == []

    asyncio.run(run())


def test_what_has_expired_is_gone_and_swept(store: Files, engine: Engine) -> None:
    async def run() -> None:
        kept = await store.save(pieces(b"x"), new_file("me", "a", "batch", seconds=-1))
        with pytest.raises(InputError):
            await store.get(kept.file_id, "me")
        await store.sweep()

    asyncio.run(run())
    with reading(engine) as connection:
        assert connection.execute(select(func.count()).select_from(file_parts)).scalar() == 0


@pytest.fixture
def books(engine: Engine, writer: Writer) -> tuple[Book, Book]:
    """Of two gateways."""
    return Book(engine, writer, "one"), Book(engine, writer, "two")


def lapse(engine: Engine, batch_id: str) -> None:
    """As if its holder had been killed a while ago."""
    with writing(engine) as connection:
        this = batches.c.batch_id == batch_id
        connection.execute(update(batches).where(this).values(held_until=0.0))


def test_a_batch_is_worked_on_by_one_gateway(books: tuple[Book, Book], engine: Engine) -> None:
    async def run() -> None:
        first, second = books
        await first.add(batch())
        taken = await first.take([])
        assert taken is not None and await second.take([]) is None
        assert await first.renew(taken.batch_id)
        lapse(engine, taken.batch_id)
        again = await second.take([])
        assert again is not None and again.batch_id == taken.batch_id
        for lost in (
            first.renew(taken.batch_id),
            first.set(taken.batch_id, status="failed"),
            first.answer(taken.batch_id, Answer(1, State.ANSWERED, 200, "r", "{}")),
            first.tie(taken.batch_id, 1, 0, bytes(32), None),
            first.begin(taken.batch_id),
            first.add_lines(taken.batch_id, [Line(1, "id", {})]),
            first.advance(taken.batch_id, "in_progress", "validating"),
        ):
            with pytest.raises(LeaseLost):
                await lost
        await second.set(taken.batch_id, release=True)
        assert await first.take([taken.batch_id]) is None
        assert await first.take([]) is not None

    asyncio.run(run())


def test_a_batch_that_was_cancelled_does_not_go_on(books: tuple[Book, Book]) -> None:
    async def run() -> None:
        book, batch_id = books[0], (made := batch()).batch_id
        await book.add(made)
        await book.take([])
        assert (await book.advance(batch_id, "in_progress", "validating")).status == "in_progress"
        await book.cancel(made)
        found = await book.advance(batch_id, "finalizing", "in_progress", finalizing=1)
        assert (found.status, found.finalizing) == ("cancelling", None)

    asyncio.run(run())


def test_who_lost_the_lease_leaves_no_file(
    books: tuple[Book, Book], store: Files, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both write the output; whoever ends the batch has its own in it, and the other none."""
    first, second = books
    end, made = first.set, batch(status="in_progress")

    async def too_late(batch_id: str, **values: Any) -> None:
        lapse(engine, batch_id)
        assert await second.take([]) is not None
        await end(batch_id, **values)

    monkeypatch.setattr(first, "set", too_late)

    async def run() -> None:
        await first.add(made)
        taken = await first.take([])
        assert taken is not None
        await first.add_lines(made.batch_id, [Line(1, "id", {})])
        await first.answer(made.batch_id, Answer(1, State.ANSWERED, 200, "r", "{}"))
        executor: Any = None
        works = [Work(taken, b, store, executor, asyncio.Semaphore(1)) for b in books]
        with pytest.raises(LeaseLost):
            await works[0]._finish()
        await works[1]._finish()

    asyncio.run(run())
    with reading(engine) as connection:
        kept = connection.execute(select(files.c.file_id)).scalars().all()
        ended = connection.execute(select(batches.c.status, batches.c.output_file)).one()
    assert ended == ("completed", *kept)


def test_many_take_at_once_and_each_batch_goes_to_one(
    engine: Engine, writer: Writer, books: tuple[Book, Book]
) -> None:
    async def run() -> None:
        for _ in range(4):
            await books[0].add(batch())
        others = [Writer(engine) for _ in range(3)]
        try:
            found = await asyncio.gather(
                *(Book(engine, each, f"{n}").take([]) for n, each in enumerate([*others, writer]))
            )
        finally:
            for each in others:
                each.close()
        ids = [item.batch_id for item in found if item is not None]
        assert len(ids) == len(set(ids)) >= 1

    asyncio.run(run())


def test_lines_and_their_answers(books: tuple[Book, Book]) -> None:
    async def run() -> None:
        book, batch_id = books[0], (made := batch()).batch_id
        await book.add(made)
        assert await book.take([]) is not None
        lines = [Line(n, f"id {n}", {"n": n}) for n in range(1, 6)]
        await book.add_lines(batch_id, lines)
        await book.begin(batch_id)  # a validation that is begun anew
        await book.add_lines(batch_id, lines)
        assert [e.line for e in await book.waiting(batch_id, 2, 2)] == [3, 4]
        await book.answer(batch_id, Answer(3, State.ANSWERED, 200, "r3", '{"x": 1}'))
        await book.answer(batch_id, Answer(1, State.FAILED, 400, "r1", "{}"))
        assert [e.line for e in await book.waiting(batch_id, 0, 9)] == [2, 4, 5]
        assert await book.counts([batch_id, "x"]) == {batch_id: Counts(5, 1, 1), "x": Counts()}
        await book.expire(batch_id)
        assert (await book.counts([batch_id]))[batch_id] == Counts(5, 1, 4)
        (answered,) = await book.lines(batch_id, (State.ANSWERED,), 0, 9)
        assert (answered.custom_id, answered.answer, answered.body) == (
            "id 3", '{"x": 1}', '{"n": 3}',
        )  # fmt: skip

    asyncio.run(run())


def test_one_job_stands_for_a_part(books: tuple[Book, Book]) -> None:
    async def run() -> None:
        book, batch_id = books[0], (made := batch()).batch_id
        await book.add(made)
        await book.take([])
        one, two, three = (bytes([n]) * 32 for n in range(3))
        await book.tie(batch_id, 1, 0, one, None)
        for known in (None, three):
            with pytest.raises(LeaseLost):
                await book.tie(batch_id, 1, 0, two, known)
        await book.tie(batch_id, 1, 0, two, one)
        await book.tie(batch_id, 1, 1, three, None)
        assert await book.jobs(batch_id, 1) == {0: two, 1: three}

    asyncio.run(run())


def test_cancelling_ends_what_goes_on_and_nothing_else(books: tuple[Book, Book]) -> None:
    async def run() -> None:
        going, done = batch(status="in_progress"), batch(status="completed")
        for item in (going, done):
            await books[0].add(item)
            await books[1].cancel(item)
        found = await books[0].get(going.batch_id, going.owner)
        assert found.status == "cancelling" and found.cancelling
        assert (await books[0].get(done.batch_id, done.owner)).status == "completed"

    asyncio.run(run())


def test_batches_are_listed_page_by_page_to_their_owner(books: tuple[Book, Book]) -> None:
    async def run() -> None:
        made = [batch(created=10**9 + n // 2) for n in range(5)]
        for item in (*made, batch(owner="other")):
            await books[0].add(item)
        seen: list[str] = []
        owner = made[0].owner
        while page := await books[0].page(owner, seen[-1] if seen else None, 2):
            seen += [item.batch_id for item in page]
        order = sorted(made, key=lambda b: (b.created, b.batch_id), reverse=True)
        assert seen == [item.batch_id for item in order]
        with pytest.raises(InputError) as caught:
            await books[0].get(made[0].batch_id, "other")
        assert caught.value.status == 404

    asyncio.run(run())


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"endpoint": "/v1/images"}, "endpoint"),
        ({"completion_window": "1h"}, "completion_window"),
        ({"input_file_id": None}, "input_file_id"),
        ({"metadata": {"a": 1}}, "metadata.a"),
        ({"metadata": {"a" * 65: ""}}, "metadata." + "a" * 64),
        ({"metadata": {str(n): "" for n in range(17)}}, "metadata"),
        ({"priority": 1}, "priority"),
    ],
)
def test_revert_requests_for_no_batch(change: dict[str, Any], param: str) -> None:
    with pytest.raises(InputError) as caught:
        new_batch({**BODY, **change}, CALLER)
    assert caught.value.param == param


def test_a_batch_object_says_when_it_ended() -> None:
    shown = batch_object(batch(status="expired", ended=7, metadata='{"a": "b"}'), Counts(3, 1, 2))
    assert (shown["expired_at"], shown["completed_at"]) == (7, None)
    assert shown["request_counts"] == {"total": 3, "completed": 1, "failed": 2}
    assert shown["metadata"] == {"a": "b"}
