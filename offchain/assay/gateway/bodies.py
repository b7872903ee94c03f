"""Bodies of requests: read within a limit, and described for the API's document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Request

from assay.core.errors import InputError
from assay.core.wire import parse_object

MAX_BODY_BYTES = 4_000_000


async def read_object(request: Request, most: int = MAX_BODY_BYTES) -> dict[str, Any]:
    """The JSON object of a body; InputError if it is none, or longer than `most` bytes."""
    return parse_object(await read_body(request, most))


async def read_body(request: Request, most: int = MAX_BODY_BYTES) -> bytes:
    pieces, size = list[bytes](), 0
    async for piece in request.stream():
        pieces.append(piece)
        size += len(piece)
        if size > most:
            raise InputError(f"the body is longer than {most} bytes", code="too_large", status=413)
    return b"".join(pieces)


def json_body(properties: Mapping[str, Any], required: Sequence[str] = ()) -> dict[str, Any]:
    """OpenAPI's description of a body that the route reads itself."""
    schema = {"type": "object", "properties": dict(properties), "required": list(required)}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
