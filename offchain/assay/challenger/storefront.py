"""The gateway as its customers see it: what it sells, an answer, a receipt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from assay.core.errors import InputError, UpstreamError
from assay.core.wire import (
    ClaimData,
    parse_address,
    parse_bytes,
    parse_job,
    parse_output,
    parse_proof,
    parse_receipt,
    parse_tokens,
)

ANSWER_SECONDS = 120.0
MAX_BYTES = 16_000_000


@dataclass(frozen=True)
class Shelf:
    """A model that is for sale, and who serves it."""

    model: str
    root: bytes
    providers: tuple[str, ...]


@dataclass(frozen=True)
class Bought:
    """A receipt's claim as far as the gateway knows it.

    max_price  the most that the job may cost, micro-USD
    price      what it costs; None until it is answered
    deadline   Unix time until which its provider may post it
    claim      None until it is posted
    """

    max_price: int
    price: int | None
    deadline: int
    claim: ClaimData | None


class Storefront:
    """A gateway over HTTP. What it says is checked by whoever uses it, against the chain.

    Args:
        url: without `/v1`.
        key: of an account there; None where it asks for none.
    """

    def __init__(self, url: str, key: str | None) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(base_url=url, headers=headers, timeout=ANSWER_SECONDS)

    def close(self) -> None:
        self._client.close()

    def shelves(self) -> list[Shelf]:
        """What is for sale now."""
        found = self._json(self._send("GET", "/v1/models"))
        try:
            return [_shelf(entry) for entry in found["data"]]
        except (KeyError, TypeError, InputError) as error:
            raise UpstreamError(f"the gateway's list of models is malformed: {error!r}") from error

    def buy(self, request: dict[str, Any]) -> str:
        """Have a completion made; the receipt's id, 0x-hex."""
        answer = self._json(self._send("POST", "/v1/completions", request))
        try:
            receipt_id = answer["assay"]["receipt_id"]
            parse_bytes(receipt_id, "receipt_id", 32)
        except (KeyError, TypeError, InputError) as error:
            raise UpstreamError(f"the gateway answered without a receipt: {error!r}") from error
        return str(receipt_id)

    def receipt(self, receipt_id: str) -> Bought:
        value = self._json(self._send("GET", f"/v1/receipts/{receipt_id}"))
        try:
            return _bought(value)
        except (KeyError, TypeError, InputError) as error:
            raise UpstreamError(f"receipt {receipt_id} is malformed: {error!r}") from error

    def _send(self, method: str, path: str, body: object = None) -> httpx.Response:
        try:
            response = self._client.request(method, path, json=body)
            response.raise_for_status()
        except httpx.HTTPStatusError as error:
            said = error.response.text[:200]
            raise UpstreamError(
                f"the gateway refused {method} {path}: {error.response.status_code} {said}"
            ) from error
        except httpx.HTTPError as error:
            raise UpstreamError(f"the gateway failed: {type(error).__name__}") from error
        return response

    def _json(self, response: httpx.Response) -> dict[str, Any]:
        if len(response.content) > MAX_BYTES:
            raise UpstreamError(f"the gateway answered {len(response.content)} bytes")
        try:
            value = response.json()
        except ValueError as error:
            raise UpstreamError("the gateway answered no JSON") from error
        if not isinstance(value, dict):
            raise UpstreamError("the gateway answered no JSON object")
        return value


def _shelf(entry: dict[str, Any]) -> Shelf:
    about = entry["assay"]
    providers = tuple(parse_address(one, "provider") for one in about["providers"])
    return Shelf(str(entry["id"]), parse_bytes(about["root"], "root", 32), providers)


def _bought(value: dict[str, Any]) -> Bought:
    job = parse_job(value["job"])
    receipt = parse_receipt(value["receipt"]) if value["receipt"] else None
    batch = value["batch"]
    claim = None
    if receipt is not None and batch is not None:
        claim = ClaimData(
            batch_id=parse_bytes(batch["batch_id"], "batch_id", 32),
            index=int(batch["index"]),
            job=job,
            signature=parse_bytes(value["signature"], "signature"),
            receipt=receipt,
            proof=parse_proof(batch["proof"], "proof"),
            prompt=tuple(parse_tokens(value["prompt"], "prompt")),
            output=tuple(parse_output(value["output"], "output")),
            salt=parse_bytes(value["salt"], "salt", 32),
        )
    return Bought(job.max_price, receipt.price if receipt else None, job.deadline, claim)
