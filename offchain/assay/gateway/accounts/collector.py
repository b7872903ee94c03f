"""Vouchers to the chain, so that owners' credit pays the claims of the jobs that they asked for.

A turn collects what is worth its gas, and, as a day ends, all of it: a day can be collected until
the end of the next. Any number of replicas may run this: one at a time sends, and a voucher that
was collected is skipped.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine, bindparam, select

from assay.chain.network import Network
from assay.core import logs, metrics
from assay.core.database import reading
from assay.core.errors import ContractReverted
from assay.core.vouchers import DAY_SECONDS, SignedVoucher, Voucher
from assay.gateway.accounts.channels import Channels, write_readings
from assay.gateway.accounts.page import ChannelDay, Page
from assay.gateway.chain_time import ChainTime
from assay.gateway.leases import CHAIN, Leases
from assay.gateway.tables import channel_days
from assay.gateway.writer import Writer

MOST = 256
"""Vouchers of one transaction."""
REREAD_SECONDS = 600.0
LEASE_SECONDS = 180.0
"""Longer than a transaction may stay unmined."""

COLLECTED = metrics.counter(
    "assay_collected_micro_usd_total", "Micro-USD that vouchers brought to the gateway's account."
)
UNCOLLECTABLE = metrics.counter(
    "assay_uncollectable_vouchers_total", "Vouchers that the ledger would not pay when due."
)


@dataclass
class Collector:
    """One replica's collector.

    Attributes:
        threshold: micro-USD of one channel that are worth collecting before the day ends.
        margin: seconds before a day's end from which everything is collected.
    """

    network: Network
    channels: Channels
    engine: Engine
    writer: Writer
    chain_time: ChainTime
    leases: Leases
    threshold: int
    margin: int
    _read_at: float = field(default_factory=time.monotonic)

    def turn(self) -> None:
        """Collect what is due, if no other replica is at it."""
        if time.monotonic() - self._read_at > REREAD_SECONDS:
            self.reread()
        if not self._due() and not self._overpaid():
            return
        with self.leases.holding(CHAIN, LEASE_SECONDS) as held:
            if not held:
                return
            due = self._due()  # another replica may have collected meanwhile
            for start in range(0, len(due), MOST):
                self._collect(due[start : start + MOST])
            for row in self._overpaid():
                self._give_back(row)

    def reread(self) -> None:
        """Ask the chain what was collected: a reorganisation may have undone it."""
        self._read_at = time.monotonic()
        self._take_over(self._rows(_USED))

    def _take_over(self, rows: Sequence[ChannelDay]) -> int:
        """Write what the chain says of these days; the micro-USD that were collected of them."""
        found = [self.channels.read(row.owner, row.day) for row in rows]
        for one in found:
            self.writer.submit(write_readings, one).result()
        return sum(one.collected for one in found)

    def _due(self) -> list[ChannelDay]:
        today, now = self.chain_time.day, self.chain_time.block
        ending = (today + 1) * DAY_SECONDS - now <= self.margin
        return [
            row
            for row in self._rows(_OPEN)
            if row.day < today or ending or row.metered - row.collected >= self.threshold
        ]

    def _overpaid(self) -> list[ChannelDay]:
        """Days that are over, of which vouchers by their owners brought more than was metered."""
        today = self.chain_time.day
        return [row for row in self._rows(_OVER) if row.day < today and not row.reserved]

    def _rows(self, statement: object) -> list[ChannelDay]:
        days = {"since": self.chain_time.day - 1}
        with reading(self.engine) as connection:
            return [ChannelDay(**dict(r)) for r in connection.execute(statement, days).mappings()]  # type: ignore[call-overload]

    def _collect(self, rows: Sequence[ChannelDay]) -> None:
        vouchers = [signed for row in rows if (signed := self._voucher(row)) is not None]
        if not vouchers:
            return
        before = sum(row.collected for row in rows)
        mined = self.network.ledger.collect_many(vouchers)
        gained = self._take_over(rows) - before
        COLLECTED.add(max(gained, 0))
        logs.event("collected", vouchers=len(vouchers), micro_usd=gained, transaction=mined.hash)

    def _voucher(self, row: ChannelDay) -> SignedVoucher | None:
        """What pays for a day; None if the ledger would not take it."""
        if row.delegated:
            signed = self.channels.sign(row.owner, row.day, row.metered)
        else:
            voucher = Voucher(row.owner, self.channels.payee, row.day, row.voucher)
            signed = SignedVoucher(voucher, row.voucher_signature or b"")
        try:
            self.network.ledger.collectable(signed)
        except ContractReverted as error:
            UNCOLLECTABLE.add()
            logs.warning("uncollectable", owner=row.owner, day=row.day, reason=error.reason)
            self._take_over([row])
            return None
        return signed

    def _give_back(self, row: ChannelDay) -> None:
        """Dollars beyond what was metered become prepaid; credit is the day's, and lapses."""
        payee = self.channels.payee
        state = self.network.ledger.channel_state(row.owner, payee, row.day)
        brought = (row.owner, row.day, state.collected_usdc)
        amount = self.writer.submit(_give_back, brought).result()
        if amount:
            logs.event("given_back", owner=row.owner, day=row.day, micro_usd=amount)


_SINCE = channel_days.c.day >= bindparam("since")
_OPEN = select(channel_days).where(_SINCE, channel_days.c.metered > channel_days.c.collected)
_USED = select(channel_days).where(_SINCE, channel_days.c.metered > 0)
_OVER = select(channel_days).where(
    _SINCE,
    channel_days.c.collected > channel_days.c.metered,
    channel_days.c.returned == 0,
)


def _give_back(connection: Connection, brought: Sequence[tuple[str, int, int]]) -> list[int]:
    """Credit owners, as (owner, day, dollars collected of it), once for each day; micro-USD."""
    page = Page(connection, {owner for owner, _, _ in brought}, {day for _, day, _ in brought})
    given = [0] * len(brought)
    for place, (owner, day, dollars) in enumerate(brought):
        row = page.days[owner, day]
        amount = min(row.collected - row.metered, dollars)
        # Of what another replica has charged meanwhile, or will, nothing is given back.
        if amount > 0 and not row.returned and not row.reserved:
            row.returned = given[place] = amount
            page.accounts[owner].prepaid += amount
    page.write()
    return given
