"""Jobs that were released, and are paid for all the same: their owners are charged after all.

The chain is the judge: what it paid from the gateway's account, the job's owner owes. Prepaid
dollars pay it; what they lack makes them negative, so that an owner is admitted to nothing until
its channel (`channels.write_readings`) or a payment has covered it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from assay.gateway.accounts.page import Account, Page, insert_absent
from assay.gateway.tables import distrusted, released, usage

DISTRUST_SECONDS = 30 * 86_400
"""So long a provider is asked for nothing that was paid for what it had refused or denied."""


@dataclass(frozen=True)
class Outlay:
    """What a job cost the gateway. `paid`: micro-USD; `day`: the chain's UTC day; `now`: Unix
    seconds; `output_tokens`: 0 if the answer is not known."""

    job_id: bytes
    provider: str
    paid: int
    day: int
    now: int
    output_tokens: int = 0


def charge(connection: Connection, outlays: Sequence[Outlay]) -> list[str | None]:
    """Charge owners of released jobs, each job once; who was charged, None where nobody was."""
    ids = {"ids": [one.job_id for one in outlays]}
    owners = connection.execute(_OWNERS, ids).scalars().all()
    if not owners:
        return [None] * len(outlays)
    page = Page(connection, owners)
    # Under the owners' locks: what another replica charged meanwhile is gone.
    found = connection.execute(_TAKE, ids).mappings().all()
    rows = {row["job_id"]: dict(row) for row in found}
    charged = [(one, row) for one in outlays if (row := rows.pop(one.job_id, None))]
    used = [_charge(page.accounts[row["owner"]], row, one) for one, row in charged]
    page.write()
    if used:
        connection.execute(insert(usage), used)
        _distrust(connection, [one for one, _ in charged])
    whose = {one: str(row["owner"]) for one, row in charged}
    return [whose.pop(one, None) for one in outlays]


def _charge(account: Account, row: dict[str, Any], outlay: Outlay) -> dict[str, Any]:
    """The row of usage."""
    account.prepaid -= outlay.paid
    return {
        "receipt_id": row["job_id"],
        "owner": row["owner"],
        "key_id": row["key_id"],
        "day": outlay.day,
        "model": row["model"],
        "tokens_in": row["tokens_in"],
        "tokens_out": outlay.output_tokens,
        "price": outlay.paid,
        "from_channel": 0,
        "from_prepaid": outlay.paid,
        "discount_bps": row["discount_bps"],
    }


def _distrust(connection: Connection, outlays: Sequence[Outlay]) -> None:
    ends = {one.provider: one.now + DISTRUST_SECONDS for one in outlays}
    rows = [{"provider": provider, "until": ends[provider]} for provider in sorted(ends)]
    insert_absent(connection, distrusted, rows)
    connection.execute(_DISTRUST, [{"p": row["provider"], "to": row["until"]} for row in rows])


_THEIRS = released.c.job_id.in_(bindparam("ids", expanding=True))
_OWNERS = select(released.c.owner).where(_THEIRS)
_TAKE = delete(released).where(_THEIRS).returning(released)
_DISTRUST = (
    update(distrusted)
    .where(distrusted.c.provider == bindparam("p"), distrusted.c.until < bindparam("to"))
    .values(until=bindparam("to"))
)
