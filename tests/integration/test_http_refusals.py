"""Bad input over HTTP: each a 4xx with a code in OpenAI's shape, and nothing changed."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any

import httpx
import openai
import pytest

from assay.core.signing import sign_job
from assay.core.types import Job
from assay.core.wire import hexed, to_json
from tests.integration.arena import greedy
from tests.integration.town import MODEL, PROMPT, Town, openai_error


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"model": "gpt-9"}, (404, "model_not_found", "model")),
        ({"prompt": ""}, (400, "empty_prompt", "prompt")),
        ({"prompt": "word " * 600}, (400, "context_length_exceeded", "prompt")),
        ({"max_tokens": 512}, (400, "context_length_exceeded", "max_tokens")),
        ({"max_tokens": 0}, (400, "invalid_value", "max_tokens")),
        ({"temperature": -0.5}, (400, "invalid_value", "temperature")),
        ({"temperature": 1e30}, (400, "invalid_value", "temperature")),
        ({"top_p": 0.9}, (400, "unsupported_parameter", "top_p")),
        ({"n": 99}, (400, "invalid_value", "n")),
        ({"logprobs": 3}, (400, "unsupported_parameter", "logprobs")),
        ({"extra_body": {"top_k": 4}}, (400, "unsupported_parameter", "top_k")),
        (
            {"extra_body": {"provider": {"only": ["0x" + "11" * 20]}}},
            (404, "provider_not_found", "provider.only"),
        ),
        ({"prompt": [5, 4096]}, (400, "invalid_value", "prompt")),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_requests(
    town: Town, change: dict[str, Any], expected: tuple[int, str, str | None]
) -> None:
    before = httpx.get(f"{town.provider.url}/health").json()["claims"]
    request = {"model": MODEL, "prompt": PROMPT, "max_tokens": 2, "extra_body": town.honest()}
    assert openai_error(town, **{**request, **change}) == expected
    after = httpx.get(f"{town.provider.url}/health").json()["claims"]
    assert sum(after.values()) == sum(before.values())


def test_the_next_request_is_served(town: Town) -> None:
    """After a refusal of each kind, by the gateway and by the provider, and a stream cut off."""
    asked = {"model": MODEL, "max_tokens": 3, "temperature": 0, "extra_body": town.honest()}
    first = town.client.completions.create(prompt=PROMPT, **asked).choices[0].text
    for prompt in ("", "word " * 600, [5, 4096], "\ud800"):
        with pytest.raises((openai.APIStatusError, UnicodeEncodeError)):
            town.client.completions.create(prompt=prompt, **asked)
        assert town.client.completions.create(prompt=PROMPT, **asked).choices[0].text == first
    refused = send_job(town, town.arena.job(TOKENS, greedy(600), SALT))
    assert refused.json()["error"]["code"] == "context_length_exceeded"
    with httpx.stream(
        "POST",
        f"{town.gateway.url}/v1/completions",
        json={"model": MODEL, "prompt": PROMPT, "max_tokens": 200, "stream": True, **town.honest()},
        timeout=60,
    ) as cut:
        next(cut.iter_lines())
    assert town.client.completions.create(prompt=PROMPT, **asked).choices[0].text == first


def test_chats_that_the_template_does_not_know(town: Town) -> None:
    tool = {"type": "function", "function": {"name": "add", "parameters": {}}}
    user = {"role": "user", "content": PROMPT}
    body = {"model": MODEL, "messages": [user], "max_tokens": 2, **town.honest()}
    url = f"{town.gateway.url}/v1/chat/completions"
    response = httpx.post(url, json={**body, "tools": [tool]}, timeout=30)
    assert (response.status_code, response.json()["error"]["param"]) == (400, "tools")
    assert "knows no tools" in response.json()["error"]["message"]
    assert httpx.post(url, json=body, timeout=30).status_code == 200


def test_embeddings_of_a_model_that_gives_tokens(town: Town) -> None:
    with pytest.raises(openai.BadRequestError, match="gives tokens; ask for them at") as caught:
        town.client.embeddings.create(model=MODEL, input=PROMPT)
    assert (caught.value.code, caught.value.param) == ("wrong_endpoint", "model")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"model": "pydoc-4m", "prompt": "\xff"}', "invalid_utf8"),
        (b'{"model": "pydoc-4m", "prompt": "\\ud800"}', "invalid_utf8"),
        (b"{", "invalid_json"),
        (b"[" * 5000, "invalid_json"),
    ],
    ids=["bytes", "surrogate", "broken", "deep"],
)
def test_bodies_that_are_no_json(town: Town, body: bytes, code: str) -> None:
    response = httpx.post(f"{town.gateway.url}/v1/completions", content=body)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == code


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/receipts/0x" + "00" * 32, 404, "receipt_not_found"),
        ("/v1/receipts/nonsense", 400, "malformed"),
        ("/v1/models/nothing", 404, "model_not_found"),
        ("/v2/nothing", 404, "unknown_url"),
    ],
)
def test_paths_that_lead_nowhere(town: Town, path: str, status: int, code: str) -> None:
    response = httpx.get(f"{town.gateway.url}{path}")
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/jobs/0x" + "00" * 32, 404),
        ("/v1/claims/0x" + "00" * 32 + "/0", 404),
        ("/v1/claims/0x00/0", 400),
    ],
)
def test_a_provider_knows_only_its_own(town: Town, path: str, status: int) -> None:
    assert httpx.get(f"{town.provider.url}{path}").status_code == status


TOKENS = [0, 5, 6]
SALT = bytes(range(32))


def send_job(town: Town, job: Job, signature: bytes | None = None, **more: Any) -> httpx.Response:
    """`POST /v1/jobs` at the honest provider, as a gateway does it."""
    account = town.arena.parties["consumer"].account
    network = town.arena.network
    signed = sign_job(account, job, network.chain_id, network.settlement.address)
    body = {
        "job": to_json(job),
        "signature": hexed(signed if signature is None else signature),
        "tokens": TOKENS,
        "salt": hexed(SALT),
        **more,
    }
    return httpx.post(f"{town.provider.url}/v1/jobs", json=body, timeout=30)


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"provider": "0x" + "11" * 20}, 400, "wrong_provider"),
        ({"model_root": bytes(32)}, 404, "model_not_found"),
        ({"prompt_root": bytes(32)}, 400, "prompt_root"),
        ({"prompt_tokens": 4}, 400, "prompt_tokens"),
        ({"max_output_tokens": 600}, 400, "context_length_exceeded"),
        ({"inv_temperature": 5}, 400, "temperature"),
        ({"price_output": 0}, 402, "price"),
        ({"max_price": 0}, 402, "max_price"),
        ({"deadline": 1_000_000}, 503, "deadline"),
        ({"consumer": "0x" + "11" * 20}, 401, "bad_signature"),
        ({"price_output": 10**13, "max_price": 10**12}, 402, "insufficient_funds"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_jobs_that_a_provider_refuses(
    town: Town, change: dict[str, Any], status: int, code: str
) -> None:
    job = replace(town.arena.job(TOKENS, greedy(3), SALT), **change)
    response = send_job(town, job)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize("signature", [b"", bytes(65), secrets.token_bytes(65)], ids=len)
def test_signatures_that_are_none(town: Town, signature: bytes) -> None:
    response = send_job(town, town.arena.job(TOKENS, greedy(3), SALT), signature)
    assert (response.status_code, response.json()["error"]["code"]) == (401, "bad_signature")


@pytest.mark.parametrize("elsewhere", ["chain", "settlement"])
def test_a_signature_for_another_network_is_none(town: Town, elsewhere: str) -> None:
    """The same job, signed by the same consumer, for another chain or another contract."""
    network, job = town.arena.network, town.arena.job(TOKENS, greedy(3), SALT)
    place: tuple[int, str] = network.chain_id + 1, network.settlement.address
    if elsewhere == "settlement":
        place = network.chain_id, network.ledger.address
    signature = sign_job(town.arena.parties["consumer"].account, job, *place)
    response = send_job(town, job, signature)
    assert (response.status_code, response.json()["error"]["code"]) == (401, "bad_signature")


def test_a_job_that_can_wait_says_so_in_a_word(town: Town) -> None:
    job = town.arena.job(TOKENS, greedy(3), SALT)
    response = send_job(town, job, can_wait="yes")
    error = response.json()["error"]
    assert (response.status_code, error["param"]) == (400, "can_wait")


@pytest.mark.parametrize("apart", [-1, 1001, "soon", 1.5])
def test_pieces_are_so_far_apart_as_a_number_says(town: Town, apart: object) -> None:
    job = town.arena.job(TOKENS, greedy(3), SALT)
    response = send_job(town, job, apart_ms=apart)
    error = response.json()["error"]
    assert (response.status_code, error["param"]) == (400, "apart_ms")
    assert "from 0 to 1000" in error["message"]


def test_a_job_runs_once(town: Town) -> None:
    job = town.arena.job(TOKENS, greedy(3), SALT)
    assert send_job(town, job).status_code == 200
    second = send_job(town, job)
    assert (second.status_code, second.json()["error"]["code"]) == (409, "duplicate_job")
