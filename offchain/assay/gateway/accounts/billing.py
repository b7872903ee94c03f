"""Routes of money. Amounts are micro-USD.

GET  /v1/billing/balance             what the owner can spend now
GET  /v1/billing/usage?by=day|key|model|discount
                                     what was spent (from, to: days as YYYY-MM-DD)
GET  /v1/billing/channel             how to open a channel to this gateway
POST /v1/billing/vouchers            a voucher that the owner signed for today
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, get_args

from fastapi import APIRouter, Request

from assay.core.errors import InputError
from assay.core.vouchers import SignedVoucher, Voucher
from assay.core.wire import parse_address, parse_bytes, parse_integer
from assay.gateway.accounts.accounts import Accounts
from assay.gateway.accounts.usage import MAX_DAYS, By
from assay.gateway.bodies import json_body, read_object

EPOCH = date(1970, 1, 1)
MAX_AMOUNT = 2**63 - 1

ADDRESS = {"type": "string", "pattern": "^0x[0-9a-fA-F]{40}$"}
VOUCHER = {
    "owner": ADDRESS,
    "payee": ADDRESS,
    "day": {"type": "integer", "minimum": 0},
    "cumulative": {"type": "integer", "minimum": 0, "maximum": MAX_AMOUNT},
    "signature": {"type": "string", "pattern": "^0x([0-9a-fA-F]{2})*$"},
}


def billing_routes(accounts: Accounts) -> APIRouter:
    router = APIRouter()

    @router.get("/v1/billing/balance")
    async def balance(request: Request) -> dict[str, Any]:
        return await accounts.usage.balance(await accounts.owner(request))

    @router.get("/v1/billing/usage")
    async def usage(
        request: Request,
        by: str = "day",
    ) -> dict[str, Any]:
        owner = await accounts.owner(request)
        since, until = _days(request, accounts.chain_time.day)
        rows = await accounts.usage.spent(owner, _by(by), since, until)
        return {"object": "list", "unit": "micro_usd", "by": by, "data": rows}

    @router.get("/v1/billing/channel")
    async def channel() -> dict[str, Any]:
        return {
            "object": "billing.channel",
            "chain_id": accounts.network.chain_id,
            "ledger": accounts.network.ledger.address,
            "payee": accounts.channels.payee,
            "session_key": accounts.channels.payee,
            "day": accounts.chain_time.day,
        }

    @router.post("/v1/billing/vouchers", openapi_extra=json_body(VOUCHER, list(VOUCHER)))
    async def post_voucher(request: Request) -> dict[str, Any]:
        await accounts.count(request)
        signed = _voucher(await read_object(request))
        found = await accounts.channels.post(signed)
        return {
            "object": "billing.voucher",
            "owner": found.owner,
            "day": found.day,
            "ceiling": found.ceiling,
            "collected": found.collected,
        }

    return router


def _voucher(body: Mapping[str, Any]) -> SignedVoucher:
    voucher = Voucher(
        owner=parse_address(body.get("owner"), "owner"),
        payee=parse_address(body.get("payee"), "payee"),
        day=parse_integer(body.get("day"), "day", MAX_AMOUNT),
        cumulative=parse_integer(body.get("cumulative"), "cumulative", MAX_AMOUNT),
    )
    signature = parse_bytes(body.get("signature"), "signature")
    if len(signature) > 65:
        raise _bad("signature", f"{len(signature)} bytes, at most 65")
    return SignedVoucher(voucher, signature)


def _by(value: str) -> By:
    for known in get_args(By):
        if value == known:
            return known  # type: ignore[no-any-return]
    raise _bad("by", f"expected one of {', '.join(get_args(By))}")


def _days(request: Request, today: int) -> tuple[int, int]:
    """The days that are asked for: 30 up to today unless given."""
    since = _day(request.query_params.get("from"), "from", today - 29)
    last = _day(request.query_params.get("to"), "to", today)
    if not since <= last < since + MAX_DAYS:
        raise _bad("from", f"at most {MAX_DAYS} days, and not after to")
    return since, last + 1


def _day(text: str | None, name: str, default: int) -> int:
    if text is None:
        return default
    try:
        return (date.fromisoformat(text) - EPOCH).days
    except ValueError as error:
        raise _bad(name, "expected a day as YYYY-MM-DD") from error


def _bad(name: str, why: str) -> InputError:
    return InputError(f"{name}: {why}", code="invalid_value", param=name)
