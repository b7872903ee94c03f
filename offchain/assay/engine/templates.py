"""Jinja for chat templates: sandboxed, a pure function of what it is given, and bounded.

A checkpoint's template is somebody else's program. It sees no Python objects beyond values, may not
change what it is given, and has neither clock nor chance (no `strftime_now`, `random`, `lipsum`):
those that can do without take their own default. What it does is counted, so that it ends: a unit
for every turn of a loop, call and filter, and one for every character or item that these make.
Calls within calls are limited, since each takes from the interpreter's stack.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from assay.core.errors import InputError, ModelError

MAX_SOURCE = 1 << 18
"""Characters of a template."""
BASE_WORK, WORK_PER_CHARACTER = 1_000_000, 64
"""Units that a rendering may take: so many, and so many for each character that it is given."""
MAX_DEPTH = 64
"""Calls within calls."""


class TooMuchWork(Exception):
    """The template's units are used up."""


class Template:
    """One compiled template.

    Args:
        source: Jinja2.
        place: the file that it is from, for messages.

    Raises:
        ModelError: it is too long or is no Jinja2.
    """

    def __init__(self, source: str, place: str) -> None:
        if len(source) > MAX_SOURCE:
            raise ModelError(
                f"{place}: a chat template of {len(source)} characters; at most {MAX_SOURCE} are "
                "supported, remove it to chat without one"
            )
        try:
            self._compiled = _ENVIRONMENT.from_string(source)
        except (jinja2.TemplateError, RecursionError) as error:
            line = getattr(error, "lineno", None) or "?"
            raise ModelError(
                f"{place}: the chat template is no Jinja2 (line {line}: {error}); copy the "
                "checkpoint again, or remove the template to chat without one"
            ) from error

    def render(self, values: Mapping[str, Any]) -> str:
        """The prompt.

        Raises:
            InputError: the template refuses the messages, fails, or does not come to an end.
        """
        limit = BASE_WORK + WORK_PER_CHARACTER * _characters(values)
        token = _WORK.set(_Work(limit))
        try:
            return self._compiled.render(**values)
        except TooMuchWork:
            raise _refusal(
                f"takes more than {limit} steps for these messages; shorten them"
            ) from None
        except _Refused as error:
            raise _refusal(f"refuses these messages: {error}") from None
        except Exception as error:  # whatever a foreign program may raise
            raise _refusal(f"fails on these messages ({type(error).__name__}: {error})") from error
        finally:
            _WORK.reset(token)


class _Refused(jinja2.TemplateError):
    """The template has called `raise_exception`."""


@dataclass
class _Work:
    """Of one rendering."""

    left: int
    depth: int = 0


_WORK: ContextVar[_Work] = ContextVar("the rendering under way")


def _spend(units: int) -> None:
    work = _WORK.get()  # LookupError while compiling: Jinja then leaves a constant for later
    work.left -= units
    if work.left < 0:
        raise TooMuchWork


@contextmanager
def _deeper() -> Iterator[None]:
    work = _WORK.get()
    work.depth += 1
    if work.depth > MAX_DEPTH:
        raise jinja2.TemplateError(f"more than {MAX_DEPTH} calls within calls")
    try:
        yield
    finally:
        work.depth -= 1


def _charged(value: Any) -> Any:
    """The value, once it is paid for."""
    if isinstance(value, int):
        _spend(1 + value.bit_length() // 64)
    else:
        _spend(1 + (len(value) if isinstance(value, str | list | tuple | dict) else 0))
    return value


def _foresee(arguments: Iterable[Any]) -> None:
    """Pay for widths, repetitions and ranges before they are made."""
    _spend(sum(max(a, 0) for a in arguments if isinstance(a, int)))


@jinja2.pass_context
def _counted(context: Context, items: Any) -> Any:
    """What a loop goes over, as a list that is paid for."""
    if isinstance(items, jinja2.Undefined):
        return items
    return _charged(items if isinstance(items, list | tuple | dict | str) else list(items))


@jinja2.pass_context
def _paid(context: Context, value: Any) -> Any:
    return _charged(value)


class _Metering(NodeTransformer):
    """Puts the counting into a parsed template, where no hook of the sandbox is."""

    def visit_For(self, node: nodes.For) -> nodes.Node:
        self.generic_visit(node)
        node.iter = _filtered(node.iter, "counted")
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        return _filtered(node, "paid")

    def visit_Output(self, node: nodes.Output) -> nodes.Node:
        self.generic_visit(node)
        node.nodes = [
            part if isinstance(part, nodes.TemplateData) else _filtered(part, "paid")
            for part in node.nodes
        ]
        return node


def _filtered(node: Any, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


class _Generation(Extension):
    """`{% generation %}` marks an assistant's words for training; here it is its content."""

    tags = {"generation"}  # noqa: RUF012 (declared so by Jinja)

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)


class _Environment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset(("+", "*", "**", "%"))

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
        )
        self.globals.pop("lipsum")
        self.globals["raise_exception"] = _raise
        for name in ("random", "pprint"):
            self.filters.pop(name)
        self.filters["tojson"] = _tojson
        self.filters = {name: _metered(f) for name, f in self.filters.items()}
        self.filters |= {"counted": _counted, "paid": _paid}

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        parsed = super()._parse(source, name, filename)
        _Metering().visit(parsed)
        return parsed

    def call(self, context: Context, obj: Any, *args: Any, **kwargs: Any) -> Any:
        _foresee((*args, *kwargs.values()))
        with _deeper():
            return _charged(super().call(context, obj, *args, **kwargs))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "*":
            sizes = [v if isinstance(v, int) else len(v) for v in (left, right)]
            if not all(isinstance(v, int) for v in (left, right)):
                _spend(max(sizes[0] * sizes[1], 0))
        elif operator == "**":
            _spend(left.bit_length() * max(right, 0))
        elif operator == "%" and isinstance(left, str):
            raise jinja2.TemplateError("text % values is not supported; use ~")
        return _charged(super().call_binop(context, operator, left, right))


def _metered(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def metered(*args: Any, **kwargs: Any) -> Any:
        _foresee((*args, *kwargs.values()))
        return _charged(function(*args, **kwargs))

    return metered


def _raise(message: object) -> None:
    raise _Refused(str(message))


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON as it is, without the escapes for HTML of Jinja's own filter."""
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )


def _characters(value: object) -> int:
    """Of all text in messages or tools."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(_characters(k) + _characters(v) for k, v in value.items())
    return sum(map(_characters, value)) if isinstance(value, list | tuple) else 1


def _refusal(what: str) -> InputError:
    return InputError(
        f"the model's chat template {what}; or send a plain prompt to /v1/completions",
        code="chat_template",
        param="messages",
    )


_ENVIRONMENT = _Environment()
