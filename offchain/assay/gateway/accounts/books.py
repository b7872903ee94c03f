"""A job's money: reserved at its highest price when it is admitted, settled when it is answered.

The writes here are handed to the group-commit writer. What a job may cost is held back from its
owner's channel of the day first, then from prepaid dollars, in the same commit that stores the
job; so an owner never spends more than there is, whatever number of replicas admits at once.
A replica that is killed leaves a reservation, which lapses after the job's deadline. Of a job that
is released its owner stays known: the chain may pay for it yet (`outlays`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select

from assay.core.errors import InputError
from assay.core.types import Receipt
from assay.gateway.accounts.caller import (
    AccountExhausted,
    Caller,
    RateLimited,
    invalid_key,
    key_exhausted,
)
from assay.gateway.accounts.limits import Level, Rates, drained, elapsed, wait_seconds
from assay.gateway.accounts.page import Address, ChannelDay, Key, Page
from assay.gateway.prepared import Prepared
from assay.gateway.tables import released, reservations, usage


@dataclass(frozen=True)
class Asked:
    """A job that wants to be admitted. `wanted`: micro-USD at most; `day`: the chain's UTC day;
    `now`: Unix seconds; `discount_bps`: None unless it is a batch's."""

    job_id: bytes
    caller: Caller
    model: str
    tokens_in: int
    tokens_out: int
    wanted: int
    deadline: int
    day: int
    now: float
    discount_bps: int | None = None

    @property
    def tokens(self) -> int:
        return self.tokens_in + self.tokens_out


@dataclass(frozen=True)
class Admitted:
    """How the caller stands after the admission; `credit` is what is left, in micro-USD."""

    requests: Level | None = None
    tokens: Level | None = None
    credit: int | None = None


@dataclass(frozen=True)
class Books:
    """The rules of admission.

    Attributes:
        rates: a minute of one key.
        address_requests: requests a minute of one network address without a key.
    """

    rates: Rates
    address_requests: int | None

    def admit(self, connection: Connection, asked: Sequence[Asked]) -> list[Admitted | InputError]:
        """Admit or refuse each; the reservations of those that are admitted are stored."""
        page = self._page(connection, asked)
        found = [self._admit(page, one) for one in asked]
        page.write()
        held = [one for one in found if isinstance(one, _Held)]
        if held:
            _HOLD.run(connection, [one.row for one in held])
        return [one.admitted if isinstance(one, _Held) else one for one in found]

    def _page(self, connection: Connection, asked: Sequence[Asked]) -> Page:
        callers = [one.caller for one in asked]
        network = {one.address for one in callers if one.key_id is None}
        if self.address_requests is None:
            network = set()
        return Page(
            connection,
            (one.owner for one in callers if one.owner is not None),
            (one.day for one in asked),
            (one.key_id for one in callers if one.key_id is not None),
            network,
        )

    def _admit(self, page: Page, asked: Asked) -> Admitted | _Held | InputError:
        try:
            key = self._key(page, asked)
            levels = self._within_rates(page, asked, key)
            if asked.caller.owner is None:
                return Admitted(*levels)
            held = _reserve(page, asked, asked.caller.owner, key)
        except InputError as refusal:
            return refusal
        if key is not None:
            levels = self._count(key, asked)
        return _Held(Admitted(*levels, credit=held[1]), held[0])

    def _key(self, page: Page, asked: Asked) -> Key | None:
        if asked.caller.key_id is None:
            return None
        key = page.keys.get(asked.caller.key_id)
        if key is None or asked.caller.key_hash not in (None, key.hash):
            raise invalid_key("the API key does not exist")
        check_valid(key, asked.now)
        return key

    def _within_rates(
        self, page: Page, asked: Asked, key: Key | None
    ) -> tuple[Level | None, Level | None]:
        if key is None:
            address = page.addresses.get(asked.caller.address)
            return None if address is None else self._count_address(address, asked.now), None
        seconds, key.rated_at = elapsed(key.rated_at, asked.now)
        key.requests_used = drained(key.requests_used, self.rates.requests, seconds)
        key.tokens_used = drained(key.tokens_used, self.rates.tokens, seconds)
        _check("requests", key.requests_used, 1, self.rates.requests)
        _check("tokens", key.tokens_used, asked.tokens, self.rates.tokens)
        return None, None

    def _count_address(self, row: Address, now: float) -> Level | None:
        limit = self.address_requests
        assert limit is not None, "rows of addresses are loaded where there is a limit"
        seconds, row.rated_at = elapsed(row.rated_at, now)
        row.requests_used = drained(row.requests_used, limit, seconds)
        _check("requests", row.requests_used, 1, limit)
        row.requests_used += 1
        return Level.of(limit, row.requests_used)

    def _count(self, key: Key, asked: Asked) -> tuple[Level | None, Level | None]:
        """Count a request that is admitted against its key."""
        requests, tokens = self.rates.requests, self.rates.tokens
        key.requests_used += 1
        key.tokens_used += asked.tokens
        return (
            None if requests is None else Level.of(requests, key.requests_used),
            None if tokens is None else Level.of(tokens, key.tokens_used),
        )

    def count_address(
        self, connection: Connection, asked: Sequence[tuple[str, float]]
    ) -> list[Level | InputError | None]:
        """Count requests that are no jobs, as (network address, Unix seconds)."""
        if self.address_requests is None:
            return [None] * len(asked)
        page = Page(connection, (), network={address for address, _ in asked})
        found: list[Level | InputError | None] = []
        for address, now in asked:
            try:
                found.append(self._count_address(page.addresses[address], now))
            except InputError as refusal:
                found.append(refusal)
        page.write()
        return found


