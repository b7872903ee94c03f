"""Files in the database, in pieces: every replica sees them, and none need fit memory."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Connection, Engine, RowMapping, delete, func, insert, select, update

from assay.core.database import reading
from assay.core.errors import InputError
from assay.gateway.batches.tables import file_parts, files
from assay.gateway.writer import Writer

PART_BYTES = 1 << 20
MAX_FILE_BYTES = 100_000_000
MAX_OWNER_BYTES = 2_000_000_000
UPLOAD_SECONDS = 3_600
"""An upload that is not complete by then is given up, and its pieces go."""
BATCH_SECONDS = 30 * 86_400
"""Files of batches are kept for so long, unless something else is asked for."""


@dataclass(frozen=True)
class File:
    """What is known of a file. `expires`: Unix time, None for never."""

    file_id: str
    owner: str
    name: str
    purpose: str
    bytes: int
    created: int
    expires: int | None

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.file_id,
            "object": "file",
            "bytes": self.bytes,
            "created_at": self.created,
            "expires_at": self.expires,
            "filename": self.name,
            "purpose": self.purpose,
            "status": "processed",
        }


class Files:
    """Of all owners; whoever asks for a file names its owner."""

    def __init__(self, engine: Engine, writer: Writer) -> None:
        self._engine = engine
        self._writer = writer

    async def save(
        self, content: AsyncIterator[bytes], file: File, limit: int = MAX_FILE_BYTES
    ) -> File:
        """Write a file; InputError (413) if it is longer than the limit, and nothing is left.

        Args:
            file: with `bytes` 0. One of the same id that was not completed is replaced.
        """
        await self._writer.write(_begin, file)
        size = number = 0
        try:
            async for part in _parts(content):
                size += len(part)
                if size > limit:
                    raise too_long(limit)
                await self._writer.write(_add_part, (file.file_id, number, part))
                number += 1
            return await self._writer.write(_complete, (file.file_id, size))
        except BaseException:
            self._writer.submit(_delete, file.file_id)
            raise

    async def used(self, owner: str) -> int:
        """Bytes of all files of an owner."""
        return await run_in_threadpool(self._used, owner)

    async def get(self, file_id: str, owner: str) -> File:
        """InputError (404) if there is none, or it is somebody else's."""
        found = await run_in_threadpool(self._get, file_id)
        if found is None or found.owner != owner:
            raise InputError(
                f"No such File object: {file_id[:80]}",
                code="file_not_found",
                status=404,
                param="id",
            )
        return found

    async def page(
        self, owner: str, purpose: str | None, after: str | None, limit: int, newest: bool
    ) -> list[File]:
        last = await self.get(after, owner) if after else None
        return await run_in_threadpool(self._list, owner, purpose, last, limit, newest)

    async def keep(self, file: File, seconds: int) -> File:
        """Keep a file for so long from its upload on."""
        return await self._writer.write(_keep, (file.file_id, file.created + seconds))

    async def delete(self, file_id: str) -> None:
        await self._writer.write(_delete, file_id)

    def discard(self, file_ids: Iterable[str | None]) -> None:
        """Delete files that nobody was told of, without waiting for it."""
        for file_id in filter(None, file_ids):
            self._writer.submit(_delete, file_id)

    async def content(self, file_id: str) -> AsyncIterator[bytes]:
        """Its bytes, piece by piece."""
        number = 0
        while (part := await run_in_threadpool(self._part, file_id, number)) is not None:
            yield part
            number += 1

    async def sweep(self) -> None:
        """Delete what has expired, and uploads that were given up."""
        for file_id in await run_in_threadpool(self._old, int(time.time())):
            await self.delete(file_id)

    def _used(self, owner: str) -> int:
        with reading(self._engine) as connection:
            total = select(func.sum(files.c.bytes)).where(files.c.owner == owner)
            return int(connection.execute(total).scalar() or 0)

    def _get(self, file_id: str) -> File | None:
        query = select(files).where(files.c.file_id == file_id, files.c.complete == 1)
        with reading(self._engine) as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None or _is_over(row) else _file(row)

    def _list(
        self, owner: str, purpose: str | None, after: File | None, limit: int, newest: bool
    ) -> list[File]:
        query = select(files).where(files.c.owner == owner, files.c.complete == 1)
        place = (files.c.created, files.c.file_id)
        if purpose is not None:
            query = query.where(files.c.purpose == purpose)
        if after is not None:
            query = query.where(_beyond(place, (after.created, after.file_id), newest))
        order = [column.desc() if newest else column for column in place]
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(*order).limit(limit)).mappings().all()
        return [_file(row) for row in rows if not _is_over(row)]

    def _part(self, file_id: str, number: int) -> bytes | None:
        query = select(file_parts.c.content)
        query = query.where(file_parts.c.file_id == file_id, file_parts.c.part == number)
        with reading(self._engine) as connection:
            found: bytes | None = connection.execute(query).scalar()
        return None if found is None else bytes(found)

    def _old(self, now: int) -> Sequence[str]:
        over = files.c.expires <= now
        given_up = (files.c.complete == 0) & (files.c.created <= now - UPLOAD_SECONDS)
        with reading(self._engine) as connection:
            return (
                connection.execute(select(files.c.file_id).where(over | given_up)).scalars().all()
            )


