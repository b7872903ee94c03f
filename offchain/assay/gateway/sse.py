"""OpenAI's answer objects, whole and as server-sent events. Pure.

Both APIs differ only in names: a completion has `text`, a chat `message` or `delta`. Our addition
is the `assay` object (receipt id, provider, price) in whole answers and in the last chunks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assay.core.errors import AssayError
from assay.core.wire import error_body

DONE = "data: [DONE]\n\n"


@dataclass(frozen=True)
class Shape:
    """The names of one API."""

    id_prefix: str
    whole: str
    chunk: str
    chat: bool


CHAT = Shape("chatcmpl", "chat.completion", "chat.completion.chunk", True)
COMPLETION = Shape("cmpl", "text_completion", "text_completion", False)


@dataclass(frozen=True)
class Envelope:
    """What every object of one answer repeats."""

    shape: Shape
    job_id: str
    model: str
    created: int

    def whole(
        self, text: str, finish: str, usage: Mapping[str, int], assay: Mapping[str, Any]
    ) -> dict[str, Any]:
        """A complete answer."""
        if self.shape.chat:
            message = {"role": "assistant", "content": text, "refusal": None}
            choice: dict[str, Any] = {"message": message}
        else:
            choice = {"text": text}
        return {
            **self._head(self.shape.whole),
            "choices": [{"index": 0, "logprobs": None, "finish_reason": finish, **choice}],
            "usage": dict(usage),
            "assay": dict(assay),
        }

    def first(self) -> str:
        """What a stream opens with: the role, in a chat."""
        if not self.shape.chat:
            return ""
        return self._event([self._choice({"delta": {"role": "assistant", "content": ""}})])

    def piece(self, text: str) -> str:
        body = {"delta": {"content": text}} if self.shape.chat else {"text": text}
        return self._event([self._choice(body)])

    def last(self, finish: str, assay: Mapping[str, Any]) -> str:
        body: dict[str, Any] = {"delta": {}} if self.shape.chat else {"text": ""}
        return self._event([self._choice(body, finish)], {"assay": dict(assay)})

    def usage(self, usage: Mapping[str, int], assay: Mapping[str, Any]) -> str:
        """The extra chunk that `include_usage` asks for."""
        return self._event([], {"usage": dict(usage), "assay": dict(assay)})

    def _choice(self, body: Mapping[str, Any], finish: str | None = None) -> dict[str, Any]:
        return {"index": 0, "logprobs": None, "finish_reason": finish, **body}

    def _event(self, choices: list[dict[str, Any]], more: Mapping[str, Any] | None = None) -> str:
        return event({**self._head(self.shape.chunk), "choices": choices, **(more or {})})

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": f"{self.shape.id_prefix}-{self.job_id.removeprefix('0x')}",
            "object": kind,
            "created": self.created,
            "model": self.model,
        }


def event(value: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(value)}\n\n"


def error_event(error: AssayError) -> str:
    """An error after the stream has begun."""
    return event(error_body(error))


def usage(prompt_tokens: int, completion_tokens: int) -> dict[str, int]:
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }
