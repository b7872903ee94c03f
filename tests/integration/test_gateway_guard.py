"""What a gateway keeps from strangers: its time, its network, its owners' things, its wire."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Literal

import httpx
import openai
import pytest

from assay.gateway.bodies import MAX_BODY_BYTES
from tests.integration.arena import Arena
from tests.integration.branch import Branch, bearer
from tests.integration.services import Running, running
from tests.integration.town import MODEL, PROMPT, Town
from tests.support.certificates import NEEDS_OPENSSL, make_certificate

A_MINUTE = 30
"""Requests of an address without a key."""
COMPLETIONS: Literal["/v1/completions"] = "/v1/completions"
CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def guarded(town: Town, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Branch]:
    """A gateway that asks for keys."""
    settings: dict[str, Any] = {
        "provider_urls": town.provider.url, "access": "keys", "public_url": "http://gateway.test",
        "address_requests_per_minute": A_MINUTE,
    }  # fmt: skip
    folder: Path = tmp_path_factory.mktemp("guarded")
    command = ["gateway", "serve"]
    gateway = lambda: Running(  # noqa: E731
        town.arena, folder, command, "consumer", **settings
    )
    with running(gateway) as one, ExitStack() as clients:
        yield Branch(town, one, "", clients)


@pytest.fixture(scope="module")
def key(guarded: Branch) -> str:
    """Of an owner with money."""
    customer = guarded.customer(micro_usd=1_000)
    customer.open_channel(1_000)
    return str(customer.make_key()["key"])


def pieces(size: int) -> Iterator[bytes]:
    """A body whose length no header tells."""
    for _ in range(size // 65_536 + 1):
        yield b" " * 65_536


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("path", [COMPLETIONS, CHAT, "/v1/embeddings", "/v1/responses", "/v1/keys"])
def test_bodies_are_bounded(guarded: Branch, key: str, path: str, told: bool) -> None:
    size = MAX_BODY_BYTES + 1
    content: Any = b" " * size if told else pieces(size)
    with suppress(httpx.WriteError, httpx.ReadError):  # it may hang up before all of it was sent
        answer = httpx.post(
            f"{guarded.url()}{path}", content=content, headers=bearer(key), timeout=60
        )
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    assert guarded.ask(bearer(key)).status_code == 200


@pytest.mark.parametrize(
    ("header", "length", "status"),
    [("Authorization", 20_000, 401), ("X-PAYMENT", 20_000, 402)],
)
def test_headers_are_bounded(guarded: Branch, header: str, length: int, status: int) -> None:
    body = {"model": MODEL, "prompt": PROMPT}
    given = {header: "a" * length}
    answer = httpx.post(f"{guarded.url()}{COMPLETIONS}", json=body, headers=given, timeout=60)
    assert answer.status_code == status


def test_an_address_has_its_limit(guarded: Branch) -> None:
    """A proxy on this machine says whose request it is; who is told to wait is told how long."""
    url = f"{guarded.url()}/v1/auth/challenge"
    wallet = {"address": guarded.payee}

    def ask(address: str) -> httpx.Response:
        return httpx.get(url, params=wallet, headers={"X-Forwarded-For": address}, timeout=60)

    answers = [ask("203.0.113.9") for _ in range(2 * A_MINUTE)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert answers[0].status_code == 200 and refused
    for answer in refused:
        assert answer.json()["error"]["code"] == "rate_limit_exceeded"
        assert int(answer.headers["retry-after"]) >= 1
    assert ask("203.0.113.10").status_code == 200


class Listener:
    """A server of an attacker's, that counts who comes."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.visits = 0
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self.visits += 1  # before the visitor can notice
                connection.close()

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    found = Listener()
    yield found
    found.close()


def naming(url: str) -> list[tuple[str, dict[str, Any], dict[str, str]]]:
    """Requests that name a URL wherever one might be followed: path, body, headers."""
    image = {"type": "image_url", "image_url": {"url": url}}
    shown = {"type": "input_image", "image_url": url}
    file = {"type": "input_file", "file_url": url}
    server = {"type": "mcp", "server_label": "a", "server_url": url}
    asked = {"model": MODEL, "prompt": PROMPT, "max_tokens": 1}
    payment = {
        "x402Version": 1, "scheme": "exact", "network": "eip155:31337", "resource": url,
        "facilitator": url, "payload": {"signature": url, "authorization": {"from": url}},
    }  # fmt: skip
    paying = {"X-PAYMENT": b64encode(json.dumps(payment).encode()).decode()}
    return [
        (CHAT, {"model": MODEL, "messages": [{"role": "user", "content": [image]}]}, {}),
        ("/v1/responses", {"model": MODEL, "input": [{"role": "user", "content": [shown]}]}, {}),
        ("/v1/responses", {"model": MODEL, "input": [{"role": "user", "content": [file]}]}, {}),
        ("/v1/responses", {"model": MODEL, "input": "x", "tools": [server]}, {}),
        (COMPLETIONS, {**asked, "provider": {"order": [url]}}, {}),
        (COMPLETIONS, {**asked, "model": url}, {}),
        (COMPLETIONS, asked, paying),
        ("/v1/batches", {"input_file_id": url, "endpoint": url, "completion_window": "24h"}, {}),
        ("/v1/keys", {"message": f"{url} wants you to sign in", "signature": "0x"}, {}),
    ]  # fmt: skip


