"""HTTP to the providers: what they offer, and one job at a time.

Trusts nothing that comes back: an answer that is not what was asked for raises `UpstreamError`.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
from aiohttp.http import HttpProcessingError

from assay.core.discounts import BPS, discounted
from assay.core.errors import AssayError, InputError, UpstreamError
from assay.core.outputs import output_count, output_root
from assay.core.signing import receipt_signer
from assay.core.types import Model, Receipt
from assay.core.wire import (
    MAX_TOKEN,
    hexed,
    parse_address,
    parse_bytes,
    parse_integer,
    parse_output,
    parse_receipt,
    to_json,
)
from assay.gateway.client import MAX_LINE, Client, read_body
from assay.gateway.store import Answered, SignedJob

HEALTH_SECONDS = 3.0
WHOLE_APART_SECONDS = 0.5
"""Between two pieces of an answer that is not streamed: they only say that it goes on."""
MAX_OFFERS = 16
"""Models of one provider; further ones are not looked at."""
MAX_PRICE, MAX_COUNT = 2**64 - 1, 2**32 - 1
"""As far as a job's fields reach."""
BUSY = frozenset(("overloaded", "provider_bond", "price", "deadline"))
"""Refusals of a provider that is well, which another one may not share."""
ILL = frozenset(("chain", "node_unavailable"))


Item = tuple[int, ...] | Answered
"""What a job's stream yields: tokens that came together, at least one, or the integers of an
embedding; then the checked answer."""


@dataclass(frozen=True)
class Offer:
    """A model as its provider describes it. Prices in micro-USD per million tokens.

    `dimensions`: elements of an embedding; None of a model that gives tokens. `capacity`: jobs that
    run at once; further ones wait. `batch_discount_bps`: the part of the price, in 1/10,000, that
    work which can wait is spared.
    """

    url: str
    address: str
    model_id: str
    model_root: bytes
    context_length: int
    price_input: int
    price_output: int
    running: int
    dimensions: int | None = None
    capacity: int = 1
    batch_discount_bps: int = 0

    @property
    def embeds(self) -> bool:
        return self.dimensions is not None

    def for_batch(self) -> Offer:
        """The offer to work that can wait."""
        bps = self.batch_discount_bps
        return replace(
            self,
            price_input=discounted(self.price_input, bps),
            price_output=discounted(self.price_output, bps),
        )


class Unavailable(UpstreamError):
    """The provider cannot take this job, or has answered nothing of it; another one may.

    `sent`: it may have taken the job all the same, and may yet claim its price. `refused`: it is
    well, and said no.
    """

    code = "provider_unavailable"

    def __init__(self, message: str, *, sent: bool = False, refused: bool = False) -> None:
        super().__init__(message)
        self.sent = sent
        self.refused = refused


async def fetch_offers(client: Client, url: str) -> list[Offer]:
    """Ask a provider what it serves: an offer for each model."""
    answer = await client.get(url, "/health", HEALTH_SECONDS)
    try:
        address = parse_address(answer["address"], "address")
        return [_offer(url, address, model) for model in answer["models"][:MAX_OFFERS]]
    except (AttributeError, KeyError, TypeError, ValueError, InputError) as error:
        raise UpstreamError(f"{url}/health is malformed: {error!r}") from error


def _offer(url: str, address: str, model: Mapping[str, Any]) -> Offer:
    def number(name: str, limit: int, default: int | None = None) -> int:
        return parse_integer(model.get(name, default), name, limit)

    embeds = model.get("dimensions") is not None
    return Offer(
        url=url,
        address=address,
        model_id=str(model["id"]),
        model_root=parse_bytes(model["root"], "models.root", 32),
        context_length=number("context_length", MAX_COUNT),
        price_input=number("price_input", MAX_PRICE),
        price_output=number("price_output", MAX_PRICE),
        running=number("running", MAX_COUNT),
        capacity=max(number("concurrency", MAX_COUNT, 1), 1),
        dimensions=number("dimensions", MAX_COUNT) if embeds else None,
        batch_discount_bps=number("batch_discount_bps", BPS, 0),
    )


async def knows_job(client: Client, url: str, job_id: bytes) -> bool | None:
    """Whether a provider has finished a job; None if it does not answer that."""
    try:
        async with (
            asyncio.timeout(HEALTH_SECONDS),
            client.request("GET", url, f"/v1/jobs/{hexed(job_id)}") as response,
        ):
            return {200: True, 404: False}.get(response.status)
    except (aiohttp.ClientError, OSError, TimeoutError, InputError):
        return None


