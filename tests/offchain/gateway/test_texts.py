"""Texts of answers: stop sequences and calls of tools, however the pieces come."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.gateway.calls import Call, CallFormat, CallReader
from assay.gateway.stops import StopCutter


def cut(pieces: Sequence[str], *stops: str) -> str:
    cutter = StopCutter(stops)
    return "".join(map(cutter.push, pieces)) + cutter.finish()


@given(
    st.lists(st.text("ab", max_size=4), max_size=12),
    st.lists(st.text("ab", min_size=1, max_size=4), max_size=3),
)
def test_the_text_ends_at_the_first_stop_sequence(pieces: list[str], stops: list[str]) -> None:
    text = "".join(pieces)
    places = [text.find(stop) for stop in stops if stop in text]
    found = cut(pieces, *stops)
    # Of two that overlap, the one that is complete first may win in a stream.
    ends = [text[: text.find(stop)] for stop in stops if stop in text]
    assert found in (ends or [text])
    assert len(stops) != 1 or found == text[: min(places, default=len(text))]


def test_nothing_that_may_be_a_stop_sequence_is_shown_early() -> None:
    cutter = StopCutter(("\n\nUser:",))
    assert [cutter.push(piece) for piece in ("hi", "\n", "\nUs", "ers")] == [
        "hi",
        "",
        "",
        "\n\nUsers",
    ]
    assert not cutter.stopped
    assert cutter.push(" go\n\nUser: no") == " go" and cutter.stopped
    assert cutter.push("more") == cutter.finish() == ""


CALL = {"name": "add", "arguments": {"a": 1}}
TAGGED = f"<tool_call>\n{json.dumps(CALL)}\n</tool_call>"
LLAMA = json.dumps({"name": "add", "parameters": {"a": 1}})
READ = Call("add", '{"a": 1}')


def read(text: str, call_format: CallFormat | None, size: int = 3) -> tuple[str, list[Call]]:
    reader = CallReader(call_format)
    pieces = [text[place : place + size] for place in range(0, len(text), size)]
    shown = "".join(map(reader.push, pieces))
    rest, calls = reader.finish()
    return shown + rest, calls


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize(
    ("text", "call_format", "expected"),
    [
        (TAGGED, CallFormat.TAGS, ("", [READ])),
        (f"Well.\n{TAGGED}\n{TAGGED}", CallFormat.TAGS, ("Well.\n", [READ, READ])),
        (TAGGED.removesuffix("</tool_call>"), CallFormat.TAGS, ("", [READ])),
        ("<tool_call>{oops</tool_call>", CallFormat.TAGS, ("<tool_call>{oops</tool_call>", [])),
        ('<tool_call>{"name": 5}</tool_call>', CallFormat.TAGS, None),
        ("1 < 2 <tool", CallFormat.TAGS, ("1 < 2 <tool", [])),
        (LLAMA, CallFormat.JSON, ("", [READ])),
        (f"  {LLAMA}\n", CallFormat.JSON, ("", [READ])),
        ('{"x": 1}', CallFormat.JSON, ('{"x": 1}', [])),
        (f"Use {LLAMA}", CallFormat.JSON, (f"Use {LLAMA}", [])),
        ("", CallFormat.JSON, ("", [])),
        (TAGGED, None, (TAGGED, [])),
    ],
)
def test_calls_of_tools(
    text: str,
    call_format: CallFormat | None,
    expected: tuple[str, list[Call]] | None,
    size: int,
) -> None:
    """Text that is no call is never lost."""
    assert read(text, call_format, size) == (expected or (text, []))


def test_formats_that_templates_teach() -> None:
    assert CallFormat.of_template("… <tool_call> …") is CallFormat.TAGS
    assert CallFormat.of_template('{"name": …, "parameters": …}') is CallFormat.JSON
    assert CallFormat.of_template("{{ messages }}") is None


def test_a_call_as_openai_has_it() -> None:
    shown = READ.to_json("call_1")
    assert shown["type"] == "function" and json.loads(shown["function"]["arguments"]) == {"a": 1}
