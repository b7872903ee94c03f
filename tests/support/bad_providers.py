"""Providers that speak the protocol and break it: each has one bad habit, and real signatures."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any

import uvicorn
from eth_account import Account
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

from assay.chain.anvil import free_port
from assay.core.hashes import OUTPUT_SIDE, job_id
from assay.core.signing import sign_receipt
from assay.core.tokens import TokenList
from assay.core.types import Receipt
from assay.core.wire import hexed, parse_bytes, parse_job, to_json
from tests.integration.arena import Arena

TOKENS = (5, 6, 7)
LATE_SECONDS = 6.0


class Habit(Enum):
    """What it does with every job."""

    STALLS = "stalls after a token"
    TRUNCATES = "signs for more tokens than it sent"
    GARBAGE = "answers garbage"
    LATE = "answers late"
    DISCONNECTS = "disconnects mid-stream"


class BadProvider:
    """One of them, at its own address and port; `jobs` counts what it was sent."""

    def __init__(self, arena: Arena, model: str, habit: Habit) -> None:
        self._arena, self._model, self._habit = arena, model, habit
        self._account = Account.create()
        self.address = str(self._account.address)
        self.port = free_port()
        self.jobs = 0
        config = uvicorn.Config(self._app(), port=self.port, log_level="critical")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """At once: streams that stall are left."""
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(10)

    def _app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/health")
        async def health() -> dict[str, Any]:
            return {"status": "ok", "address": self.address, "models": [self._offer()]}

        @app.post("/v1/jobs")
        async def jobs(request: Request) -> StreamingResponse:
            self.jobs += 1
            return StreamingResponse(self._stream(await request.json()))

        return app

    def _offer(self) -> dict[str, Any]:
        header = self._arena.commitment.header
        return {
            "id": self._model,
            "root": hexed(self._arena.commitment.model_root),
            "context_length": header.context_length,
            "dimensions": None,
            "price_input": 50_000,
            "price_output": 200_000,
            "running": 0,
        }

    async def _stream(self, body: dict[str, Any]) -> AsyncIterator[bytes]:
        habit = self._habit
        if habit is Habit.LATE:
            await asyncio.sleep(LATE_SECONDS)
        if habit is Habit.GARBAGE:
            yield b"\x00<html>]}{\n"
            return
        yield _line({"token": TOKENS[0]})
        if habit is Habit.STALLS:
            await asyncio.sleep(3600)
        if habit is Habit.DISCONNECTS:
            raise ConnectionResetError("on purpose")
        sent = TOKENS[:1] if habit is Habit.TRUNCATES else TOKENS
        for token in sent[1:]:
            yield _line({"token": token})
        yield self._receipt(body)

    def _receipt(self, body: dict[str, Any]) -> bytes:
        """Over all tokens, whatever was sent."""
        network = self._arena.network
        place = network.chain_id, network.settlement.address
        job, salt = parse_job(body["job"]), parse_bytes(body["salt"], "salt", 32)
        root = TokenList(TOKENS, salt, OUTPUT_SIDE).root
        receipt = Receipt(job_id(job, *place), root, len(TOKENS), job.price(len(TOKENS)))
        signature = sign_receipt(self._account, receipt, *place)
        return _line({"receipt": to_json(receipt), "signature": hexed(signature)})


@contextmanager
def bad_providers(arena: Arena, model: str) -> Iterator[dict[Habit, BadProvider]]:
    """One of each, running."""
    found = {habit: BadProvider(arena, model, habit) for habit in Habit}
    for each in found.values():
        each.start()
    try:
        yield found
    finally:
        for each in found.values():
            each.stop()


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode() + b"\n"
