"""x402: an agent that holds nothing but dollars pays with the request itself.

The gateway answers 402 with what it takes: the "exact" scheme, a transfer by signature (EIP-3009)
to its account. The request comes again with the signed transfer in `X-PAYMENT`; the gateway brings
it to the chain, credits the payer's prepaid dollars once, and serves. What the request does not
cost stays the payer's. No other service is asked, and no URL of a caller's is fetched.
"""

from __future__ import annotations

import json
import time
from base64 import b64decode, b64encode
from binascii import Error as NoBase64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Connection, Engine, bindparam, delete, select, update

from assay.chain.network import Network
from assay.core import logs
from assay.core.authorizations import Authorization, authorization_digest
from assay.core.database import reading
from assay.core.errors import ContractReverted, InputError
from assay.core.signing import recovered
from assay.core.wire import parse_address, parse_bytes, parse_integer
from assay.gateway.accounts.keys import open_account
from assay.gateway.accounts.page import Page, insert_absent
from assay.gateway.chain_time import ChainTime
from assay.gateway.leases import CHAIN, Leases
from assay.gateway.tables import deposits
from assay.gateway.writer import Writer

VERSION, SCHEME = 1, "exact"
NAMES = {1: "ethereum", 8453: "base", 84532: "base-sepolia", 43114: "avalanche"}
"""x402's names of chains; others by CAIP-2."""
MAX_HEADER = 8_192
TIMEOUT_SECONDS = 60
"""What is left of an authorization's life must suffice to have it mined."""
LEAST_LIFE = 10
MAX_LIFE = 3_600
KEPT_SECONDS = 2 * MAX_LIFE
"""A payment that was never seen on chain is forgotten after so long: it has expired."""
LEASE_SECONDS = 180.0
LEASE_WAIT_SECONDS = 30.0
MAX_VALUE = 2**63 - 1


@dataclass(frozen=True)
class Paid:
    """A payment that was credited. `header`: the `X-PAYMENT-RESPONSE`."""

    payer: str
    header: str


@dataclass(frozen=True)
class Payments:
    """Takes payments to the gateway's account.

    Attributes:
        url: the gateway's public address.
        minimum: micro-USD of a payment at least.
        domain: name and version of the dollar's EIP-712 domain.
    """

    network: Network
    url: str
    payee: str
    engine: Engine
    writer: Writer
    leases: Leases
    chain_time: ChainTime
    minimum: int
    domain: tuple[str, str]

    def requirements(self, path: str, wanted: int = 0) -> dict[str, Any]:
        """What x402 clients read from the body of a 402. `wanted` in micro-USD."""
        name, version = self.domain
        accepted = {
            "scheme": SCHEME,
            "network": self._network_name(),
            "maxAmountRequired": str(max(wanted, self.minimum)),
            "resource": self.url + path,
            "description": "prepaid inference; what is not used stays the payer's",
            "mimeType": "application/json",
            "payTo": self.payee,
            "maxTimeoutSeconds": TIMEOUT_SECONDS,
            "asset": self.network.usdc.address,
            "extra": {"name": name, "version": version},
        }
        return {"x402Version": VERSION, "accepts": [accepted]}

    async def take(self, header: str) -> Paid:
        """Credit the payment of an `X-PAYMENT` header; InputError (402) says why not."""
        given, signature = self._parse(header)
        self._check(given, signature)
        block = await run_in_threadpool(lambda: int(self.network.web3.eth.block_number))
        row = {**_place(given), "amount": given.value, "created": int(time.time()), "block": block}
        await self.writer.write(_record, row)
        transaction = await run_in_threadpool(self._submit, given, signature)
        credited = {**_place(given), "transaction": transaction, "now": int(time.time())}
        if not await self.writer.write(_credit, credited):
            raise _refused("it was used before", "payment_replayed")
        logs.event("deposit", payer=given.payer, micro_usd=given.value, transaction=transaction)
        return Paid(given.payer, self._response(given.payer, transaction))

    def _submit(self, given: Authorization, signature: bytes) -> str:
        """Bring the transfer to the chain unless it is there; its transaction."""
        with self.leases.holding(CHAIN, LEASE_SECONDS, LEASE_WAIT_SECONDS) as held:
            if not held:
                raise InputError(
                    "other transactions are under way; send the same payment again",
                    code="overloaded",
                    status=503,
                )
            row = self._row(given)
            if row["credited"] is not None:
                raise _refused("it was used before", "payment_replayed")
            return self._sent(given, signature, int(row["block"]))

    def _sent(self, given: Authorization, signature: bytes, block: int) -> str:
        found = self.network.usdc.authorized(given, block)
        if found is not None:
            return found
        try:
            return self.network.usdc.transfer_with_authorization(given, signature).hash
        except ContractReverted as error:
            found = self.network.usdc.authorized(given, block)
            if found is not None:  # somebody else was faster with the same transfer
                return found
            raise _refused(f"the token refuses it: {error.reason}", "payment_invalid") from error

    def turn(self) -> None:
        """Credit what a replica brought to the chain and was killed before it could credit."""
        now = int(time.time())
        with reading(self.engine) as connection:
            rows = connection.execute(_OPEN, {"to": now - LEASE_SECONDS}).mappings().all()
        for row in rows:
            given = Authorization(row["payer"], self.payee, row["amount"], 0, 0, row["nonce"])
            found = self.network.usdc.authorized(given, row["block"])
            if found is not None:
                credited = {**_place(given), "transaction": found, "now": now}
                self.writer.submit(_credit, credited).result()
                logs.event("deposit", payer=given.payer, micro_usd=given.value, transaction=found)
            elif now - row["created"] > KEPT_SECONDS:
                self.writer.submit(_forget, _place(given)).result()

    def _row(self, given: Authorization) -> Mapping[str, Any]:
        with reading(self.engine) as connection:
            return dict(connection.execute(_FIND, _place(given)).mappings().one())

    def _parse(self, header: str) -> tuple[Authorization, bytes]:
        try:
            body = json.loads(b64decode(header, validate=True)) if len(header) <= MAX_HEADER else {}
            payload, version = body["payload"], body["x402Version"]
            fields, signature = payload["authorization"], payload["signature"]
            kind = (version, body["scheme"], body["network"])
        except (NoBase64, ValueError, RecursionError, KeyError, TypeError) as error:
            raise _refused("X-PAYMENT is no x402 payment in base64", "payment_invalid") from error
        if kind != (VERSION, SCHEME, self._network_name()):
            wanted = f"version {VERSION}, scheme {SCHEME}, network {self._network_name()}"
            raise _refused(f"it is not of {wanted}", "payment_invalid")
        return _authorization(fields), parse_bytes(signature, "signature", 65)

    def _check(self, given: Authorization, signature: bytes) -> None:
        now = self.chain_time.latest
        if given.to != self.payee:
            raise _refused(f"it goes to {given.to}, not to {self.payee}", "payment_invalid")
        if given.value < self.minimum:
            raise _refused(f"{given.value} is less than {self.minimum} micro-USD", "payment_small")
        life = given.valid_before - now
        if not given.valid_after < now or not LEAST_LIFE <= life <= MAX_LIFE:
            why = f"it must be valid now, for another {LEAST_LIFE} to {MAX_LIFE} s, not {life}"
            raise _refused(why, "payment_expired")
        chain_id, token = self.network.chain_id, self.network.usdc.address
        digest = authorization_digest(given, self.domain, chain_id, token)
        if recovered(digest, signature) != given.payer:
            raise _refused(f"it is not signed by {given.payer}", "payment_invalid")

    def _network_name(self) -> str:
        return NAMES.get(self.network.chain_id, f"eip155:{self.network.chain_id}")

    def _response(self, payer: str, transaction: str) -> str:
        answer = {
            "success": True,
            "transaction": transaction,
            "network": self._network_name(),
            "payer": payer,
        }
        return b64encode(json.dumps(answer).encode()).decode()