async def fetch_job(client: Client, url: str, job_id: bytes) -> dict[str, Any] | None:
    """What became of a job; None if the provider does not know it (yet) or does not answer."""
    try:
        return await client.get(url, f"/v1/jobs/{hexed(job_id)}", HEALTH_SECONDS)
    except UpstreamError:
        return None


async def fetch_claim(client: Client, url: str, batch_id: str, index: int) -> dict[str, Any]:
    """A claim's public data, unparsed."""
    return await client.get(url, f"/v1/claims/{batch_id}/{index}", HEALTH_SECONDS)


async def stream_job(
    client: Client,
    signed: SignedJob,
    model: Model,
    chain_id: int,
    settlement: str,
    whole: bool = False,
) -> AsyncGenerator[Item, None]:
    """Tokens as they come, or the embedding, then the checked answer.

    Args:
        whole: nobody looks before the end, so tokens may come in few pieces.

    Raises, before the first token, `Unavailable` if the provider cannot be reached, is silent or
    answers nonsense, and `InputError` if it refuses the job for a reason of the job's; later
    `UpstreamError` if the stream breaks, stalls, or ends in something that was not asked for.
    """
    output, began = list[int](), False
    try:
        async with aclosing(_items(client, signed, model, whole)) as items:
            async for item in items:
                if isinstance(item, Signed):
                    answered = Answered(tuple(output), item.receipt, item.signature)
                    check_answer(signed, answered, model, chain_id, settlement)
                    yield answered
                    return
                output += item
                _check_length(signed, output, model)
                began = True
                yield item
        raise UpstreamError(f"{signed.provider_url} ended the stream without a receipt")
    except Unavailable:
        raise
    except UpstreamError as error:
        if began:
            raise
        raise Unavailable(error.message, sent=True) from error


async def _items(
    client: Client, signed: SignedJob, model: Model, whole: bool
) -> AsyncGenerator[tuple[int, ...] | Signed, None]:
    """What the provider sends, parsed. No timer runs while whoever asks for items is at work: it
    may be another task each time."""
    url, limits, clock = signed.provider_url, client.timeouts, asyncio.get_running_loop().time
    body = _body(signed)
    if whole:
        body["apart_ms"] = int(min(WHOLE_APART_SECONDS, limits.token / 4) * 1e3)
    end = clock() + limits.total
    silent_until = clock() + limits.first_token
    try:
        async with AsyncExitStack() as stack:
            async with asyncio.timeout_at(min(silent_until, end)):
                opened = client.request("POST", url, "/v1/jobs", json=body)
                response = await stack.enter_async_context(opened)
                if response.status != 200:
                    raise _refusal(signed, response.status, await read_body(response, MAX_LINE))
            async with aclosing(_lines(response, lambda: min(silent_until, end))) as pieces:
                async for lines in pieces:
                    for item in _parsed(lines, url, model):
                        yield item
                        silent_until = clock() + limits.token
    except (aiohttp.ClientConnectorError, aiohttp.InvalidURL) as error:
        raise Unavailable(f"{url} cannot be reached: {type(error).__name__}") from error
    except TimeoutError as error:
        raise UpstreamError(f"{url} was silent for too long") from error
    except (aiohttp.ClientError, HttpProcessingError, OSError, ValueError) as error:
        raise UpstreamError(f"{url} failed: {type(error).__name__}") from error


async def _lines(
    response: aiohttp.ClientResponse, until: Callable[[], float]
) -> AsyncGenerator[Sequence[bytearray], None]:
    """A body's lines as they come: those that arrive together are waited for, and timed, once.

    Args:
        until: the loop's time at which the next one is too late.

    Raises:
        ValueError: a line of more than MAX_LINE bytes.
        aiohttp.ClientError, TimeoutError: as they come.
    """
    held = bytearray()
    while piece := await _piece(response, until()):
        held += piece
        if b"\n" in piece:
            *lines, held = held.split(b"\n")
            yield [_short(line) for line in lines]
        _short(held)
    if held:
        yield [held]


async def _piece(response: aiohttp.ClientResponse, until: float) -> bytes:
    async with asyncio.timeout_at(until):
        return await response.content.readany()


def _short(line: bytearray) -> bytearray:
    if len(line) > MAX_LINE:
        raise ValueError(f"a line of more than {MAX_LINE} bytes")
    return line


def check_answer(
    signed: SignedJob, answered: Answered, model: Model, chain_id: int, settlement: str
) -> None:
    """The receipt is the provider's word over exactly the output that it sent, at the price."""
    job, receipt = signed.job, answered.receipt
    count = output_count(model, answered.output)
    expected = Receipt(
        job_id=signed.job_id,
        output_root=_root(signed, answered.output, model),
        output_tokens=count,
        price=job.price(count),
    )
    if receipt != expected:
        wrong = [name for name, value in vars(expected).items() if getattr(receipt, name) != value]
        raise UpstreamError(f"{job.provider}: the receipt's {', '.join(wrong)} is not the answer's")
    if not 1 <= receipt.output_tokens <= job.max_output_tokens:
        raise UpstreamError(f"{job.provider}: {receipt.output_tokens} tokens were not asked for")
    if receipt_signer(receipt, answered.signature, chain_id, settlement) != job.provider:
        raise UpstreamError(f"{job.provider}: the receipt is not signed by it")


def _check_length(signed: SignedJob, output: Sequence[int], model: Model) -> None:
    """A stream that goes on and on ends here."""
    limit = signed.job.max_output_tokens
    if not model.embeds and len(output) > limit:
        raise UpstreamError(f"{signed.job.provider}: more than {limit} tokens were not asked for")


def _root(signed: SignedJob, output: Sequence[int], model: Model) -> bytes:
    try:
        return output_root(model, output, signed.salt)
    except InputError as error:
        raise UpstreamError(f"{signed.job.provider} sent no output: {error.message}") from error


def _body(signed: SignedJob) -> dict[str, Any]:
    return {
        "job": to_json(signed.job),
        "signature": hexed(signed.signature),
        "tokens": list(signed.prompt),
        "salt": hexed(signed.salt),
        "can_wait": signed.discount_bps is not None,
    }


@dataclass(frozen=True)
class Signed:
    """The line that ends a stream."""

    receipt: Receipt
    signature: bytes


_TOKEN = re.compile(rb'\{"token": ?(0|[1-9]\d{0,8})\}')
"""A token's line as ours writes it: so found in a quarter of the time that JSON takes."""


def _parsed(
    lines: Iterable[bytearray], url: str, model: Model
) -> Iterator[tuple[int, ...] | Signed]:
    """The items of lines that came together; tokens in a row are one. What stands before a line
    that is malformed is given before it raises."""
    tokens: list[int] = []
    for line in lines:
        if (plain := _TOKEN.fullmatch(line)) and not model.embeds:
            tokens.append(int(plain[1]))
            continue
        if tokens:
            yield tuple(tokens)
            tokens = []
        item = _parse_line(line, url, model)
        if item is not None:
            yield item
    if tokens:
        yield tuple(tokens)


def _parse_line(line: bytes | bytearray, url: str, model: Model) -> tuple[int, ...] | Signed | None:
    """A token or an embedding, whichever the model gives, the signed receipt, or None for a line
    that only opens the stream."""
    try:
        item = json.loads(line)
        if "token" in item and not model.embeds:
            token = int(item["token"])
            if not 0 <= token <= MAX_TOKEN:
                raise ValueError(f"token {token}")
            return (token,)
        if "embedding" in item and model.embeds:
            return tuple(parse_output(item["embedding"], "embedding"))
        if "receipt" in item:
            return Signed(
                parse_receipt(item["receipt"]), parse_bytes(item["signature"], "signature")
            )
        if "error" in item:
            raise UpstreamError(f"{url}: {str(item['error'].get('message'))[:200]}")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, InputError) as error:
        raise UpstreamError(f"{url} sent a malformed line: {error!r:.200}") from error
    return None


def _refusal(signed: SignedJob, status: int, body: bytes) -> AssayError:
    """The provider's error: `Unavailable` where another may do better, else the consumer's."""
    try:
        error = json.loads(body)["error"]
        code, message = str(error["code"]), str(error["message"])[:300]
    except (ValueError, KeyError, TypeError):
        return Unavailable(f"{signed.provider_url} answered {status}")
    if status >= 500 or code in BUSY | ILL:
        return Unavailable(f"{signed.job.provider}: {message}", refused=code in BUSY)
    return InputError(f"{signed.job.provider}: {message}", code=code, status=status)
