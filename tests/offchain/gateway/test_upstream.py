"""Providers that lie, break off or refuse, over a real socket: nothing unchecked gets through."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from eth_account import Account

from assay.core.errors import AssayError, InputError, UpstreamError
from assay.core.hashes import OUTPUT_SIDE, PROMPT_SIDE, job_id
from assay.core.signing import sign_receipt
from assay.core.tokens import TokenList
from assay.core.types import Job, Receipt
from assay.core.wire import hexed, to_json
from assay.gateway.store import Answered, SignedJob
from assay.gateway.upstream import Unavailable, fetch_offer, make_client, stream_job

CHAIN, SETTLEMENT = 31337, "0x" + "99" * 20
PROVIDER = Account.from_key(bytes([7]) * 32)
SALT = bytes([3]) * 32
PROMPT, OUTPUT = (1, 2, 3), (10, 11)


class Upstream:
    """An HTTP server whose answers a test sets: status, body, and whether it hangs up early."""

    def __init__(self) -> None:
        upstream = self
        self.status, self.body, self.promised = 200, b"", 0

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                self._answer()

            def do_GET(self) -> None:
                self._answer()

            def _answer(self) -> None:
                self.send_response(upstream.status)
                self.send_header("content-length", str(len(upstream.body) + upstream.promised))
                self.end_headers()
                self.wfile.write(upstream.body)
                self.close_connection = True

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        serve = self._server.serve_forever
        threading.Thread(target=serve, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def lines(self, *values: Any) -> None:
        self.body = "".join(json.dumps(value) + "\n" for value in values).encode()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    server = Upstream()
    yield server
    server.close()


def signed(url: str) -> SignedJob:
    job = Job(
        bytes(32), "0x" + "11" * 20, str(PROVIDER.address),
        TokenList(PROMPT, SALT, PROMPT_SIDE).root, len(PROMPT), 4, 0, bytes(32),
        10**6, 10**6, 100, 2**40, 0, bytes(32),
    )  # fmt: skip
    return SignedJob(job_id(job, CHAIN, SETTLEMENT), "m", job, b"", SALT, PROMPT, url, 0.0)


def receipt(job: SignedJob, output: tuple[int, ...] = OUTPUT) -> Receipt:
    root = TokenList(output, SALT, OUTPUT_SIDE).root
    return Receipt(job.job_id, root, len(output), job.job.price(len(output)))


def last_line(statement: Receipt, signer: Any = PROVIDER) -> dict[str, Any]:
    signature = sign_receipt(signer, statement, CHAIN, SETTLEMENT)
    return {"receipt": to_json(statement), "signature": hexed(signature)}


def collect(job: SignedJob) -> list[int | Answered]:
    async def run() -> list[int | Answered]:
        async with make_client() as client:
            return [item async for item in stream_job(client, job, CHAIN, SETTLEMENT)]

    return asyncio.run(run())


def test_default_behavior(upstream: Upstream) -> None:
    job = signed(upstream.url)
    opening = {"job_id": hexed(job.job_id)}
    upstream.lines(opening, *({"token": t} for t in OUTPUT), last_line(receipt(job)))
    *tokens, answered = collect(job)
    assert tuple(tokens) == OUTPUT
    assert isinstance(answered, Answered)
    assert answered.receipt == receipt(job)


LIES: dict[str, Callable[[Receipt], Receipt]] = {
    "another job": lambda r: replace(r, job_id=bytes(32)),
    "another output": lambda r: replace(r, output_root=bytes(32)),
    "another count": lambda r: replace(r, output_tokens=3),
    "another price": lambda r: replace(r, price=r.price + 1),
}


@pytest.mark.parametrize("lie", LIES)
def test_revert_a_receipt_over_something_else(upstream: Upstream, lie: str) -> None:
    job = signed(upstream.url)
    upstream.lines(*({"token": t} for t in OUTPUT), last_line(LIES[lie](receipt(job))))
    with pytest.raises(UpstreamError, match="is not the answer's"):
        collect(job)


def test_revert_a_signature_of_somebody_else(upstream: Upstream) -> None:
    job = signed(upstream.url)
    stranger = Account.from_key(bytes([8]) * 32)
    upstream.lines(*({"token": t} for t in OUTPUT), last_line(receipt(job), stranger))
    with pytest.raises(UpstreamError, match="not signed"):
        collect(job)


@pytest.mark.parametrize("output", [(), (1, 2, 3, 4, 5)])
def test_revert_a_length_that_was_not_asked_for(
    upstream: Upstream, output: tuple[int, ...]
) -> None:
    job = signed(upstream.url)
    upstream.lines(*({"token": t} for t in output), last_line(receipt(job, output)))
    with pytest.raises(UpstreamError, match="not asked for"):
        collect(job)


@pytest.mark.parametrize(
    "line", [{"token": -1}, {"token": 2**32}, {"token": "x"}, {"receipt": {}}, [], 5, "text"]
)
def test_revert_a_malformed_line(upstream: Upstream, line: Any) -> None:
    upstream.lines({"token": 10}, line)
    with pytest.raises(UpstreamError):
        collect(signed(upstream.url))


def test_revert_a_stream_without_receipt(upstream: Upstream) -> None:
    upstream.lines({"token": 10})
    with pytest.raises(UpstreamError, match="without a receipt"):
        collect(signed(upstream.url))


def test_an_error_in_the_stream_is_passed_on(upstream: Upstream) -> None:
    upstream.lines({"token": 10}, {"error": {"message": "out of memory"}})
    with pytest.raises(UpstreamError, match="out of memory"):
        collect(signed(upstream.url))


def test_a_connection_that_breaks_is_unavailable_only_before_the_first_token(
    upstream: Upstream,
) -> None:
    upstream.promised = 10
    with pytest.raises(Unavailable):
        collect(signed(upstream.url))
    upstream.lines({"token": 10})
    with pytest.raises(UpstreamError) as caught:
        collect(signed(upstream.url))
    assert not isinstance(caught.value, Unavailable)


def test_nobody_there_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        collect(signed("http://127.0.0.1:1"))


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (503, "overloaded", Unavailable),
        (500, "error", Unavailable),
        (402, "price", Unavailable),
        (402, "insufficient_funds", InputError),
        (400, "context_length_exceeded", InputError),
    ],
)
def test_refusals_that_others_may_not_share(
    upstream: Upstream, status: int, code: str, kind: type[AssayError]
) -> None:
    upstream.status = status
    upstream.lines({"error": {"code": code, "message": "no"}})
    with pytest.raises(kind) as caught:
        collect(signed(upstream.url))
    if isinstance(caught.value, InputError):
        assert (caught.value.status, caught.value.code) == (status, code)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"address": "x"}', b"\xff"])
def test_revert_an_offer_that_is_none(upstream: Upstream, body: bytes) -> None:
    upstream.body = body

    async def ask() -> None:
        async with make_client() as client:
            await fetch_offer(client, upstream.url)

    with pytest.raises(UpstreamError):
        asyncio.run(ask())
