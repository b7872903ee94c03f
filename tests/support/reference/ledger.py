"""The credit ledger: dollars, allowances, channels, vouchers, and what claims are paid from."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from tests.support.reference.base import (
    BPS,
    DAY,
    ByDay,
    Clock,
    Refused,
    Tickets,
    ceil_div,
    require,
)
from tests.support.reference.emissions import Emissions
from tests.support.reference.staking import Staking
from tests.support.reference.tokens import UNITS_PER_MICRO_USD, Karat, Token

MAX_FEE_BPS = 2_000
MAX_KARAT = 2**46 - 1
MAX_DAY = 2**18 - 1
MAX_CREDIT = 2**50 - 1
MAX_USDC = 2**44 - 1


@dataclass(frozen=True)
class Voucher:
    """`signer`: whose key signed; None if nobody did. Wallets with code are the harness's."""

    owner: str
    payee: str
    day: int
    cumulative: int
    signer: str | None


@dataclass
class Collected:
    credit: int = 0
    usdc: int = 0

    @property
    def total(self) -> int:
        return self.credit + self.usdc


@dataclass
class Channel:
    """Promises by UTC day; `keys` likewise, as numbers, 0 for none. The last day is collected
    whole, so an expiry counts as the end of its day."""

    last_day: int = 0
    deposit: int = 0
    karat: ByDay = field(default_factory=ByDay)
    bps: ByDay = field(default_factory=ByDay)
    keys: ByDay = field(default_factory=ByDay)
    collected: dict[int, Collected] = field(default_factory=lambda: defaultdict(Collected))

    @property
    def expires_at(self) -> int:
        return (self.last_day + 1) * DAY - 1


def raised_or_later(promise: ByDay, today: int, value: int) -> int:
    """What a promise is today once it is set to `value`: more at once, less from tomorrow on."""
    return max(promise.on(today), value)


