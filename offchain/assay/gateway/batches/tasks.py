"""A line's request as jobs, and the answer from theirs: the same as what its endpoint gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.core.errors import InputError
from assay.gateway import embeddings, sse
from assay.gateway.answers import Served, whole
from assay.gateway.desk import Prepared
from assay.gateway.embedding_requests import embedding_request
from assay.gateway.prompts import Prompts
from assay.gateway.requests import GenerationRequest, chat_request, completion_request

Parse = Callable[[Mapping[str, Any]], GenerationRequest]


@dataclass(frozen=True)
class Task:
    """What one line asks for.

    Attributes:
        jobs: one for each part of the answer.
        check: raises InputError if what is prepared cannot be what was asked for.
        answer: the endpoint's object, of the parts in their order.
    """

    jobs: Sequence[GenerationRequest]
    embeds: bool
    check: Callable[[Sequence[Prepared]], None]
    answer: Callable[[Prompts, Sequence[Served]], dict[str, Any]]


def task_of(endpoint: str, body: Mapping[str, Any]) -> Task:
    """InputError for a body that the endpoint would refuse."""
    if body.get("stream"):
        raise InputError(
            "stream=true is not supported in batches; leave it out",
            code="unsupported_parameter",
            param="stream",
        )
    if endpoint == "/v1/embeddings":
        return _embeddings(body)
    if endpoint == "/v1/chat/completions":
        return _generation(body, chat_request, sse.CHAT)
    return _generation(body, completion_request, sse.COMPLETION)


def _generation(body: Mapping[str, Any], parse: Parse, shape: sse.Shape) -> Task:
    asked = parse(body)

    def answer(prompts: Prompts, served: Sequence[Served]) -> dict[str, Any]:
        return whole(prompts, asked, shape, served)

    return Task(asked.jobs(), False, lambda prepared: None, answer)


def _embeddings(body: Mapping[str, Any]) -> Task:
    asked = embedding_request(body)

    def check(prepared: Sequence[Prepared]) -> None:
        embeddings.check_inputs(asked, prepared)

    def answer(prompts: Prompts, served: Sequence[Served]) -> dict[str, Any]:
        return embeddings.answer(asked, served)

    return Task(asked.jobs(), True, check, answer)
