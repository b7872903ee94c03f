"""What an OpenAI request asks for, checked. No I/O, no model.

A parameter that would change the answer and that the exact arithmetic does not define is refused
by name, never ignored: an answer must be the pure function of what was signed. Parameters that
change nothing (`user`, `metadata`, …) pass.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eth_utils.crypto import keccak

from assay.core.errors import InputError
from assay.core.types import TEMPERATURE_ONE
from assay.core.wire import parse_address

MAX_TEMPERATURE = 4.0
MIN_TEMPERATURE = 0.05
"""Below it only 0, greedy, is defined: 65536/T must leave the scores within their range."""
MAX_SEED = 2**256 - 1

_IGNORED = frozenset(
    ("user", "metadata", "store", "safety_identifier", "prompt_cache_key", "service_tier")
)
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "top_p": (1,),
    "top_k": (0, -1),
    "min_p": (0,),
    "n": (1,),
    "best_of": (1,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "repetition_penalty": (1,),
    "logit_bias": ({},),
    "logprobs": (False,),
    "top_logprobs": (),
    "stop": ([], ""),
    "suffix": ("",),
    "echo": (False,),
    "tools": ([],),
    "tool_choice": ("none",),
    "functions": ([],),
    "function_call": ("none",),
    "parallel_tool_calls": (True, False),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "audio": (),
    "prediction": (),
    "reasoning_effort": (),
    "verbosity": (),
    "web_search_options": (),
}
"""Known parameters that are not supported, with the values (besides null) that mean "off"."""
_COMMON = frozenset(
    ("model", "temperature", "seed", "max_tokens", "stream", "stream_options", "provider")
)
_COMPLETION = _COMMON | {"prompt"}
_CHAT = _COMMON | {"messages", "max_completion_tokens"}


@dataclass(frozen=True)
class GenerationRequest:
    """One request, checked as far as that needs no model.

    Attributes:
        prompt: text, or token ids given by the caller.
        inv_temperature: 1/T in Q16, 0 for greedy.
        seed: 32 bytes, or None to draw one.
        max_tokens: None for the gateway's default.
        only: provider addresses that may serve it; None for any.
    """

    model: str
    prompt: str | tuple[int, ...]
    chat: bool
    inv_temperature: int
    seed: bytes | None
    max_tokens: int | None
    stream: bool
    include_usage: bool
    only: tuple[str, ...] | None


def completion_request(body: Mapping[str, Any]) -> GenerationRequest:
    """`POST /v1/completions`."""
    _refuse_unsupported(body, _COMPLETION)
    return _request(body, _completion_prompt(body.get("prompt")), False, body.get("max_tokens"))


def chat_request(body: Mapping[str, Any]) -> GenerationRequest:
    """`POST /v1/chat/completions`."""
    _refuse_unsupported(body, _CHAT)
    limit = body.get("max_completion_tokens")
    limit = body.get("max_tokens") if limit is None else limit
    return _request(body, render_chat(body.get("messages")), True, limit)


def render_chat(messages: object) -> str:
    """The prompt of a chat for a model without a chat template.

    The contents in order, with an empty line between: a base model continues the text.
    """
    if not isinstance(messages, list) or not messages:
        raise _bad("messages", "expected a list of at least one message")
    return "\n\n".join(_content(message, i) for i, message in enumerate(messages))


def inv_temperature(value: object) -> int:
    """1/T in Q16 for `temperature` T; 0 stands for greedy, null for T = 1."""
    if value is None:
        return TEMPERATURE_ONE
    number = _number(value, "temperature")
    if number == 0:
        return 0
    if not MIN_TEMPERATURE <= number <= MAX_TEMPERATURE:
        raise _bad(
            "temperature",
            f"{value} is out of range; use 0 (greedy) or {MIN_TEMPERATURE} to {MAX_TEMPERATURE:g}",
        )
    return round(TEMPERATURE_ONE / number)


def seed_bytes(value: object) -> bytes | None:
    """Keccak of the integer as a 256-bit two's complement word; None when none is given."""
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > MAX_SEED >> 1:
        raise _bad("seed", "expected an integer of at most 255 bits")
    return keccak((value & MAX_SEED).to_bytes(32, "big"))


