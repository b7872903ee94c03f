"""What an OpenAI request asks for, checked. No I/O, no model.

A parameter that would change the answer and that the exact arithmetic does not define is refused
by name, never ignored: an answer must be the pure function of what was signed. Parameters that
change nothing (`user`, `metadata`, …) pass.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from assay.core.errors import InputError
from assay.core.keccak import keccak
from assay.core.types import TEMPERATURE_ONE
from assay.core.wire import parse_object
from assay.engine.chat import Chat, refuse_tools
from assay.gateway.fields import (
    bad_value,
    checked_flag,
    checked_number,
    checked_text,
    empty_value,
    is_token,
)
from assay.gateway.routing.preferences import ANY, Preferences, parse_preferences

MAX_TEMPERATURE = 4.0
MIN_TEMPERATURE = 0.05
"""Below it only 0, greedy, is defined: 65536/T must leave the scores within their range."""
MAX_SEED = 2**256 - 1

_IGNORED = frozenset(
    ("user", "metadata", "store", "safety_identifier", "prompt_cache_key", "service_tier")
)
MAX_CHOICES = 16
MAX_STOPS, MAX_STOP = 4, 256
"""Stop sequences of a request, and characters of one."""
CONSTRAINED = (
    "a constraint on decoding would change the claim, which is that each token has the largest of "
    "the committed logits with the seed's noise; ask for the form in the prompt, and leave it out"
)
"""Why what needs constrained decoding is refused."""
_INEXACT = "it would change the answer and has no exact definition yet; leave it out"
_REASONS = {
    "response_format": CONSTRAINED,
    "tool_choice": f"use auto or none: {CONSTRAINED}",
    "functions": "use tools",
    "function_call": "use tools and tool_choice",
    "logprobs": "probabilities are floats of the exact logits, which no receipt commits to",
    "top_logprobs": "probabilities are floats of the exact logits, which no receipt commits to",
}
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "top_p": (1,),
    "top_k": (0, -1),
    "min_p": (0,),
    "best_of": (1,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "repetition_penalty": (1,),
    "logit_bias": ({},),
    "logprobs": (False,),
    "top_logprobs": (),
    "suffix": ("",),
    "echo": (False,),
    "tools": ([],),
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
    (
        "model", "temperature", "seed", "max_tokens", "stream", "stream_options", "provider", "n",
        "stop",
    )
)  # fmt: skip
_COMPLETION = _COMMON | {"prompt"}
_CHAT = _COMMON | {"messages", "max_completion_tokens", "tools", "tool_choice"}
_ROLES = ("system", "developer", "user", "assistant", "tool")


@dataclass(frozen=True)
class GenerationRequest:
    """One request, checked as far as that needs no model.

    Attributes:
        prompt: text, a chat that is yet to become text, or token ids given by the caller.
        inv_temperature: 1/T in Q16, 0 for greedy.
        seed: 32 bytes, or None to draw one.
        max_tokens: None for the gateway's default.
        wishes: what the caller asks of the provider.
        n: answers that are wanted, each a job of its own.
        stop: sequences at which the text, but not what is paid for, ends.
        can_wait: whether it is a batch's, at a batch's price.
    """

    model: str
    prompt: str | Chat | tuple[int, ...]
    inv_temperature: int
    seed: bytes | None
    max_tokens: int | None
    stream: bool
    include_usage: bool
    wishes: Preferences = ANY
    n: int = 1
    stop: tuple[str, ...] = ()
    can_wait: bool = False

    def jobs(self) -> list[GenerationRequest]:
        """One for each answer; the first has the caller's seed, the others what follows from it."""
        return [replace(self, n=1, seed=_nth_seed(self.seed, index)) for index in range(self.n)]

    @property
    def offers_tools(self) -> bool:
        return isinstance(self.prompt, Chat) and bool(self.prompt.tools)


def completion_request(body: Mapping[str, Any]) -> GenerationRequest:
    """`POST /v1/completions`."""
    _refuse_unsupported(body, _COMPLETION)
    return _request(body, _completion_prompt(body.get("prompt")), body.get("max_tokens"))


def chat_request(body: Mapping[str, Any]) -> GenerationRequest:
    """`POST /v1/chat/completions`."""
    _refuse_unsupported(body, _CHAT)
    limit = body.get("max_completion_tokens")
    limit = body.get("max_tokens") if limit is None else limit
    chat = Chat(_messages(body.get("messages")), _tools(body))
    return _request(body, chat, limit)


def plain_chat(chat: Chat) -> str:
    """The prompt of a chat for a model without a chat template.

    The contents in order, with an empty line between: a base model continues the text.
    """
    refuse_tools(chat, "this model has no chat template that could say what tools are")
    return "\n\n".join(message["content"] for message in chat.messages)


def inv_temperature(value: object) -> int:
    """1/T in Q16 for `temperature` T; 0 stands for greedy, null for T = 1."""
    if value is None:
        return TEMPERATURE_ONE
    number = checked_number(value, "temperature")
    if number == 0:
        return 0
    if not MIN_TEMPERATURE <= number <= MAX_TEMPERATURE:
        raise bad_value(
            "temperature",
            f"{value} is out of range; use 0 (greedy) or {MIN_TEMPERATURE} to {MAX_TEMPERATURE:g}",
        )
    return round(TEMPERATURE_ONE / number)


def seed_bytes(value: object) -> bytes | None:
    """Keccak of the integer as a 256-bit two's complement word; None when none is given."""
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > MAX_SEED >> 1:
        raise bad_value("seed", "expected an integer of at most 255 bits")
    return keccak((value & MAX_SEED).to_bytes(32, "big"))


