"""Routes of keys and sign-in.

GET  /v1/auth/challenge?address=…    a message to sign (POST: address in the body)
POST /v1/keys                        a key for who signed it: shown once
GET  /v1/keys                        the owner's keys
POST /v1/keys/{id}/rotate            another text, the old one ends
DELETE /v1/keys/{id}                 revoke
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request

from assay.core.errors import InputError
from assay.core.wire import parse_address
from assay.gateway.accounts.accounts import Accounts
from assay.gateway.accounts.page import Key
from assay.gateway.bodies import json_body, read_object

MAX_LABEL = 100
MAX_CAP = 10**15

CHALLENGE = {"address": {"type": "string", "pattern": "^0x[0-9a-fA-F]{40}$"}}
NEW_KEY = {
    "message": {"type": "string"},
    "signature": {"type": "string", "pattern": "^0x([0-9a-fA-F]{2})*$"},
    "label": {"type": "string", "maxLength": MAX_LABEL},
    "expires": {"type": ["integer", "null"], "description": "Unix seconds"},
    "daily_cap_micro_usd": {"type": ["integer", "null"], "minimum": 0, "maximum": MAX_CAP},
}


def key_routes(accounts: Accounts) -> APIRouter:
    router = APIRouter()

    @router.get("/v1/auth/challenge")
    async def challenge(request: Request, address: str) -> dict[str, Any]:
        return await _challenge(accounts, request, address)

    @router.post("/v1/auth/challenge", openapi_extra=json_body(CHALLENGE, ["address"]))
    async def challenge_for(request: Request) -> dict[str, Any]:
        body = await read_object(request)
        return await _challenge(accounts, request, body.get("address"))

    @router.post(
        "/v1/keys", status_code=201, openapi_extra=json_body(NEW_KEY, ["message", "signature"])
    )
    async def create(request: Request) -> dict[str, Any]:
        await accounts.count(request)
        body = await read_object(request)
        fields = _label(body), _expires(body), _cap(body)
        key, text = await accounts.keys.create(await accounts.signer(body), *fields)
        return {**_shown(key), "key": text}

    @router.get("/v1/keys")
    async def listed(request: Request) -> dict[str, Any]:
        found = await accounts.keys.list(await accounts.owner(request))
        return {"object": "list", "data": [_shown(key) for key in found]}

    @router.post("/v1/keys/{key_id}/rotate")
    async def rotate(request: Request, key_id: str) -> dict[str, Any]:
        key, text = await accounts.keys.rotate(await accounts.owner(request), key_id)
        return {**_shown(key), "key": text}

    @router.delete("/v1/keys/{key_id}")
    async def revoke(request: Request, key_id: str) -> dict[str, Any]:
        owner, now = await accounts.owner(request), int(time.time())
        key = await accounts.keys.change(
            owner, key_id, lambda key: replace(key, revoked=key.revoked or now)
        )
        return {**_shown(key), "deleted": True}

    return router


async def _challenge(accounts: Accounts, request: Request, address: object) -> dict[str, Any]:
    await accounts.count(request)
    message = accounts.sign_in.challenge(parse_address(address, "address"))
    return {
        "object": "auth.challenge",
        "message": message.text(),
        "nonce": message.nonce,
        "expires_at": message.expires_at,
    }


def _shown(key: Key) -> dict[str, Any]:
    return {
        "id": key.key_id,
        "object": "api_key",
        "prefix": key.prefix,
        "owner": key.owner,
        "label": key.label,
        "created": key.created,
        "expires": key.expires,
        "revoked": key.revoked,
        "daily_cap_micro_usd": key.daily_cap,
    }


def _label(body: Mapping[str, Any]) -> str:
    label = body.get("label") or ""
    if not isinstance(label, str) or len(label) > MAX_LABEL or not label.isprintable():
        raise _bad("label", f"expected at most {MAX_LABEL} printable characters")
    return label


def _expires(body: Mapping[str, Any]) -> int | None:
    value = body.get("expires")
    if value is None:
        return None
    if not _is_integer(value) or not time.time() < value < 2**40:
        raise _bad("expires", f"{value!r} is no Unix time in seconds that is to come")
    return int(value)


def _cap(body: Mapping[str, Any]) -> int | None:
    value = body.get("daily_cap_micro_usd")
    if value is None:
        return None
    if not _is_integer(value) or not 0 <= value <= MAX_CAP:
        raise _bad("daily_cap_micro_usd", f"expected an integer from 0 to {MAX_CAP}")
    return int(value)


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _bad(name: str, why: str) -> InputError:
    return InputError(f"{name}: {why}", code="invalid_value", param=name)
