"""Items of responses (messages, calls of functions, their results) and the chat they stand for.

Pure. A response's input and output are lists of items; the chat that a model continues is made of
those of all earlier turns, of the instructions, and of the new ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from assay.gateway.fields import bad_value, checked_text
from assay.gateway.sse import Choice

MAX_ITEMS = 2_048
_ROLES = ("user", "assistant", "system", "developer")
_TEXTS = ("input_text", "output_text", "text")


def checked_items(value: object, stem: str) -> list[dict[str, Any]]:
    """The items of a request's `input`, with ids; InputError names what is wrong.

    Args:
        stem: of the ids that items without one are given.
    """
    if isinstance(value, str):
        value = [{"role": "user", "content": value}]
    if not isinstance(value, list) or not 0 < len(value) <= MAX_ITEMS:
        raise bad_value("input", f"expected a text, or a list of 1 to {MAX_ITEMS} items")
    return [_item(item, f"input[{i}]", f"{stem}{i}") for i, item in enumerate(value)]


def chat_messages(items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The items as messages of a chat; calls in a row become one message."""
    messages: list[dict[str, Any]] = []
    for item in items:
        if item["type"] == "message":
            text = "".join(part["text"] for part in item["content"])
            messages.append({"role": item["role"], "content": text})
        elif item["type"] == "function_call":
            _add_call(messages, item)
        else:
            answer = {"role": "tool", "tool_call_id": item["call_id"]}
            messages.append(answer | {"content": item["output"]})
    return messages


def output_items(choice: Choice, stem: str) -> list[dict[str, Any]]:
    """What a model answered: a message where it said something, and its calls."""
    items = [message_item(choice.text, stem)] if choice.text or not choice.calls else []
    return items + [call_item(call, stem, index) for index, call in enumerate(choice.calls)]


def message_item(text: str, stem: str, status: str = "completed") -> dict[str, Any]:
    content = [text_part(text)] if status == "completed" else []
    return {
        "id": f"msg_{stem}",
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": content,
    }


def text_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def call_item(
    call: Mapping[str, Any], stem: str, index: int, status: str = "completed"
) -> dict[str, Any]:
    """A function call; while it is in progress its arguments are yet to come."""
    function = call["function"]
    return {
        "id": f"fc_{stem}{index}",
        "type": "function_call",
        "status": status,
        "call_id": call["id"],
        "name": function["name"],
        "arguments": function["arguments"] if status == "completed" else "",
    }


def _item(item: object, where: str, stem: str) -> dict[str, Any]:
    if not isinstance(item, Mapping):
        raise bad_value(where, "expected an object")
    kind = item.get("type", "message")
    if kind == "message":
        return _message(item, where, stem)
    if kind == "function_call":
        names = ("call_id", "name", "arguments")
        texts = {name: _text(item, name, where) for name in names}
        return {"id": _identity(item, f"fc_{stem}"), "type": kind, "status": "completed", **texts}
    if kind == "function_call_output":
        texts = {"call_id": _text(item, "call_id", where)}
        texts["output"] = checked_text(_content(item.get("output"), f"{where}.output"), where)
        return {"id": _identity(item, f"fco_{stem}"), "type": kind, "status": "completed", **texts}
    raise bad_value(
        f"{where}.type",
        f"{str(kind)[:80]!r} is not supported; use message, function_call, function_call_output",
    )


def _message(item: Mapping[str, Any], where: str, stem: str) -> dict[str, Any]:
    role = item.get("role")
    if role not in _ROLES:
        raise bad_value(f"{where}.role", f"expected one of {', '.join(_ROLES)}")
    text = checked_text(_content(item.get("content"), f"{where}.content"), f"{where}.content")
    part = text_part(text) if role == "assistant" else {"type": "input_text", "text": text}
    return {
        "id": _identity(item, f"msg_{stem}"),
        "type": "message",
        "status": "completed",
        "role": role,
        "content": [part],
    }


def _content(content: object, where: str) -> str:
    """A text, or parts of text."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise bad_value(where, "expected a text or a list of parts")
    texts = []
    for part in content:
        text = part.get("text") if isinstance(part, Mapping) else None
        if not isinstance(text, str) or part.get("type") not in _TEXTS:
            raise bad_value(where, f"only parts of {', '.join(_TEXTS)} are supported")
        texts.append(text)
    return "".join(texts)


def _text(item: Mapping[str, Any], name: str, where: str) -> str:
    value = item.get(name)
    if not isinstance(value, str):
        raise bad_value(f"{where}.{name}", "expected a text")
    return checked_text(value, f"{where}.{name}")


def _identity(item: Mapping[str, Any], default: str) -> str:
    found = item.get("id")
    return found if isinstance(found, str) and 0 < len(found) <= 128 else default


def _add_call(messages: list[dict[str, Any]], item: Mapping[str, Any]) -> None:
    function = {"name": item["name"], "arguments": item["arguments"]}
    call = {"id": item["call_id"], "type": "function", "function": function}
    last = messages[-1] if messages else {}
    if last.get("role") == "assistant":
        last.setdefault("tool_calls", []).append(call)
        return
    messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