@dataclass(frozen=True)
class _Held:
    admitted: Admitted
    row: Mapping[str, Any]


def check_valid(key: Key, now: float) -> None:
    """InputError (401) if the key was revoked or has expired."""
    if key.revoked is not None:
        raise invalid_key(f"the API key {key.prefix}… was revoked")
    if key.expires is not None and key.expires <= now:
        raise invalid_key(f"the API key {key.prefix}… has expired")


def _check(what: str, used: float, wanted: int, limit: int | None) -> None:
    wait = wait_seconds(used, wanted, limit)
    if wait == float("inf"):
        raise RateLimited(
            f"the request counts {wanted} {what}, a minute allows {limit}: make it smaller", 60.0
        )
    if wait > 0:
        raise RateLimited(
            f"the limit of {limit} {what} a minute is reached; try again in {wait:.1f} s", wait
        )


def _reserve(
    page: Page, asked: Asked, owner: str, key: Key | None
) -> tuple[Mapping[str, Any], int]:
    """The reservation's row, and what the owner has left after it."""
    account = page.accounts.get(owner)
    channel = page.days.get((owner, asked.day)) or ChannelDay(owner, asked.day)
    left = channel.left + (account.left if account is not None else 0)
    if key is not None:
        _within_cap(key, asked)
    if account is None or left < asked.wanted:
        raise AccountExhausted(owner, asked.wanted, left)
    from_channel = min(asked.wanted, channel.left)
    channel.reserved += from_channel
    account.prepaid_reserved += asked.wanted - from_channel
    if key is not None:
        key.reserved += asked.wanted
    row = {
        "job_id": asked.job_id,
        "owner": owner,
        "key_id": asked.caller.key_id or "",
        "day": asked.day,
        "model": asked.model,
        "tokens_in": asked.tokens_in,
        "tokens": asked.tokens,
        "from_channel": from_channel,
        "from_prepaid": asked.wanted - from_channel,
        "deadline": asked.deadline,
        "discount_bps": asked.discount_bps,
    }
    return row, left - asked.wanted


def _within_cap(key: Key, asked: Asked) -> None:
    if asked.day > key.day:
        key.day, key.spent = asked.day, 0
    if key.daily_cap is not None:
        left = key.daily_cap - key.spent - key.reserved
        if left < asked.wanted:
            raise key_exhausted(key.daily_cap, left, asked.wanted)


_THEIRS = reservations.c.job_id.in_(bindparam("ids", expanding=True))
_HOLD = Prepared(insert(reservations), reservations.c.keys())
_OWNERS = Prepared(
    select(reservations.c.owner, reservations.c.key_id, reservations.c.day).where(_THEIRS)
)
_TAKE = Prepared(delete(reservations).where(_THEIRS).returning(reservations))
_RELEASE = Prepared(insert(released), released.c.keys())
_USE = Prepared(insert(usage), usage.c.keys())


@dataclass(frozen=True)
class Payment:
    """What the chain paid for a job whose receipt is not known. `price`: micro-USD."""

    price: int
    output_tokens: int = 0


def settle(connection: Connection, jobs: Mapping[bytes, Receipt | Payment | None]) -> None:
    """End reservations: at a price, or at none; jobs of the latter kind are `released`.

    Jobs without a reservation, settled before or never charged, are left out.
    """
    held = _OWNERS.rows(connection, {"ids": list(jobs)}) if jobs else []
    if not held:
        return
    owners, key_ids, days = (set(column) for column in zip(*held, strict=True))
    page = Page(connection, owners, days, key_ids - {""})
    # Under the owners' locks: what another replica settled meanwhile is gone.
    taken = _TAKE.rows(connection, {"ids": list(jobs)})
    found = [dict(zip(reservations.c.keys(), row, strict=True)) for row in taken]
    rows = [_settle(page, row, jobs[row["job_id"]]) for row in found]
    page.write()
    used = [row for row in rows if row is not None]
    if used:
        _USE.run(connection, used)
    let_go = [
        {column.name: row[column.name] for column in released.columns}
        for row in found
        if jobs[row["job_id"]] is None
    ]
    if let_go:
        _RELEASE.run(connection, let_go)


def _settle(
    page: Page, held: Mapping[str, Any], receipt: Receipt | Payment | None
) -> dict[str, Any] | None:
    """The row of usage; None if there is no price."""
    price = receipt.price if receipt is not None else 0
    from_channel = min(price, held["from_channel"])
    account, channel = page.accounts[held["owner"]], page.days.get((held["owner"], held["day"]))
    if channel is not None:
        channel.reserved -= held["from_channel"]
        channel.metered += from_channel
    account.prepaid_reserved -= held["from_prepaid"]
    account.prepaid -= price - from_channel
    tokens_out = receipt.output_tokens if receipt is not None else 0
    key = page.keys.get(held["key_id"])
    if key is not None:
        _settle_key(key, held, price, held["tokens_in"] + tokens_out if receipt else 0)
    if receipt is None:
        return None
    return {
        "receipt_id": held["job_id"],
        "owner": held["owner"],
        "key_id": held["key_id"],
        "day": held["day"],
        "model": held["model"],
        "tokens_in": held["tokens_in"],
        "tokens_out": tokens_out,
        "price": price,
        "from_channel": from_channel,
        "from_prepaid": price - from_channel,
        "discount_bps": held["discount_bps"],
    }


def _settle_key(key: Key, held: Mapping[str, Any], price: int, tokens: int) -> None:
    """Charge the cap of the day that paid; give back the tokens that did not come."""
    key.reserved -= held["from_channel"] + held["from_prepaid"]
    if key.day == held["day"]:
        key.spent += price
    key.tokens_used = max(key.tokens_used - (held["tokens"] - tokens), 0.0)
