"""OpenAI's response object, and the events of one that is streamed. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from assay.core.errors import AssayError
from assay.gateway import sse
from assay.gateway.responses.items import call_item, message_item, text_part
from assay.gateway.responses.requests import ResponseRequest


def response_object(
    request: ResponseRequest, created: int, status: str, output: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """Everything that is known before usage and receipt are."""
    given = request.given
    return {
        "id": request.response_id,
        "object": "response",
        "created_at": created,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": request.instructions,
        "max_output_tokens": given.get("max_output_tokens"),
        "metadata": dict(request.metadata),
        "model": given.get("model"),
        "output": list(output),
        "parallel_tool_calls": given.get("parallel_tool_calls") is not False,
        "previous_response_id": request.previous,
        "reasoning": {"effort": None, "summary": None},
        "store": request.store,
        "temperature": 1.0 if given.get("temperature") is None else given["temperature"],
        "text": {"format": {"type": "text"}},
        "tool_choice": given.get("tool_choice") or "auto",
        "tools": given.get("tools") or [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None,
        "user": given.get("user"),
    }


def completed(
    response: Mapping[str, Any],
    choice: sse.Choice,
    output: Sequence[Mapping[str, Any]],
    usage: Mapping[str, int],
    assay: Mapping[str, Any],
) -> dict[str, Any]:
    """The response with its answer; incomplete if the limit of tokens ended it."""
    cut = choice.finish == "length"
    return {
        **response,
        "status": "incomplete" if cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "output": list(output),
        "usage": {
            "input_tokens": usage["prompt_tokens"],
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": usage["completion_tokens"],
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": usage["total_tokens"],
        },
        "assay": dict(assay),
    }


def failed(response: Mapping[str, Any], error: AssayError) -> dict[str, Any]:
    wrong = {"code": "server_error", "message": f"{error.code}: {error.message}"}
    return {**response, "status": "failed", "error": wrong}


@dataclass
class ResponseEvents:
    """Events in their order, numbered. A message begins with its first text."""

    stem: str
    _number: int = 0
    _text: str | None = None
    _items: int = field(default=0)

    def event(self, kind: str, **fields: Any) -> str:
        value = {"type": kind, "sequence_number": self._number, **fields}
        self._number += 1
        return sse.event(value, kind)

    def opening(self, response: Mapping[str, Any]) -> Iterator[str]:
        yield self.event("response.created", response=response)
        yield self.event("response.in_progress", response=response)

    def piece(self, text: str) -> Iterator[str]:
        if self._text is None:
            self._text = ""
            item = message_item("", self.stem, "in_progress")
            yield self.event("response.output_item.added", output_index=0, item=item)
            place = self._place()
            yield self.event("response.content_part.added", **place, part=text_part(""))
        self._text += text
        yield self.event("response.output_text.delta", **self._place(), delta=text, logprobs=[])

    def answer(self, choice: sse.Choice) -> Iterator[str]:
        """The rest of the text, and what closes the items."""
        if choice.text or (self._text is None and not choice.calls):
            yield from self.piece(choice.text)
        if self._text is not None:
            yield from self._message_end(self._text)
        for index, call in enumerate(choice.calls):
            yield from self._call(call, index)

    @property
    def text(self) -> str:
        """All that was said."""
        return self._text or ""

    def _message_end(self, text: str) -> Iterator[str]:
        place = self._place()
        yield self.event("response.output_text.done", **place, text=text, logprobs=[])
        yield self.event("response.content_part.done", **place, part=text_part(text))
        item = message_item(text, self.stem)
        yield self.event("response.output_item.done", output_index=0, item=item)
        self._items = 1

    def _call(self, call: Mapping[str, Any], index: int) -> Iterator[str]:
        at = self._items + index
        begun = call_item(call, self.stem, index, "in_progress")
        item = call_item(call, self.stem, index)
        place = {"item_id": item["id"], "output_index": at}
        arguments = item["arguments"]
        yield self.event("response.output_item.added", output_index=at, item=begun)
        yield self.event("response.function_call_arguments.delta", **place, delta=arguments)
        yield self.event(
            "response.function_call_arguments.done", **place, name=item["name"], arguments=arguments
        )
        yield self.event("response.output_item.done", output_index=at, item=item)

    def _place(self) -> dict[str, Any]:
        return {"item_id": f"msg_{self.stem}", "output_index": 0, "content_index": 0}
