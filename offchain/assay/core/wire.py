"""JSON forms of jobs, receipts and claims, as the services and the CLI exchange them.

Bytes are 0x-hex, addresses checksummed hex, integers JSON integers (strings of decimal digits
are accepted, for JavaScript clients). Parsing is strict: a field that is missing, unknown or out
of its Solidity range raises `InputError` with the field's name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from eth_utils.address import is_address, to_checksum_address

from assay.core.errors import AssayError, InputError
from assay.core.hashes import JOB_FIELDS, RECEIPT_FIELDS
from assay.core.types import Job, Receipt

MAX_TOKEN = 2**32 - 1
MIN_ELEMENT = -(2**31)
MAX_NESTING = 32
_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
"""A JSON string, or the rest of a body that ends within one: linear in any input."""

T = TypeVar("T", Job, Receipt)


def error_body(error: AssayError) -> dict[str, Any]:
    """An error in the shape of OpenAI's API, which all our HTTP interfaces share."""
    status = getattr(error, "status", 500)
    kind = error.kind if isinstance(error, InputError) else None
    kind = kind or ("invalid_request_error" if status < 500 else "server_error")
    body = {"message": error.message, "type": kind, "code": error.code}
    return {"error": {**body, "param": getattr(error, "param", None)}}


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object in the body of an HTTP request."""
    try:
        text = body.decode("utf-8")
        _check_nesting(body)
        value = json.loads(text)
    except UnicodeDecodeError as error:
        raise InputError(
            f"the body is no UTF-8 (byte {error.start}); send JSON encoded in UTF-8",
            code="invalid_utf8",
        ) from error
    except ValueError as error:
        raise InputError(f"the body is no JSON: {error}", code="invalid_json") from error
    if not isinstance(value, dict):
        raise InputError("the body must be a JSON object", code="invalid_json")
    return value


def _check_nesting(body: bytes) -> None:
    """Refuse a body that nests deeper than any request does.

    The C parser recurses; where a library has raised Python's recursion limit, deep nesting
    would overflow the stack and end the process.
    """
    if body.count(b"{") + body.count(b"[") <= MAX_NESTING:
        return
    code = (
        np.frombuffer(_STRINGS.sub(b"", body), dtype=np.uint8) | 0x20
    )  # [ and { coincide, ] and }
    steps = (code == ord("{")).astype(np.int32) - (code == ord("}")).astype(np.int32)
    if len(steps) and int(steps.cumsum().max()) > MAX_NESTING:
        raise InputError(f"the body nests deeper than {MAX_NESTING} levels", code="invalid_json")


def hexed(data: bytes) -> str:
    return "0x" + data.hex()


def to_json(value: Job | Receipt) -> dict[str, Any]:
    """Field by field, bytes as hex."""
    return {name: hexed(v) if isinstance(v, bytes) else v for name, v in vars(value).items()}


def parse_job(value: object) -> Job:
    return Job(**_parse_struct(value, JOB_FIELDS, "job"))


def parse_receipt(value: object) -> Receipt:
    return Receipt(**_parse_struct(value, RECEIPT_FIELDS, "receipt"))


@dataclass(frozen=True)
class ClaimData:
    """Everything that lets a stranger recompute a claim, as a provider hands it out.

    `output`: tokens, or the integers of an embedding.
    `salt` is the job's salt, from which the salts of all tokens follow; `proof` leads from the
    receipt at `index` to the batch root.
    """

    batch_id: bytes
    index: int
    job: Job
    signature: bytes
    receipt: Receipt
    proof: tuple[bytes, ...]
    prompt: tuple[int, ...]
    output: tuple[int, ...]
    salt: bytes

    def to_json(self) -> dict[str, Any]:
        return {
            "batch_id": hexed(self.batch_id),
            "index": self.index,
            "job": to_json(self.job),
            "signature": hexed(self.signature),
            "receipt": to_json(self.receipt),
            "proof": [hexed(item) for item in self.proof],
            "prompt": list(self.prompt),
            "output": list(self.output),
            "salt": hexed(self.salt),
        }

    @classmethod
    def parse(cls, value: object) -> ClaimData:
        if not isinstance(value, Mapping):
            raise _bad("claim", "expected an object")
        return cls(
            batch_id=parse_bytes(value.get("batch_id"), "batch_id", 32),
            index=parse_integer(value.get("index"), "index", MAX_TOKEN),
            job=parse_job(value.get("job")),
            signature=parse_bytes(value.get("signature"), "signature"),
            receipt=parse_receipt(value.get("receipt")),
            proof=parse_proof(value.get("proof"), "proof"),
            prompt=tuple(parse_tokens(value.get("prompt"), "prompt")),
            output=tuple(parse_output(value.get("output"), "output")),
            salt=parse_bytes(value.get("salt"), "salt", 32),
        )


def parse_bytes(value: object, name: str, length: int | None = None) -> bytes:
    """0x-hex to bytes of the given length."""
    if not isinstance(value, str) or not value.startswith("0x"):
        raise _bad(name, "expected a 0x-hex string")
    try:
        data = bytes.fromhex(value[2:])
    except ValueError as error:
        raise _bad(name, "not hexadecimal") from error
    if length is not None and len(data) != length:
        raise _bad(name, f"{len(data)} bytes, expected {length}")
    return data


def parse_tokens(value: object, name: str) -> list[int]:
    """A list of token ids."""
    if not isinstance(value, list):
        raise _bad(name, "expected a list of token ids")
    return [parse_integer(token, f"{name}[{i}]", MAX_TOKEN) for i, token in enumerate(value)]


def parse_output(value: object, name: str) -> list[int]:
    """Token ids, or an embedding's integers; `outputs.output_root` knows which they may be."""
    if not isinstance(value, list):
        raise _bad(name, "expected a list of integers")
    return [
        parse_integer(item, f"{name}[{i}]", MAX_TOKEN, MIN_ELEMENT) for i, item in enumerate(value)
    ]


