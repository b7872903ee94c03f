"""The provider's HTTP interface.

    POST /v1/jobs                      a signed job; streams tokens, or gives an embedding, and
                                       ends with the signed receipt; with "can_wait": true at a
                                       batch's price, where there is room, behind the others;
                                       after the first token "apart_ms" between two writes, which
                                       whoever shows no text before the end may set high
    GET  /v1/jobs/{job_id}             what became of it: state, batch, proof
    GET  /v1/claims/{batch_id}/{index} everything that recomputes a claim, for challengers; where
                                       the job keeps it for auditors, sealed to ?auditor=0x…
    GET  /health                       address, models, prices, load
    GET  /metrics                      counters and gauges, in Prometheus' text format

Answers are JSON; the job stream is one JSON object a line (application/x-ndjson).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any, Protocol

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response
from starlette.types import ASGIApp

from assay.core import metrics
from assay.core.errors import AssayError, ChainError, InputError
from assay.core.shortcut import Shortcut, Unwatched
from assay.core.types import Job
from assay.core.wire import (
    ClaimData,
    error_body,
    hexed,
    parse_address,
    parse_bytes,
    parse_flag,
    parse_integer,
    parse_job,
    parse_object,
    parse_tokens,
    to_json,
)
from assay.provider.jobs import RETRY_AFTER_SECONDS, Admitted, Item, Outlet
from assay.provider.journal import Entry, Journal, batch_tree, claim_data
from assay.provider.mail import Mail, Stream

MAX_BODY_BYTES = 4_000_000
APART_MS, MAX_APART_MS = 20, 1_000
"""Between two writes of one stream. A line on its own costs provider and gateway more than a small
model's token, and nobody reads as fast."""


class Desk(Protocol):
    """What the routes need from the service."""

    journal: Journal

    def admit(
        self, job: Job, signature: bytes, prompt: list[int], salt: bytes, can_wait: bool
    ) -> Admitted: ...

    def start(self, admitted: Admitted, outlet: Outlet) -> None: ...

    def disclose(self, data: ClaimData, auditor: str | None) -> dict[str, Any]: ...

    def health(self) -> dict[str, Any]: ...


def make_app(desk: Desk) -> ASGIApp:
    app = FastAPI(title="Assay provider", openapi_url=None)
    app.add_exception_handler(InputError, _refused)
    app.add_exception_handler(ChainError, _refused)
    app.add_exception_handler(Exception, _crashed)

    mail = Mail()

    async def post_job(request: Request) -> Unwatched:
        body = parse_object(await _read(request))
        apart = parse_integer(body.get("apart_ms", APART_MS), "apart_ms", MAX_APART_MS)
        stream = mail.stream(apart / 1e3)
        job_id = await run_in_threadpool(_start, desk, body, stream.put)
        return Unwatched(_lines(job_id, stream), media_type="application/x-ndjson")

    @app.get("/v1/jobs/{job_id}")
    def get_job(job_id: str) -> dict[str, Any]:
        entry = desk.journal.claim(parse_bytes(job_id, "job_id", 32))
        if entry is None:
            raise InputError(f"no finished job {job_id}", code="unknown_job", status=404)
        return _job_status(desk.journal, entry)

    @app.get("/v1/claims/{batch_id}/{index}")
    def get_claim(batch_id: str, index: int, auditor: str | None = None) -> dict[str, Any]:
        batch = desk.journal.batch(parse_bytes(batch_id, "batch_id", 32))
        data = claim_data(desk.journal, batch, index) if batch else None
        if data is None:
            raise InputError(f"no claim {batch_id}/{index}", code="unknown_claim", status=404)
        return desk.disclose(data, parse_address(auditor, "auditor") if auditor else None)

    @app.get("/health")
    def health() -> dict[str, Any]:
        return desk.health()

    @app.get("/metrics")
    def metrics_text() -> Response:
        return Response(metrics.exposition(), media_type=metrics.CONTENT_TYPE)

    return Shortcut(app, {"/v1/jobs": post_job}, _refused, _crashed)


async def _read(request: Request) -> bytes:
    """The body, up to a limit that holds any prompt."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            raise InputError(
                f"the body is longer than {MAX_BODY_BYTES} bytes", code="too_large", status=413
            )
    return body


def _start(desk: Desk, body: dict[str, Any], outlet: Outlet) -> bytes:
    """Admit and queue a job; its id."""
    job = parse_job(body.get("job"))
    signature = parse_bytes(body.get("signature"), "signature")
    prompt = parse_tokens(body.get("tokens"), "tokens")
    salt = parse_bytes(body.get("salt"), "salt", 32)
    can_wait = parse_flag(body.get("can_wait"), "can_wait")
    admitted = desk.admit(job, signature, prompt, salt, can_wait)
    desk.start(admitted, outlet)
    return admitted.job_id


async def _lines(job_id: bytes, stream: Stream) -> AsyncIterator[str]:
    yield json.dumps({"job_id": hexed(job_id)}) + "\n"
    async for items in stream.together():
        yield "".join(map(_line, items))


def _line(item: Item) -> str:
    if isinstance(item, int):
        return f'{{"token": {item}}}\n'
    return json.dumps(_last(item)) + "\n"


def _last(item: tuple[int, ...] | Entry | AssayError) -> dict[str, Any]:
    if isinstance(item, tuple):
        return {"embedding": list(item)}
    if isinstance(item, AssayError):
        return error_body(item)
    return {"receipt": to_json(item.receipt), "signature": hexed(item.receipt_signature)}


def _job_status(journal: Journal, entry: Entry) -> dict[str, Any]:
    status: dict[str, Any] = {
        "job_id": hexed(entry.job_id),
        "state": entry.state,
        "receipt": to_json(entry.receipt),
        "receipt_signature": hexed(entry.receipt_signature),
        "batch": None,
    }
    batch = journal.batch_of(entry)
    if batch is not None and entry.place is not None:
        tree = batch_tree(journal.claims_of(batch))
        status["batch"] = {
            "batch_id": hexed(batch.batch_id),
            "root": hexed(batch.root),
            "count": batch.count,
            "index": entry.place,
            "proof": [hexed(item) for item in tree.path(entry.place)],
            "posted": batch.posted,
            "transaction": batch.transaction,
        }
    return status


def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, AssayError)
    status = error.status if isinstance(error, InputError) else 503
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status == 503 else None
    return JSONResponse(error_body(error), status_code=status, headers=headers)


def _crashed(request: Request, error: Exception) -> JSONResponse:
    """A bug of ours; the server logs it, the caller sees no more than that."""
    wrong = InputError("the provider failed; its log says why", code="internal_error", status=500)
    return JSONResponse(error_body(wrong), status_code=500)
