"""From tokens to answers, with the shipped tokenizer; and streams that are kept alive."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from assay.core.errors import UpstreamError
from assay.core.types import Job, Model, Receipt
from assay.engine.chat import Chat, ChatTemplate
from assay.engine.importer import SHIPPED_MODEL
from assay.engine.tokenizer import Tokenizer
from assay.gateway import sse
from assay.gateway.answers import Served, choice_of, whole
from assay.gateway.prompts import Prompts
from assay.gateway.requests import chat_request
from assay.gateway.responses.items import chat_messages, checked_items, output_items
from assay.gateway.responses.objects import ResponseEvents
from assay.gateway.store import Answered, SignedJob
from assay.gateway.streams import kept_alive

KEY = bytes([9]) * 32
MODEL = Model(1, *([bytes(32)] * 3), KEY, bytes(32), 10, 10, 2, 4096, 512, 14, 1, (0,))
TOKENIZER = Tokenizer.of_checkpoint(SHIPPED_MODEL)
SAID = 'I will add.<tool_call>{"name": "add", "arguments": {"a": 1}}</tool_call>'
TOOL = {"type": "function", "function": {"name": "add", "parameters": {}}}
USER = {"role": "user", "content": "hi"}


def prompts(template: str = "<tool_call>") -> Prompts:
    return Prompts({KEY: TOKENIZER}, {KEY: ChatTemplate({"default": template}, {}, "here")})


def served(text: str) -> Served:
    output = tuple(TOKENIZER.encode(text, add_special_tokens=False))
    job = Job(
        bytes(32), "0x" + "11" * 20, "0x" + "22" * 20, bytes(32), 2, 99, 0, bytes(32),
        1, 1, 100, 2**40, 0, bytes(32),
    )  # fmt: skip
    signed = SignedJob(bytes(range(32)), "m", job, b"", bytes(32), (1, 2), "http://a", 7.0)
    receipt = Receipt(signed.job_id, bytes(32), len(output), 3)
    return Served(signed, Answered(output, receipt, b""), MODEL)


def asked(**fields: Any) -> Any:
    return chat_request({"model": "m", "messages": [USER], **fields})


def test_calls_of_tools_are_taken_out_of_the_text() -> None:
    body = whole(prompts(), asked(tools=[TOOL]), sse.CHAT, [served(SAID)])
    (choice,) = body["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] == "I will add."
    (call,) = choice["message"]["tool_calls"]
    assert call["function"] == {"name": "add", "arguments": '{"a": 1}'}
    assert call["id"].startswith("call_000102")


@pytest.mark.parametrize(("fields", "template"), [({}, "<tool_call>"), ({"tools": [TOOL]}, "tool")])
def test_text_stays_text_without_tools_or_a_known_format(
    fields: dict[str, Any], template: str
) -> None:
    choice = choice_of(prompts(template), asked(**fields), served(SAID))
    assert (choice.text, list(choice.calls), choice.finish) == (SAID, [], "length")


def test_a_stop_sequence_before_a_call() -> None:
    choice = choice_of(prompts(), asked(tools=[TOOL], stop="add"), served(SAID))
    assert (choice.text, choice.finish, list(choice.calls)) == ("I will ", "stop", [])


def test_a_chat_made_of_items() -> None:
    """A call, its result and the next question, as a response's history holds them."""
    choice = choice_of(prompts(), asked(tools=[TOOL]), served(SAID))
    said = output_items(choice, "x")
    assert [item["type"] for item in said] == ["message", "function_call"]
    call_id = said[1]["call_id"]
    result = [{"type": "function_call_output", "call_id": call_id, "output": "2"}]
    messages = chat_messages([*checked_items("hi", "s"), *said, *checked_items(result, "t")])
    chat = chat_request({"model": "m", "messages": messages, "tools": [TOOL]}).prompt
    assert isinstance(chat, Chat)
    assert [message["role"] for message in chat.messages] == ["user", "assistant", "tool"]
    assert chat.messages[1]["content"] == "I will add."
    assert chat.messages[1]["tool_calls"][0]["function"]["arguments"] == {"a": 1}
    assert chat.messages[2]["tool_call_id"] == call_id


@pytest.mark.parametrize("shape", [sse.CHAT, sse.COMPLETION])
def test_every_piece_is_an_object_of_its_own(shape: sse.Shape) -> None:
    envelope = sse.Envelope(shape, "0xab", 'the "text"', 7)
    for index, text in ((0, 'say "text"\n'), (1, "é"), (0, "")):
        said = {"delta": {"content": text}} if shape.chat else {"text": text}
        choice = {"index": index, "logprobs": None, "finish_reason": None, **said}
        assert json.loads(envelope.piece(text, index).removeprefix("data: ")) == {
            "id": f"{shape.id_prefix}-ab", "object": shape.chunk, "created": 7,
            "model": 'the "text"', "choices": [choice],
        }  # fmt: skip


def test_events_of_a_response_with_a_call() -> None:
    choice = choice_of(prompts(), asked(tools=[TOOL]), served(SAID))
    events = ResponseEvents("x")
    lines = [*events.piece("I will "), *events.answer(sse.Choice("add.", "", choice.calls))]
    values = [json.loads(line.partition("data: ")[2]) for line in lines]
    assert [value["sequence_number"] for value in values] == list(range(len(values)))
    kinds = [value["type"].removeprefix("response.") for value in values]
    assert kinds == [
        "output_item.added", "content_part.added", "output_text.delta", "output_text.delta",
        "output_text.done", "content_part.done", "output_item.done",
        "output_item.added", "function_call_arguments.delta", "function_call_arguments.done",
        "output_item.done",
    ]  # fmt: skip
    assert [value["output_index"] for value in values] == [0] * 7 + [1] * 4
    assert events.text == "I will add."


async def slow(gate: asyncio.Event) -> AsyncGenerator[str, None]:
    yield "one"
    await gate.wait()
    yield "two"
    raise UpstreamError("gone")


def test_a_stream_that_waits_is_kept_alive() -> None:
    async def run() -> list[str]:
        gate, found = asyncio.Event(), list[str]()
        stream = kept_alive(slow(gate), seconds=0.01)
        with pytest.raises(UpstreamError):
            async for piece in stream:
                found.append(piece)
                if found.count(sse.KEEP_ALIVE) == 3:
                    gate.set()
        return found

    found = asyncio.run(run())
    assert [piece for piece in found if piece != sse.KEEP_ALIVE] == ["one", "two"]
    assert found.count(sse.KEEP_ALIVE) >= 3


def test_who_leaves_a_stream_that_waits_ends_it() -> None:
    ended: list[bool] = []

    async def source() -> AsyncGenerator[str, None]:
        try:
            yield "one"
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async def run() -> None:
        stream = kept_alive(source(), seconds=0.01)
        async for piece in stream:
            if piece == sse.KEEP_ALIVE:
                break
        await stream.aclose()  # type: ignore[attr-defined]

    asyncio.run(run())
    assert ended == [True]
