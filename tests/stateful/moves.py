"""What anyone may do in the economy, in numbers small enough to draw: who, whom, how much.

A `part` is a share of whatever the move is about, so that amounts are near what there is: one
unit, a third, all, or one too many.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.support.beside import Answer, Beside
from tests.support.evm import DAY, now, today
from tests.support.reference.base import Refused, Tickets
from tests.support.reference.ledger import Channel

ONE, THIRD, ALL, OVER = range(4)
SHARES_BPS = (0, 3_333, 5_000, 10_000)
EXPIRIES = (3_600, DAY, 3 * DAY, 40 * DAY)


def portion(part: int, whole: int) -> int:
    return {ONE: 1, THIRD: whole // 3, ALL: whole, OVER: whole + 1}[part]


def ticket(tickets: Tickets, holder: str, part: int) -> int:
    """One of the holder's open tickets; with `OVER`, or without any, one that does not exist."""
    issued = tickets.issued.get(holder, [])
    open_ = [at for at, found in enumerate(issued) if found is not None]
    return open_[part % len(open_)] if open_ and part != OVER else len(issued)


@dataclass
class Flows:
    """Dollars that went in and out of the ledger."""

    received: int = 0
    withdrawn: int = 0
    paid: int = 0
    fees: int = 0
    earnings_withdrawn: int = 0
    swept: int = 0


