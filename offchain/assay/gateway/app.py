"""The gateway's routes.

POST /v1/completions, /v1/chat/completions   as OpenAI's, whole or streamed
POST /v1/embeddings                          as OpenAI's: a text or several, or token ids
GET  /v1/models, /v1/models/{id}             what is served now
GET  /v1/receipts/{id}                       what backs an answer, and where it stands on chain
     /v1/responses                           as OpenAI's (`assay.gateway.responses`)
     /v1/files, /v1/batches                  as OpenAI's (`assay.gateway.batches`)
     /v1/auth, /v1/keys, /v1/billing         accounts (`assay.gateway.accounts`)
GET  /health, /health/live|ready|models      the consumer, its micro-USD, the providers
GET  /metrics                                for Prometheus
GET  /openapi.json                           this API
"""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from assay.core.errors import AssayError, InputError, UpstreamError
from assay.core.shortcut import Shortcut
from assay.core.wire import error_body, hexed, parse_bytes
from assay.gateway import answers, embeddings, lapses, measures, receipts, sse
from assay.gateway.accounts.accounts import Accounts, paid_with
from assay.gateway.accounts.billing import billing_routes
from assay.gateway.accounts.caller import RateLimited
from assay.gateway.accounts.routes import key_routes
from assay.gateway.background import background
from assay.gateway.batches.routes import Bulk, batch_routes
from assay.gateway.bodies import json_body, read_object
from assay.gateway.desk import Desk
from assay.gateway.health import health_routes
from assay.gateway.outlays import Outlays
from assay.gateway.requests import GenerationRequest, chat_request, completion_request
from assay.gateway.responses.routes import response_routes
from assay.gateway.responses.store import Responses
from assay.gateway.routing.catalogue import model_not_found
from assay.gateway.streams import answer_headers, streamed
from assay.gateway.upstream import Offer

RETRY_AFTER_SECONDS = 2

TEXT = {"type": "string"}
COMPLETION_BODY = json_body({"model": TEXT, "prompt": TEXT}, ["model", "prompt"])
MESSAGE = {"type": "object", "properties": {"role": TEXT, "content": TEXT}}
CHAT_BODY = json_body(
    {"model": TEXT, "messages": {"type": "array", "items": MESSAGE}}, ["model", "messages"]
)
EMBEDDING_BODY = json_body({"model": TEXT, "input": TEXT}, ["model", "input"])

Parse = Callable[[Mapping[str, Any]], GenerationRequest]


def make_app(desk: Desk, accounts: Accounts, bulk: Bulk, kept: Responses) -> ASGIApp:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        desk.router.catalogue.shunned = await desk.store.distrusted()
        async with (
            desk.running(),
            background(lapses.run(desk)),
            background(Outlays(desk).run()),
            background(bulk.runner.run()),
        ):
            yield

    app = FastAPI(title="Assay gateway", lifespan=lifespan, docs_url=None, redoc_url=None)
    refused = partial(_failed, accounts)
    for kind, handler in (
        (AssayError, refused),
        (HTTPException, _no_route),
        (RequestValidationError, _invalid),
        (Exception, _crashed),
    ):
        app.add_exception_handler(kind, handler)

    @app.post("/v1/completions", openapi_extra=COMPLETION_BODY)
    async def completions(request: Request) -> Response:
        return await _generate(desk, accounts, request, completion_request, sse.COMPLETION)

    @app.post("/v1/chat/completions", openapi_extra=CHAT_BODY)
    async def chat_completions(request: Request) -> Response:
        return await _generate(desk, accounts, request, chat_request, sse.CHAT)

    @app.post("/v1/embeddings", openapi_extra=EMBEDDING_BODY)
    async def embed(request: Request) -> Response:
        start = time.perf_counter()
        caller = await accounts.caller(request)
        body, headers = await embeddings.embed(desk, await read_object(request), caller, start)
        return JSONResponse(body, headers={**headers, **paid_with(request)})

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": await _models(desk)}

    @app.get("/v1/models/{name:path}")
    async def model(name: str) -> dict[str, Any]:
        served = {entry["id"]: entry for entry in await _models(desk)}
        if name not in served:
            raise model_not_found(name, sorted(served))
        return served[name]

    @app.get("/v1/receipts/{receipt_id}")
    async def receipt(request: Request, receipt_id: str) -> dict[str, Any]:
        job_id = parse_bytes(receipt_id, "id", 32)
        owner = await desk.store.owner(job_id)
        if owner is not None and await accounts.owner(request) != owner:
            raise receipts.not_found(job_id)
        return await receipts.receipt(desk, job_id)

    for router in (
        response_routes(desk, kept, accounts.caller),
        batch_routes(bulk, accounts.caller),
        key_routes(accounts),
        billing_routes(accounts),
        health_routes(desk),
    ):
        app.include_router(router)
    posts = {
        "/v1/completions": completions,
        "/v1/chat/completions": chat_completions,
        "/v1/embeddings": embed,
    }
    return Shortcut(app, posts, refused, _crashed)


