"""HTTP to the providers: what they offer, and one job at a time.

Trusts nothing that comes back: an answer that is not what was asked for raises `UpstreamError`.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import httpx

from assay.core.errors import AssayError, InputError, UpstreamError
from assay.core.hashes import OUTPUT_SIDE
from assay.core.signing import receipt_signer
from assay.core.tokens import TokenList
from assay.core.types import Receipt
from assay.core.wire import (
    MAX_TOKEN,
    hexed,
    parse_address,
    parse_bytes,
    parse_receipt,
    to_json,
)
from assay.gateway.store import Answered, SignedJob

CONNECT_SECONDS = 5.0
HEALTH_SECONDS = 3.0
TOKEN_SECONDS = 60.0
"""The longest silence between two tokens of a running job."""
RETRYABLE = frozenset(("overloaded", "provider_bond", "price", "chain", "node_unavailable"))
"""Refusals that another provider may not share."""


@dataclass(frozen=True)
class Offer:
    """A provider as it describes itself. Prices in micro-USD per million tokens."""

    url: str
    address: str
    model_id: str
    model_root: bytes
    context_length: int
    price_input: int
    price_output: int
    running: int


class Unavailable(UpstreamError):
    """The provider cannot take this job; nothing was streamed, another one may."""

    code = "provider_unavailable"


def make_client() -> httpx.AsyncClient:
    timeout = httpx.Timeout(TOKEN_SECONDS, connect=CONNECT_SECONDS)
    return httpx.AsyncClient(timeout=timeout, limits=httpx.Limits(max_connections=256))


async def fetch_offer(client: httpx.AsyncClient, url: str) -> Offer:
    """Ask a provider what it serves."""
    answer = await _get(client, f"{url}/health", HEALTH_SECONDS)
    try:
        model = answer["model"]
        return Offer(
            url=url,
            address=parse_address(answer["address"], "address"),
            model_id=str(model["id"]),
            model_root=parse_bytes(model["root"], "model.root", 32),
            context_length=int(model["context_length"]),
            price_input=int(answer["price_input"]),
            price_output=int(answer["price_output"]),
            running=int(answer["running"]),
        )
    except (KeyError, TypeError, ValueError, InputError) as error:
        raise UpstreamError(f"{url}/health is malformed: {error!r}") from error


async def fetch_job(client: httpx.AsyncClient, url: str, job_id: bytes) -> dict[str, Any] | None:
    """What became of a job; None if the provider does not know it (yet) or does not answer."""
    try:
        return await _get(client, f"{url}/v1/jobs/{hexed(job_id)}", HEALTH_SECONDS)
    except UpstreamError:
        return None


async def fetch_claim(
    client: httpx.AsyncClient, url: str, batch_id: str, index: int
) -> dict[str, Any]:
    """A claim's public data, unparsed."""
    return await _get(client, f"{url}/v1/claims/{batch_id}/{index}", HEALTH_SECONDS)


async def stream_job(
    client: httpx.AsyncClient, signed: SignedJob, chain_id: int, settlement: str
) -> AsyncGenerator[int | Answered, None]:
    """Tokens as they come, then the checked answer.

    Raises `Unavailable` before the first token if the provider refuses or cannot be reached,
    `UpstreamError` later if the stream breaks or ends in something that was not asked for.
    """
    output: list[int] = []
    try:
        async with client.stream("POST", f"{signed.provider_url}/v1/jobs", json=_body(signed)) as r:
            if r.status_code != 200:
                raise _refusal(signed, r.status_code, await r.aread())
            async for line in r.aiter_lines():
                item = _parse_line(line, signed.provider_url)
                if isinstance(item, int):
                    output.append(item)
                    yield item
                elif item is not None:
                    answered = Answered(tuple(output), *item)
                    check_answer(signed, answered, chain_id, settlement)
                    yield answered
                    return
    except httpx.HTTPError as error:
        kind = UpstreamError if output else Unavailable
        raise kind(f"{signed.provider_url} failed: {type(error).__name__}") from error
    raise UpstreamError(f"{signed.provider_url} ended the stream without a receipt")


def check_answer(signed: SignedJob, answered: Answered, chain_id: int, settlement: str) -> None:
    """The receipt is the provider's word over exactly the tokens that it sent, at the price."""
    job, receipt = signed.job, answered.receipt
    expected = Receipt(
        job_id=signed.job_id,
        output_root=TokenList(answered.output, signed.salt, OUTPUT_SIDE).root,
        output_tokens=len(answered.output),
        price=job.price(len(answered.output)),
    )
    if receipt != expected:
        wrong = [name for name, value in vars(expected).items() if getattr(receipt, name) != value]
        raise UpstreamError(f"{job.provider}: the receipt's {', '.join(wrong)} is not the answer's")
    if not 1 <= receipt.output_tokens <= job.max_output_tokens:
        raise UpstreamError(f"{job.provider}: {receipt.output_tokens} tokens were not asked for")
    if receipt_signer(receipt, answered.signature, chain_id, settlement) != job.provider:
        raise UpstreamError(f"{job.provider}: the receipt is not signed by it")


def _body(signed: SignedJob) -> dict[str, Any]:
    return {
        "job": to_json(signed.job),
        "signature": hexed(signed.signature),
        "tokens": list(signed.prompt),
        "salt": hexed(signed.salt),
    }


def _parse_line(line: str, url: str) -> int | tuple[Receipt, bytes] | None:
    """A token, the signed receipt, or None for a line that only opens the stream."""
    try:
        item = json.loads(line)
        if "token" in item:
            token = int(item["token"])
            if not 0 <= token <= MAX_TOKEN:
                raise ValueError(f"token {token}")
            return token
        if "receipt" in item:
            return parse_receipt(item["receipt"]), parse_bytes(item["signature"], "signature")
        if "error" in item:
            raise UpstreamError(f"{url}: {str(item['error'].get('message'))[:200]}")
    except (ValueError, TypeError, KeyError, AttributeError, InputError) as error:
        raise UpstreamError(f"{url} sent a malformed line: {error!r}") from error
    return None


def _refusal(signed: SignedJob, status: int, body: bytes) -> AssayError:
    """The provider's error: `Unavailable` where another may do better, else the consumer's."""
    try:
        error = json.loads(body)["error"]
        code, message = str(error["code"]), str(error["message"])[:300]
    except (ValueError, KeyError, TypeError):
        return Unavailable(f"{signed.provider_url} answered {status}")
    if status >= 500 or code in RETRYABLE:
        return Unavailable(f"{signed.job.provider}: {message}")
    return InputError(f"{signed.job.provider}: {message}", code=code, status=status)


async def _get(client: httpx.AsyncClient, url: str, seconds: float) -> dict[str, Any]:
    try:
        response = await client.get(url, timeout=seconds)
        response.raise_for_status()
        answer = response.json()
    except (httpx.HTTPError, ValueError) as error:
        raise UpstreamError(f"{url} failed: {type(error).__name__}") from error
    if not isinstance(answer, dict):
        raise UpstreamError(f"{url} answered no JSON object")
    return answer
