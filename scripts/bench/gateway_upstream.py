"""What both gateways stand before: one server with canned answers, as OpenAI's and as a provider.

    python -m scripts.bench.gateway_upstream CONFIG.json

POST /v1/chat/completions   OpenAI's answer, whole or streamed
POST /v1/jobs, GET /health  our providers' protocol: the receipt is over the posted job and the
                            canned tokens, and its signature is real

Every answer has the same tokens, at once, so that what is measured is the gateway before it; a
provider's go out before it makes the receipt over them, as a real one's do. It speaks HTTP/1.1
itself: a web framework would take more of the processor than the gateways under test leave.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount

from assay.core.hashes import OUTPUT_SIDE, job_id
from assay.core.signing import sign_receipt
from assay.core.tokens import TokenList
from assay.core.types import Receipt
from assay.core.wire import hexed, parse_bytes, parse_job, to_json

HOST = "127.0.0.1"
CREATED = 1_700_000_000
END = b"0\r\n\r\n"


@dataclass(frozen=True)
class Config:
    """What it answers.

    `key`: the provider's, of this run alone. `pieces`: the text of each token.
    """

    port: int
    chain_id: int
    settlement: str
    key: str
    model: str
    model_root: str
    context_length: int
    price_input: int
    price_output: int
    tokens: Sequence[int]
    pieces: Sequence[str]


class Provider:
    """Answers of our providers' protocol."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._account: LocalAccount = Account.from_key(config.key)
        self._tokens = [_line({"token": token}) for token in config.tokens]

    def health(self) -> dict[str, Any]:
        config = self._config
        model = {
            "id": config.model,
            "root": config.model_root,
            "context_length": config.context_length,
            "dimensions": None,
            "price_input": config.price_input,
            "price_output": config.price_output,
            "running": 0,
        }
        address = str(self._account.address)
        return {"status": "ok", "address": address, "models": [model], "games": 0, "claims": {}}

    def job(self, body: dict[str, Any]) -> tuple[list[bytes], Callable[[], bytes]]:
        """The lines of a job's stream up to the tokens, and what makes the receipt's."""
        config = self._config
        job, salt = parse_job(body["job"]), parse_bytes(body["salt"], "salt", 32)
        count = min(len(config.tokens), job.max_output_tokens)
        digest = job_id(job, config.chain_id, config.settlement)

        def receipt() -> bytes:
            root = TokenList(config.tokens[:count], salt, OUTPUT_SIDE).root
            made = Receipt(digest, root, count, job.price(count))
            signature = sign_receipt(self._account, made, config.chain_id, config.settlement)
            return _line({"receipt": to_json(made), "signature": hexed(signature)})

        return [_line({"job_id": hexed(digest)}), *self._tokens[:count]], receipt


class OpenAi:
    """Answers of OpenAI's protocol; made once."""

    def __init__(self, config: Config) -> None:
        head = {"id": "chatcmpl-1", "created": CREATED, "model": config.model}
        count = len(config.tokens)
        usage = {"prompt_tokens": 8, "completion_tokens": count, "total_tokens": 8 + count}
        message = {"role": "assistant", "content": "".join(config.pieces)}
        choice = {"index": 0, "message": message, "finish_reason": "length"}
        whole = {**head, "object": "chat.completion", "choices": [choice], "usage": usage}
        self.whole = json.dumps(whole).encode()
        chunk = {**head, "object": "chat.completion.chunk"}
        deltas: list[dict[str, str]] = [{"role": "assistant", "content": ""}]
        deltas += [{"content": piece} for piece in config.pieces]
        self.events = [_event(chunk, delta, None) for delta in deltas]
        self.events += [_event(chunk, {}, "length"), b"data: [DONE]\n\n"]


class Connection(asyncio.Protocol):
    """One client's connection; requests one after another."""

    def __init__(self, provider: Provider, openai: OpenAi) -> None:
        self._provider, self._openai = provider, openai
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._held += data
        while (end := self._held.find(b"\r\n\r\n")) >= 0:
            head = self._held[:end]
            last = end + 4 + _content_length(head)
            if len(self._held) < last:
                return
            body, self._held = self._held[end + 4 : last], self._held[last:]
            for piece in self._answer(head.split(b" ", 2)[1], body):
                self._transport.write(piece)

    def _answer(self, path: bytes, body: bytes) -> Iterator[bytes]:
        """What is written, each piece at once."""
        if path == b"/v1/jobs":
            tokens, receipt = self._provider.job(json.loads(body))
            yield _head(b"application/x-ndjson") + _chunks(tokens)
            yield _chunks([receipt()]) + END
        elif path == b"/v1/chat/completions":
            if json.loads(body).get("stream"):
                yield _head(b"text/event-stream") + _chunks(self._openai.events) + END
            else:
                yield _whole(self._openai.whole)
        elif path == b"/health":
            yield _whole(json.dumps(self._provider.health()).encode())
        else:
            yield b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def _whole(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % len(body) + body


def _head(kind: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ntransfer-encoding: chunked\r\n\r\n" % kind


def _chunks(parts: Sequence[bytes]) -> bytes:
    """Every part a chunk of its own, as servers send what comes bit by bit."""
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode() + b"\n"


def _event(chunk: dict[str, Any], delta: dict[str, str], finish: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({**chunk, "choices": [choice]}).encode() + b"\n\n"


async def serve(config: Config) -> None:
    provider, openai = Provider(config), OpenAi(config)
    make: Callable[[], Connection] = lambda: Connection(provider, openai)  # noqa: E731
    server = await asyncio.get_running_loop().create_server(make, HOST, config.port, backlog=1024)
    async with server:
        await server.serve_forever()


def main() -> None:
    asyncio.run(serve(Config(**json.loads(Path(sys.argv[1]).read_text()))))


if __name__ == "__main__":
    main()
