"""Audits against a ledger kept beside the contracts: any order of moves, of three auditors, one
provider and a clock.

The model says of every move whether it is allowed, and what it moves; the contract must agree. At
all times it holds the deposits of the seats that are taken and the bonds of the demands that wait.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import boa
from boa import BoaError
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from tests.support.auditing import KEY, SALT, WITNESS, Auditing, header, pass_blocks, shown
from tests.support.market import (
    JOB_SALT,
    PAY_BPS,
    REQUEST_BOND,
    REWARD_BPS,
    SEAT,
    SEED_DELAY,
    SLASH,
    SLOTS,
    WINDOW,
    Claim,
    Market,
)

GUESS = b"\x0e" * 32
REWARD = SLASH * REWARD_BPS // 10_000
FEE = SLASH // 20
PURSE = 100 * SEAT
OPEN, FINALISED, CONVICTED, ABANDONED, WITHDRAWN = range(5)
NONE, COMMITTED, AGREES, DISSENTS, SETTLED = range(5)

who = st.integers(0, 2)
slots = st.integers(0, SLOTS - 1)
which = st.integers(0, 3)
witnesses = st.sampled_from([WITNESS, WITNESS, GUESS])


@dataclass
class Entry:
    auditor: int
    seat: int
    tenure: int
    witness: bytes
    state: int = COMMITTED


@dataclass
class Seat:
    auditor: int | None
    since: int
    tenure: int
    pending: int = 0


@dataclass(repr=False)
class Audited:
    """A claim as the ledger knows it."""

    claim: Claim
    posted_at: int
    round: int = 0
    status: int = OPEN
    first: int | None = None
    requester: int | None = None
    published: bool = False
    vouched: bytes = b""
    paid: int = 0
    entries: dict[int, Entry] = field(default_factory=dict)

    def until(self, eighths: int) -> int:
        return self.posted_at + WINDOW * eighths // 8


class AuditsMachine(RuleBasedStateMachine):
    market: Market

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.stack.enter_context(boa.env.anchor())
        self.auditing = Auditing(self.market)
        self.claims: list[Audited] = []
        self.seats: list[Seat] = []
        self.begun: list[int] = []
        self.tenures = self.burned = self.fund = 0
        self.provider = 0  # ASSAY that came to the provider outside its bond
        self.bonded = 20 * SLASH
        self.purses = [PURSE] * 3
        self.dollars = [0] * 3

    @initialize()
    def begin(self) -> None:
        market = self.market
        market.fund_provider(self.bonded)
        market.fund_consumer(10**6)
        self.auditors = [boa.env.generate_address(f"auditor {i}") for i in range(3)]
        for auditor in self.auditors:
            market.economy.give(auditor, assay=PURSE)
            market.bond_token.approve(self.contract.address, PURSE, sender=auditor)
        self.supply = market.bond_token.totalSupply()
        for auditor in range(3):
            self.take(auditor)
        self.post()
        self.go_on(1)
        self.draw()

    def teardown(self) -> None:
        self.stack.close()

    @property
    def contract(self) -> Any:
        return self.market.audits

    @property
    def now(self) -> int:
        return self.market.now

    def tries(self, allowed: bool, call: Any) -> bool:
        """The contract does what the model allows and nothing else."""
        try:
            call()
        except BoaError:
            assert not allowed
            return False
        assert allowed
        return True

    # Claims and time.

    @rule()
    @precondition(lambda self: len(self.claims) < 4)
    def post(self) -> None:
        claim = self.market.claim()
        self.market.post(claim)
        self.claims.append(Audited(claim, self.now))

    @rule(eighths=st.sampled_from([1, 1, 1, 2]))
    def go_on(self, eighths: int) -> None:
        boa.env.time_travel(seconds=eighths * WINDOW // 8)

    @rule()
    def draw(self) -> None:
        """A round, and its seed at once."""
        if not self.tries(bool(self.seats), self.contract.begin_round):
            return
        pass_blocks(SEED_DELAY + 1, header())
        self.contract.fix_seed(header())
        self.begun.append(self.now)
        for audited in self.claims:
            if not audited.round and audited.until(1) <= self.now:
                audited.round = len(self.begun)

    @rule(number=which)
    def withdraw(self, number: int) -> None:
        audited = self.claim(number)
        allowed = audited.status == OPEN and self.now <= audited.until(1)
        call = self.market.settlement.withdraw_claim
        if self.tries(allowed, lambda: call(*self.at(audited), sender=self.market.provider)):
            audited.status = WITHDRAWN
            self.bonded -= FEE
            self.burned += FEE

    @rule(number=which)
    def finalise(self, number: int) -> None:
        audited = self.claim(number)
        allowed = audited.status == OPEN and self.now > audited.until(8)
        if self.tries(allowed, lambda: self.market.finalise(audited.claim)):
            audited.status = FINALISED
            audited.paid = int(self.market.settlement.paid_for(audited.claim.claim_id))
            # Kept only where an auditor waits for a part of it.
            kept = audited.first is not None
            assert audited.paid == (audited.claim.receipt.price if kept else 0)

    @rule(number=which)
    def abandon(self, number: int) -> None:
        audited = self.claim(number)
        allowed = audited.status == OPEN and self.now > audited.until(8)
        call = self.market.settlement.abandon
        if self.tries(allowed, lambda: call(*self.at(audited), sender=self.market.provider)):
            audited.status = ABANDONED

    # Seats.

    @rule(auditor=who)
    def take(self, auditor: int) -> None:
        allowed = self.purses[auditor] >= SEAT
        sender = self.auditors[auditor]
        if not self.tries(allowed, lambda: self.contract.take_seat(KEY, sender=sender)):
            return
        self.tenures += 1
        self.purses[auditor] -= SEAT
        number = next(i for i in range(99) if self.contract.seat(i).since == self.now
                      and (i >= len(self.seats) or self.seats[i].auditor is None))  # fmt: skip
        assert number <= len(self.seats)
        taken = Seat(auditor, self.now, self.tenures)
        self.seats[number : number + 1] = [taken]

    @rule(auditor=who, seat=st.integers(0, 5))
    def leave(self, auditor: int, seat: int) -> None:
        held = self.seats[seat] if seat < len(self.seats) else None
        allowed = held is not None and held.auditor == auditor and held.pending == 0
        sender = self.auditors[auditor]
        if self.tries(allowed, lambda: self.contract.leave_seat(seat, sender=sender)):
            assert held is not None
            held.auditor = None
            self.purses[auditor] += SEAT

    # Data.

    @rule(number=which, slot=slots)
    def request(self, number: int, slot: int) -> None:
        audited = self.claim(number)
        auditor = self.holder(audited, slot)
        allowed = (
            self.is_drawn(audited, slot, auditor)
            and self.now <= audited.until(2)
            and audited.requester is None
            and not audited.published
            and self.purses[auditor or 0] >= REQUEST_BOND
        )
        sender = self.auditors[auditor or 0]
        place = self.place(audited, slot)
        if self.tries(allowed, lambda: self.contract.request_data(place, sender=sender)):
            audited.requester = auditor
            self.purses[auditor or 0] -= REQUEST_BOND

    @rule(number=which)
    def publish(self, number: int) -> None:
        """All of it: the claim and two pieces."""
        audited = self.claim(number)
        allowed = (
            audited.requester is not None
            and self.now <= audited.until(3)
            and audited.status == OPEN
        )
        claim, at, provider = audited.claim, self.at(audited), self.market.provider

        def call() -> None:
            if not self.contract.audit(claim.claim_id).shown:
                self.contract.show(*at, shown(claim), sender=provider)
            for tokens in (claim.prompt.tokens, claim.output.tokens):
                self.contract.publish(*at, tokens, JOB_SALT, [], sender=provider)

        if self.tries(allowed, call):
            audited.requester, audited.published = None, True
            self.provider += REQUEST_BOND

    @rule(number=which)
    def expire_request(self, number: int) -> None:
        audited = self.claim(number)
        requester = audited.requester
        allowed = requester is not None and self.now > audited.until(3)
        if self.tries(allowed, lambda: self.contract.expire_request(*self.at(audited))):
            assert requester is not None
            audited.requester = None
            self.purses[requester] += REQUEST_BOND
            if audited.status == OPEN:
                self.convict(audited, requester)

    # Proof of checking.

    @rule(number=which, slot=slots, witness=witnesses)
    def commit(self, number: int, slot: int, witness: bytes) -> None:
        audited = self.claim(number)
        auditor = self.holder(audited, slot)
        allowed = (
            self.is_drawn(audited, slot, auditor)
            and self.now <= audited.until(4)
            and slot not in audited.entries
        )
        sender = self.auditors[auditor or 0]
        seal = self.auditing.seal(audited.claim, sender, witness, slot)
        place = self.place(audited, slot)
        if self.tries(allowed, lambda: self.contract.commit(place, seal, sender=sender)):
            seat = int(self.contract.seat_of(place))
            self.seats[seat].pending += 1
            tenure = self.seats[seat].tenure
            audited.entries[slot] = Entry(auditor or 0, seat, tenure, witness)
            audited.first = auditor if audited.first is None else audited.first

    @rule(number=which, witness=witnesses)
    def vouch(self, number: int, witness: bytes) -> None:
        audited = self.claim(number)
        allowed = (
            audited.first is not None
            and not audited.vouched
            and audited.until(4) < self.now <= audited.until(5)
        )
        call, at = self.contract.vouch, self.at(audited)
        arguments = (*at, shown(audited.claim), witness)
        if self.tries(allowed, lambda: call(*arguments, sender=self.market.provider)):
            audited.vouched = witness

    @rule(number=which)
    def expire_vouch(self, number: int) -> None:
        audited = self.claim(number)
        allowed = (
            audited.first is not None
            and not audited.vouched
            and self.now > audited.until(5)
            and audited.status == OPEN
        )
        if self.tries(allowed, lambda: self.contract.expire_vouch(*self.at(audited))):
            self.convict(audited, audited.first or 0)

    @rule(number=which, slot=slots)
    def reveal(self, number: int, slot: int) -> None:
        audited = self.claim(number)
        entry = audited.entries.get(slot)
        allowed = (
            entry is not None
            and entry.state == COMMITTED
            and bool(audited.vouched)
            and self.now <= audited.until(6)
        )
        witness, auditor = (entry.witness, entry.auditor) if entry else (WITNESS, 0)
        arguments = (*self.at(audited), slot, witness, SALT)
        sender = self.auditors[auditor]
        if self.tries(allowed, lambda: self.contract.reveal(*arguments, sender=sender)):
            assert entry is not None
            entry.state = AGREES if witness == audited.vouched else DISSENTS

    @rule(number=which, slot=slots)
    def settle(self, number: int, slot: int) -> None:
        audited = self.claim(number)
        entry = audited.entries.get(slot)
        allowed, loses = self.verdict(audited, entry)
        pay = 0
        if entry is not None and entry.state == AGREES:
            pay = audited.paid * PAY_BPS // (10_000 * SLOTS)
        allowed = allowed and pay <= self.fund
        arguments = (*self.at(audited), slot)
        if not self.tries(allowed, lambda: self.contract.settle(*arguments)):
            return
        assert entry is not None
        entry.state = SETTLED
        self.fund -= pay
        self.dollars[entry.auditor] += pay
        seat = self.seats[entry.seat]
        if seat.tenure != entry.tenure or seat.auditor is None:
            return
        seat.pending -= 1
        if loses:
            seat.auditor = None
            self.burned += SEAT // 2
            self.provider += SEAT - SEAT // 2

    @rule(usd_micro=st.sampled_from([1, 50, 500]))
    def fees_come_in(self, usd_micro: int) -> None:
        self.auditing.fund(usd_micro)
        self.fund += usd_micro

    # What must hold.

    @invariant()
    def money(self) -> None:
        if not self.claims:
            return
        taken = sum(seat.auditor is not None for seat in self.seats)
        asked = sum(audited.requester is not None for audited in self.claims)
        held = self.auditing.assay(self.contract.address)
        assert held == taken * SEAT + asked * REQUEST_BOND
        assert [self.auditing.assay(a) for a in self.auditors] == self.purses
        assert [self.auditing.dollars(a) for a in self.auditors] == self.dollars
        assert self.auditing.dollars(self.contract.address) == self.fund
        assert self.auditing.assay(self.market.provider) == self.provider
        assert self.market.bond_token.totalSupply() == self.supply - self.burned
        assert self.market.providers.bonded(self.market.provider) == self.bonded
        locked = sum(audited.status == OPEN for audited in self.claims) * SLASH
        assert self.market.providers.locked(self.market.provider) == locked

    @invariant()
    def states(self) -> None:
        for audited in self.claims:
            assert (
                self.market.settlement.status(audited.claim.batch_id, audited.claim.index)
                == audited.status
            )
            for slot, entry in audited.entries.items():
                assert self.auditing.state(audited.claim, slot) == entry.state
        for number, seat in enumerate(self.seats):
            found = self.contract.seat(number)
            if seat.auditor is not None:
                assert found.auditor == self.auditors[seat.auditor]
                assert found.pending == seat.pending

    # The model's rules.

    def claim(self, number: int) -> Audited:
        return self.claims[number % len(self.claims)]

    def at(self, audited: Audited) -> tuple[bytes, int]:
        return audited.claim.batch_id, audited.claim.index

    def place(self, audited: Audited, slot: int) -> tuple[int, bytes, int, int]:
        return self.auditing.place(audited.claim, slot, audited.round or 1)

    def holder(self, audited: Audited, slot: int) -> int | None:
        """Who sits where the slot fell; None for an empty seat, or none drawn."""
        if not audited.round:
            return None
        return self.seats[int(self.contract.seat_of(self.place(audited, slot)))].auditor

    def is_drawn(self, audited: Audited, slot: int, auditor: int | None) -> bool:
        if not audited.round or auditor is None or audited.status != OPEN:
            return False
        seat = self.seats[int(self.contract.seat_of(self.place(audited, slot)))]
        return seat.since < self.begun[audited.round - 1]

    def convict(self, audited: Audited, rewarded: int) -> None:
        audited.status = CONVICTED
        self.bonded -= SLASH
        self.burned += SLASH - REWARD
        self.purses[rewarded] += REWARD

    def verdict(self, audited: Audited, entry: Entry | None) -> tuple[bool, bool]:
        """Whether a stranger may settle the entry, and whether it loses the seat."""
        if entry is None or entry.state == SETTLED:
            return False, False
        if entry.state == COMMITTED:
            vouched = bool(audited.vouched)
            return self.now > audited.until(6 if vouched else 5), vouched
        if audited.status == OPEN:
            return self.now > audited.until(8) and entry.state == DISSENTS, True
        return True, entry.state == DISSENTS and audited.status in (FINALISED, ABANDONED)


def test_audits(market: Market) -> None:
    machine = type("Machine", (AuditsMachine,), {"market": market})
    phases = [phase for phase in Phase if phase is not Phase.shrink]  # minutes, for little
    options = settings(max_examples=25, stateful_step_count=40, phases=phases, deadline=None)
    run_machine(machine, settings=options)