@dataclass
class Ledger:
    """All of it. `dollars` is the payment token, `address` the ledger's own account there."""

    clock: Clock
    address: str
    router: str
    dollars: Token
    staking: Staking
    emissions: Emissions
    fee_bps: int
    withdrawal_seconds: int
    karat: Karat = field(init=False)
    balances: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    noticed: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    earnings: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    credits: dict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))
    channels: dict[tuple[str, str], Channel] = field(default_factory=dict)
    fees: int = 0

    def __post_init__(self) -> None:
        self.tickets = Tickets(self.clock, self.withdrawal_seconds)

    # --- dollars -----------------------------------------------------------------------

    def deposit(self, payer: str, account: str, amount: int) -> None:
        require(amount > 0, "nothing to deposit")
        self.dollars.transfer(payer, self.address, amount)
        self.balances[account] += amount

    def available_dollars(self, account: str) -> int:
        balance = self.balances.get(account, 0)
        return balance - min(balance, self.noticed.get(account, 0))

    def available(self, account: str) -> int:
        today = self.clock.today
        credit = self.credit_of(account, today) + self.credit_of(account, today - 1)
        return self.available_dollars(account) + credit

    def credit_of(self, account: str, day: int) -> int:
        return self.credits.get((account, day), 0)

    def request_withdrawal(self, account: str, amount: int) -> int:
        require(amount <= self.available_dollars(account), "balance too small")
        ticket_id = self.tickets.issue(account, amount)
        self.noticed[account] += amount
        return ticket_id

    def withdraw(self, account: str, ticket_id: int, to: str) -> int:
        self.tickets.check_ripe(account, ticket_id)
        noticed = self.tickets.take(account, ticket_id)
        self.noticed[account] -= noticed
        amount = min(noticed, self.balances[account])
        self.balances[account] -= amount
        self.dollars.transfer(self.address, to, amount)
        return amount

    def withdraw_earnings(self, provider: str, to: str) -> int:
        amount = self.earnings.pop(provider, 0)
        self.dollars.transfer(self.address, to, amount)
        return amount

    def sweep_fees(self) -> int:
        amount, self.fees = self.fees, 0
        self.dollars.transfer(self.address, self.router, amount)
        return amount

    def set_fee(self, fee_bps: int) -> None:
        require(fee_bps <= MAX_FEE_BPS, "fee too large")
        self.fee_bps = fee_bps

    # --- allowances --------------------------------------------------------------------

    def karat_allowance(self, account: str) -> int:
        return self.karat.staked_of(account) // UNITS_PER_MICRO_USD

    def capacity_allowance(self, account: str, day: int, bps: int = BPS) -> int:
        stake, total = self.staking.opening_stake(account, day)
        if stake == 0:
            return 0
        return self.emissions.daily_capacity(day) * stake * bps // (total * BPS)

    def committed_of(self, owner: str) -> tuple[int, int]:
        mine = [channel for (who, _), channel in self.channels.items() if who == owner]
        today = self.clock.today
        return sum(c.karat.on(today) for c in mine), sum(c.bps.on(today) for c in mine)

    # --- channels ----------------------------------------------------------------------

    def set_channel(
        self,
        owner: str,
        payee: str,
        karat_micro: int,
        capacity_bps: int,
        session_key: int,
        expires_at: int,
        added_deposit: int,
    ) -> None:
        """`session_key` as a number, 0 for none."""
        channel = self.channels.get((owner, payee), Channel())
        now, today = self.clock.now, self.clock.today
        last_day = expires_at // DAY
        require(now < expires_at and last_day <= MAX_DAY, "expiry")
        require(last_day >= min(channel.last_day, today + 1), "expiry too near")
        require(capacity_bps <= BPS and karat_micro <= MAX_KARAT, "promised already")
        karat = raised_or_later(channel.karat, today, karat_micro)
        bps = raised_or_later(channel.bps, today, capacity_bps)
        karat_sum, bps_sum = self.committed_of(owner)
        karat_rise = karat - channel.karat.on(today)
        if karat_rise > 0:
            require(karat_sum + karat_rise <= self.karat_allowance(owner), "promised already")
        require(bps_sum + bps - channel.bps.on(today) <= BPS, "capacity promised already")
        require(channel.deposit + added_deposit <= MAX_USDC, "deposit too large")
        self.dollars.transfer(owner, self.address, added_deposit)
        for promise, value, later in (
            (channel.karat, karat, karat_micro),
            (channel.bps, bps, capacity_bps),
            (channel.keys, channel.keys.on(today) or session_key, session_key),
        ):
            promise.set(today, value)
            promise.set(today + 1, later)
        channel.deposit += added_deposit
        channel.last_day = last_day
        self.channels[owner, payee] = channel

    def close_channel(self, owner: str, payee: str) -> int:
        channel = self.channels.get((owner, payee))
        require(channel is not None, "no such channel")
        assert channel is not None
        require(self.clock.today > channel.last_day + 1, "channel is in use")
        del self.channels[owner, payee]
        self.balances[owner] += channel.deposit
        return channel.deposit

    def limit(self, owner: str, payee: str, day: int) -> int:
        """Credit that the channel may pay on a day."""
        channel = self.channels.get((owner, payee), Channel())
        share = self.capacity_allowance(owner, day, channel.bps.on(day))
        return min(channel.karat.on(day) + share, MAX_CREDIT)

    def collect(self, caller: str, voucher: Voucher) -> int:
        """Returns what the payee was credited."""
        owner, payee, day = voucher.owner, voucher.payee, voucher.day
        require(day in (self.clock.today, self.clock.today - 1), "voucher of another day")
        channel = self.channels.get((owner, payee))
        require(channel is not None and day <= channel.last_day, "no channel")
        assert channel is not None
        collected = channel.collected[day]
        due = voucher.cumulative - collected.total
        require(due > 0, "stale voucher")
        if not owner == payee == caller:
            self._check_signer(channel, voucher)
        credit = min(due, self.limit(owner, payee, day) - collected.credit)
        usdc = min(due - credit, channel.deposit, MAX_USDC - collected.usdc)
        require(credit + usdc > 0, "channel is exhausted")
        collected.credit += credit
        collected.usdc += usdc
        channel.deposit -= usdc
        self.credits[payee, day] += credit
        self.balances[payee] += usdc
        return credit + usdc

    def collect_many(self, caller: str, vouchers: list[Voucher]) -> int:
        """All for the first one's payee; what cannot be collected is skipped."""
        total = 0
        for voucher in vouchers:
            try:
                require(voucher.payee == vouchers[0].payee, "voucher of another payee")
                total += self.collect(caller, voucher)
            except Refused:
                continue
        return total

    @staticmethod
    def _check_signer(channel: Channel, voucher: Voucher) -> None:
        require(voucher.signer is not None, "wrong signature")
        assert voucher.signer is not None
        key = channel.keys.on(voucher.day)
        by_key = key != 0 and int(voucher.signer, 16) == key
        require(voucher.signer == voucher.owner or by_key, "wrong signature")

    # --- settlement --------------------------------------------------------------------

    def pay(
        self, consumer: str, provider: str, price: int, credit_cap: int, posted_at: int
    ) -> tuple[int, int, int]:
        """Returns credit, dollars and the fee in them."""
        credit = 0
        for day in (posted_at // DAY - 1, posted_at // DAY):
            part = min(min(price, credit_cap) - credit, self.credit_of(consumer, day))
            if part:
                self.credits[consumer, day] -= part
                credit += part
        usdc = min(price - credit, self.balances.get(consumer, 0))
        fee = ceil_div(usdc * self.fee_bps, BPS)
        if usdc:
            self.balances[consumer] -= usdc
            self.earnings[provider] += usdc - fee
            self.fees += fee
        if credit:
            self.emissions.record_work(provider, credit)
        return credit, usdc, fee

    # --- what must hold ----------------------------------------------------------------

    def owed(self) -> int:
        """Dollars that the ledger must hold, to the last unit."""
        deposits = sum(channel.deposit for channel in self.channels.values())
        return sum(self.balances.values()) + deposits + sum(self.earnings.values()) + self.fees
