"""The whole economy against its reference model, which is compared after every step.

Three actors and a treasury do whatever the contracts let them, in any order; time passes, owners
change parameters, claims are paid as the settlement pays them. Beside the model's own figures the
invariants of the design are checked, each by a way of its own: supply against the schedule as
deployed, rewards against exact ones, dollars against what went in and out, locks against the price
of the whole supply, credit against the day's allowances; and an actor with two accounts that moves
within one block is never richer for it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import boa
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tests.stateful.moves import ALONE, DOLLARS, KARAT, STAKING, TREASURY, Move, Moves
from tests.stateful.profile import chosen
from tests.stateful.scenes import Scene, empty, lived_in
from tests.support.economy import CORNERS, GENESIS
from tests.support.evm import DAY, now, today
from tests.support.quick_evm import quick_evm
from tests.support.reference.base import BPS, WAD, YEAR
from tests.support.reference.curve import BUCKET, Curve
from tests.support.reference.staking import MIN_TOTAL, Staking
from tests.support.reference.tokens import Karat
from tests.support.reference.world import World

who = st.integers(0, 2)
parts = st.integers(0, 3)
moves = st.tuples(st.sampled_from(ALONE), st.integers(0, 1), st.integers(0, 1), parts)
spans = st.sampled_from(
    [1, 600, 3_601, 30_000, DAY, DAY, DAY + 1, 2 * DAY, 8 * DAY, 31 * DAY, 400 * DAY]
)
corners = st.sampled_from(
    [CORNERS, ((0, 10_000), (10_000, 1_000)), ((0, 4_000), (2_000, 4_000), (10_000, 3_999))]
)


# A unit of ASSAY, in 2**-128 of what the schedule's numerators and the stakers' weights count.
UNIT = 2**128 * YEAR * BPS * BPS


class ExactRewards:
    """What each staker is due, without any rounding."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.seen = world.emissions.staker_numerator()
        self.due: dict[str, int] = defaultdict(int)
        for account in world.staking.holders:
            self.due[account] = world.staking.claimable(account) * UNIT
        self.drawn: dict[str, int] = defaultdict(int)
        self.moves = 1

    def time_passed(self) -> None:
        staking, numerator = self.world.staking, self.world.emissions.staker_numerator()
        if staking.total:
            part = (numerator - self.seen) * 2**128 // max(staking.total, MIN_TOTAL)
            for account, holder in staking.holders.items():
                self.due[account] += holder.weight * part
        self.seen = numerator

    def check(self) -> None:
        """Nobody gets more; nobody loses more than a unit for each move there was."""
        for account in self.due:
            got = self.drawn[account] + self.world.staking.claimable(account)
            assert got <= self.due[account] // UNIT + 1
            assert self.due[account] // UNIT - got <= self.moves