def new_file(owner: str, name: str, purpose: str, seconds: int | None = BATCH_SECONDS) -> File:
    """A file that is yet to be written."""
    now = int(time.time())
    expires = None if seconds is None else now + seconds
    return File(f"file-{secrets.token_hex(12)}", owner, name, purpose, 0, now, expires)


def too_long(limit: int) -> InputError:
    return InputError(
        f"the file is longer than {limit} bytes; split it",
        code="too_large",
        status=413,
        param="file",
    )


async def _parts(content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in pieces of one size, but for the last."""
    held = bytearray()
    async for piece in content:
        held += piece
        while len(held) >= PART_BYTES:
            yield bytes(held[:PART_BYTES])
            del held[:PART_BYTES]
    if held:
        yield bytes(held)


def _beyond(place: tuple[Any, Any], after: tuple[int, str], newest: bool) -> Any:
    first, second = place
    if newest:
        return (first < after[0]) | ((first == after[0]) & (second < after[1]))
    return (first > after[0]) | ((first == after[0]) & (second > after[1]))


def _begin(connection: Connection, begun: Sequence[File]) -> Sequence[None]:
    for file in begun:
        _delete(connection, [file.file_id])
        row = vars(file) | {"complete": 0}
        connection.execute(insert(files).values(**row))
    return [None] * len(begun)


def _add_part(connection: Connection, parts: Sequence[tuple[str, int, bytes]]) -> Sequence[None]:
    rows = [{"file_id": f, "part": number, "content": part} for f, number, part in parts]
    connection.execute(insert(file_parts), rows)
    return [None] * len(parts)


def _complete(connection: Connection, done: Sequence[tuple[str, int]]) -> Sequence[File]:
    found = []
    for file_id, size in done:
        this = files.c.file_id == file_id
        connection.execute(update(files).where(this).values(bytes=size, complete=1))
        found.append(_file(connection.execute(select(files).where(this)).mappings().one()))
    return found


def _keep(connection: Connection, kept: Sequence[tuple[str, int]]) -> Sequence[File]:
    found = []
    for file_id, expires in kept:
        this = files.c.file_id == file_id
        connection.execute(update(files).where(this).values(expires=expires))
        found.append(_file(connection.execute(select(files).where(this)).mappings().one()))
    return found


def _delete(connection: Connection, ids: Sequence[str]) -> Sequence[None]:
    connection.execute(delete(file_parts).where(file_parts.c.file_id.in_(ids)))
    connection.execute(delete(files).where(files.c.file_id.in_(ids)))
    return [None] * len(ids)


def _is_over(row: RowMapping) -> bool:
    return row["expires"] is not None and row["expires"] <= time.time()


def _file(row: RowMapping) -> File:
    return File(**{key: value for key, value in row.items() if key != "complete"})