def _request(
    body: Mapping[str, Any], prompt: str | Chat | tuple[int, ...], limit: object
) -> GenerationRequest:
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise bad_value("model", "name a model; GET /v1/models lists them")
    stream = checked_flag(body.get("stream"), "stream")
    return GenerationRequest(
        model=model,
        prompt=prompt,
        inv_temperature=inv_temperature(body.get("temperature")),
        seed=seed_bytes(body.get("seed")),
        max_tokens=_limit(limit),
        stream=stream,
        include_usage=_include_usage(body.get("stream_options"), stream),
        wishes=parse_preferences(body.get("provider")),
        n=_choices(body.get("n")),
        stop=_stops(body.get("stop")),
    )


def _nth_seed(seed: bytes | None, index: int) -> bytes | None:
    return seed if seed is None or index == 0 else keccak(seed + index.to_bytes(32, "big"))


def _choices(value: object) -> int:
    if value is None:
        return 1
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_CHOICES:
        raise bad_value("n", f"{value!r} is out of range; expected 1 to {MAX_CHOICES}")
    return value


def _stops(value: object) -> tuple[str, ...]:
    """A text or a list of up to four; empty ones stand for none."""
    stops = [value] if isinstance(value, str) else [] if value is None else value
    if not isinstance(stops, list) or not all(isinstance(stop, str) for stop in stops):
        raise bad_value("stop", "expected a text or a list of texts")
    if len(stops) > MAX_STOPS or any(len(stop) > MAX_STOP for stop in stops):
        raise bad_value("stop", f"at most {MAX_STOPS} sequences of at most {MAX_STOP} characters")
    return tuple(stop for stop in stops if stop)


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
                f"{name}={json.dumps(value)[:80]} is not supported: {_REASONS.get(name, _INEXACT)}",
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
        return checked_text(prompt, "prompt")
    if not isinstance(prompt, list):
        raise bad_value("prompt", "expected a string or a list of token ids")
    if len(prompt) > 1 and not all(is_token(item) for item in prompt):
        raise bad_value("prompt", "one prompt a request: a string or a list of token ids")
    if not prompt:
        raise empty_value("prompt")
    if not all(is_token(item) for item in prompt):
        raise bad_value("prompt", "token ids are integers from 0 to 2^32 - 1")
    return tuple(prompt)


def _messages(messages: object) -> list[dict[str, Any]]:
    if not isinstance(messages, list) or not messages:
        raise bad_value("messages", "expected a list of at least one message")
    return [_message(message, f"messages[{i}]") for i, message in enumerate(messages)]


def _message(message: object, where: str) -> dict[str, Any]:
    """What templates know of a message: role, content, and who is called or answers."""
    if not isinstance(message, Mapping):
        raise bad_value(where, "expected an object with role and content")
    role, content, calls = (message.get(key) for key in ("role", "content", "tool_calls"))
    if role not in _ROLES:
        raise bad_value(f"{where}.role", f"expected one of {', '.join(_ROLES)}")
    found: dict[str, Any] = {"role": role, "content": None}
    if content is not None or not calls:
        found["content"] = _content(content, f"{where}.content")
    if calls:
        found["tool_calls"] = _calls(calls, f"{where}.tool_calls")
    for key in ("name", "tool_call_id"):
        if isinstance(message.get(key), str):
            found[key] = message[key]
    return found


def _content(content: object, where: str) -> str:
    if isinstance(content, list):
        content = "".join(_part(part, where) for part in content)
    if not isinstance(content, str):
        raise bad_value(where, "expected text")
    return checked_text(content, where)


def _calls(calls: object, where: str) -> list[dict[str, Any]]:
    """Earlier calls of tools; their arguments, JSON text in OpenAI's form, as templates expect."""
    if not isinstance(calls, list) or not all(isinstance(call, Mapping) for call in calls):
        raise bad_value(where, "expected a list of objects")
    found = []
    for call in calls:
        function = call.get("function")
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            raise bad_value(where, "expected objects with function.name and function.arguments")
        arguments = function.get("arguments")
        if isinstance(arguments, str):
            arguments = parse_object(arguments.encode("utf-8", "surrogatepass"))
        found.append({**call, "function": {**function, "arguments": arguments}})
    return found


def _tools(body: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    tools, choice = body.get("tools"), body.get("tool_choice")
    if choice not in (None, "none", "auto"):
        raise InputError(
            f"tool_choice={json.dumps(choice)[:80]} is not supported: {_REASONS['tool_choice']}",
            code="unsupported_parameter",
            param="tool_choice",
        )
    if not tools or choice == "none":
        return None
    if not isinstance(tools, list) or not all(isinstance(tool, Mapping) for tool in tools):
        raise bad_value("tools", "expected a list of objects")
    return tools


def _part(part: object, where: str) -> str:
    if isinstance(part, Mapping) and part.get("type") == "text":
        text = part.get("text")
        if isinstance(text, str):
            return text
    raise bad_value(where, 'only parts of {"type": "text"} are supported')


def _limit(value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value < 2**32:
        raise bad_value(
            "max_tokens", f"{value!r} is out of range; expected an integer of at least 1"
        )
    return value


def _include_usage(options: object, stream: bool) -> bool:
    if options is None:
        return False
    if not stream or not isinstance(options, Mapping):
        raise bad_value("stream_options", "an object, and only with stream=true")
    return checked_flag(options.get("include_usage"), "stream_options.include_usage")
