"""What OpenAI's clients ask for besides one plain answer: several answers, stop sequences,
responses whose turns are kept; by the sync and the async client, and by curl.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import openai
import pytest

from assay.core.types import SamplingParams
from tests.integration.conftest import Shipped
from tests.integration.curl import NEEDS_CURL, curl
from tests.integration.town import MODEL, PROMPT, Town, openai_error

ASKED: dict[str, Any] = {"model": MODEL, "prompt": PROMPT, "max_tokens": 12, "temperature": 0}


def test_several_answers_have_a_receipt_each(town: Town) -> None:
    request = {**ASKED, "temperature": 1.5, "seed": 5, "n": 3, "extra_body": town.honest()}
    whole = town.client.completions.create(**request)
    texts = [choice.text for choice in whole.choices]
    assert [choice.index for choice in whole.choices] == [0, 1, 2] and len(set(texts)) > 1
    assay: Any = (whole.model_extra or {})["assay"]
    outputs = [town.receipt(item["receipt_id"])["output"] for item in assay["receipts"]]
    assert whole.usage is not None
    assert whole.usage.completion_tokens == sum(map(len, outputs))
    assert assay["price_micro_usd"] == sum(i["price_micro_usd"] for i in assay["receipts"])

    streamed = ["", "", ""]
    ends: list[str | None] = [None, None, None]
    options = {"include_usage": True}
    for chunk in town.client.completions.create(**request, stream=True, stream_options=options):
        for choice in chunk.choices:
            streamed[choice.index] += choice.text
            ends[choice.index] = choice.finish_reason
    assert streamed == texts  # the same seeds
    assert all(ends) and chunk.usage == whole.usage


def test_a_stop_sequence_cuts_the_text_and_not_the_receipt(town: Town, shipped: Shipped) -> None:
    prompt = shipped.tokenizer.encode(PROMPT)
    output = list(shipped.engine.generate(prompt, SamplingParams(12)))
    text = shipped.tokenizer.decode(output)
    stop = text[len(text) // 2 :][:3]
    request = {**ASKED, "stop": [stop], "extra_body": town.honest()}
    whole = town.client.completions.create(**request)
    assert whole.choices[0].text == text[: text.find(stop)]
    assert whole.choices[0].finish_reason == "stop"
    assert whole.usage is not None and whole.usage.completion_tokens == len(output)
    receipt: Any = (whole.model_extra or {})["assay"]
    assert town.receipt(receipt["receipt_id"])["output"] == output
    pieces = [c.choices[0].text for c in town.client.completions.create(**request, stream=True)]
    assert "".join(pieces) == whole.choices[0].text


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"n": 17}, "n"),
        ({"stop": ["a"] * 5}, "stop"),
        ({"logprobs": 2}, "logprobs"),
        ({"extra_body": {"response_format": {"type": "json_object"}}}, "response_format"),
        ({"extra_body": {"provider": {"quantizations": ["fp8"]}}}, "provider.quantizations"),
    ],
)
def test_what_is_refused(town: Town, change: dict[str, Any], param: str) -> None:
    status, code, found = openai_error(town, **{**ASKED, **change})
    assert (status, found) == (400, param)
    assert code in ("unsupported_parameter", "invalid_value")


def test_the_async_client_asks_many_at_once(town: Town) -> None:
    async def ask() -> list[str]:
        url = f"{town.gateway.url}/v1"
        async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=4) as client:

            async def one(number: int) -> str:
                messages: Any = [{"role": "user", "content": f"{PROMPT} {number}"}]
                stream = await client.chat.completions.create(
                    model=MODEL, messages=messages, max_tokens=3, stream=True,
                    extra_body=town.honest(),
                )  # fmt: skip
                pieces = [c.choices[0].delta.content or "" async for c in stream if c.choices]
                return "".join(pieces)

            return list(await asyncio.gather(*(one(number) for number in range(6))))

    assert all(asyncio.run(ask()))


def test_the_turns_of_a_conversation(town: Town, shipped: Shipped) -> None:
    """The second response continues what the first one said; the model reads all of it."""
    fixed: dict[str, Any] = {"model": MODEL, "temperature": 0, "extra_body": town.honest()}
    responses = town.client.responses
    first = responses.create(
        input=PROMPT, instructions="Help", max_output_tokens=5, metadata={"a": "b"}, **fixed
    )
    assert (first.status, first.metadata) == ("incomplete", {"a": "b"})
    assert first.incomplete_details is not None and first.usage is not None
    assert first.incomplete_details.reason == "max_output_tokens"
    second = responses.create(
        input=[{"role": "user", "content": [{"type": "input_text", "text": "More"}]}],
        previous_response_id=first.id,
        max_output_tokens=4,
        **fixed,
    )
    prompt = shipped.tokenizer.encode(f"{PROMPT}\n\n{first.output_text}\n\nMore")
    output = list(shipped.engine.generate(prompt, SamplingParams(4)))
    assert second.output_text == shipped.tokenizer.decode(output)
    assert second.usage is not None and second.usage.input_tokens == len(prompt)

    kept = responses.retrieve(second.id)
    assert kept == second and kept.previous_response_id == first.id
    (item,) = responses.input_items.list(second.id)
    assert item.type == "message" and item.content[0].text == "More"  # type: ignore[union-attr]
    responses.delete(first.id)
    with pytest.raises(openai.NotFoundError) as caught:
        responses.retrieve(first.id)
    assert caught.value.code == "response_not_found"
    with pytest.raises(openai.BadRequestError) as broken:
        responses.create(input="x", previous_response_id=second.id, **fixed)
    assert broken.value.code == "previous_response_not_found"


def test_a_response_as_events(town: Town) -> None:
    request: dict[str, Any] = {
        "model": MODEL, "input": PROMPT, "max_output_tokens": 8, "temperature": 0,
        "extra_body": town.honest(),
    }  # fmt: skip
    whole = town.client.responses.create(**request)
    events = list(town.client.responses.create(**request, stream=True, store=False))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    kinds = [event.type for event in events]
    assert kinds[:4] == [
        "response.created", "response.in_progress", "response.output_item.added",
        "response.content_part.added",
    ]  # fmt: skip
    assert kinds[-4:] == [
        "response.output_text.done", "response.content_part.done", "response.output_item.done",
        "response.incomplete",
    ]  # fmt: skip
    text = "".join(e.delta for e in events if e.type == "response.output_text.delta")
    last = events[-1]
    assert last.type == "response.incomplete"
    assert text == last.response.output_text == whole.output_text
    assert last.response.usage == whole.usage
    with pytest.raises(openai.NotFoundError):  # it was not to be stored
        town.client.responses.retrieve(last.response.id)
    with town.client.responses.stream(**request) as stream:  # the client's own state machine
        assert [event.type for event in stream] == kinds


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"input": []}, "input"),
        ({"input": [{"role": "poet", "content": "x"}]}, "input[0].role"),
        ({"input": [{"type": "reasoning"}]}, "input[0].type"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content"),
        ({"background": True}, "background"),
        ({"text": {"format": {"type": "json_object"}}}, "text"),
        ({"tools": [{"type": "web_search"}]}, "tools[0]"),
        ({"tools": [{"type": "function", "name": "f", "strict": True}]}, "tools[0].strict"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"metadata": {"a": 1}}, "metadata.a"),
        ({"verbosity": "low"}, "verbosity"),
        ({"max_output_tokens": 0}, "max_tokens"),
    ],
)
def test_responses_that_are_refused(town: Town, change: dict[str, Any], param: str) -> None:
    body = {"model": MODEL, "input": "x", **change}
    answer = httpx.post(f"{town.gateway.url}/v1/responses", json=body, timeout=30)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param), answer.text


@NEEDS_CURL
def test_curl_streams_a_chat(town: Town) -> None:
    """Each event is a line of JSON after `data: `; the last but one has the usage."""
    message = {"role": "user", "content": PROMPT}
    asked = {"model": MODEL, "messages": [message], "max_tokens": 3, "temperature": 0}
    options = {"stream": True, "stream_options": {"include_usage": True}}
    url = f"{town.gateway.url}/v1/chat/completions"
    status, said = curl(url, {**asked, **options, **town.honest()})
    assert status == 200 and said.endswith("\n\ndata: [DONE]\n\n")
    events = said.removesuffix("\n\n").split("\n\n")
    assert all(event.startswith("data: ") for event in events)
    *chunks, last = [json.loads(event.removeprefix("data: ")) for event in events[:-1]]
    pieces = [chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks]
    whole = json.loads(curl(url, {**asked, **town.honest()})[1])
    assert "".join(pieces) == whole["choices"][0]["message"]["content"]
    assert last["usage"] == whole["usage"]


@NEEDS_CURL
@pytest.mark.parametrize(
    ("change", "status", "code"),
    [({"model": "gpt-9"}, 404, "model_not_found"), ({"top_p": 2}, 400, "unsupported_parameter")],
)
def test_curl_is_told_what_is_wrong(
    town: Town, change: dict[str, Any], status: int, code: str
) -> None:
    body = {**ASKED, "stream": True, **change}
    found, said = curl(f"{town.gateway.url}/v1/completions", body)
    assert (found, json.loads(said)["error"]["code"]) == (status, code)
