"""Everything about accounts that the routes need, and who it is that asks."""

from __future__ import annotations

import json
from base64 import b64decode
from binascii import Error as NoBase64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from fastapi import Request

from assay.chain.network import Network
from assay.core.errors import AssayError, InputError
from assay.core.wire import parse_bytes
from assay.gateway.accounts.caller import AccountExhausted, Caller, PaymentRequired, invalid_key
from assay.gateway.accounts.channels import Channels
from assay.gateway.accounts.keys import PREFIX, Keys
from assay.gateway.accounts.limits import Level
from assay.gateway.accounts.payments import Payments
from assay.gateway.accounts.sign_in import SignIn, refused
from assay.gateway.accounts.usage import Usage
from assay.gateway.chain_time import ChainTime
from assay.gateway.store import Store

MAX_AUTHORIZATION = 16_384
"""Characters of the header: a sign-in message and a long signature, in base64."""


@dataclass(frozen=True)
class Accounts:
    """The gateway's accounts.

    Attributes:
        access: "open" lets callers without a key in, at the cost of the gateway's own account.
    """

    access: Literal["open", "keys"]
    network: Network
    chain_time: ChainTime
    keys: Keys
    sign_in: SignIn
    channels: Channels
    usage: Usage
    store: Store
    payments: Payments | None

    async def caller(self, request: Request) -> Caller:
        """Who asks for a job; InputError: 401 for a key that is none, 402 for neither key nor
        payment, where payments are taken."""
        scheme, value = _authorization(request)
        address = address_of(request)
        if self.payments is not None and (paying := request.headers.get("x-payment")):
            await self.count(request)
            paid = await self.payments.take(paying)
            request.state.payment = paid.header
            return Caller(address, paid.payer)
        if scheme == "bearer" and value.startswith(PREFIX):
            key = await self.keys.find(value)
            return Caller(address, key.owner, key.key_id, key.hash)
        if self.access == "open":
            return Caller(address)
        if self.payments is not None and not scheme:
            raise PaymentRequired()
        raise invalid_key("give an API key of this gateway as Authorization: Bearer sk-assay-…")

    async def owner(self, request: Request) -> str:
        """Who manages keys or looks at balances: by a key, or by a signature.

        `Authorization: Bearer sk-assay-…`, or `Authorization: SIWE` and base64 of the JSON
        {"message", "signature"}.
        """
        scheme, value = _authorization(request)
        if scheme == "bearer":
            return (await self.keys.find(value)).owner
        if scheme == "siwe":
            return await self.signer(_decoded(value))
        raise invalid_key("this needs Authorization: Bearer with a key, or SIWE with a signature")

    async def signer(self, body: Mapping[str, Any]) -> str:
        """Who signed the challenge in `message`; InputError (401) if nobody did, or twice."""
        message = body.get("message")
        if not isinstance(message, str):
            raise InputError(
                "message: expected the text of GET /v1/auth/challenge",
                code="malformed",
                param="message",
            )
        return await self.sign_in.owner(message, parse_bytes(body.get("signature"), "signature"))

    def payable(self, request: Request, error: AssayError) -> dict[str, Any]:
        """What a 402 adds to its body for x402 clients."""
        if self.payments is None or not isinstance(error, PaymentRequired | AccountExhausted):
            return {}
        return self.payments.requirements(request.url.path, error.wanted)

    async def count(self, request: Request) -> Level | None:
        """Count a request that needs no key against its address; `RateLimited` if too many."""
        return await self.store.count_address(address_of(request))


def paid_with(request: Request) -> dict[str, str]:
    """The header that confirms a payment which came with the request."""
    header = getattr(request.state, "payment", None)
    return {} if header is None else {"x-payment-response": header}


def address_of(request: Request) -> str:
    """The network address of the caller, as the server has it."""
    return request.client.host if request.client is not None else "unknown"


def _authorization(request: Request) -> tuple[str, str]:
    header = request.headers.get("authorization", "")
    if len(header) > MAX_AUTHORIZATION:
        raise refused(f"an Authorization header of {len(header)} characters is too long")
    scheme, _, value = header.partition(" ")
    return scheme.lower(), value.strip()


def _decoded(value: str) -> Mapping[str, Any]:
    try:
        found = json.loads(b64decode(value, validate=True))
    except (NoBase64, ValueError, RecursionError) as error:
        raise refused("Authorization: SIWE takes base64 of a JSON object") from error
    if not isinstance(found, dict):
        raise refused("Authorization: SIWE takes base64 of a JSON object")
    return found