def _request(
    body: Mapping[str, Any], prompt: str | tuple[int, ...], chat: bool, limit: object
) -> GenerationRequest:
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise _bad("model", "name a model; GET /v1/models lists them")
    stream = _flag(body.get("stream"), "stream")
    return GenerationRequest(
        model=model,
        prompt=prompt,
        chat=chat,
        inv_temperature=inv_temperature(body.get("temperature")),
        seed=seed_bytes(body.get("seed")),
        max_tokens=_limit(limit),
        stream=stream,
        include_usage=_include_usage(body.get("stream_options"), stream),
        only=_only(body.get("provider")),
    )


def _refuse_unsupported(body: Mapping[str, Any], supported: frozenset[str]) -> None:
    for name, value in body.items():
        if name in supported or name in _IGNORED or value is None:
            continue
        if name not in _NEUTRAL:
            raise InputError(
                f"Unrecognized request argument supplied: {name}",
                code="unknown_parameter",
                param=name,
            )
        if not any(_same(value, neutral) for neutral in _NEUTRAL[name]):
            raise InputError(
                f"{name}={json.dumps(value)[:80]} is not supported: it would change the answer and "
                "has no exact definition yet; leave it out",
                code="unsupported_parameter",
                param=name,
            )


def _same(value: object, neutral: object) -> bool:
    """Equal, and no confusion of true with 1 or false with 0."""
    return value == neutral and isinstance(value, bool) == isinstance(neutral, bool)


def _completion_prompt(prompt: object) -> str | tuple[int, ...]:
    if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str | list):
        prompt = prompt[0]
    if isinstance(prompt, str):
        return _text(prompt, "prompt")
    if not isinstance(prompt, list):
        raise _bad("prompt", "expected a string or a list of token ids")
    if len(prompt) > 1 and not all(_is_token(item) for item in prompt):
        raise _bad("prompt", "one prompt a request: a string or a list of token ids")
    if not prompt:
        raise _empty("prompt")
    if not all(_is_token(item) for item in prompt):
        raise _bad("prompt", "token ids are integers from 0 to 2^32 - 1")
    return tuple(prompt)


def _is_token(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**32


def _content(message: object, index: int) -> str:
    where = f"messages[{index}]"
    if not isinstance(message, Mapping):
        raise _bad(where, "expected an object with role and content")
    if message.get("role") not in ("system", "developer", "user", "assistant"):
        raise _bad(f"{where}.role", "expected system, developer, user or assistant")
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(_part(part, f"{where}.content") for part in content)
    if not isinstance(content, str):
        raise _bad(f"{where}.content", "expected text")
    return _text(content, f"{where}.content")


def _part(part: object, where: str) -> str:
    if isinstance(part, Mapping) and part.get("type") == "text":
        text = part.get("text")
        if isinstance(text, str):
            return text
    raise _bad(where, 'only parts of {"type": "text"} are supported')


def _text(text: str, name: str) -> str:
    if not text:
        raise _empty(name)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(
            f"{name}: a lone surrogate at character {error.start} has no UTF-8 form",
            code="invalid_utf8",
            param=name,
        ) from error
    return text


def _limit(value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value < 2**32:
        raise _bad("max_tokens", f"{value!r} is out of range; expected an integer of at least 1")
    return value


def _flag(value: object, name: str) -> bool:
    if value is None:
        return False
    if not isinstance(value, bool):
        raise _bad(name, "expected true or false")
    return value


def _include_usage(options: object, stream: bool) -> bool:
    if options is None:
        return False
    if not stream or not isinstance(options, Mapping):
        raise _bad("stream_options", "an object, and only with stream=true")
    return _flag(options.get("include_usage"), "stream_options.include_usage")


def _only(routing: object) -> tuple[str, ...] | None:
    if routing is None:
        return None
    if not isinstance(routing, Mapping):
        raise _bad("provider", 'expected an object such as {"only": ["0x…"]}')
    for key in routing:
        if key != "only":
            raise InputError(
                f"provider.{key} is not supported; use provider.only",
                code="unsupported_parameter",
                param=f"provider.{key}",
            )
    only = routing.get("only")
    if not isinstance(only, list) or not only:
        raise _bad("provider.only", "expected a list of at least one address")
    return tuple(parse_address(address, "provider.only") for address in only)


def _number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _bad(name, f"expected a number, got {value!r}")
    try:
        return float(value)
    except OverflowError as error:
        raise _bad(name, "is out of range") from error


def _empty(name: str) -> InputError:
    return InputError(
        f"{name} is empty; give at least one character", code="empty_prompt", param=name
    )


def _bad(name: str, why: str) -> InputError:
    return InputError(f"{name}: {why}", code="invalid_value", param=name)