def test_urls_in_requests_are_not_fetched(guarded: Branch, key: str, listener: Listener) -> None:
    for path, body, headers in naming(listener.url):
        given = headers or bearer(key)
        answer = httpx.post(f"{guarded.url()}{path}", json=body, headers=given, timeout=60)
        assert 400 <= answer.status_code < 500, answer.text
    assert listener.visits == 0
    with pytest.raises(httpx.HTTPError):
        httpx.get(listener.url, timeout=60)  # it would have been seen
    assert listener.visits == 1


def test_what_owners_have_is_theirs(guarded: Branch, key: str) -> None:
    """Of another owner's files, batches and responses nothing is shown or changed."""
    mine = guarded.client(key)
    theirs = guarded.client(guarded.customer().make_key()["key"])
    line = {"custom_id": "a", "method": "POST", "url": COMPLETIONS, "body": {"model": "none"}}
    file = mine.files.create(file=("in.jsonl", json.dumps(line).encode()), purpose="batch")
    batch = mine.batches.create(
        input_file_id=file.id, endpoint=COMPLETIONS, completion_window="24h"
    )
    said = mine.responses.create(
        model=MODEL, input=PROMPT, max_output_tokens=2, extra_body=guarded.town.honest()
    )
    for attempt in (
        lambda: theirs.files.retrieve(file.id),
        lambda: theirs.files.content(file.id),
        lambda: theirs.files.delete(file.id),
        lambda: theirs.batches.retrieve(batch.id),
        lambda: theirs.batches.cancel(batch.id),
        lambda: theirs.batches.create(
            input_file_id=file.id, endpoint=COMPLETIONS, completion_window="24h"
        ),
        lambda: theirs.responses.retrieve(said.id),
        lambda: theirs.responses.delete(said.id),
        lambda: theirs.responses.input_items.list(said.id),
    ):
        with pytest.raises(openai.NotFoundError):
            attempt()
    with pytest.raises(openai.BadRequestError) as caught:
        theirs.responses.create(model=MODEL, input="more", previous_response_id=said.id)
    assert caught.value.code == "previous_response_not_found"
    assert not theirs.files.list().data and not theirs.batches.list().data
    assert mine.files.retrieve(file.id) == file and mine.responses.retrieve(said.id) == said


def test_a_provider_is_told_of_its_own_jobs_only(town: Town) -> None:
    """Another one that serves the same model has seen neither prompt nor job."""
    answer: Any = town.client.completions.create(
        model=MODEL, prompt=PROMPT, max_tokens=2, extra_body=town.honest()
    )
    receipt_id = answer.model_extra["assay"]["receipt_id"]
    found = town.when(receipt_id, "posted")
    place = f"/v1/claims/{found['batch']['batch_id']}/{found['batch']['index']}"
    assert httpx.get(f"{town.provider.url}{place}", timeout=60).status_code == 200  # a public job
    for path in (f"/v1/jobs/{receipt_id}", place):
        assert httpx.get(f"{town.cheat.url}{path}", timeout=60).status_code == 404


@NEEDS_OPENSSL
def test_tls_from_client_to_provider(
    arena: Arena, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.certificate))
    arena.add_bond("honest provider", claims=5)

    def start(name: str, role: str, **settings: object) -> Running:
        folder = tmp_path / name
        folder.mkdir()
        return Running(arena, folder, [name, "serve"], role, **made.settings(), **settings)

    with (
        running(lambda: start("provider", "honest provider")) as (provider,),
        running(lambda: start("gateway", "consumer", provider_urls=provider.url)) as (gateway,),
    ):
        assert provider.url.startswith("https:") and gateway.url.startswith("https:")
        with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0) as client:
            answer = client.completions.create(model=MODEL, prompt=PROMPT, max_tokens=2)
            assert answer.usage is not None and answer.usage.completion_tokens == 2
        with pytest.raises(httpx.HTTPError):
            httpx.get(gateway.url.replace("https:", "http:") + "/health", timeout=60)
        stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(f"{gateway.url}/health", verify=stranger, timeout=60)
