"""What owners' channels pay on a day, and who signs their vouchers.

A channel whose session key is the gateway's account lets the gateway sign for what it has metered.
For any other one the owner posts vouchers and can spend as far as the highest goes. Which of both
holds, and for how much, is what `CreditLedger.collect` says to a voucher if it is asked without
being sent: expiries, keys that change at midnight and contract wallets are its business.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from eth_account.signers.local import LocalAccount
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Connection, Engine, bindparam, select

from assay.chain.ledger import ChannelState
from assay.chain.network import Network
from assay.core import logs
from assay.core.database import reading
from assay.core.errors import AssayError, ContractReverted, InputError, NodeUnavailable
from assay.core.signing import sign_voucher
from assay.core.vouchers import SignedVoucher, Voucher
from assay.gateway.accounts.keys import open_account
from assay.gateway.accounts.page import Account, ChannelDay, Page, insert_absent
from assay.gateway.chain_time import ChainTime
from assay.gateway.tables import channel_days
from assay.gateway.writer import Writer

REFRESH_SECONDS = 15.0
"""A channel that is in use is read again after so long."""
RETRY_SECONDS = 2.0
"""A channel that did not suffice is read again at most so often."""
MAX_KNOWN = 100_000
EXHAUSTED = "credit_ledger: channel is exhausted"


@dataclass(frozen=True)
class Reading:
    """A channel's day as the chain had it: micro-USD that the gateway can collect in all.

    `voucher`: the owner's own that was known when the ledger was asked.
    """

    owner: str
    day: int
    ceiling: int
    collected: int
    delegated: bool
    voucher: int = 0


class Channels:
    """The channels to the gateway's account, as its books have them."""

    def __init__(
        self,
        network: Network,
        account: LocalAccount,
        engine: Engine,
        writer: Writer,
        chain_time: ChainTime,
    ) -> None:
        self._network = network
        self._account = account
        self._engine = engine
        self._writer = writer
        self._time = chain_time
        self._read_at: dict[tuple[str, int], float] = {}
        self._refreshing: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._unread: set[tuple[str, int]] = set()

    @property
    def payee(self) -> str:
        return str(self._account.address)

    async def ensure(self, owner: str) -> None:
        """Make sure that today's channel was read; an old reading is renewed in the background."""
        age = self._age(owner)
        if age is None:
            await self.refresh(owner)
        elif age > REFRESH_SECONDS:
            self._begin(owner)

    async def renew(self, owner: str) -> bool:
        """Read the channel now, unless that was done just before.

        Raises `NodeUnavailable` if it cannot be read: nobody knows that there is too little.
        """
        age, place = self._age(owner), (owner, self._time.day)
        due = age is None or age >= RETRY_SECONDS
        if due:
            if (under_way := self._refreshing.get(place)) is not None:
                await asyncio.shield(under_way)  # it may have begun before the owner paid in
            await self.refresh(owner)
        if place in self._unread:
            raise NodeUnavailable(
                f"the chain does not say what the channel of {owner} holds; repeat the request"
            )
        return due

    async def refresh(self, owner: str) -> None:
        """Read the channel; if the node is away, the books keep what they had."""
        await asyncio.shield(self._begin(owner))

    def _begin(self, owner: str) -> asyncio.Task[None]:
        """The reading of the channel that goes on, or a new one: a burst waits for one reading."""
        place = owner, self._time.day
        task = self._refreshing.get(place)
        if task is None:
            task = asyncio.create_task(self._refresh(*place))
            self._refreshing[place] = task
            task.add_done_callback(lambda _: self._refreshing.pop(place))
        return task

    async def _refresh(self, owner: str, day: int) -> None:
        try:
            found = await run_in_threadpool(self.read, owner, day)
            await self._writer.write(write_readings, found)
            self._unread.discard((owner, day))
        except AssayError as error:
            self._unread.add((owner, day))
            logs.warning("channel_unread", owner=owner, error=error.message)
        finally:
            self._mark(owner, day)

    async def post(self, signed: SignedVoucher) -> Reading:
        """Keep a voucher that the owner signed; InputError if it pays nothing more."""
        voucher = signed.voucher
        if voucher.payee != self.payee:
            raise _refused(f"payee {voucher.payee} is not this gateway, {self.payee}", "payee")
        if voucher.day != self._time.day:
            raise _refused(f"day {voucher.day} is not today, {self._time.day}", "day")
        try:
            await run_in_threadpool(self._network.ledger.collectable, signed)
        except ContractReverted as error:
            raise _refused(f"the ledger would not pay it: {error.reason}", "signature") from error
        await self._writer.write(_keep_vouchers, signed)
        found = await run_in_threadpool(self.read, voucher.owner, voucher.day)
        await self._writer.write(write_readings, found)
        return found

    def read(self, owner: str, day: int) -> Reading:
        """Ask the ledger for a day's state, today's or yesterday's, and for what it would pay.

        All at one block: a voucher that another replica collects in between would seem to be
        neither collected nor worth anything.
        """
        ledger, known = self._network.ledger, self._known(owner, day)
        block = self._network.head()
        state = ledger.channel_state(owner, self.payee, day, block)
        # One more than there is: it is paid as far as it goes, and never stale.
        ours = self.sign(owner, day, state.collected + state.left + 1)
        extra, delegated = self._collectable(ours, block), True
        if extra is None:
            theirs = Voucher(owner, self.payee, day, known.voucher)
            signed = SignedVoucher(theirs, known.voucher_signature or b"")
            extra, delegated = self._collectable(signed, block) or 0, False
        extra -= min(self._promised(owner, day, state, block), extra)
        ceiling = state.collected + extra
        return Reading(owner, day, ceiling, state.collected, delegated, known.voucher)

    def sign(self, owner: str, day: int, cumulative: int) -> SignedVoucher:
        """A voucher by the gateway's own key, for channels that made it their session key."""
        voucher = Voucher(owner, self.payee, day, cumulative)
        ledger = self._network.ledger.address
        return sign_voucher(self._account, voucher, self._network.chain_id, ledger)

    def _known(self, owner: str, day: int) -> ChannelDay:
        with reading(self._engine) as connection:
            return find_day(connection, owner, day)

    def _promised(self, owner: str, day: int, state: ChannelState, block: int) -> int:
        """Dollars of the deposit that yesterday's answers will take: they are no more today's."""
        before = self._known(owner, day - 1)
        spent = before.metered + before.reserved
        if day < self._time.day or spent <= before.collected or not state.deposit:
            return 0  # of the day before yesterday nothing can be collected any more
        last = self._network.ledger.channel_state(owner, self.payee, day - 1, block)
        open_ = spent - last.collected  # the books may not know yet what was collected
        return min(max(open_ - (last.left - last.deposit), 0), state.deposit)

    def _collectable(self, signed: SignedVoucher, block: int) -> int | None:
        """Micro-USD that a voucher would bring; None if it is not signed by who may."""
        try:
            return self._network.ledger.collectable(signed, block)
        except ContractReverted as error:
            return 0 if error.reason == EXHAUSTED else None

    def _age(self, owner: str) -> float | None:
        read_at = self._read_at.get((owner, self._time.day))
        return None if read_at is None else time.monotonic() - read_at

    def _mark(self, owner: str, day: int) -> None:
        if len(self._read_at) >= MAX_KNOWN:
            self._read_at.clear()
            self._unread.clear()
        self._read_at[owner, day] = time.monotonic()


