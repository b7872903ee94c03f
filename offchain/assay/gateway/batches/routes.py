"""Routes of files and batches, as OpenAI's.

POST   /v1/files                       multipart: `file`, `purpose` (batch), `expires_after[…]`
GET    /v1/files                       `purpose`, `after`, `limit`, `order`
GET    /v1/files/{id}[/content]        what is known of it; its bytes
DELETE /v1/files/{id}
POST   /v1/batches                     `input_file_id`, `endpoint`, `completion_window` (24h)
GET    /v1/batches[/{id}]              `after`, `limit`
POST   /v1/batches/{id}/cancel
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from assay.core.errors import InputError
from assay.gateway.accounts.caller import Caller
from assay.gateway.batches.book import Book
from assay.gateway.batches.files import (
    BATCH_SECONDS,
    MAX_FILE_BYTES,
    MAX_OWNER_BYTES,
    UPLOAD_SECONDS,
    File,
    Files,
    new_file,
)
from assay.gateway.batches.multipart import read_form
from assay.gateway.batches.objects import batch_object, new_batch, owner_of
from assay.gateway.batches.runner import Runner
from assay.gateway.bodies import json_body, read_object
from assay.gateway.fields import bad_value
from assay.gateway.pages import is_newest, page, page_limit

MAX_NAME = 256
MAX_PAGE = 10_000
MAX_BATCHES_PAGE = 100
MIN_KEPT_SECONDS, MAX_KEPT_SECONDS = 3_600, 30 * 86_400

TEXT = {"type": "string"}
FIELDS = ("input_file_id", "endpoint", "completion_window")
BATCH_BODY = json_body(dict.fromkeys(FIELDS, TEXT), FIELDS)

CallerOf = Callable[[Request], Awaitable[Caller]]


@dataclass(frozen=True)
class Bulk:
    """Files, batches, and what works on them."""

    files: Files
    book: Book
    runner: Runner


def batch_routes(bulk: Bulk, caller_of: CallerOf) -> APIRouter:
    """`caller_of`: who asks; raises for a key that is none."""
    router = APIRouter()
    _add_files(router, bulk, caller_of)
    _add_batches(router, bulk, caller_of)
    return router


def _add_files(router: APIRouter, bulk: Bulk, caller_of: CallerOf) -> None:
    @router.post("/v1/files")
    async def upload(request: Request) -> dict[str, Any]:
        owner = owner_of(await caller_of(request))
        return (await _upload(bulk.files, request, owner)).to_json()

    @router.get("/v1/files")
    async def list_files(request: Request) -> dict[str, Any]:
        owner, given = owner_of(await caller_of(request)), request.query_params
        limit, newest = page_limit(given, MAX_PAGE, MAX_PAGE), is_newest(given)
        found = await bulk.files.page(
            owner, given.get("purpose"), given.get("after"), limit + 1, newest
        )
        return page([file.to_json() for file in found], limit)

    @router.get("/v1/files/{file_id}")
    async def find(file_id: str, request: Request) -> dict[str, Any]:
        return (await bulk.files.get(file_id, owner_of(await caller_of(request)))).to_json()

    @router.get("/v1/files/{file_id}/content")
    async def content(file_id: str, request: Request) -> StreamingResponse:
        file = await bulk.files.get(file_id, owner_of(await caller_of(request)))
        headers = {"content-length": str(file.bytes)}
        pieces = bulk.files.content(file.file_id)
        return StreamingResponse(pieces, media_type="application/octet-stream", headers=headers)

    @router.delete("/v1/files/{file_id}")
    async def delete(file_id: str, request: Request) -> dict[str, Any]:
        file = await bulk.files.get(file_id, owner_of(await caller_of(request)))
        await bulk.files.delete(file.file_id)
        return {"id": file.file_id, "object": "file", "deleted": True}


def _add_batches(router: APIRouter, bulk: Bulk, caller_of: CallerOf) -> None:
    async def shown(batch_id: str, owner: str) -> dict[str, Any]:
        batch = await bulk.book.get(batch_id, owner)
        return batch_object(batch, (await bulk.book.counts([batch_id]))[batch_id])

    @router.post("/v1/batches", openapi_extra=BATCH_BODY)
    async def create(request: Request) -> dict[str, Any]:
        caller = await caller_of(request)
        batch = new_batch(await read_object(request), caller)
        await _check_input(bulk.files, batch.input_file, batch.owner)
        await bulk.book.add(batch)
        return await shown(batch.batch_id, batch.owner)

    @router.get("/v1/batches")
    async def list_batches(request: Request) -> dict[str, Any]:
        owner, given = owner_of(await caller_of(request)), request.query_params
        limit = page_limit(given, 20, MAX_BATCHES_PAGE)
        found = await bulk.book.page(owner, given.get("after"), limit + 1)
        counts = await bulk.book.counts([batch.batch_id for batch in found])
        return page([batch_object(batch, counts[batch.batch_id]) for batch in found], limit)

    @router.get("/v1/batches/{batch_id}")
    async def find(batch_id: str, request: Request) -> dict[str, Any]:
        return await shown(batch_id, owner_of(await caller_of(request)))

    @router.post("/v1/batches/{batch_id}/cancel")
    async def cancel(batch_id: str, request: Request) -> dict[str, Any]:
        owner = owner_of(await caller_of(request))
        await bulk.book.cancel(await bulk.book.get(batch_id, owner))
        return await shown(batch_id, owner)


async def _upload(files: Files, request: Request, owner: str) -> File:
    """Read a form and keep its file, which may come before the fields that say what it is for."""
    room = MAX_OWNER_BYTES - await files.used(owner)
    if room <= 0:
        raise InputError(
            f"your files have {MAX_OWNER_BYTES} bytes in all; delete some",
            code="too_large",
            status=413,
        )

    made = list[File]()

    async def store(name: str, content: AsyncIterator[bytes]) -> File:
        made.append(new_file(owner, _name(name), "batch", UPLOAD_SECONDS))
        return await files.save(content, made[0], min(room, MAX_FILE_BYTES))

    try:
        fields, file = await read_form(request, store)
        seconds = _kept_seconds(fields)
        if file is None:
            raise bad_value("file", "the form has no part of that name with a file")
        return await files.keep(file, seconds)
    except InputError:
        for file in made:
            await files.delete(file.file_id)
        raise


def _kept_seconds(fields: Mapping[str, str]) -> int:
    """How long a file is kept; InputError for fields that are not known, or not batch's."""
    if fields.get("purpose") != "batch":
        raise bad_value("purpose", f"{fields.get('purpose')!r} is not supported; use batch")
    known = ("purpose", "expires_after[anchor]", "expires_after[seconds]")
    for name in fields:
        if name not in known:
            raise InputError(
                f"Unrecognized request argument supplied: {name}",
                code="unknown_parameter",
                param=name,
            )
    if fields.get(known[1], "created_at") != "created_at":
        raise bad_value("expires_after.anchor", "expected created_at")
    seconds = fields.get(known[2], str(BATCH_SECONDS))
    low, high = MIN_KEPT_SECONDS, MAX_KEPT_SECONDS
    if not (seconds.isascii() and seconds.isdigit() and low <= int(seconds[:9]) <= high):
        raise bad_value("expires_after.seconds", f"expected an integer from {low} to {high}")
    return int(seconds)


async def _check_input(files: Files, file_id: str, owner: str) -> None:
    file = await files.get(file_id, owner)
    if file.purpose != "batch":
        raise bad_value("input_file_id", f"{file_id} has purpose {file.purpose}, not batch")


def _name(name: str) -> str:
    """A file's name without its folders and without what databases and headers cannot hold."""
    base = name.replace("\\", "/").rpartition("/")[2]
    kept = "".join(c for c in base if c.isprintable() and not 0xD800 <= ord(c) < 0xE000)
    return kept[:MAX_NAME] or "file"
