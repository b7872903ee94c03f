"""What a request for a response asks for, checked. No I/O.

Parameters that would change the answer and have no exact definition are refused by name, as those
of chats are.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.core.errors import InputError
from assay.gateway.batches.objects import checked_metadata
from assay.gateway.fields import bad_value, checked_flag
from assay.gateway.requests import CONSTRAINED, GenerationRequest, chat_request
from assay.gateway.responses.items import chat_messages, checked_items

_READ = frozenset(
    (
        "model", "input", "instructions", "previous_response_id", "max_output_tokens",
        "temperature", "seed", "provider", "stream", "store", "metadata", "tools", "tool_choice",
    )
)  # fmt: skip
_IGNORED = frozenset(
    ("user", "safety_identifier", "prompt_cache_key", "service_tier", "stream_options")
)
_TEXT: Any = {"format": {"type": "text"}}
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "background": (False,),
    "conversation": (),
    "include": ([],),
    "max_tool_calls": (),
    "parallel_tool_calls": (True, False),
    "prompt": (),
    "reasoning": ({},),
    "text": ({}, _TEXT),
    "top_logprobs": (0,),
    "top_p": (1,),
    "truncation": ("disabled",),
}
"""Known parameters that are not supported, with the values (besides null) that mean "off"."""


@dataclass(frozen=True)
class ResponseRequest:
    """One request, checked as far as that needs neither model nor history.

    Attributes:
        items: the new input.
        previous: the id of the response that this one continues.
        given: fields of the request as they came.
    """

    response_id: str
    items: Sequence[Mapping[str, Any]]
    instructions: str | None
    previous: str | None
    store: bool
    stream: bool
    metadata: Mapping[str, str]
    given: Mapping[str, Any]

    @property
    def stem(self) -> str:
        """What is peculiar to this response, for the ids of its items."""
        return self.response_id.removeprefix("resp_")

    def generation(self, history: Sequence[Mapping[str, Any]]) -> GenerationRequest:
        """The chat that is to be continued; InputError for what a chat would refuse."""
        messages = chat_messages([*history, *self.items])
        if self.instructions:
            messages.insert(0, {"role": "system", "content": self.instructions})
        body = {
            "messages": messages,
            "max_completion_tokens": self.given.get("max_output_tokens"),
            "tools": _chat_tools(self.given.get("tools")),
        }
        same = ("model", "temperature", "seed", "provider", "tool_choice")
        try:
            return chat_request(body | {name: self.given.get(name) for name in same})
        except InputError as error:
            if error.param is not None and error.param.startswith("messages"):
                error.param = "input"
            raise


def response_request(body: Mapping[str, Any]) -> ResponseRequest:
    """`POST /v1/responses`."""
    _refuse_unsupported(body)
    response_id = f"resp_{secrets.token_hex(24)}"
    instructions, previous = body.get("instructions"), body.get("previous_response_id")
    if instructions is not None and not isinstance(instructions, str):
        raise bad_value("instructions", "expected a text")
    if previous is not None and not isinstance(previous, str):
        raise bad_value("previous_response_id", "expected the id of a response")
    request = ResponseRequest(
        response_id=response_id,
        items=checked_items(body.get("input"), response_id.removeprefix("resp_")),
        instructions=instructions,
        previous=previous,
        store=body.get("store") is None or checked_flag(body.get("store"), "store"),
        stream=checked_flag(body.get("stream"), "stream"),
        metadata=checked_metadata(body.get("metadata")) or {},
        given=dict(body),
    )
    request.generation(())  # what is wrong with the request itself is said before it is opened
    return request


def _refuse_unsupported(body: Mapping[str, Any]) -> None:
    for name, value in body.items():
        if name in _READ or name in _IGNORED or value is None:
            continue
        if name not in _NEUTRAL:
            raise InputError(
                f"Unrecognized request argument supplied: {name}",
                code="unknown_parameter",
                param=name,
            )
        if _bare(value) not in _NEUTRAL[name]:
            why = CONSTRAINED if name == "text" else "it has no exact definition yet; leave it out"
            raise _unsupported(name, value, why)


def _bare(value: object) -> object:
    """An object without the fields that are null."""
    if isinstance(value, Mapping):
        return {key: _bare(item) for key, item in value.items() if item is not None}
    return value


def _chat_tools(tools: object) -> object:
    """Tools in the form of chats, where the function's fields lie one level deeper."""
    if not isinstance(tools, list):
        return tools
    return [_chat_tool(tool, f"tools[{index}]") for index, tool in enumerate(tools)]


def _chat_tool(tool: object, where: str) -> dict[str, Any]:
    if not isinstance(tool, Mapping) or not isinstance(tool.get("name"), str):
        raise bad_value(where, "expected a function with a name")
    if tool.get("type") != "function":
        raise _unsupported(f"{where}.type", tool.get("type"), "use function")
    if tool.get("strict"):
        raise _unsupported(f"{where}.strict", True, CONSTRAINED)
    function = {key: tool[key] for key in ("name", "description", "parameters") if tool.get(key)}
    return {"type": "function", "function": function}


def _unsupported(name: str, value: object, why: str) -> InputError:
    return InputError(
        f"{name}={json.dumps(value)[:80]} is not supported: {why}",
        code="unsupported_parameter",
        param=name,
    )
