"""What a provider has earned: the chain's events beside its own journal.

The chain says what was paid, the journal what for. Micro-USD throughout; gas in wei. Every claim
is counted once: claimed = credit + dollars + short + pending + lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from assay.chain.history import Happened, history
from assay.chain.network import Network
from assay.chain.spending import Spending, Spent
from assay.chain.work import work_rewards
from assay.core.errors import ChainError
from assay.core.vouchers import day_of
from assay.provider.records import ClaimRecord, OpenBatch
from assay.provider.view import View

BPS = 10_000
ATTEMPTS = 5
UNKNOWN = "not in the journal"
By = Literal["day", "model"]


@dataclass
class Tally:
    """Claims and what became of their prices.

    credit, dollars   paid out of daily credit, and in dollars
    fees              the protocol's part of those dollars
    short             of finalised claims, what their consumers could not pay
    pending           of claims whose window is open, or that are not posted yet
    lost              of claims that were convicted or given up
    """

    claims: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    claimed: int = 0
    credit: int = 0
    dollars: int = 0
    fees: int = 0
    short: int = 0
    pending: int = 0
    lost: int = 0

    @property
    def earned(self) -> int:
        """Dollars that are the provider's."""
        return self.dollars - self.fees

    def add_paid(self, payment: Payment) -> None:
        self.credit += payment.credit
        self.dollars += payment.dollars
        self.fees += payment.fee
        self.short += payment.short

    def add_claim(self, claim: ClaimRecord, payment: Payment | None) -> None:
        self.claims += 1
        self.input_tokens += claim.prompt_tokens
        self.output_tokens += claim.output_tokens
        self.claimed += claim.price
        if payment is not None:
            self.add_paid(payment)
        elif claim.stage == "dead":
            self.lost += claim.price
        else:
            self.pending += claim.price


@dataclass(frozen=True)
class Payment:
    """One finalised claim, by the ledger's event."""

    credit: int
    dollars: int
    fee: int
    short: int

    @property
    def price(self) -> int:
        return self.credit + self.dollars + self.short


@dataclass(frozen=True)
class Due:
    """What can be withdrawn from a Unix time on: micro-USD, at most, less the present fee."""

    at: int
    amount: int
    claims: int


@dataclass(frozen=True)
class Books:
    """What the chain has of a provider, all at one block."""

    payments: dict[bytes, Payment]
    withdrawn: int
    balance: int
    fee_bps: int


@dataclass(frozen=True)
class Statement:
    """A provider's earnings.

    lines      tallies by day (of serving, UTC) or by model
    withdrawn  dollars that were withdrawn before; `balance`: what can be withdrawn now
    work       ASSAY wei of emission for credit work of days that are over, not collected yet
    slashed    ASSAY wei of bond that convictions took
    due        what will be withdrawable, by time
    spent      gas of all transactions that the events of its batches, payments and games name
    faults     where journal and chain disagree
    """

    provider: str
    lines: dict[str, Tally]
    total: Tally
    withdrawn: int
    balance: int
    work: int
    slashed: int
    due: list[Due]
    spent: Spent
    faults: list[str] = field(default_factory=list)

    @property
    def difference(self) -> int:
        """Micro-USD that the ledger holds beyond what was paid and not withdrawn: 0."""
        return self.balance - (self.total.earned - self.withdrawn)

    @property
    def reconciles(self) -> bool:
        return self.difference == 0 and not self.faults

    def net(self, ether_micro_usd: int) -> int:
        """Dollars earned less the gas, at a price of ether: micro-USD."""
        return self.total.earned - self.spent.wei * ether_micro_usd // 10**18


def statement(view: View, by: By) -> Statement:
    """Read everything and reconcile it."""
    network, address = view.network, view.address
    claims = view.records.claims()  # first: what these know as paid, the chain knows, too
    books = read_books(network, address)
    lines, total = tallies(claims, books.payments, _key(view, by))
    slashes = history(network.providers, "Slashed", network.deployment.block, provider=address)
    rewards = work_rewards(network, address, day_of(network.now()))
    return Statement(
        provider=address,
        lines=lines,
        total=total,
        withdrawn=books.withdrawn,
        balance=books.balance,
        work=sum(rewards.values()),
        slashed=sum(int(e.args["reward"]) + int(e.args["burned"]) for e in slashes),
        due=due(view.records.open_batches(), total, books.fee_bps, network),
        spent=Spending(network, view.home.fees).of(address, transactions(network, address)),
        faults=faults(claims, books.payments),
    )


def read_books(network: Network, provider: str) -> Books:
    """Again if a block came between two answers that belong together."""
    ledger, start = network.ledger, network.deployment.block
    for _ in range(ATTEMPTS):
        head = network.head()
        paid = history(ledger, "Paid", start, provider=provider)
        withdrawals = history(ledger, "EarningsWithdrawn", start, provider=provider)
        balance, fee_bps = ledger.earnings_of(provider), ledger.fee_bps()
        if network.head() == head:
            payments = {bytes(event.args["job_id"]): _payment(event) for event in paid}
            withdrawn = sum(int(event.args["amount"]) for event in withdrawals)
            return Books(payments, withdrawn, balance, fee_bps)
    raise ChainError(
        f"a block came between the answers {ATTEMPTS} times; ask a node that answers faster "
        "(ASSAY_RPC_URL)"
    )


def _payment(event: Happened) -> Payment:
    args = event.args
    return Payment(args["credit"], args["usdc"], args["fee"], args["shortfall"])


def tallies(
    claims: Iterable[ClaimRecord],
    payments: Mapping[bytes, Payment],
    key: Callable[[ClaimRecord], str],
) -> tuple[dict[str, Tally], Tally]:
    """Tallies by key, and of all. What was paid for claims that no journal has stands alone."""
    lines: dict[str, Tally] = {}
    total, unknown = Tally(), dict(payments)
    for claim in claims:
        payment = unknown.pop(claim.job_id, None)
        for tally in (lines.setdefault(key(claim), Tally()), total):
            tally.add_claim(claim, payment)
    for payment in unknown.values():
        for tally in (lines.setdefault(UNKNOWN, Tally()), total):
            tally.claims += 1
            tally.claimed += payment.price
            tally.add_paid(payment)
    return lines, total


def faults(claims: Iterable[ClaimRecord], payments: Mapping[bytes, Payment]) -> list[str]:
    """Claims whose payment is not that of their receipt, or that the journal alone calls paid."""
    found = []
    for claim in claims:
        payment = payments.get(claim.job_id)
        if payment is not None and payment.price != claim.price:
            found.append(
                f"job 0x{claim.job_id.hex()}: price {claim.price}, paid as {payment.price}"
            )
        elif payment is None and claim.stage == "final":
            found.append(f"job 0x{claim.job_id.hex()}: final in the journal, not paid on chain")
    return found


def due(batches: Iterable[OpenBatch], total: Tally, fee_bps: int, network: Network) -> list[Due]:
    """Open claims by the end of their windows; those not posted yet as if posted now."""
    found: list[Due] = []
    posted = 0
    for batch in batches:
        until = network.settlement.challenge_until(batch.batch_id) if batch.posted else 0
        if until:
            posted += batch.price
            found.append(Due(until + 1, _after_fee(batch.price, fee_bps), batch.open))
    rest = total.pending - posted
    if rest > 0:
        at = max(network.now(), int(time.time())) + network.settlement.window_seconds()
        found.append(Due(at, _after_fee(rest, fee_bps), 0))
    return sorted(found, key=lambda each: each.at)


def _after_fee(amount: int, fee_bps: int) -> int:
    return amount - -(-amount * fee_bps // BPS)


def transactions(network: Network, provider: str) -> set[str]:
    """Of its batches, payments, withdrawals, bonds and games, whoever sent them."""
    start = network.deployment.block
    found = {
        event.transaction
        for client, name in (
            (network.settlement, "BatchPosted"),
            (network.ledger, "Paid"),
            (network.ledger, "EarningsWithdrawn"),
            (network.providers, "Bonded"),
            (network.providers, "UnbondRequested"),
            (network.providers, "Withdrawn"),
        )
        for event in history(client, name, start, provider=provider)
    }
    return found | _moves(network, provider)


def _moves(network: Network, provider: str) -> set[str]:
    """Of games about its claims."""
    start = network.deployment.block
    games = [
        event.args["game_id"]
        for event in history(network.game, "GameOpened", start)
        if event.args["provider"] == provider
    ]
    return {
        event.transaction
        for game in games
        for event in history(network.game, "Standing", start, game_id=game)
    }


def _key(view: View, by: By) -> Callable[[ClaimRecord], str]:
    if by == "day":
        return lambda claim: time.strftime("%Y-%m-%d", time.gmtime(claim.created))
    names = view.names()
    return lambda claim: names.get(claim.model_root, claim.model_root)
