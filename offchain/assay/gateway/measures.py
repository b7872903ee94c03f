"""What the gateway tells Prometheus, in vLLM's shape and names; labels are models it serves."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from assay.core import metrics
from assay.core.errors import InputError
from assay.core.wire import error_body
from assay.gateway.desk import Underway
from assay.gateway.store import Answered
from assay.gateway.upstream import Item

MODEL = "model_name"
SECONDS = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0,
)  # fmt: skip

FIRST_TOKEN = metrics.histogram(
    "assay_time_to_first_token_seconds", "From the request to its first token.", SECONDS, MODEL
)
NEXT_TOKEN = metrics.histogram(
    "assay_inter_token_latency_seconds", "From one token to the next.", SECONDS, MODEL
)
WHOLE = metrics.histogram(
    "assay_e2e_request_latency_seconds", "From the request to its receipt.", SECONDS, MODEL
)
OVERHEAD = metrics.histogram(
    "assay_overhead_seconds", "The gateway's own part of the time to the first token.", SECONDS
)
RUNNING = metrics.gauge("assay_num_requests_running", "Requests under way.")
WAITING = metrics.gauge("assay_num_requests_waiting", "Requests that no provider has begun.")
PROMPT = metrics.counter("assay_prompt_tokens_total", "Prompt tokens of answers.", MODEL)
GENERATED = metrics.counter("assay_generation_tokens_total", "Tokens of answers.", MODEL)
SUCCESS = metrics.counter(
    "assay_request_success_total", "Requests that were answered.", MODEL, "finished_reason"
)
REFUSED = metrics.counter("assay_request_refused_total", "Requests that were not.", "status")


class Load:
    """How many requests are under way in this process, and no more than `most`.

    An ASGI application around another one. Health and metrics answer at any load.
    """

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most
        self._under_way = 0
        RUNNING.set(lambda: self._under_way - WAITING.value())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
            await self._app(scope, receive, send)
            return
        if self._under_way >= self._most:
            REFUSED.add(status="503")
            await _overloaded(self._most)(scope, receive, send)
            return
        self._under_way += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._under_way -= 1


def _overloaded(most: int) -> JSONResponse:
    error = InputError(
        f"{most} requests are under way, the most of this gateway; repeat it later",
        code="overloaded",
        status=503,
    )
    return JSONResponse(error_body(error), status_code=503, headers={"Retry-After": "1"})


@contextmanager
def waiting() -> Iterator[None]:
    """While a request waits for a provider to begin."""
    WAITING.add(1)
    try:
        yield
    finally:
        WAITING.add(-1)


async def measured(underway: Underway, model: str, start: float) -> AsyncGenerator[Item, None]:
    """The items, timed. `start` by `time.perf_counter`."""
    before, first = start, True
    async with aclosing(underway.items) as items:
        async for item in items:
            now = time.perf_counter()
            if isinstance(item, Answered):
                _finished(underway, item, model, now - start)
            else:
                (FIRST_TOKEN if first else NEXT_TOKEN).observe(now - before, model)
                together = 1 if underway.model.embeds else len(item)
                if together > 1:
                    NEXT_TOKEN.observe(0.0, model, times=together - 1)
                first = False
            before = now
            yield item


def _finished(underway: Underway, answered: Answered, model: str, seconds: float) -> None:
    WHOLE.observe(seconds, model)
    PROMPT.add(len(underway.signed.prompt), model_name=model)
    GENERATED.add(answered.receipt.output_tokens, model_name=model)
    reason = "stop" if answered.output[-1] in underway.model.eos_tokens else "length"
    SUCCESS.add(model_name=model, finished_reason=reason)
