"""Every parameter of a request is honoured, known to change nothing, or refused by name."""

from __future__ import annotations

from typing import Any

import pytest
from eth_utils.crypto import keccak

from assay.core.errors import InputError
from assay.core.types import TEMPERATURE_ONE
from assay.core.wire import parse_object
from assay.engine.chat import Chat
from assay.gateway.requests import (
    GenerationRequest,
    chat_request,
    completion_request,
    inv_temperature,
    plain_chat,
    seed_bytes,
)
from assay.gateway.routing.preferences import ANY


def completion(**fields: Any) -> GenerationRequest:
    return completion_request({"model": "m", "prompt": "p", **fields})


def refusal(**fields: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        completion(**fields)
    return caught.value


def test_defaults() -> None:
    request = completion()
    assert (request.prompt, request.inv_temperature) == ("p", TEMPERATURE_ONE)
    assert (request.seed, request.max_tokens, request.wishes) == (None, None, ANY)
    assert not request.stream


@pytest.mark.parametrize(
    ("temperature", "expected"),
    [
        (0, 0),
        (0.0, 0),
        (-0.0, 0),
        (1, 65536),
        (2, 32768),
        (0.05, 1310720),
        (4, 16384),
        (0.7, 93623),
    ],
)
def test_temperature_becomes_its_inverse(temperature: float, expected: int) -> None:
    assert inv_temperature(temperature) == expected


@pytest.mark.parametrize(
    "temperature",
    [-0.1, -1e300, 4.01, 1e300, 0.049, float("nan"), float("inf"), 10**400, "1", True],
)
def test_temperature_out_of_range(temperature: object) -> None:
    error = refusal(temperature=temperature)
    assert (error.status, error.param, error.code) == (400, "temperature", "invalid_value")


def test_seed_is_hashed_to_32_bytes() -> None:
    assert seed_bytes(7) == keccak((7).to_bytes(32, "big"))
    assert seed_bytes(-1) == keccak(b"\xff" * 32)
    assert seed_bytes(None) is None


@pytest.mark.parametrize("seed", ["7", 1.5, True, 2**255, -(2**255)])
def test_seed_of_another_kind(seed: object) -> None:
    assert refusal(seed=seed).param == "seed"


@pytest.mark.parametrize("limit", [0, -1, 2**32, 1.5, "10", True])
def test_max_tokens_out_of_range(limit: object) -> None:
    assert refusal(max_tokens=limit).param == "max_tokens"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("top_p", 0.9),
        ("top_k", 5),
        ("best_of", 2),
        ("logprobs", 1),
        ("logprobs", True),
        ("top_logprobs", 3),
        ("presence_penalty", 0.5),
        ("frequency_penalty", -1),
        ("logit_bias", {"5": 1}),
        ("suffix", "x"),
        ("echo", True),
        ("tools", [{}]),
        ("response_format", {"type": "json_object"}),
        ("best_of", True),
    ],
)
def test_parameters_that_would_change_the_answer_are_refused(name: str, value: object) -> None:
    error = refusal(**{name: value})
    assert (error.code, error.param, error.status) == ("unsupported_parameter", name, 400)
    assert name in error.message


@pytest.mark.parametrize(
    ("name", "value"),
    [("top_p", 1), ("top_p", 1.0), ("n", 1), ("stop", None), ("logprobs", None), ("user", "u"),
     ("presence_penalty", 0), ("logit_bias", {}), ("metadata", {"a": "b"})],
)  # fmt: skip
def test_parameters_that_change_nothing_pass(name: str, value: object) -> None:
    assert completion(**{name: value}) == completion()


def test_several_answers_are_several_jobs() -> None:
    """The first has the caller's seed; the others follow from it, so that all can be repeated."""
    seeds = [job.seed for job in completion(n=3, seed=7).jobs()]
    assert seeds == [job.seed for job in completion(n=3, seed=7).jobs()]
    assert seeds[0] == seed_bytes(7) and len(set(seeds)) == 3
    assert {job.seed for job in completion(n=2).jobs()} == {None}
    assert {job.n for job in completion(n=3).jobs()} == {1}


@pytest.mark.parametrize("count", [0, 17, True, 1.0, "2"])
def test_numbers_of_answers_that_are_none(count: object) -> None:
    assert refusal(n=count).param == "n"


@pytest.mark.parametrize(
    ("stop", "expected"), [("x", ("x",)), (["x", ""], ("x",)), ([], ()), (None, ()), ("", ())]
)
def test_stop_sequences(stop: object, expected: tuple[str, ...]) -> None:
    assert completion(stop=stop).stop == expected


@pytest.mark.parametrize("stop", [5, ["a", 1], list("abcde"), "x" * 257])
def test_stop_sequences_that_are_none(stop: object) -> None:
    assert refusal(stop=stop).param == "stop"


def test_what_needs_constrained_decoding_is_refused_with_the_reason() -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}
    error = refusal(response_format=schema)
    assert "would change the claim" in error.message
    assert (error.code, error.param) == ("unsupported_parameter", "response_format")


