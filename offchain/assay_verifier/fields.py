"""Fields of JSON documents, each refused by name if it is not what it should be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from assay_verifier.errors import Malformed

T = TypeVar("T")
Document = Mapping[str, Any]


def parsed(path: Path) -> dict[str, Any]:
    """The JSON object in a file."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise Malformed(f"cannot read {path}: {error}") from error
    if not isinstance(document, dict):
        raise Malformed(f"{path} has no JSON object")
    return document


def member(document: Document, name: str, kind: type[T]) -> T:
    """A field of one of JSON's types."""
    value = document.get(name)
    if not isinstance(value, kind):
        raise Malformed(f"{name} is missing or no {kind.__name__}")
    return value


def integers(document: Document, name: str, least: int, most: int) -> tuple[int, ...]:
    """A list of integers."""
    return tuple(_within(value, name, least, most) for value in member(document, name, list))


def field(document: Document, name: str, kind: str) -> Any:
    """A field of one of Solidity's types: uint8 to uint256, address, bytes32, or bytes."""
    if kind.startswith("uint"):
        return _within(document.get(name), name, 0, 2 ** int(kind[4:]) - 1)
    return hexed(document, name, {"address": 20, "bytes32": 32}.get(kind))


def number(document: Document, name: str, most: int) -> int:
    """An integer from 0 on."""
    return _within(document.get(name), name, 0, most)


def hexed(document: Document, name: str, length: int | None) -> bytes:
    """Bytes as 0x-hex, so many of them."""
    text = member(document, name, str)
    try:
        data = bytes.fromhex(text.removeprefix("0x"))
    except ValueError as error:
        raise Malformed(f"{name} is no hexadecimal") from error
    if not text.startswith("0x") or length not in (None, len(data)):
        raise Malformed(f"{name} has {len(data)} bytes or no 0x; it has {length} bytes in 0x-hex")
    return data


def _within(value: object, name: str, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise Malformed(f"{name} is {value!r}; it is an integer from {least} to {most}")
    return value
