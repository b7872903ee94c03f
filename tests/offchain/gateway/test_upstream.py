"""Providers that lie, break off or refuse, over a real socket: nothing unchecked gets through."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from eth_account import Account

from assay.core.errors import AssayError, InputError, UpstreamError
from assay.core.hashes import OUTPUT_SIDE, PROMPT_SIDE, job_id
from assay.core.outputs import output_root
from assay.core.signing import sign_receipt
from assay.core.tokens import TokenList
from assay.core.types import NONE, Job, Model, Receipt
from assay.core.wire import hexed, to_json
from assay.gateway.client import MAX_LINE, Client, Timeouts
from assay.gateway.store import Answered, SignedJob
from assay.gateway.upstream import Item, Offer, Unavailable, fetch_offers, stream_job

CHAIN, SETTLEMENT = 31337, "0x" + "99" * 20
PROVIDER = Account.from_key(bytes([7]) * 32)
SALT = bytes([3]) * 32
PROMPT, OUTPUT = (1, 2, 3), (10, 11)
MODEL = Model(1, *([bytes(32)] * 5), 10, 10, 2, 100, 16, 14, 1, (0,))
ENCODER = replace(MODEL, gumbel_table=NONE, eos_tokens=())
ROW = (-(2**31), 5, 2**31 - 1)
USUAL = Timeouts()
HASTY = Timeouts(connect=5.0, first_token=0.2, token=0.2, total=5.0)
"""For providers that say nothing."""


class Upstream:
    """An HTTP server whose answers a test sets: status, body, and how it ends.

    `promised` bytes are announced besides and never come: with `hangs` it waits, else it hangs up.
    """

    def __init__(self) -> None:
        upstream = self
        self.status, self.body, self.promised = 200, b"", 0
        self.headers: dict[str, str] = {}
        self.hangs, self.closing = False, threading.Event()
        self.asked: list[str] = []
        self.sent: list[dict[str, Any]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                upstream.sent.append(
                    json.loads(self.rfile.read(int(self.headers["content-length"])))
                )
                self._answer()

            def do_GET(self) -> None:
                self._answer()

            def _answer(self) -> None:
                upstream.asked.append(self.path)
                self.send_response(upstream.status)
                self.send_header("content-length", str(len(upstream.body) + upstream.promised))
                for name, value in upstream.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                with suppress(ConnectionError):
                    self.wfile.write(upstream.body)
                if upstream.hangs:
                    upstream.closing.wait(10)
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
        self.closing.set()
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


def collect(job: SignedJob, model: Model = MODEL, timeouts: Timeouts = USUAL) -> list[Item]:
    async def run() -> list[Item]:
        async with Client(timeouts) as client:
            return [item async for item in stream_job(client, job, model, CHAIN, SETTLEMENT)]

    return asyncio.run(run())


def test_default_behavior(upstream: Upstream) -> None:
    job = signed(upstream.url)
    opening = {"job_id": hexed(job.job_id)}
    upstream.lines(opening, *({"token": t} for t in OUTPUT), last_line(receipt(job)))
    tokens, answered = collect(job)
    assert tokens == OUTPUT, "what comes together is passed on together"
    assert isinstance(answered, Answered)
    assert answered.receipt == receipt(job)


@pytest.mark.parametrize(
    ("whole", "silence", "apart"), [(False, 30.0, None), (True, 30.0, 500), (True, 0.4, 100)]
)
def test_what_nobody_reads_before_its_end_may_come_in_few_pieces(
    upstream: Upstream, whole: bool, silence: float, apart: int | None
) -> None:
    """Yet often enough not to be taken for silent."""
    job = signed(upstream.url)
    upstream.lines(*({"token": t} for t in OUTPUT), last_line(receipt(job)))

    async def run() -> None:
        async with Client(replace(USUAL, token=silence)) as client:
            async for _ in stream_job(client, job, MODEL, CHAIN, SETTLEMENT, whole):
                pass

    asyncio.run(run())
    assert upstream.sent[-1].get("apart_ms") == apart


def test_tokens_of_other_writers(upstream: Upstream) -> None:
    """JSON has more than one way to say a number, and an object may say more."""
    job = signed(upstream.url)
    texts = ['{"token":10}', ' {"token": "11"}', '{"token": 12, "at": 5}', '{"token": 4294967295}']
    output = (10, 11, 12, 2**32 - 1)
    last = json.dumps(last_line(receipt(job, output)))
    upstream.body = "\n".join((*texts, last)).encode()
    *tokens, answered = collect(job)
    assert isinstance(answered, Answered)
    given = tuple(token for item in tokens if isinstance(item, tuple) for token in item)
    assert answered.output == given == output


def test_what_came_before_a_malformed_line_is_given(upstream: Upstream) -> None:
    upstream.lines({"token": 10}, {"token": 11}, {"token": -1})
    job, got = signed(upstream.url), list[Item]()

    async def run() -> None:
        async with Client(USUAL) as client:
            async for item in stream_job(client, job, MODEL, CHAIN, SETTLEMENT):
                got.append(item)

    with pytest.raises(UpstreamError, match="malformed") as caught:
        asyncio.run(run())
    assert got == [(10, 11)]
    assert not isinstance(caught.value, Unavailable)


def test_too_much_at_once_is_unavailable(upstream: Upstream) -> None:
    """Nothing of it was passed on, so another provider may be asked."""
    upstream.lines(*({"token": token} for token in range(5)))
    with pytest.raises(Unavailable, match="not asked for") as caught:
        collect(signed(upstream.url))
    assert caught.value.sent


def embedded(job: SignedJob, row: tuple[int, ...] = ROW, count: int = 1) -> Receipt:
    root = output_root(ENCODER, row, SALT)
    return Receipt(job.job_id, root, count, job.job.price(count))


def test_an_embedding(upstream: Upstream) -> None:
    job = signed(upstream.url)
    upstream.lines({"embedding": list(ROW)}, last_line(embedded(job)))
    row, answered = collect(job, ENCODER)
    assert row == ROW
    assert isinstance(answered, Answered)
    assert (answered.output, answered.receipt) == (ROW, embedded(job))


@pytest.mark.parametrize("row", [(5, -(2**31), 2**31 - 1), ROW[:2], (*ROW, 0)])
def test_revert_a_receipt_over_another_embedding(upstream: Upstream, row: tuple[int, ...]) -> None:
    job = signed(upstream.url)
    upstream.lines({"embedding": list(row)}, last_line(embedded(job)))
    with pytest.raises(UpstreamError, match="output_root is not the answer's"):
        collect(job, ENCODER)


def test_revert_two_embeddings(upstream: Upstream) -> None:
    job = signed(upstream.url)
    upstream.lines({"embedding": list(ROW)}, last_line(embedded(job, count=2)))
    with pytest.raises(UpstreamError, match="output_tokens, price is not the answer's"):
        collect(job, ENCODER)


@pytest.mark.parametrize("line", [{"embedding": []}, {"embedding": [2**31]}, {"token": 5}, {}])
def test_revert_no_embedding(upstream: Upstream, line: Any) -> None:
    job = signed(upstream.url)
    upstream.lines(line, last_line(embedded(job)))
    with pytest.raises(UpstreamError, match="sent no output"):
        collect(job, ENCODER)


def test_revert_an_embedding_of_a_model_that_gives_tokens(upstream: Upstream) -> None:
    upstream.lines({"embedding": [1, 2]}, last_line(receipt(signed(upstream.url), (1, 2))))
    with pytest.raises(UpstreamError):
        collect(signed(upstream.url))


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
    assert len(upstream.asked) == 1


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
    with pytest.raises(Unavailable) as caught:
        collect(signed("http://127.0.0.1:1"))
    assert not caught.value.sent


@pytest.mark.parametrize("lines", [[], [{"job_id": "0x"}]])
def test_silence_before_the_first_token_is_unavailable(upstream: Upstream, lines: Any) -> None:
    """It may have taken the job: what it was sent is not forgotten."""
    upstream.hangs, upstream.promised = True, 100
    upstream.lines(*lines)
    with pytest.raises(Unavailable, match="silent for too long") as caught:
        collect(signed(upstream.url), timeouts=HASTY)
    assert caught.value.sent


def test_revert_silence_between_two_tokens(upstream: Upstream) -> None:
    upstream.hangs, upstream.promised = True, 100
    upstream.lines({"token": 10})
    with pytest.raises(UpstreamError, match="silent for too long") as caught:
        collect(signed(upstream.url), timeouts=HASTY)
    assert not isinstance(caught.value, Unavailable)


def test_revert_an_answer_that_takes_too_long_in_all(upstream: Upstream) -> None:
    upstream.hangs, upstream.promised = True, 100
    upstream.lines({"token": 10})
    with pytest.raises(UpstreamError, match="silent for too long"):
        collect(signed(upstream.url), timeouts=replace(HASTY, token=60.0, total=0.3))


@pytest.mark.parametrize(
    "body", [b"x" * (MAX_LINE + 10), b"<html>", b"\x00\xff\n"], ids=["long", "html", "bytes"]
)
def test_garbage_before_the_first_token_is_unavailable(upstream: Upstream, body: bytes) -> None:
    upstream.body = body
    with pytest.raises(Unavailable) as caught:
        collect(signed(upstream.url))
    assert caught.value.sent


def test_a_redirect_is_not_followed(upstream: Upstream) -> None:
    upstream.status = 307
    upstream.headers = {"location": f"{upstream.url}/elsewhere"}
    with pytest.raises(Unavailable, match="answered 307"):
        collect(signed(upstream.url))
    assert upstream.asked == ["/v1/jobs"]


def test_nothing_is_decompressed(upstream: Upstream) -> None:
    """A small body that becomes gigabytes stays small."""
    upstream.headers = {"content-encoding": "gzip"}
    upstream.body = gzip.compress(b"\0" * 10_000_000)
    with pytest.raises(Unavailable):
        collect(signed(upstream.url))


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (503, "overloaded", Unavailable),
        (503, "deadline", Unavailable),
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
    elif isinstance(caught.value, Unavailable):
        assert caught.value.refused == (code in ("overloaded", "deadline", "price"))


def offers(upstream: Upstream) -> list[Offer]:
    async def ask() -> list[Offer]:
        async with Client(Timeouts()) as client:
            return await fetch_offers(client, upstream.url)

    return asyncio.run(ask())


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"address": "x"}', b"\xff"])
def test_revert_an_offer_that_is_none(upstream: Upstream, body: bytes) -> None:
    upstream.body = body
    with pytest.raises(UpstreamError):
        offers(upstream)


DESCRIBED: dict[str, Any] = {
    "id": "m", "root": "0x" + "00" * 32, "context_length": 16, "dimensions": None,
    "price_input": 5, "price_output": 7, "running": 0,
}  # fmt: skip


def test_an_offer_of_a_provider_that_says_no_more_than_it_must(upstream: Upstream) -> None:
    upstream.lines({"address": str(PROVIDER.address), "models": [DESCRIBED]})
    (found,) = offers(upstream)
    assert (found.price_output, found.capacity, found.batch_discount_bps) == (7, 1, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"price_input": -1},
        {"price_output": 2**64},
        {"running": -1},
        {"batch_discount_bps": 10_001},
        {"batch_discount_bps": True},
        {"dimensions": "x"},
    ],
    ids=str,
)
def test_revert_an_offer_that_no_job_can_be_signed_at(
    upstream: Upstream, change: dict[str, Any]
) -> None:
    upstream.lines({"address": str(PROVIDER.address), "models": [DESCRIBED | change]})
    with pytest.raises(UpstreamError, match="is malformed"):
        offers(upstream)