_FIND = select(channel_days).where(
    channel_days.c.owner == bindparam("o"), channel_days.c.day == bindparam("d")
)


def find_day(connection: Connection, owner: str, day: int) -> ChannelDay:
    """A day of a channel in the books."""
    row = connection.execute(_FIND, {"o": owner, "d": day}).mappings().first()
    return ChannelDay(owner, day) if row is None else ChannelDay(**dict(row))


def write_readings(connection: Connection, found: Sequence[Reading]) -> list[None]:
    """Take over what the chain said. Who owes something pays it from what the channel has left."""
    page = _page(connection, [(one.owner, one.day) for one in found])
    for one in found:
        day = page.days[one.owner, one.day]
        if one.voucher < day.voucher and not one.delegated:
            continue  # it was posted meanwhile, and its own reading follows
        day.ceiling, day.collected, day.delegated = one.ceiling, one.collected, one.delegated
        _repay(page.accounts[one.owner], day)
    page.write()
    return [None] * len(found)


def _repay(account: Account, day: ChannelDay) -> None:
    amount = min(max(-account.left, 0), day.left)
    day.metered += amount
    day.repaid += amount
    account.prepaid += amount


def _keep_vouchers(connection: Connection, posted: Sequence[SignedVoucher]) -> list[None]:
    """Keep the highest of each day."""
    page = _page(connection, [(one.voucher.owner, one.voucher.day) for one in posted])
    for one in posted:
        day = page.days[one.voucher.owner, one.voucher.day]
        if one.voucher.cumulative > day.voucher:
            day.voucher, day.voucher_signature = one.voucher.cumulative, one.signature
    page.write()
    return [None] * len(posted)


def _page(connection: Connection, places: Sequence[tuple[str, int]]) -> Page:
    """The days' rows, made where they are missing."""
    for owner in sorted({owner for owner, _ in places}):
        open_account(connection, owner)
    fresh = [vars(ChannelDay(owner, day)) for owner, day in sorted(set(places))]
    insert_absent(connection, channel_days, fresh)
    return Page(connection, {owner for owner, _ in places}, {day for _, day in places})


def _refused(why: str, param: str) -> InputError:
    return InputError(f"the voucher is refused: {why}", code="invalid_voucher", param=param)
