"""Bonds, locks, tickets and deposits against a ledger kept beside the contracts.

Two providers and two consumers do everything the registry, the ledger and the settlement let them
do with bonds and dollars, in any order; convictions come as the game would send them. What a
contract holds is always exactly what it owes.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import boa
from eth_account import Account
from eth_account.signers.local import LocalAccount
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from assay.core.hashes import keccak
from tests.support.market import DELAY, REWARD_BPS, SLASH, WINDOW, Claim, Market, earned, reverts

REWARD = SLASH * REWARD_BPS // 10_000
CONSUMERS = [Account.from_key(keccak(name)) for name in (b"consumer 1", b"consumer 2")]
OPEN, FINALISED, CONVICTED, ABANDONED, WITHDRAWN = 0, 1, 2, 3, 4

amounts = st.sampled_from([1, SLASH - 1, SLASH, 3 * SLASH])
deposits = st.sampled_from([1, 1000, 1151, 5000])
either = st.integers(0, 1)


@dataclass
class Ticket:
    amount: int
    ready_at: int
    open: bool = True


@dataclass
class Provider:
    address: str
    bonded: int = 0
    locked: int = 0
    bond_tokens: int = 0
    earned: int = 0
    dollars: int = 0
    tickets: list[Ticket] = field(default_factory=list)

    @property
    def free(self) -> int:
        return self.bonded - self.locked


@dataclass
class Consumer:
    signer: LocalAccount
    balance: int = 0
    tokens: int = 0
    tickets: list[Ticket] = field(default_factory=list)

    @property
    def noticed(self) -> int:
        return sum(ticket.amount for ticket in self.tickets if ticket.open)

    @property
    def available(self) -> int:
        return max(self.balance - self.noticed, 0)


@dataclass(repr=False)
class Posted:
    """A claim as the ledger knows it."""

    claim: Claim
    provider: Provider
    consumer: Consumer
    posted_at: int
    status: int = OPEN


class Bonds(RuleBasedStateMachine):
    market: Market

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.stack.enter_context(boa.env.anchor())
        self.claims: list[Posted] = []
        self.burned = self.rewards = self.fees = 0
        self.supply = self.market.bond_token.totalSupply()
        self.opener = boa.env.generate_address("opener")

    @initialize()
    def begin(self) -> None:
        names = ("provider 1", "provider 2")
        self.providers = [Provider(boa.env.generate_address(name)) for name in names]
        self.consumers = [Consumer(signer) for signer in CONSUMERS]
        for provider in self.providers:
            self.bond(provider, 5 * SLASH)

    def teardown(self) -> None:
        self.stack.close()

    # Providers.

    @rule(who=either, amount=amounts)
    def provider_bonds(self, who: int, amount: int) -> None:
        self.bond(self.providers[who], amount)

    @rule(who=either, amount=amounts)
    def provider_requests_unbond(self, who: int, amount: int) -> None:
        provider, registry = self.providers[who], self.market.providers
        if amount > provider.free:
            with reverts("provider_registry: bond is locked"):
                registry.request_unbond(amount, sender=provider.address)
            return
        ticket = registry.request_unbond(amount, sender=provider.address)
        assert ticket == len(provider.tickets)
        provider.bonded -= amount
        provider.tickets.append(Ticket(amount, self.market.now + DELAY))

    @rule(who=either, ticket_id=st.integers(0, 3))
    def provider_withdraws(self, who: int, ticket_id: int) -> None:
        provider = self.providers[who]
        call = self.market.providers.withdraw
        ticket = self.redeem(call, provider.address, provider.tickets, ticket_id)
        provider.bond_tokens += ticket.amount if ticket else 0

    @rule(who=either, whose=either, count=st.integers(1, 3))
    def provider_posts(self, who: int, whose: int, count: int) -> None:
        provider, consumer = self.providers[who], self.consumers[whose]
        claims = [
            self.market.claim(
                signer=consumer.signer,
                consumer=consumer.signer.address,
                provider=provider.address,
            )
            for _ in range(count)
        ]
        if provider.free < count * SLASH:
            with reverts("provider_registry: bond too small"):
                self.market.post(*claims, sender=provider.address)
            return
        self.market.post(*claims, sender=provider.address)
        provider.locked += count * SLASH
        now = self.market.now
        self.claims += [Posted(claim, provider, consumer, now) for claim in claims]

    # Consumers.

    @rule(who=either, amount=deposits)
    def consumer_deposits(self, who: int, amount: int) -> None:
        consumer = self.consumers[who]
        self.market.economy.deposit(consumer.signer.address, amount)
        consumer.balance += amount

    @rule(who=either, amount=deposits)
    def consumer_gives_notice(self, who: int, amount: int) -> None:
        consumer, ledger = self.consumers[who], self.market.ledger
        if amount > consumer.available:
            with reverts("credit_ledger: balance too small"):
                ledger.request_withdrawal(amount, sender=consumer.signer.address)
            return
        ledger.request_withdrawal(amount, sender=consumer.signer.address)
        consumer.tickets.append(Ticket(amount, self.market.now + DELAY))

    @rule(who=either, ticket_id=st.integers(0, 3))
    def consumer_withdraws(self, who: int, ticket_id: int) -> None:
        consumer, ledger = self.consumers[who], self.market.ledger
        holder = consumer.signer.address

        def call(ticket: int, sender: str) -> None:
            ledger.withdraw(ticket, sender, sender=sender)

        ticket = self.redeem(call, holder, consumer.tickets, ticket_id)
        if ticket:
            amount = min(ticket.amount, consumer.balance)
            consumer.balance -= amount
            consumer.tokens += amount

    @rule(who=either)
    def provider_withdraws_earnings(self, who: int) -> None:
        provider = self.providers[who]
        call, amount = self.market.ledger.withdraw_earnings, provider.earned
        assert call(provider.address, sender=provider.address) == amount
        provider.dollars += amount
        provider.earned = 0

    @rule()
    def fees_are_swept(self) -> None:
        assert self.market.ledger.sweep_fees() == self.fees
        self.fees = 0

    # Claims.

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def claim_is_convicted(self, data: Any) -> None:
        """As the game does it; in the window, as games open nowhere else."""
        posted = data.draw(st.sampled_from(self.claims))
        call, claim = self.market.settlement.convict, posted.claim
        arguments = (claim.batch_id, claim.index, self.opener)
        if posted.status not in (OPEN, CONVICTED):
            with reverts("settlement: claim is not open"):
                call(*arguments, sender=self.market.game.address)
            return
        call(*arguments, sender=self.market.game.address)
        if posted.status == CONVICTED:
            return  # nothing is left to slash
        posted.status = CONVICTED
        posted.provider.bonded -= SLASH
        posted.provider.locked -= SLASH
        self.rewards += REWARD
        self.burned += SLASH - REWARD

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def claim_is_finalised(self, data: Any) -> None:
        posted = data.draw(st.sampled_from(self.claims))
        if posted.status == FINALISED:
            reason = "settlement: job is paid already"
        else:
            reason = self.reason_against_end(posted)
        if reason:
            with reverts(reason):
                self.market.finalise(posted.claim)
            return
        due = min(posted.claim.receipt.price, posted.consumer.balance)
        assert self.market.finalise(posted.claim) == due
        posted.consumer.balance -= due
        posted.provider.earned += earned(due)
        self.fees += due - earned(due)
        self.release(posted, FINALISED)

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def claim_is_abandoned(self, data: Any) -> None:
        posted = data.draw(st.sampled_from(self.claims))
        arguments = (posted.claim.batch_id, posted.claim.index)
        reason = self.reason_against_end(posted)
        if reason:
            with reverts(reason):
                self.market.settlement.abandon(*arguments, sender=posted.provider.address)
            return
        self.market.settlement.abandon(*arguments, sender=posted.provider.address)
        self.release(posted, ABANDONED)

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def claim_is_withdrawn(self, data: Any) -> None:
        """Taken back early: a twentieth of the slash burns."""
        posted = data.draw(st.sampled_from(self.claims))
        arguments = (posted.claim.batch_id, posted.claim.index)
        reason = "" if posted.status == OPEN else "settlement: claim is not open"
        if self.market.now > posted.posted_at + WINDOW // 8:
            reason = "settlement: too late to withdraw"
        if reason:
            with reverts(reason):
                self.market.settlement.withdraw_claim(*arguments, sender=posted.provider.address)
            return
        self.market.settlement.withdraw_claim(*arguments, sender=posted.provider.address)
        self.release(posted, WITHDRAWN)
        posted.provider.bonded -= SLASH // 20
        self.burned += SLASH // 20

    @rule(seconds=st.sampled_from([1, WINDOW // 2, WINDOW, WINDOW + 1, DELAY]))
    def time_passes(self, seconds: int) -> None:
        boa.env.time_travel(seconds=seconds)

    # What must hold.

    @invariant()
    def registry_holds_what_it_owes(self) -> None:
        if not hasattr(self, "providers"):
            return
        registry, token = self.market.providers, self.market.bond_token
        owed = 0
        for provider in self.providers:
            assert registry.bonded(provider.address) == provider.bonded
            assert registry.locked(provider.address) == provider.locked <= provider.bonded
            assert registry.free(provider.address) == provider.free
            assert token.balanceOf(provider.address) == provider.bond_tokens
            running = [c for c in self.claims if c.provider is provider and c.status == OPEN]
            assert provider.locked == SLASH * len(running)
            owed += provider.bonded
            owed += sum(ticket.amount for ticket in provider.tickets if ticket.open)
        assert token.balanceOf(registry.address) == owed
        assert token.balanceOf(self.opener) == self.rewards
        assert token.totalSupply() == self.supply - self.burned

    @invariant()
    def ledger_holds_what_it_owes(self) -> None:
        if not hasattr(self, "consumers"):
            return
        ledger, token = self.market.ledger, self.market.payment_token
        for consumer in self.consumers:
            address = consumer.signer.address
            assert ledger.balance_of(address) == consumer.balance
            assert ledger.available(address) == consumer.available
            assert token.balanceOf(address) == consumer.tokens
        for provider in self.providers:
            assert ledger.earnings_of(provider.address) == provider.earned
            assert token.balanceOf(provider.address) == provider.dollars
        assert ledger.fees() == self.fees
        owed = sum(c.balance for c in self.consumers) + sum(p.earned for p in self.providers)
        assert token.balanceOf(ledger.address) == owed + self.fees

    @invariant()
    def claims_stand_as_they_should(self) -> None:
        for posted in self.claims:
            assert (
                self.market.settlement.status(posted.claim.batch_id, posted.claim.index)
                == posted.status
            )
            assert self.market.is_paid(posted.claim) == (posted.status == FINALISED)

    # The machinery.

    def bond(self, provider: Provider, amount: int) -> None:
        self.market.fund_provider(amount, provider.address)
        provider.bonded += amount

    def redeem(
        self, call: Any, holder: str, tickets: list[Ticket], ticket_id: int
    ) -> Ticket | None:
        """Collect a ticket, or see why that cannot be."""
        reason = ""
        if ticket_id >= len(tickets) or not tickets[ticket_id].open:
            reason = "tickets: no such ticket"
        elif self.market.now < tickets[ticket_id].ready_at:
            reason = "tickets: not ready"
        if reason:
            with reverts(reason):
                call(ticket_id, sender=holder)
            return None
        call(ticket_id, sender=holder)
        tickets[ticket_id].open = False
        return tickets[ticket_id]

    def reason_against_end(self, posted: Posted) -> str:
        if self.market.now <= posted.posted_at + WINDOW:
            return "settlement: window still open"
        return "" if posted.status == OPEN else "settlement: claim is not open"

    def release(self, posted: Posted, status: int) -> None:
        posted.status = status
        posted.provider.locked -= SLASH


def test_bonds(market: Market) -> None:
    class Machine(Bonds):
        pass

    Machine.market = market
    run_state_machine_as_test(Machine, settings=settings(max_examples=25, stateful_step_count=40))