class Moves:
    """Moves by number of actor, on contracts and model alike."""

    def __init__(self, beside: Beside, flows: Flows | None = None) -> None:
        self.beside = beside
        self.world = beside.world
        self.names = beside.names
        self.flows = flows or Flows()
        self.key = 2  # the actor whose key signs for others' channels

    def received(self, answer: Answer, amount: int) -> None:
        self.flows.received += amount if answer.refused is None else 0

    # --- staking -----------------------------------------------------------------------

    def stake(self, who: int, other: int, part: int) -> None:
        """For oneself or for another."""
        name = self.names[who]
        amount = portion(part, self.world.token.balance_of(name))
        self.beside.stake(name, self.names[other], amount)

    def unstake(self, who: int, other: int, part: int) -> None:
        free = self.world.staking.free_of(self.names[who])
        self.beside.request_unstake(self.names[who], portion(part, free))

    def cancel_unstake(self, who: int, other: int, part: int) -> None:
        name = self.names[who]
        self.beside.cancel_unstake(name, ticket(self.world.staking.tickets, name, part))

    def withdraw_stake(self, who: int, other: int, part: int) -> None:
        name = self.names[who]
        self.beside.withdraw_stake(name, ticket(self.world.staking.tickets, name, part))

    def claim(self, who: int, other: int, part: int) -> None:
        self.beside.claim(self.names[who])

    def compound(self, who: int, other: int, part: int) -> None:
        self.beside.compound(self.names[who])

    # --- KARAT -------------------------------------------------------------------------

    def mint(self, who: int, other: int, part: int) -> None:
        """With the quote as the minimum; one too many reverts for the stake, or the minimum. What
        spans too many buckets has no quote, and is refused."""
        locked = portion(part, self.world.staking.free_of(self.names[who]))
        try:
            least = self.world.minter.quote_mint(locked)
        except Refused:
            least = 0
        self.beside.mint_karat(self.names[who], locked, least + (other == 2))

    def burn(self, who: int, other: int, part: int) -> None:
        minted = self.world.minter.positions[self.names[who]].minted
        held = self.world.karat.token.balance_of(self.names[who])
        self.beside.burn_karat(self.names[who], portion(part, min(minted, held)))

    def transfer_karat(self, who: int, other: int, part: int) -> None:
        held = self.world.karat.token.balance_of(self.names[who])
        self.beside.transfer_karat(self.names[who], self.names[other], portion(part, held))

    def stake_karat(self, who: int, other: int, part: int) -> None:
        held = self.world.karat.token.balance_of(self.names[who])
        self.beside.stake_karat(self.names[who], portion(part, held))

    def unstake_karat(self, who: int, other: int, part: int) -> None:
        """All; what channels leave; a third; more than there is."""
        name = self.names[who]
        staked = self.world.karat.staked_of(name)
        spare = staked - self.world.ledger.committed_of(name)[0] * 10**12
        amounts = {ONE: spare, THIRD: staked // 3, ALL: staked, OVER: spare + 1}
        self.beside.unstake_karat(name, max(amounts[part], 0))

    def cancel_karat(self, who: int, other: int, part: int) -> None:
        name = self.names[who]
        self.beside.cancel_karat(name, ticket(self.world.karat.tickets, name, part))

    def withdraw_karat(self, who: int, other: int, part: int) -> None:
        name = self.names[who]
        self.beside.withdraw_karat(name, ticket(self.world.karat.tickets, name, part))

    # --- dollars -----------------------------------------------------------------------

    def deposit(self, who: int, other: int, part: int) -> None:
        amount = portion(part, self.world.usdc.balance_of(self.names[who]))
        self.received(self.beside.deposit(self.names[who], self.names[other], amount), amount)

    def give_notice(self, who: int, other: int, part: int) -> None:
        amount = portion(part, self.world.ledger.available_dollars(self.names[who]))
        self.beside.request_withdrawal(self.names[who], amount)

    def withdraw_dollars(self, who: int, other: int, part: int) -> None:
        name = self.names[who]
        found = ticket(self.world.ledger.tickets, name, part)
        answer = self.beside.withdraw_dollars(name, found)
        self.flows.withdrawn += answer.value or 0

    def withdraw_earnings(self, who: int, other: int, part: int) -> None:
        answer = self.beside.withdraw_earnings(self.names[who])
        self.flows.earnings_withdrawn += answer.value or 0

    # --- channels ----------------------------------------------------------------------

    def set_channel(self, who: int, other: int, part: int) -> None:
        """Terms that belong together; `set_terms` has them one by one."""
        self.set_terms(who, other, part, SHARES_BPS[part], part == THIRD, EXPIRIES[part], part)

    def set_terms(
        self, who: int, other: int, karat: int, bps: int, keyed: bool, expiry: int, dollars: int
    ) -> None:
        owner, payee = self.names[who], self.names[other]
        amount = 0 if dollars == ONE else portion(dollars, self.world.usdc.balance_of(owner)) // 5
        promised = portion(karat, self.world.ledger.karat_allowance(owner))
        key = self.names[self.key] if keyed else None
        answer = self.beside.set_channel(
            owner, payee, promised - (karat == ONE), bps, key, now() + expiry, amount
        )
        self.received(answer, amount)

    def close_channel(self, who: int, other: int, part: int) -> None:
        self.beside.close_channel(self.names[who], self.names[other])

    def collect(self, who: int, other: int, part: int) -> None:
        """The owner signs for today, unless it spends its own."""
        signer = None if who == other else who
        self.collect_voucher(who, who, other, part, 0, signer)

    def collect_voucher(
        self, caller: int, who: int, other: int, part: int, age: int, signer: int | None
    ) -> None:
        signed = self.voucher(who, other, part, age, signer)
        self.beside.collect(self.names[caller], signed)

    def voucher(self, who: int, other: int, part: int, age: int, signer: int | None) -> object:
        """Stale, half of the credit, all credit, or all credit and more than the dollars."""
        owner, payee = self.names[who], self.names[other]
        day = today() - age
        channel = self.world.ledger.channels.get((owner, payee), Channel())
        collected = channel.collected[day].total if day in channel.collected else 0
        limit = self.world.ledger.limit(owner, payee, day) if age < 2 else 1
        cumulative = {
            ONE: collected,
            THIRD: collected + 1 + limit // 3,
            ALL: limit,
            OVER: limit + channel.deposit + 1,
        }[part]
        by = None if signer is None else self.beside.actors[signer]
        return self.beside.signed(owner, payee, day, cumulative, by)

    def pay(self, who: int, other: int, part: int, age: int, halves: int) -> None:
        """As the settlement pays a claim posted some days ago, of a micro-dollar, a third or all
        of the credit, or more than that; the reference price is all of its price, or half."""
        consumer, provider, ledger = self.names[who], self.names[other], self.world.ledger
        posted_at = now() - age * DAY
        credit = sum(ledger.credit_of(consumer, posted_at // DAY - day) for day in (0, 1))
        more = credit + ledger.balances[consumer] // 3 + 1
        price = {ONE: 1, THIRD: credit // 3 + 1, ALL: credit, OVER: more}[part]
        paid, fees = ledger.earnings[provider], ledger.fees
        self.beside.pay(consumer, provider, price, price >> halves, posted_at)
        self.flows.paid += ledger.earnings[provider] - paid
        self.flows.fees += ledger.fees - fees

    # --- rewards and treasury ----------------------------------------------------------

    def reward_work(self, who: int, other: int, part: int) -> None:
        """Days that are over; with `OVER`, today as well, which is refused."""
        days = range(today() - 3, today() + (part == OVER))
        self.beside.reward_work(self.names[who], days)

    def take(self, who: int, other: int, part: int) -> None:
        """Any dollars of an auction, at most at the price of now, or one below; starts one."""
        auction = self.world.auction
        if not auction.is_live:
            self.beside.start_auction()
        left = auction.sales[-1].left if auction.sales else 0
        amount = portion(part, left)
        due = auction.quote(min(amount, left)) if auction.is_live else 0
        self.beside.take(self.names[who], amount, max(due - (other == 2), 0))

    def donate(self, who: int, other: int, part: int) -> None:
        """Dollars for the fee router, as subscriptions bring them."""
        name, router = self.names[who], self.world.router.address
        amount = portion(part, self.world.usdc.balance_of(name)) // 5
        usdc = self.beside.economy.usdc
        self.beside.both(
            "usdc.transfer",
            lambda: usdc.transfer(router, amount, sender=name) and None,
            lambda: self.world.usdc.transfer(name, router, amount),
        )

    def sweep(self, who: int, other: int, part: int) -> None:
        self.flows.swept += self.beside.sweep_fees().value or 0

    def route(self, who: int, other: int, part: int) -> None:
        self.beside.route()

    def start(self, who: int, other: int, part: int) -> None:
        self.beside.start_auction()


Move = Callable[[Moves, int, int, int], None]

STAKING: list[Move] = [
    Moves.stake,
    Moves.unstake,
    Moves.cancel_unstake,
    Moves.withdraw_stake,
    Moves.claim,
    Moves.compound,
]
KARAT: list[Move] = [
    Moves.mint,
    Moves.burn,
    Moves.transfer_karat,
    Moves.stake_karat,
    Moves.unstake_karat,
    Moves.cancel_karat,
    Moves.withdraw_karat,
]
DOLLARS: list[Move] = [
    Moves.deposit,
    Moves.give_notice,
    Moves.withdraw_dollars,
    Moves.withdraw_earnings,
]
TREASURY: list[Move] = [Moves.donate, Moves.sweep, Moves.route, Moves.start, Moves.take]

# What an actor can do for itself within a block, without a settlement or an auction.
ALONE: list[Move] = [
    *STAKING,
    *KARAT,
    *DOLLARS,
    Moves.set_channel,
    Moves.collect,
    Moves.close_channel,
    Moves.reward_work,
]