def _authorization(fields: Mapping[str, Any]) -> Authorization:
    if not isinstance(fields, Mapping):
        raise _refused("authorization is no object", "payment_invalid")
    return Authorization(
        payer=parse_address(fields.get("from"), "authorization.from"),
        to=parse_address(fields.get("to"), "authorization.to"),
        value=parse_integer(fields.get("value"), "authorization.value", MAX_VALUE),
        valid_after=parse_integer(fields.get("validAfter"), "validAfter", MAX_VALUE),
        valid_before=parse_integer(fields.get("validBefore"), "validBefore", MAX_VALUE),
        nonce=parse_bytes(fields.get("nonce"), "authorization.nonce", 32),
    )


def _place(given: Authorization) -> dict[str, Any]:
    return {"payer": given.payer, "nonce": given.nonce}


_AT = (deposits.c.payer == bindparam("payer"), deposits.c.nonce == bindparam("nonce"))
_FIND = select(deposits).where(*_AT)
_OPEN = (
    select(deposits)
    .where(deposits.c.credited.is_(None), deposits.c.created < bindparam("to"))
    .limit(100)
)
_FORGET = delete(deposits).where(*_AT, deposits.c.credited.is_(None))
_CREDIT = (
    update(deposits)
    .where(
        deposits.c.payer == bindparam("at_payer"),
        deposits.c.nonce == bindparam("at_nonce"),
        deposits.c.credited.is_(None),
    )
    .values(credited=bindparam("now"), transaction=bindparam("hash"))
    .returning(deposits.c.amount)
)


def _record(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> list[None]:
    insert_absent(connection, deposits, rows)
    return [None] * len(rows)


def _forget(connection: Connection, places: Sequence[Mapping[str, Any]]) -> list[None]:
    connection.execute(_FORGET, list(places))
    return [None] * len(places)


def _credit(connection: Connection, paid: Sequence[Mapping[str, Any]]) -> list[bool]:
    """Add to the payers' prepaid dollars; False for what was credited before."""
    for payer in sorted({one["payer"] for one in paid}):
        open_account(connection, payer)
    page = Page(connection, {one["payer"] for one in paid})
    found = []
    for one in paid:
        place = {"at_payer": one["payer"], "at_nonce": one["nonce"]}
        values = {**place, "now": one["now"], "hash": one["transaction"]}
        amount = connection.execute(_CREDIT, values).scalar_one_or_none()
        page.accounts[one["payer"]].prepaid += amount or 0
        found.append(amount is not None)
    page.write()
    return found


def _refused(why: str, code: str) -> InputError:
    return InputError(
        f"the payment is refused: {why}", code=code, status=402, kind="insufficient_quota"
    )