async def _generate(
    desk: Desk, accounts: Accounts, request: Request, parse: Parse, shape: sse.Shape
) -> Response:
    start = time.perf_counter()
    caller = await accounts.caller(request)
    asked = parse(await read_object(request))
    opening = answers.open_all(desk, asked, caller, start)
    paid = paid_with(request)
    if asked.stream:
        return await streamed(
            opening, lambda jobs: answers.events(desk, asked, shape, jobs), start, paid
        )
    jobs = await opening
    headers = {**answer_headers(jobs, time.perf_counter() - start), **paid}
    served = await answers.gathered([answers.collect(job) for job in jobs])
    body = await answers.whole_of(desk.prompts, asked, shape, served)
    return JSONResponse(body, headers=headers)


async def _models(desk: Desk) -> list[dict[str, Any]]:
    await desk.directory.refresh()
    entries = []
    for name, offer in sorted(desk.router.catalogue.models().items()):
        registered = await desk.registered(offer.model_root)
        if registered is None:
            continue
        serving = [o for o in desk.router.catalogue.all() if o.model_id == name]
        entries.append(
            {
                "id": name,
                "object": "model",
                "created": registered.at,
                "owned_by": "assay",
                "assay": {
                    "root": hexed(offer.model_root),
                    "context_length": registered.model.context_length,
                    "vocab_size": registered.model.vocab_size,
                    "dimensions": offer.dimensions,
                    "providers": sorted(o.address for o in serving),
                    "offers": [_offer(o) for o in sorted(serving, key=lambda o: o.address)],
                },
            }
        )
    return entries


def _offer(offer: Offer) -> dict[str, Any]:
    """Prices in micro-USD per million tokens; batches are spared the discount, in 1/10,000."""
    return {
        "provider": offer.address,
        "price_input": offer.price_input,
        "price_output": offer.price_output,
        "batch_discount_bps": offer.batch_discount_bps,
    }


def _failed(accounts: Accounts, request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, AssayError)
    status = error.status if isinstance(error, InputError) else 503
    if isinstance(error, UpstreamError):
        status = 502
    measures.REFUSED.add(status=str(status))
    body = {**error_body(error), **accounts.payable(request, error)}
    headers = {**_remedy(error, status), **paid_with(request)}
    return JSONResponse(body, status_code=status, headers=headers)


def _remedy(error: AssayError, status: int) -> dict[str, str]:
    """When to come again, or with what."""
    if isinstance(error, RateLimited):
        return {"Retry-After": str(max(math.ceil(error.retry_after), 1))}
    if status == 401:
        return {"WWW-Authenticate": "Bearer"}
    return {"Retry-After": str(RETRY_AFTER_SECONDS)} if status == 503 else {}


def _no_route(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    wrong = InputError(
        f"{request.method} {request.url.path}: {error.detail}",
        code="unknown_url" if error.status_code == 404 else "method_not_allowed",
        status=error.status_code,
    )
    return JSONResponse(error_body(wrong), status_code=wrong.status, headers=error.headers)


def _invalid(request: Request, error: Exception) -> JSONResponse:
    """A parameter in path or query that is missing or of another type."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    name = str(first["loc"][-1])
    wrong = InputError(f"{name}: {first['msg']}", code="invalid_value", param=name)
    return JSONResponse(error_body(wrong), status_code=wrong.status)


def _crashed(request: Request, error: Exception) -> JSONResponse:
    """A bug of ours; the server logs it, the caller sees no more than that."""
    wrong = InputError("the gateway failed; its log says why", code="internal_error", status=500)
    return JSONResponse(error_body(wrong), status_code=500)
