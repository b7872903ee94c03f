"""`multipart/form-data` as it comes in: small fields, and one file that is handed on in pieces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from aiohttp import BodyPartReader, MultipartReader
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpProcessingError
from aiohttp.streams import StreamReader
from fastapi import Request
from multidict import CIMultiDict, CIMultiDictProxy
from starlette.requests import ClientDisconnect

from assay.core.errors import InputError

MAX_FIELDS, MAX_FIELD_BYTES = 16, 4_096
BUFFER_BYTES = 1 << 16

Stored = TypeVar("Stored")
Store = Callable[[str, AsyncIterator[bytes]], Awaitable[Stored]]
"""Takes the file's name and its content."""


async def read_form(request: Request, store: Store[Stored]) -> tuple[dict[str, str], Stored | None]:
    """The fields of a form, and what `store` made of its part `file`.

    Raises:
        InputError: the body is no form, or has too many or too long fields.
    """
    content_type = request.headers.get("content-type", "")
    if not content_type.startswith("multipart/form-data"):
        raise _no_form(f"its content type is {content_type[:80] or 'none'}")
    flow = _Flow(asyncio.get_running_loop())
    body = StreamReader(flow, BUFFER_BYTES)
    feeding = asyncio.create_task(_feed(request, body, flow))
    headers = CIMultiDictProxy(CIMultiDict({"Content-Type": content_type}))
    try:
        return await _read(MultipartReader(headers, body), store)
    except (HttpProcessingError, ValueError, AssertionError, EOFError, RuntimeError) as error:
        raise _no_form(str(error)[:200] or type(error).__name__) from error
    finally:
        feeding.cancel()
        with suppress(asyncio.CancelledError):
            await feeding


async def _read(
    reader: MultipartReader, store: Store[Stored]
) -> tuple[dict[str, str], Stored | None]:
    fields: dict[str, str] = {}
    stored: Stored | None = None
    while (part := await reader.next()) is not None:
        if not isinstance(part, BodyPartReader) or part.name is None:
            raise _no_form("a part has no name")
        if part.name == "file" and stored is None:
            stored = await store(part.filename or "file", _pieces(part))
            continue
        if part.name in fields or part.name == "file" or len(fields) == MAX_FIELDS:
            raise _no_form(f"{part.name[:80]!r} comes twice, or there are too many fields")
        fields[part.name] = await _field(part)
    return fields, stored


async def _field(part: BodyPartReader) -> str:
    value = b""
    async for piece in _pieces(part):
        value += piece
        if len(value) > MAX_FIELD_BYTES:
            raise _no_form(f"{part.name} is longer than {MAX_FIELD_BYTES} bytes")
    return value.decode("utf-8")


async def _pieces(part: BodyPartReader) -> AsyncIterator[bytes]:
    while piece := await part.read_chunk(BUFFER_BYTES):
        yield bytes(piece)


class _Flow(BaseProtocol):
    """What the reader tells when its buffer is full, and when it is not any more."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.room = asyncio.Event()
        self.room.set()

    @property
    def connected(self) -> bool:
        """There is no connection of aiohttp's that could be lost."""
        return True

    def pause_reading(self) -> None:
        self.room.clear()

    def resume_reading(self, resume_parser: bool = True) -> None:
        self.room.set()


async def _feed(request: Request, body: StreamReader, flow: _Flow) -> None:
    """Hand the body on as fast as it is read: no more than a buffer of it is in memory."""
    try:
        async for piece in request.stream():
            body.feed_data(piece)
            await flow.room.wait()
        body.feed_eof()
    except ClientDisconnect:
        body.set_exception(ValueError("the client hung up"))


def _no_form(why: str) -> InputError:
    return InputError(
        f"the body is no multipart form with a file and a purpose: {why}",
        code="invalid_form",
    )
