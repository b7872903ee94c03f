"""OpenAI's answer objects, whole and as server-sent events. Pure.

Both APIs differ only in names: a completion has `text`, a chat `message` or `delta`. Our addition
is the `assay` object (receipt id, provider, price) in whole answers and in the last chunks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from assay.core.errors import AssayError
from assay.core.wire import error_body

DONE = "data: [DONE]\n\n"
KEEP_ALIVE = ": keep-alive\n\n"
"""A comment: clients skip it, and proxies see that the connection lives."""
MARK = "text"
"""Stands for a piece's text, behind everything else that could hold this word."""


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
class Choice:
    """One complete answer to a request; `calls` are OpenAI's objects."""

    text: str
    finish: str
    calls: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Envelope:
    """What every object of one answer repeats."""

    shape: Shape
    job_id: str
    model: str
    created: int
    _frames: dict[int, tuple[str, str]] = field(default_factory=dict, compare=False, repr=False)

    def whole(
        self, choices: Sequence[Choice], usage: Mapping[str, int], assay: Mapping[str, Any]
    ) -> dict[str, Any]:
        """A complete answer."""
        return {
            **self._head(self.shape.whole),
            "choices": [self._complete(*item) for item in enumerate(choices)],
            "usage": dict(usage),
            "assay": dict(assay),
        }

    def first(self, index: int = 0) -> str:
        """What a stream opens with: the role, in a chat."""
        if not self.shape.chat:
            return ""
        body = {"delta": {"role": "assistant", "content": ""}}
        return self._event([_choice(index, body)])

    def piece(self, text: str, index: int = 0) -> str:
        """One for every token: what stands around the text is written once."""
        frame = self._frames.get(index)
        if frame is None:
            body = {"delta": {"content": MARK}} if self.shape.chat else {"text": MARK}
            before, _, after = self._event([_choice(index, body)]).rpartition(json.dumps(MARK))
            frame = self._frames[index] = before, after
        return f"{frame[0]}{json.dumps(text)}{frame[1]}"

    def calls(self, calls: Sequence[Mapping[str, Any]], index: int = 0) -> str:
        """All calls of tools in one chunk."""
        numbered = [{"index": number, **call} for number, call in enumerate(calls)]
        return self._event([_choice(index, {"delta": {"tool_calls": numbered}})])

    def last(self, finish: str, assay: Mapping[str, Any], index: int = 0) -> str:
        body: dict[str, Any] = {"delta": {}} if self.shape.chat else {"text": ""}
        return self._event([_choice(index, body, finish)], {"assay": dict(assay)})

    def usage(self, usage: Mapping[str, int], assay: Mapping[str, Any]) -> str:
        """The extra chunk that `include_usage` asks for."""
        return self._event([], {"usage": dict(usage), "assay": dict(assay)})

    def _complete(self, index: int, choice: Choice) -> dict[str, Any]:
        if not self.shape.chat:
            return _choice(index, {"text": choice.text}, choice.finish)
        message: dict[str, Any] = {"role": "assistant", "content": choice.text, "refusal": None}
        if choice.calls:
            message |= {"content": choice.text or None, "tool_calls": list(choice.calls)}
        return _choice(index, {"message": message}, choice.finish)

    def _event(self, choices: list[dict[str, Any]], more: Mapping[str, Any] | None = None) -> str:
        return event({**self._head(self.shape.chunk), "choices": choices, **(more or {})})

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": f"{self.shape.id_prefix}-{self.job_id.removeprefix('0x')}",
            "object": kind,
            "created": self.created,
            "model": self.model,
        }


def event(value: Mapping[str, Any], name: str | None = None) -> str:
    """`name` for APIs whose events have types."""
    title = f"event: {name}\n" if name else ""
    return f"{title}data: {json.dumps(value)}\n\n"


def error_event(error: AssayError) -> str:
    """An error after the stream has begun."""
    return event(error_body(error))


def usage(prompt_tokens: int, completion_tokens: int) -> dict[str, int]:
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }


def _choice(index: int, body: Mapping[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"index": index, "logprobs": None, "finish_reason": finish, **body}