def parse_proof(value: object, name: str) -> tuple[bytes, ...]:
    """A list of 32-byte hashes."""
    if not isinstance(value, list):
        raise _bad(name, "expected a list of hashes")
    return tuple(parse_bytes(item, f"{name}[{i}]", 32) for i, item in enumerate(value))


def _parse_struct(
    value: object, kinds: tuple[tuple[str, str], ...] | Any, name: str
) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _bad(name, "expected an object")
    known = {field for field, _ in kinds}
    for key in value:
        if key not in known:
            raise _bad(f"{name}.{key}", "unknown field")
    for field in known:
        if field not in value:
            raise _bad(f"{name}.{field}", "missing")
    return {field: _parse(value[field], kind, f"{name}.{field}") for field, kind in kinds}


def _parse(value: object, kind: str, name: str) -> object:
    if kind == "bytes32":
        return parse_bytes(value, name, 32)
    if kind == "address":
        return parse_address(value, name)
    return parse_integer(value, name, (1 << int(kind.removeprefix("uint"))) - 1)


def parse_address(value: object, name: str) -> str:
    if not isinstance(value, str) or not is_address(value):
        raise _bad(name, "expected an address of 20 bytes in hex")
    return str(to_checksum_address(value))


def parse_integer(value: object, name: str, limit: int, least: int = 0) -> int:
    if isinstance(value, str) and value.isascii() and value.removeprefix("-").isdigit():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= limit:
        raise _bad(name, f"expected an integer from {least} to {limit}")
    return value


def parse_flag(value: object, name: str) -> bool:
    """False where there is none."""
    if value is None or isinstance(value, bool):
        return bool(value)
    raise _bad(name, "expected true or false")


def _bad(name: str, why: str) -> InputError:
    return InputError(f"{name}: {why}", code="malformed", param=name)
