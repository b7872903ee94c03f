"""Routes of responses, as OpenAI's.

POST   /v1/responses                    whole, or as typed events
GET    /v1/responses/{id}               one that was kept
GET    /v1/responses/{id}/input_items   what it was asked with: `after`, `limit`, `order`
DELETE /v1/responses/{id}
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response

from assay.core import logs
from assay.core.errors import AssayError
from assay.gateway import answers
from assay.gateway.accounts.accounts import paid_with
from assay.gateway.accounts.caller import Caller
from assay.gateway.answers import Served, assay_of, usage_of
from assay.gateway.batches.objects import owner_of
from assay.gateway.batches.routes import CallerOf
from assay.gateway.bodies import json_body, read_object
from assay.gateway.desk import Desk, Underway
from assay.gateway.pages import is_newest, page, page_limit
from assay.gateway.requests import GenerationRequest
from assay.gateway.responses.items import output_items
from assay.gateway.responses.objects import ResponseEvents, completed, failed, response_object
from assay.gateway.responses.requests import ResponseRequest, response_request
from assay.gateway.responses.store import Responses, Turn
from assay.gateway.sse import Choice
from assay.gateway.streams import answer_headers, streamed

TEXT = {"type": "string"}
BODY = json_body({"model": TEXT, "input": TEXT}, ["model", "input"])


@dataclass(frozen=True)
class _Asked:
    """A request with what its history makes of it."""

    request: ResponseRequest
    generation: GenerationRequest
    caller: Caller
    created: int


def response_routes(desk: Desk, kept: Responses, caller_of: CallerOf) -> APIRouter:
    router = APIRouter()

    @router.post("/v1/responses", openapi_extra=BODY)
    async def create(request: Request) -> Response:
        start = time.perf_counter()
        caller = await caller_of(request)
        asked = response_request(await read_object(request))
        history = await kept.history(asked.previous, owner_of(caller))
        found = _Asked(asked, asked.generation(history), caller, int(time.time()))
        opening = answers.open_all(desk, found.generation, caller, start)
        paid = paid_with(request)
        if asked.stream:
            return await streamed(
                opening, lambda jobs: _events(desk, kept, found, jobs), start, paid
            )
        return await _whole(desk, kept, found, await opening, start, paid)

    @router.get("/v1/responses/{response_id}")
    async def find(response_id: str, request: Request) -> Mapping[str, Any]:
        return (await kept.get(response_id, owner_of(await caller_of(request)))).response

    @router.delete("/v1/responses/{response_id}")
    async def delete(response_id: str, request: Request) -> Mapping[str, Any]:
        turn = await kept.get(response_id, owner_of(await caller_of(request)))
        await kept.delete(turn.response_id)
        return {"id": turn.response_id, "object": "response", "deleted": True}

    @router.get("/v1/responses/{response_id}/input_items")
    async def input_items(response_id: str, request: Request) -> Mapping[str, Any]:
        turn = await kept.get(response_id, owner_of(await caller_of(request)))
        return _input_items(turn, request.query_params)

    return router


def _input_items(turn: Turn, given: Mapping[str, str]) -> dict[str, Any]:
    items = [dict(item) for item in turn.items]
    if is_newest(given):
        items.reverse()
    ids = [item["id"] for item in items]
    after = given.get("after")
    begin = ids.index(after) + 1 if after in ids else 0
    return page(items[begin:], page_limit(given, 20, 100))


async def _whole(
    desk: Desk,
    kept: Responses,
    asked: _Asked,
    jobs: Sequence[Underway],
    start: float,
    paid: Mapping[str, str],
) -> Response:
    headers = {**answer_headers(jobs, time.perf_counter() - start), **paid}
    served = await answers.collect(jobs[0])
    choice = await run_in_threadpool(answers.choice_of, desk.prompts, asked.generation, served)
    done = _completed(asked, choice, served)
    await _keep(kept, asked, done)
    return JSONResponse(done, headers=headers)


def _completed(asked: _Asked, choice: Choice, served: Served) -> dict[str, Any]:
    response = response_object(asked.request, asked.created, "in_progress")
    output = output_items(choice, asked.request.stem)
    return completed(response, choice, output, usage_of([served]), assay_of([served]))


async def _events(
    desk: Desk, kept: Responses, asked: _Asked, jobs: Sequence[Underway]
) -> AsyncGenerator[str, None]:
    """Typed events; what goes wrong after the first one is an event, too."""
    events = ResponseEvents(asked.request.stem)
    response = response_object(asked.request, asked.created, "in_progress")
    for event in events.opening(response):
        yield event
    try:
        async with aclosing(answers.choice_events(desk, asked.generation, jobs[0])) as pieces:
            async for piece in pieces:
                if isinstance(piece, str):
                    for event in events.piece(piece):
                        yield event
                    continue
                rest, served = piece
                for event in events.answer(rest):
                    yield event
                choice = Choice(events.text, rest.finish, rest.calls)
                done = _completed(asked, choice, served)
                await _keep(kept, asked, done)
                yield events.event(f"response.{done['status']}", response=done)
    except AssayError as error:
        logs.warning("stream_failed", response=asked.request.response_id, code=error.code)
        yield events.event("response.failed", response=failed(response, error))


async def _keep(kept: Responses, asked: _Asked, response: Mapping[str, Any]) -> None:
    request = asked.request
    if request.store:
        owner = owner_of(asked.caller)
        await kept.add(Turn(request.response_id, owner, request.previous, request.items, response))