def test_an_unknown_parameter_is_refused() -> None:
    assert refusal(temprature=1).code == "unknown_parameter"


@pytest.mark.parametrize(
    "prompt", ["", [], [""], None, 5, [1, "a"], ["a", "b"], [[1], [2]], [True]]
)
def test_prompts_that_are_none(prompt: object) -> None:
    error = refusal(prompt=prompt)
    assert error.status == 400
    assert error.param == "prompt"


@pytest.mark.parametrize("prompt", ["", [], [""]])
def test_an_empty_prompt_has_its_own_code(prompt: object) -> None:
    assert refusal(prompt=prompt).code == "empty_prompt"


def test_prompts_of_tokens() -> None:
    assert completion(prompt=[5, 6]).prompt == (5, 6)
    assert completion(prompt=[[5, 6]]).prompt == (5, 6)
    assert completion(prompt=["text"]).prompt == "text"


def test_a_lone_surrogate_is_no_utf8() -> None:
    assert refusal(prompt="a\ud800").code == "invalid_utf8"


@pytest.mark.parametrize("body", [b"\xff\xfe", b'{"prompt": "\xc3"}'])
def test_a_body_that_is_no_utf8(body: bytes) -> None:
    with pytest.raises(InputError) as caught:
        parse_object(body)
    assert caught.value.code == "invalid_utf8"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"[" * 100_000])
def test_a_body_that_is_no_object(body: bytes) -> None:
    with pytest.raises(InputError) as caught:
        parse_object(body)
    assert caught.value.code == "invalid_json"


def chat(*messages: dict[str, Any], **fields: Any) -> Chat:
    request = chat_request({"model": "m", "messages": list(messages), **fields})
    assert isinstance(request.prompt, Chat)
    return request.prompt


def test_a_chat_keeps_its_messages() -> None:
    parts = [{"type": "text", "text": "two"}, {"type": "text", "text": "!"}]
    found = chat(
        {"role": "system", "content": "one", "name": "n", "refusal": None},
        {"role": "user", "content": parts},
    )
    assert found.messages == [
        {"role": "system", "content": "one", "name": "n"},
        {"role": "user", "content": "two!"},
    ]
    assert found.tools is None


def test_a_chats_limit_has_two_names() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], "max_tokens": 4}
    assert chat_request(body).max_tokens == 4
    assert chat_request(body | {"max_completion_tokens": 3}).max_tokens == 3


def test_messages_are_joined_by_empty_lines_where_there_is_no_template() -> None:
    found = chat({"role": "system", "content": "one"}, {"role": "user", "content": "two!"})
    assert plain_chat(found) == "one\n\ntwo!"


TOOL = {"type": "function", "function": {"name": "add", "parameters": {}}}
USER = {"role": "user", "content": "hi"}
CALL = {"id": "c", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}


def test_tools_reach_the_template() -> None:
    calling = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    answer = {"role": "tool", "content": "2", "tool_call_id": "c"}
    found = chat(USER, calling, answer, tools=[TOOL], tool_choice="auto")
    assert found.tools == [TOOL]
    assert found.messages[1]["tool_calls"][0]["function"]["arguments"] == {"a": 1}
    assert found.messages[2] == answer
    assert chat(USER, tools=[TOOL], tool_choice="none").tools is None
    for without in (found, Chat(found.messages), Chat([USER], [TOOL])):
        with pytest.raises(InputError, match=r"no chat template.*leave out tools") as caught:
            plain_chat(without)
        assert caught.value.code == "unsupported_parameter"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": {}, "tool_choice": "required"}, "tool_choice"),
        ({"tools": "add"}, "tools"),
        ({"tools": ["add"]}, "tools"),
    ],
)
def test_tools_that_are_none(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InputError) as caught:
        chat(USER, **fields)
    assert (caught.value.status, caught.value.param) == (400, param)


@pytest.mark.parametrize(
    "messages",
    [
        None,
        [],
        "hi",
        ["hi"],
        [{"content": "hi"}],
        [{"role": "poet", "content": "hi"}],
        [{"role": "assistant", "tool_calls": "add"}],
        [{"role": "assistant", "tool_calls": [{"name": "add"}]}],
        [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}],
        [{"role": "user"}],
        [{"role": "user", "content": ""}],
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}],
    ],
)
def test_messages_that_are_none(messages: object) -> None:
    with pytest.raises(InputError) as caught:
        chat_request({"model": "m", "messages": messages})
    assert caught.value.status == 400


def test_routing_is_read() -> None:
    """All of it is in `test_preferences.py`."""
    address = "0x" + "ab" * 20
    (only,) = completion(provider={"only": [address]}).wishes.only or ()
    assert only.lower() == address
    assert refusal(provider={"quality": 1}).param == "provider.quality"


def test_usage_is_only_for_streams() -> None:
    assert completion(stream=True, stream_options={"include_usage": True}).include_usage
    assert refusal(stream_options={"include_usage": True}).param == "stream_options"
