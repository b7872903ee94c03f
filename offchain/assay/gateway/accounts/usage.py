"""What an owner has and has spent. Amounts in micro-USD, days in UTC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from fastapi.concurrency import run_in_threadpool
from sqlalchemy import BigInteger, ColumnElement, Engine, cast, func, select

from assay.core.database import reading
from assay.core.vouchers import DAY_SECONDS
from assay.gateway.accounts.channels import Channels, find_day
from assay.gateway.accounts.page import Account, ChannelDay
from assay.gateway.chain_time import ChainTime
from assay.gateway.tables import accounts, usage

MAX_DAYS = 366
SUMMED = ("tokens_in", "tokens_out", "price", "from_channel", "from_prepaid")
By = Literal["day", "key", "model", "discount"]
"""`discount`: of batches, in 1/10,000; null for what is none."""


class Usage:
    """Reads the books."""

    def __init__(self, engine: Engine, channels: Channels, chain_time: ChainTime) -> None:
        self._engine = engine
        self._channels = channels
        self._time = chain_time

    async def balance(self, owner: str) -> dict[str, Any]:
        """What an owner can spend now, by source."""
        await self._channels.ensure(owner)
        account, channel = await run_in_threadpool(self._state, owner)
        prepaid = max(account.left, 0)
        reset = (self._time.day + 1) * DAY_SECONDS
        return {
            "object": "billing.balance",
            "owner": owner,
            "canConsume": channel.left + account.left > 0,
            "balances": {"channel": channel.left, "prepaid": prepaid},
            "owed": max(-account.left, 0),
            "reserved": {"channel": channel.reserved, "prepaid": account.prepaid_reserved},
            "channel": {
                "day": date(channel.day),
                "ceiling": channel.ceiling,
                "metered": channel.metered,
                "collected": channel.collected,
                "delegated": channel.delegated,
            },
            "unit": "micro_usd",
            "next_reset": reset,
        }

    async def spent(self, owner: str, by: By, since: int, until: int) -> Sequence[dict[str, Any]]:
        """Usage of the days from `since` to before `until`, a row for each `by`."""

        def read() -> Sequence[dict[str, Any]]:
            with reading(self._engine) as connection:
                found = connection.execute(_grouped(by, owner, since, until)).mappings()
                rows = [dict(row) for row in found]
            return [{**row, by: date(row[by]) if by == "day" else row[by]} for row in rows]

        return await run_in_threadpool(read)

    def _state(self, owner: str) -> tuple[Account, ChannelDay]:
        with reading(self._engine) as connection:
            row = connection.execute(select(accounts).where(accounts.c.owner == owner)).mappings()
            found = row.first()
            channel = find_day(connection, owner, self._time.day)
        return Account(owner, 0, 0) if found is None else Account(**dict(found)), channel


_COLUMNS: Mapping[By, ColumnElement[Any]] = {
    "day": usage.c.day,
    "key": usage.c.key_id,
    "model": usage.c.model,
    "discount": usage.c.discount_bps,
}


def _grouped(by: By, owner: str, since: int, until: int) -> Any:
    label = _COLUMNS[by]
    return (
        select(
            label.label(by),
            func.count().label("requests"),
            *(cast(func.sum(usage.c[column]), BigInteger).label(column) for column in SUMMED),
        )
        .where(usage.c.owner == owner, usage.c.day >= since, usage.c.day < until)
        .group_by(label)
        .order_by(label)
    )


def date(day: int) -> str:
    """A UTC day as YYYY-MM-DD."""
    return datetime.fromtimestamp(day * DAY_SECONDS, UTC).date().isoformat()
