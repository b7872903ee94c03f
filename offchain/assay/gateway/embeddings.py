"""`POST /v1/embeddings`: one job for each input, several at a time.

All inputs are checked before the first job is signed, so that a request that cannot be served
costs nothing. An embedding is shown only once its receipt is checked and stored.
"""

from __future__ import annotations

import asyncio
import time
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from assay.core.errors import InputError, UpstreamError
from assay.gateway.accounts.caller import Caller
from assay.gateway.answers import Served, assay_of, collect, gathered
from assay.gateway.desk import Desk, Prepared, Underway
from assay.gateway.embedding_requests import EmbeddingRequest, embedding_request
from assay.gateway.jobs import check_input
from assay.gateway.streams import headers_of

AT_ONCE = 8
"""Jobs of one request that are under way together."""


@dataclass(frozen=True)
class Embedded:
    """One input's job and answer; its provider began to answer at `began` (`perf_counter`)."""

    job: Underway
    served: Served
    began: float


async def embed(
    desk: Desk, body: Mapping[str, Any], caller: Caller, start: float
) -> tuple[dict[str, Any], dict[str, str]]:
    """The JSON of the answer, and its headers; InputError or UpstreamError if any input has none.

    Args:
        start: of the request, by `time.perf_counter`.
    """
    asked = embedding_request(body)
    prepared = [await desk.prepare(job, caller, embeds=True) for job in asked.jobs()]
    check_inputs(asked, prepared)
    gate = asyncio.Semaphore(AT_ONCE)
    done = await gathered([_embed(desk, item, gate) for item in prepared])
    first = done[0]  # the others may have waited for it
    overhead = max(first.began - start - first.job.waited, 0.0)
    headers = headers_of([item.job for item in done], overhead)
    return answer(asked, [item.served for item in done]), headers


async def _embed(desk: Desk, prepared: Prepared, gate: asyncio.Semaphore) -> Embedded:
    async with gate:
        job = await desk.send(prepared)
        began = time.perf_counter()
        served = await collect(job)
    check_width(served, prepared)
    return Embedded(job, served, began)


def check_inputs(asked: EmbeddingRequest, prepared: Sequence[Prepared]) -> None:
    """InputError unless every input fits the model, and gives what is asked for."""
    for item in prepared:
        check_input(len(item.prompt), item.model)
        _check_dimensions(asked, item)


def _check_dimensions(asked: EmbeddingRequest, prepared: Prepared) -> None:
    has = prepared.offers[0].dimensions
    if asked.dimensions not in (None, has):
        raise InputError(
            f"dimensions={asked.dimensions} is not supported: embeddings of {asked.model} have "
            f"{has}; leave it out",
            code="unsupported_parameter",
            param="dimensions",
        )


def check_width(served: Served, prepared: Prepared) -> None:
    """What was offered has come; whether it is right, challengers check."""
    expected, found = prepared.offers[0].dimensions, len(served.answered.output)
    if found != expected:
        raise UpstreamError(f"an embedding of {found} elements came, {expected} were offered")


def answer(asked: EmbeddingRequest, done: Sequence[Served]) -> dict[str, Any]:
    """OpenAI's object, in the order of the inputs."""
    fraction = done[0].model.logit_fraction
    tokens = sum(len(item.signed.prompt) for item in done)
    return {
        "object": "list",
        "data": [
            {
                "object": "embedding",
                "index": index,
                "embedding": _encoded(item.answered.output, fraction, asked.encoding),
                "assay": assay_of([item]),
            }
            for index, item in enumerate(done)
        ],
        "model": asked.model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def _encoded(
    row: Sequence[int], fraction: int, encoding: Literal["float", "base64"]
) -> list[float] | str:
    """Exact as float64; as float32, of base64, too, for elements below 1 at 24 fraction bits."""
    values = np.array(row, dtype=np.float64) * 2.0**-fraction
    if encoding == "base64":
        return b64encode(values.astype("<f4").tobytes()).decode()
    floats: list[float] = values.tolist()
    return floats
