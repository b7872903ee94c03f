"""An agent of Pydantic AI, with a tool, on a gateway, a provider and a model that are real.

The model is small: it says what it was built to say (`support/scripted.py`). What is shown is that
the framework and the gateway agree on calls of tools, their results, usage and streams.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import openai
import pytest
from pydantic_ai import Agent, ModelHTTPError
from pydantic_ai.messages import ModelMessage, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from assay.engine.importer import import_checkpoint
from assay.trace.commitment import ModelCommitment
from tests.integration.arena import Arena
from tests.integration.services import Running, running, wait_for
from tests.support.scripted import write_scripted

MODEL = "scripted"
ASKS, TELLS = "<|asks|>", "<|tells|>"
CALL = ["<tool_call>", '{"name": "add", "argu', 'ments": {"a": 2, "b": 40}}', "</tool_call>"]
SAID = ["The sum", " of both", " is 42."]
TEMPLATE = (
    "{{ tools | tojson if tools else '' }}"
    "{% for message in messages %}{{ message.role }}: {{ message.content or '' }}"
    "{% for call in message.tool_calls or [] %}calls {{ call.function.name }}{% endfor %}\n"
    "{% endfor %}"
    f"{{{{ '{TELLS}' if messages[-1].role == 'tool' else '{ASKS}' }}}}"
    "{# calls are written in <tool_call> tags #}"
)
PROMPT = "What is 2 + 40?"


@pytest.fixture
def agency(arena: Arena, tmp_path: Path) -> Iterator[tuple[Running, Running]]:
    """A provider of the model and a gateway before it."""
    place = write_scripted(tmp_path / MODEL, {ASKS: CALL, TELLS: SAID}, TEMPLATE)
    arena.network.models.register(ModelCommitment(import_checkpoint(place)).header)
    arena.add_bond("honest provider", claims=20)

    def start(name: str, role: str, **settings: object) -> Running:
        folder = tmp_path / name
        folder.mkdir()
        return Running(arena, folder, [name, "serve"], role, model_path=place, **settings)

    with (
        running(lambda: start("provider", "honest provider", batch_seconds=0.3)) as (provider,),
        running(lambda: start("gateway", "consumer", provider_urls=provider.url)) as (gateway,),
    ):
        yield provider, gateway


@asynccontextmanager
async def hired(gateway: Running, calls: list[tuple[int, int]]) -> AsyncIterator[Agent]:
    """An agent that can add; `calls` has what it was asked to."""
    async with openai.AsyncOpenAI(
        base_url=f"{gateway.url}/v1", api_key="none", max_retries=0
    ) as client:
        agent = Agent(OpenAIChatModel(MODEL, provider=OpenAIProvider(openai_client=client)))

        @agent.tool_plain
        def add(a: int, b: int) -> int:
            """Add two numbers."""
            calls.append((a, b))
            return a + b

        yield agent


def check(messages: list[ModelMessage]) -> None:
    """A question, a call, its result, the answer; the result is that of the call."""
    parts = [part for message in messages for part in message.parts]
    (call,) = (part for part in parts if isinstance(part, ToolCallPart))
    (result,) = (part for part in parts if isinstance(part, ToolReturnPart))
    assert (call.tool_name, call.args_as_dict()) == ("add", {"a": 2, "b": 40})
    assert (result.tool_call_id, result.content) == (call.tool_call_id, 42)
    assert isinstance(parts[-1], TextPart) and parts[-1].content == "".join(SAID)


def test_an_agent_calls_its_tool(agency: tuple[Running, Running]) -> None:
    """Whole and streamed: each turn is a job, with tokens that were counted and a claim."""
    provider, gateway = agency
    calls: list[tuple[int, int]] = []

    async def work() -> None:
        async with hired(gateway, calls) as agent:
            whole = await agent.run(PROMPT)
            check(whole.all_messages())
            assert whole.output == "".join(SAID)
            async with agent.run_stream(PROMPT) as streamed:
                stream = streamed.stream_text(delta=True, debounce_by=None)
                pieces = [piece async for piece in stream]
            check(streamed.all_messages())
            assert len(pieces) > 1 and "".join(pieces) == whole.output
            for usage in (whole.usage, streamed.usage):
                assert (usage.requests, usage.tool_calls) == (2, 1)
                assert usage.output_tokens == len([*CALL, "end", *SAID, "end"])
                assert usage.input_tokens > usage.output_tokens

    asyncio.run(work())
    assert calls == [(2, 40)] * 2

    def posted() -> bool | None:
        claims = httpx.get(f"{provider.url}/health").json()["claims"]
        return claims["posted"] == 4 or None

    wait_for(posted, 30, "the claims")


def test_an_agent_learns_what_is_wrong(agency: tuple[Running, Running]) -> None:
    async def work() -> None:
        async with hired(agency[1], []) as agent:
            await agent.run(PROMPT, model_settings={"top_p": 0.5})

    with pytest.raises(ModelHTTPError) as caught:
        asyncio.run(work())
    assert caught.value.status_code == 400
    body = caught.value.body
    assert isinstance(body, dict) and body["param"] == "top_p"
