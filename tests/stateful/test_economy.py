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

from tests.stateful.moves import (
    ALONE,
    ASSAY,
    DOLLARS,
    KARAT,
    STAKING,
    TREASURY,
    Move,
    Moves,
    fresh_world,
    funded_economy,
)
from tests.stateful.profile import length, made_enough
from tests.stateful.readings import Readings
from tests.support.beside import Beside, settings
from tests.support.economy import CAPACITY, CORNERS, ETHER, GENESIS
from tests.support.evm import DAY, now, today
from tests.support.quick_evm import quick_evm
from tests.support.reference.base import BPS, WAD, YEAR
from tests.support.reference.curve import BUCKET, Curve
from tests.support.reference.emissions import Emissions
from tests.support.reference.staking import MIN_TOTAL, Staking
from tests.support.reference.tokens import Karat
from tests.support.reference.world import World

WHALE = 890_000 * ETHER

who = st.integers(0, 2)
parts = st.integers(0, 3)
moves = st.tuples(st.sampled_from(ALONE), st.integers(0, 1), st.integers(0, 1), parts)
spans = st.sampled_from(
    [1, 600, 3_601, 30_000, DAY, DAY, DAY + 1, 2 * DAY, 8 * DAY, 31 * DAY, 400 * DAY]
)
corners = st.sampled_from(
    [CORNERS, ((0, 10_000), (10_000, 1_000)), ((0, 4_000), (2_000, 4_000), (10_000, 3_999))]
)


class ExactRewards:
    """What each staker is due, without any rounding, in 2**-128 of a numerator's unit."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.seen = world.emissions.staker_numerator()
        self.due: dict[str, int] = defaultdict(int)
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
            assert got <= self.due[account] // (2**128 * YEAR * BPS * BPS) + 1
            assert self.due[account] // (2**128 * YEAR * BPS * BPS) - got <= self.moves


class Economy(RuleBasedStateMachine):
    beside: Beside
    readings: Readings

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.stack.enter_context(boa.env.anchor())
        self.world = self.beside.world = fresh_world(self.beside)
        self.moves = Moves(self.beside)
        self.exact = ExactRewards(self.world)
        self.curves = [self.world.minter.curve]
        self.schedule = Emissions(
            self.world.clock, self.world.token, list(settings().stages), CORNERS, CAPACITY
        )
        self.touched: set[str] = set(self.beside.names)
        self.spent: dict[str, int] = {}

    def teardown(self) -> None:
        with self.stack:
            self.beside.compare()

    @initialize(lived_in=st.booleans())
    def begin(self, lived_in: bool) -> None:
        """Nothing is staked yet, or much is, and there is KARAT with a price."""
        if not lived_in:
            return
        beside, treasury = self.beside, self.beside.economy.treasury
        beside.stake(treasury, treasury, WHALE)
        beside.mint_karat(treasury, WHALE)
        for name in beside.names[:2]:
            beside.stake(name, name, ASSAY // 2)
        self.act(Moves.mint, 0, 0, 1)
        self.act(Moves.stake_karat, 0, 0, 2)
        self.act(Moves.set_channel, 0, 1, 1)

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

    @rule(caller=who, a=who, b=who, part=parts, age=st.sampled_from([0, 0, 0, 1, 1, 2]),
          signer=st.sampled_from([0, 1, 2, None]))  # fmt: skip
    def collect(self, caller: int, a: int, b: int, part: int, age: int, signer: int | None) -> None:
        self.moves.collect_voucher(caller, a, b, part, age, signer)
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

    @rule(a=who, b=who, part=parts, capped=st.booleans(), age=st.sampled_from([0, 0, 1, 3]))
    def pay(self, a: int, b: int, part: int, capped: bool, age: int) -> None:
        """A claim posted up to three days ago; its reference price is all of its price or half."""
        names, ledger = self.beside.names, self.world.ledger
        posted_at = now() - age * DAY
        credit = sum(ledger.credit_of(names[a], posted_at // DAY - day) for day in (0, 1))
        price = (1, credit // 3 + 1, credit, credit + ledger.balances[names[a]] // 2 + 1)[part]
        older = {day: ledger.credit_of(names[a], day) for day in range(today() - 9, today() - 1)}
        paid, fees = ledger.earnings[names[b]], ledger.fees
        cap = price // 2 if capped else price
        self.beside.pay(names[a], names[b], price, cap, posted_at)
        self.moves.flows.paid += ledger.earnings[names[b]] - paid
        self.moves.flows.fees += ledger.fees - fees
        # Credit never rolls over: what is older than the day before the claim's stays.
        for day in range(today() - 9, posted_at // DAY - 1):
            assert self.beside.economy.ledger.credit_of(names[a], day) == older[day]
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
        assert self.worth(2) == other

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
        self.readings.compare(self.world, self.touched)
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
        assert minted * YEAR <= self.schedule.emitted()

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


RATES: dict[tuple[Curve, int], int] = {}


def rate_of(curve: Curve, supply: int) -> int:
    if (curve, supply) not in RATES:
        RATES[curve, supply] = curve.rate(supply)
    return RATES[curve, supply]


@pytest.fixture(scope="module")
def beside() -> Iterator[Beside]:
    """Everything deployed, actors funded."""
    with boa.env.anchor(), quick_evm():
        yield funded_economy()


def test_economy(beside: Beside) -> None:
    class Machine(Economy):
        pass

    Machine.beside, Machine.readings = beside, Readings(beside)
    run_state_machine_as_test(Machine, settings=length())
    if made_enough():
        # The draw does what it should: no move was always refused.
        assert [name for name, (made, no) in beside.counts.items() if made == no] == []
