"""The lines of a batch's input file, checked as OpenAI checks them. Pure."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from assay.core.errors import InputError
from assay.core.wire import parse_object

ENDPOINTS = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings")
MAX_LINES = 50_000
MAX_LINE_BYTES = 4_000_000
MAX_ERRORS = 100
"""Errors that are reported of one file."""
MAX_CUSTOM_ID = 512


@dataclass(frozen=True)
class Line:
    """One request. `number` counts from 1, as errors do."""

    number: int
    custom_id: str
    body: Mapping[str, Any]


@dataclass
class LineChecker:
    """Checks lines one after the other; a file with any error runs none of them."""

    endpoint: str
    errors: list[dict[str, Any]] = field(default_factory=list)
    count: int = 0
    _seen: set[str] = field(default_factory=set)

    def check(self, number: int, text: bytes) -> Line | None:
        """None for a line that is wrong or empty."""
        if not text.strip() or len(self.errors) >= MAX_ERRORS:
            return None
        self.count += 1
        try:
            if self.count > MAX_LINES:
                raise InputError(
                    f"more than {MAX_LINES} requests; split the file", code="too_many_requests"
                )
            return self._line(number, text)
        except InputError as error:
            self._refuse(number, error)
            return None

    def finish(self) -> None:
        """A file without requests is an error, too."""
        if not self.count:
            self._refuse(0, InputError("the file has no requests", code="empty_file"))

    def _line(self, number: int, text: bytes) -> Line:
        if len(text) > MAX_LINE_BYTES:
            raise InputError(f"longer than {MAX_LINE_BYTES} bytes", code="too_large")
        value = parse_object(text)
        custom_id, body = value.get("custom_id"), value.get("body")
        if not isinstance(custom_id, str) or not 0 < len(custom_id) <= MAX_CUSTOM_ID:
            raise _wrong("custom_id", f"expected a text of at most {MAX_CUSTOM_ID} characters")
        if custom_id in self._seen:
            raise InputError(
                f"custom_id {custom_id!r} comes twice",
                code="duplicate_custom_id",
                param="custom_id",
            )
        if value.get("method") != "POST":
            raise _wrong("method", "expected POST")
        if value.get("url") != self.endpoint:
            raise InputError(
                f"url {str(value.get('url'))[:80]!r} is not the batch's endpoint {self.endpoint}",
                code="mismatched_endpoint",
                param="url",
            )
        if not isinstance(body, dict):
            raise _wrong("body", "expected an object")
        self._seen.add(custom_id)
        return Line(number, custom_id, body)

    def _refuse(self, number: int, error: InputError) -> None:
        wrong = {"code": error.code, "message": error.message, "param": error.param}
        self.errors.append(wrong | {"line": number or None})


async def split_lines(content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Lines without their ends. One that is too long comes cut, and is refused by its length."""
    held = bytearray()
    async for part in content:
        *lines, rest = part.split(b"\n")
        for line in lines:
            yield bytes(held + line)
            held.clear()
        held += rest if len(held) <= MAX_LINE_BYTES else b""
    if held:
        yield bytes(held)


def success(request_id: str, custom_id: str, status: int, body: str) -> bytes:
    """A line of the output file, or of the error file if the status says so. `body`: its JSON."""
    return (
        f'{{"id": "batch_req_{request_id}", "custom_id": {json.dumps(custom_id)}, "response": '
        f'{{"status_code": {status}, "request_id": "{request_id}", "body": {body}}}, '
        '"error": null}\n'
    ).encode()


def unanswered(request_id: str, custom_id: str, code: str, message: str) -> bytes:
    """A line of the error file for a request that was not executed."""
    value = {
        "id": f"batch_req_{request_id}",
        "custom_id": custom_id,
        "response": None,
        "error": {"code": code, "message": message},
    }
    return json.dumps(value).encode() + b"\n"


def _wrong(param: str, why: str) -> InputError:
    return InputError(f"{param}: {why}", code="invalid_value", param=param)
