"""The gateway's routes.

POST /v1/completions, /v1/chat/completions   as OpenAI's, whole or streamed
GET  /v1/models, /v1/models/{id}             what is served now
GET  /v1/receipts/{id}                       what backs an answer, and where it stands on chain
GET  /health                                 the consumer, its micro-USD, the providers
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException

from assay.core import logs
from assay.core.errors import AssayError, InputError, UpstreamError
from assay.core.wire import error_body, hexed, parse_bytes, parse_object
from assay.engine.tokenizer import StreamDecoder
from assay.gateway import receipts, sse
from assay.gateway.desk import Desk, Underway
from assay.gateway.requests import GenerationRequest, chat_request, completion_request
from assay.gateway.routing import model_not_found
from assay.gateway.store import Answered
from assay.gateway.upstream import make_client

MAX_BODY_BYTES = 4_000_000
RECEIPT_HEADER = "x-assay-receipt"
PROVIDER_HEADER = "x-assay-provider"
RETRY_AFTER_SECONDS = 2

Parse = Callable[[Mapping[str, Any]], GenerationRequest]


def make_app(desk: Desk) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            desk.client = await stack.enter_async_context(make_client())
            yield

    app = FastAPI(title="Assay gateway", lifespan=lifespan, openapi_url=None)
    app.add_exception_handler(AssayError, _failed)
    app.add_exception_handler(HTTPException, _no_route)
    app.add_exception_handler(Exception, _crashed)

    @app.post("/v1/completions")
    async def completions(request: Request) -> Response:
        return await _generate(desk, request, completion_request, sse.COMPLETION)

    @app.post("/v1/chat/completions")
    async def chat_completions(request: Request) -> Response:
        return await _generate(desk, request, chat_request, sse.CHAT)

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
    async def receipt(receipt_id: str) -> dict[str, Any]:
        return await receipts.receipt(desk, parse_bytes(receipt_id, "id", 32))

    @app.get("/health")
    async def health() -> dict[str, Any]:
        return await _health(desk)

    return app


async def _generate(desk: Desk, request: Request, parse: Parse, shape: sse.Shape) -> Response:
    asked = parse(parse_object(await _read(request)))
    underway = await desk.open(asked)
    signed = underway.signed
    headers = {RECEIPT_HEADER: hexed(signed.job_id), PROVIDER_HEADER: signed.job.provider}
    envelope = sse.Envelope(shape, hexed(signed.job_id), asked.model, int(signed.created))
    if asked.stream:
        events = _events(desk, underway, envelope, asked.include_usage)
        headers["cache-control"] = "no-cache"
        return StreamingResponse(events, media_type="text/event-stream", headers=headers)
    return JSONResponse(await _whole(desk, underway, envelope), headers=headers)


async def _whole(desk: Desk, underway: Underway, envelope: sse.Envelope) -> dict[str, Any]:
    text = StreamDecoder(desk.tokenizer)
    pieces: list[str] = []
    async with aclosing(underway.items) as items:
        async for item in items:
            if isinstance(item, Answered):
                pieces.append(text.finish())
                finish, counts, assay = _summary(underway, item)
                return envelope.whole("".join(pieces), finish, counts, assay)
            pieces.append(text.push(item))
    raise UpstreamError(f"{underway.signed.job.provider} ended without a receipt")


async def _events(
    desk: Desk, underway: Underway, envelope: sse.Envelope, include_usage: bool
) -> AsyncIterator[str]:
    """Server-sent events; an error after the first one is an event, too."""
    text = StreamDecoder(desk.tokenizer)
    yield envelope.first()
    try:
        async with aclosing(underway.items) as items:
            async for item in items:
                done = isinstance(item, Answered)
                piece = text.finish() if isinstance(item, Answered) else text.push(item)
                if piece:
                    yield envelope.piece(piece)
                if isinstance(item, Answered):
                    finish, counts, assay = _summary(underway, item)
                    yield envelope.last(finish, assay)
                    if include_usage:
                        yield envelope.usage(counts, assay)
                    yield sse.DONE
                if done:
                    return
    except AssayError as error:
        logs.warning("stream_failed", job=underway.signed.job_id, code=error.code)
        yield sse.error_event(error)


def _summary(underway: Underway, answered: Answered) -> tuple[str, dict[str, int], dict[str, Any]]:
    """(finish reason, usage, our addition)."""
    signed, receipt = underway.signed, answered.receipt
    ended = answered.output[-1] in underway.model.eos_tokens
    assay = {
        "receipt_id": hexed(signed.job_id),
        "provider": signed.job.provider,
        "model_root": hexed(signed.job.model_root),
        "price_micro_usd": receipt.price,
    }
    counts = sse.usage(len(signed.prompt), len(answered.output))
    return "stop" if ended else "length", counts, assay


async def _models(desk: Desk) -> list[dict[str, Any]]:
    await desk.refresh()
    entries = []
    for name, offer in sorted(desk.catalogue.models().items()):
        registered = await desk.registered(offer.model_root)
        if registered is None:
            continue
        serving = [o.address for o in desk.catalogue.offers.values() if o.model_id == name]
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
                    "providers": sorted(serving),
                },
            }
        )
    return entries


async def _health(desk: Desk) -> dict[str, Any]:
    await desk.refresh()
    consumer = str(desk.signer.account.address)
    offers = desk.catalogue.offers.values()
    return {
        "status": "ok",
        "consumer": consumer,
        "chain_id": desk.network.chain_id,
        "available": await run_in_threadpool(desk.network.ledger.available, consumer),
        "models": sorted(desk.catalogue.models()),
        "providers": sorted(offer.address for offer in offers),
    }


async def _read(request: Request) -> bytes:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            raise InputError(
                f"the body is longer than {MAX_BODY_BYTES} bytes", code="too_large", status=413
            )
    return body


def _failed(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, AssayError)
    status = error.status if isinstance(error, InputError) else 503
    if isinstance(error, UpstreamError):
        status = 502
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status == 503 else None
    return JSONResponse(error_body(error), status_code=status, headers=headers)


def _no_route(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    wrong = InputError(
        f"{request.method} {request.url.path}: {error.detail}",
        code="unknown_url" if error.status_code == 404 else "method_not_allowed",
        status=error.status_code,
    )
    return JSONResponse(error_body(wrong), status_code=wrong.status)


def _crashed(request: Request, error: Exception) -> JSONResponse:
    """A bug of ours; the server logs it, the caller sees no more than that."""
    wrong = InputError("the gateway failed; its log says why", code="internal_error", status=500)
    return JSONResponse(error_body(wrong), status_code=500)
