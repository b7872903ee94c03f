"""What an OpenAI request for embeddings asks for, checked. No I/O, no model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from assay.core.errors import InputError
from assay.gateway.fields import bad_value, checked_text, empty_value, is_token
from assay.gateway.requests import GenerationRequest
from assay.gateway.routing.preferences import Preferences, parse_preferences

MAX_INPUTS = 256
"""Each is a job of its own, for which its provider locks a bond."""
_KNOWN = frozenset(("model", "input", "encoding_format", "dimensions", "provider", "user"))


@dataclass(frozen=True)
class EmbeddingRequest:
    """One request, checked as far as that needs no model.

    Attributes:
        inputs: each a text, or token ids given by the caller.
        dimensions: that the caller expects, if it says so.
        wishes: what the caller asks of the providers.
    """

    model: str
    inputs: tuple[str | tuple[int, ...], ...]
    encoding: Literal["float", "base64"]
    dimensions: int | None
    wishes: Preferences

    def jobs(self) -> list[GenerationRequest]:
        """A job for each input: one output, nothing drawn."""
        return [
            GenerationRequest(
                model=self.model,
                prompt=prompt,
                inv_temperature=0,
                seed=bytes(32),
                max_tokens=1,
                stream=False,
                include_usage=False,
                wishes=self.wishes,
            )
            for prompt in self.inputs
        ]


def embedding_request(body: Mapping[str, Any]) -> EmbeddingRequest:
    """`POST /v1/embeddings`."""
    for name, value in body.items():
        if name not in _KNOWN and value is not None:
            raise InputError(
                f"Unrecognized request argument supplied: {name}",
                code="unknown_parameter",
                param=name,
            )
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise bad_value("model", "name a model; GET /v1/models lists them")
    return EmbeddingRequest(
        model=model,
        inputs=_inputs(body.get("input")),
        encoding=_encoding(body.get("encoding_format")),
        dimensions=_dimensions(body.get("dimensions")),
        wishes=parse_preferences(body.get("provider")),
    )


def _inputs(value: object) -> tuple[str | tuple[int, ...], ...]:
    """A text, a list of token ids, or a list of either."""
    if isinstance(value, str):
        return (checked_text(value, "input"),)
    if not isinstance(value, list):
        raise bad_value("input", "expected a string, a list of token ids, or a list of either")
    if not value:
        raise empty_value("input")
    if all(is_token(item) for item in value):
        return (tuple(value),)
    if len(value) > MAX_INPUTS:
        raise bad_value("input", f"{len(value)} inputs; send at most {MAX_INPUTS} a request")
    return tuple(_input(item, f"input[{index}]") for index, item in enumerate(value))


def _input(value: object, name: str) -> str | tuple[int, ...]:
    if isinstance(value, str):
        return checked_text(value, name)
    if not isinstance(value, list):
        raise bad_value(name, "expected a string or a list of token ids")
    if not value:
        raise empty_value(name)
    if not all(is_token(item) for item in value):
        raise bad_value(name, "token ids are integers from 0 to 2^32 - 1")
    return tuple(value)


def _encoding(value: object) -> Literal["float", "base64"]:
    if value is None or value == "float":
        return "float"
    if value == "base64":
        return "base64"
    raise bad_value("encoding_format", f"{value!r} is not supported; use float or base64")


def _dimensions(value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise bad_value("dimensions", "expected an integer of at least 1")
    return value
