"""A model's calls of tools: its text, read as the model was trained to write them. Pure.

    Hermes, Qwen   <tool_call>{"name": …, "arguments": {…}}</tool_call>, after text or without
    Llama 3        {"name": …, "parameters": {…}}, the whole answer

Text that is no well-formed call stays text: nothing of an answer is lost.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from assay.gateway.stops import StopCutter

OPENING, CLOSING = "<tool_call>", "</tool_call>"


class CallFormat(Enum):
    """How calls are written."""

    TAGS = "tags"
    JSON = "json"

    @classmethod
    def of_template(cls, source: str) -> CallFormat | None:
        """The format that a chat template teaches; None if it is none of these."""
        if OPENING in source:
            return cls.TAGS
        if '"parameters"' in source and '"name"' in source:
            return cls.JSON
        return None


@dataclass(frozen=True)
class Call:
    """One call; `arguments` is JSON text, as OpenAI's API has it."""

    name: str
    arguments: str

    def to_json(self, identity: str) -> dict[str, Any]:
        function = {"name": self.name, "arguments": self.arguments}
        return {"id": identity, "type": "function", "function": function}


class CallReader:
    """Passes text on as long as it is no call, and reads the calls at the end.

    Args:
        call_format: None where no tools were offered: then all is text.
    """

    def __init__(self, call_format: CallFormat | None) -> None:
        self._format = call_format
        self._tags = StopCutter((OPENING,) if call_format is CallFormat.TAGS else ())
        self._held = ""

    def push(self, text: str) -> str:
        if self._format is not CallFormat.JSON:
            return self._tags.push(text)
        self._held += text
        if self._held.strip() and not self._held.lstrip().startswith("{"):
            text, self._held = self._held, ""
            self._format = None
            return text
        return ""

    def finish(self) -> tuple[str, list[Call]]:
        """The rest of the text, and the calls."""
        if self._format is CallFormat.JSON:
            calls = _calls([self._held])
            return ("", calls) if calls else (self._held, [])
        rest, tagged = self._tags.finish(), self._tags.after
        calls = _calls(_tagged(tagged))
        return (rest, calls) if calls else (rest + tagged, [])


def _tagged(text: str) -> list[str]:
    """What is between the tags; the last one may be open, where the answer ended."""
    pieces = [piece.partition(CLOSING) for piece in text.split(OPENING)[1:]]
    return [inside for inside, _, _ in pieces]


def _calls(texts: Sequence[str]) -> list[Call]:
    """The calls; none if one of the texts is no call."""
    found = []
    for text in texts:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return []
        call = _call(value)
        if call is None:
            return []
        found.append(call)
    return found


def _call(value: object) -> Call | None:
    if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
        return None
    arguments = value.get("arguments", value.get("parameters", {}))
    if isinstance(arguments, str):
        return Call(value["name"], arguments)
    return Call(value["name"], json.dumps(arguments)) if isinstance(arguments, Mapping) else None