class Economy(RuleBasedStateMachine):
    scenes: tuple[Scene, ...]

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.stack.enter_context(boa.env.anchor())

    def teardown(self) -> None:
        with self.stack:
            if hasattr(self, "beside"):
                self.beside.compare()

    @initialize(scene=st.sampled_from([0, 1, 1, 1]))
    def begin(self, scene: int) -> None:
        self.scene = self.scenes[scene]
        self.moves = self.scene.begin()
        self.beside, self.world = self.moves.beside, self.moves.world
        self.exact = ExactRewards(self.world)
        self.curves = [self.world.minter.curve]
        self.touched: set[str] = set(self.beside.names)

    # Moves, one at a time.

    @rule(move=st.sampled_from(STAKING), a=who, b=who, part=parts)
    def staking(self, move: Move, a: int, b: int, part: int) -> None:
        self.act(move, a, b, part)

    @rule(move=st.sampled_from(KARAT), a=who, b=who, part=parts)
    def karat(self, move: Move, a: int, b: int, part: int) -> None:
        self.act(move, a, b, part)

    @rule(move=st.sampled_from(DOLLARS), a=who, b=who, part=parts)
    def dollars(self, move: Move, a: int, b: int, part: int) -> None:
        self.act(move, a, b, part)

    @rule(move=st.sampled_from(TREASURY), a=who, b=who, part=parts)
    def treasury(self, move: Move, a: int, b: int, part: int) -> None:
        self.act(move, a, b, part)

    @rule(a=who, b=who, karat=parts, bps=st.sampled_from([0, 3_333, 10_000]), keyed=st.booleans(),
          expiry=st.sampled_from([1, DAY - 1, DAY, 3 * DAY, 40 * DAY]), deposit=parts)  # fmt: skip
    def channel(
        self, a: int, b: int, karat: int, bps: int, keyed: bool, expiry: int, deposit: int
    ) -> None:
        self.moves.set_terms(a, b, karat, bps, keyed, expiry, deposit)
        self.touch(a, b)

    @rule(a=who, b=who, part=parts)
    def close(self, a: int, b: int, part: int) -> None:
        self.act(Moves.close_channel, a, b, part)

    @rule(caller=who, pick=st.integers(0, 9), part=parts, age=st.sampled_from([0, 0, 0, 1, 1, 2]),
          signer=st.sampled_from([0, 1, 2, None, "owner", "owner", "owner"]))  # fmt: skip
    def collect(
        self, caller: int, pick: int, part: int, age: int, signer: int | str | None
    ) -> None:
        """Of a channel that there is, mostly signed by its owner."""
        known = list(self.world.ledger.channels) or [(self.beside.names[0], self.beside.names[1])]
        owner, payee = known[pick % len(known)]
        a, b = self.beside.names.index(owner), self.beside.names.index(payee)
        by = a if signer == "owner" else signer
        assert not isinstance(by, str)
        self.moves.collect_voucher(caller, a, b, part, age, by)
        self.touch(a, b)

    @rule(b=who, first=parts, second=parts, age=st.integers(0, 1))
    def collect_many(self, b: int, first: int, second: int, age: int) -> None:
        """From all three owners, one of them twice, one voucher unsigned."""
        signed = [
            self.moves.voucher(0, b, first, 0, 0),
            self.moves.voucher(1, b, second, age, 1),
            self.moves.voucher(0, b, second, age, 0),
            self.moves.voucher(2, b, first, 0, None),
        ]
        self.beside.collect_many(self.beside.names[b], signed)
        self.touch(0, 1, 2)

    @rule(a=who, b=who, part=parts, age=st.sampled_from([0, 0, 1, 3]), halves=st.integers(0, 1))
    def pay(self, a: int, b: int, part: int, age: int, halves: int) -> None:
        """Credit never rolls over: what is older than the day before the claim's stays."""
        name, days = self.beside.names[a], range(today() - 9, today() - age - 1)
        older = {day: self.world.ledger.credit_of(name, day) for day in days}
        self.moves.pay(a, b, part, age, halves)
        for day, credit in older.items():
            assert self.world.ledger.credit_of(name, day) == credit
            if credit:
                assert self.beside.economy.ledger.credit_of(name, day) == credit
        self.touch(a, b)

    @rule(a=who, part=parts)
    def reward(self, a: int, part: int) -> None:
        self.act(Moves.reward_work, a, a, part)

    @rule(seconds=spans)
    def time_passes(self, seconds: int) -> None:
        self.beside.travel(seconds)
        self.exact.time_passed()

    @rule()
    def midnight(self) -> None:
        """To the first second of the next day."""
        self.time_passes((today() + 1) * DAY - now())

    # Owners.

    @rule(stage=st.integers(0, 9), part=parts)
    def rate_is_lowered(self, stage: int, part: int) -> None:
        stages = self.world.emissions.stages
        rate = stages[stage][1] if stage < len(stages) else 1
        self.beside.lower_rate(stage, (0, rate // 3, max(rate - 1, 0), rate)[part])

    @rule(change=st.sampled_from(["capacity", "split", "fee", "curve"]), part=parts, new=corners)
    def parameter_changes(self, change: str, part: int, new: Any) -> None:
        if change == "capacity":
            capacity = self.world.emissions.daily_capacity(today())
            factor = (1, 2, 4, 5)[part]
            self.beside.set_daily_capacity(capacity * factor // 2)
        elif change == "split":
            self.beside.set_split(new)
        elif change == "fee":
            self.beside.set_fee((0, 1, 2_000, 2_001)[part])
        else:
            curve = self.world.minter.curve
            factor = (9_000, 10_000, 11_000, 11_001)[part]
            terms = (curve.base * factor // BPS, curve.power, curve.target * BPS // factor)
            self.beside.set_curve(terms)
            self.curves.append(self.world.minter.curve)

    # One actor, two accounts, one block.

    @rule(sequence=st.lists(moves, min_size=2, max_size=5))
    def one_actor_within_a_block(self, sequence: list[tuple[Move, int, int, int]]) -> None:
        before, other = self.worth(0, 1), self.worth(2)
        for move, a, b, part in sequence:
            self.act(move, a, b, part)
        after = self.worth(0, 1)
        assert all(new <= old for new, old in zip(after, before, strict=True)), (before, after)
        # Nothing but rounding is lost either: dollars and KARAT not at all.
        assert before[0] - after[0] <= 2 * len(sequence) and before[1:] == after[1:]
        # A bystander loses no more than the rounding of rewards either.
        bystander = self.worth(2)
        assert 0 <= other[0] - bystander[0] <= len(sequence) and other[1:] == bystander[1:]

    def worth(self, *actors: int) -> tuple[int, int, int]:
        """ASSAY, KARAT beyond what is open against locks, dollars: wherever they lie."""
        world = self.world
        assay = karat = dollars = 0
        for name in (self.beside.names[actor] for actor in actors):
            rewards = sum(world.emissions.work_reward(name, today() - age) for age in (1, 2, 3))
            assay += world.token.balance_of(name) + world.staking.claimable(name) + rewards
            assay += world.staking.holders[name].staked + in_tickets(world.staking, name)
            karat += world.karat.token.balance_of(name) + world.karat.staked_of(name)
            karat += in_tickets(world.karat, name) - world.minter.positions[name].minted
            ledger = world.ledger
            dollars += world.usdc.balance_of(name) + ledger.balances[name] + ledger.earnings[name]
            dollars += sum(c.deposit for (owner, _), c in ledger.channels.items() if owner == name)
        return assay, karat, dollars

    # What must hold.

    @invariant()
    def contracts_and_model_agree(self) -> None:
        self.scene.readings.compare(self.world, self.touched)
        self.touched = set()
        self.exact.moves += 1

    @invariant()
    def invariants_of_the_model_hold(self) -> None:
        self.world.check()
        self.exact.check()

    @invariant()
    def supply_keeps_to_the_schedule(self) -> None:
        """Genesis, what was minted, what was burned; and the schedule as it was deployed."""
        token, emissions = self.world.token, self.world.emissions
        minted = emissions.minted_to_stakers + emissions.minted_to_providers
        assert token.supply == GENESIS + minted - token.burned
        assert minted * YEAR <= self.scene.schedule.emitted()

    @invariant()
    def dollars_are_accounted_for(self) -> None:
        """In = paid + fees + held, and what consumers took back."""
        flows, ledger = self.moves.flows, self.world.ledger
        earnings = sum(ledger.earnings.values())
        assert flows.paid == earnings + flows.earnings_withdrawn
        assert flows.fees == ledger.fees + flows.swept
        held = self.world.usdc.balance_of(ledger.address) - earnings - ledger.fees
        assert flows.received == flows.paid + flows.fees + held + flows.withdrawn

    @invariant()
    def locks_cover_the_price_of_the_supply(self) -> None:
        """At the cheapest curve there has been; rounding is a unit a mint at most."""
        supply = self.world.karat.token.supply
        locked = sum(position.locked for position in self.world.minter.positions.values())
        price, reached = 0, 0
        while reached < supply:
            upper = min(reached + BUCKET, supply)
            rate = min(rate_of(curve, reached + BUCKET) for curve in set(self.curves))
            price += rate * (upper - reached) // WAD
            reached = upper
        assert locked + 1 >= price

    @invariant()
    def credit_keeps_to_the_allowance(self) -> None:
        """All that payees collected of a day, over all channels: by owner, and in all."""
        ledger, day = self.world.ledger, today()
        collected: dict[str, int] = defaultdict(int)
        for (owner, _), channel in ledger.channels.items():
            collected[owner] += channel.collected[day].credit if day in channel.collected else 0
        for owner, credit in collected.items():
            karat, capacity = ledger.karat_allowance(owner), ledger.capacity_allowance(owner, day)
            assert credit <= karat + capacity
        capacity = self.world.emissions.daily_capacity(day)
        staked = self.world.karat.total_staked // 10**12
        assert sum(collected.values()) <= staked + capacity

    # The machinery.

    def act(self, move: Move, a: int, b: int, part: int) -> None:
        name = self.beside.names[a]
        owed = self.world.staking.claimable(name) if move in (Moves.claim, Moves.compound) else 0
        move(self.moves, a, b, part)
        self.exact.drawn[name] += owed
        self.touch(a, b)

    def touch(self, *actors: int) -> None:
        self.touched |= {self.beside.names[actor] for actor in actors}


def in_tickets(part: Staking | Karat, account: str) -> int:
    return sum(t.amount for t in part.tickets.issued.get(account, []) if t is not None)


BEGIN = 1_800_000_000
"""15 January 2027, 8:00 UTC."""

RATES: dict[tuple[Curve, int], int] = {}


def rate_of(curve: Curve, supply: int) -> int:
    if (curve, supply) not in RATES:
        RATES[curve, supply] = curve.rate(supply)
    return RATES[curve, supply]


@pytest.fixture(scope="module")
def scenes() -> Iterator[tuple[Scene, ...]]:
    """The later one first: both then stand at the same time."""
    with boa.env.anchor(), quick_evm():
        if chosen().fixed:
            boa.env.evm.patch.timestamp = BEGIN
        later = lived_in()
        yield empty(), later


def test_economy(scenes: tuple[Scene, ...]) -> None:
    class Machine(Economy):
        pass

    Machine.scenes = scenes
    for scene in scenes:
        scene.beside.counts = {}
    with chosen().draw():
        run_state_machine_as_test(Machine, settings=chosen().settings())
    if chosen().enough:
        # The draw does what it should: no move was always refused.
        counts = scenes[1].beside.counts
        assert [name for name, (made, refused) in counts.items() if made == refused] == []
