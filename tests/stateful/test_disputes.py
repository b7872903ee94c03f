"""Any number of games against one claim, played well, badly, late and not at all.

A reference model keeps every clock and every token beside the contracts. Whoever is honest moves
before time passes; everybody else does anything. The honest side never loses, nothing leaks, and
everything ends.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import boa
from hypothesis import note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.support.market import (
    BOND,
    CLOCK,
    EXTENSION,
    REWARD_BPS,
    SLASH,
    WINDOW,
    Claim,
    Market,
    reverts,
)
from tests.support.toy_game import (
    ANSWER,
    CHALLENGER_PHASES,
    CHALLENGER_WON,
    CLOSED,
    MOVES,
    PROVIDER_WON,
    RESOLVED,
    Place,
    ToyGame,
    ToyTrace,
    open_game,
)

BONDED = 10 * SLASH
REWARD = SLASH * REWARD_BPS // 10_000
TOKEN_INDEX = 1
POSITIONS = 4

PLACES: list[Place] = [(0, 0, 0), (0, 0, 2), (1, 2, 600), (2, 1, 3), (3, 150, 0), (69, 3, 511)]
REDUCTION: Place = (6, 2, 1)
TRACES = {
    "honest": ToyTrace(POSITIONS),
    "element": ToyTrace(POSITIONS, {(1, 2, 600): 1}),
    "joined": ToyTrace(POSITIONS, {REDUCTION: -1}),
    "too large": ToyTrace(POSITIONS, {REDUCTION: 1}),
}
LIES: dict[str, Place] = {
    "element": (1, 2, 600),
    "joined": REDUCTION,
    "too large": REDUCTION,
}


@dataclass(repr=False)
class Reference:
    """What the game must say, kept without the contract.

    Attributes:
        left: seconds of (provider, challenger).
        since: when the turn began.
    """

    game: ToyGame
    honest: bool
    left: list[int]
    since: int
    phase: int = ANSWER
    outcome: int = 0

    @property
    def side(self) -> int:
        return int(self.phase in CHALLENGER_PHASES)

    @property
    def deadline(self) -> int:
        return self.since + self.left[self.side]

    def moved(self, now: int, phase: int) -> None:
        """Charge the side that moved; begin the other turn with at least the extension."""
        self.left[self.side] -= now - self.since
        self.since, self.phase = now, phase
        if phase != RESOLVED:
            self.left[self.side] = max(self.left[self.side], EXTENSION)

    def expired(self, now: int) -> None:
        self.left[self.side] = 0
        self.outcome = CHALLENGER_WON if self.side == 0 else PROVIDER_WON
        self.since, self.phase = now, RESOLVED


class Disputes(RuleBasedStateMachine):
    market: Market

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.stack.enter_context(boa.env.anchor())
        self.games: list[Reference] = []
        self.convicted = False
        self.finalised = False
        self.wallets: dict[str, int] = {}
        self.columns: dict[bytes, int] = {}
        self.misstated: dict[bytes, int | None] = {}

    @initialize(trace=st.sampled_from(sorted(TRACES)))
    def begin(self, trace: str) -> None:
        """The provider claims; if it lies, an honest challenger opens a game at once."""
        self.trace_name = trace
        self.lying = trace != "honest"
        self.market.fund_provider(BONDED)
        self.market.fund_consumer(10**6)
        self.wallets[self.market.provider] = 0
        self.claim: Claim = self.market.claim()
        self.market.post(self.claim)
        self.posted_at = self.market.now
        if self.lying:
            self.open(honest=True)

    # What people do.

    @precondition(lambda self: len(self.games) < 5)
    @rule()
    def puppet_opens(self) -> None:
        if self.convicted or self.market.now > self.posted_at + WINDOW:
            challenger = self.market.fund_challenger(boa.env.generate_address("late"))
            over = self.market.now > self.posted_at + WINDOW
            reason = "settlement: window is over" if over else "dispute_game: claim is convicted"
            with reverts(reason):
                self.market.game.open(*self.claim.opening(TOKEN_INDEX), sender=challenger)
            self.wallets[challenger] = BOND
        else:
            self.open(honest=False)

    @precondition(lambda self: self.games)
    @rule(data=st.data(), place=st.sampled_from(PLACES), chunk=st.none() | st.integers(0, 2))
    def somebody_moves(self, data: Any, place: Place, chunk: int | None) -> None:
        """The side to move goes on; a puppet points wherever it likes, even at the lie, and
        states what it likes."""
        reference = data.draw(st.sampled_from(self.games))
        if data.draw(st.booleans()) and self.lying:
            place = LIES[self.trace_name]
        if reference.phase != RESOLVED:
            self.move(reference, place, chunk)

    @precondition(lambda self: self.games)
    @rule(data=st.data())
    def somebody_tries_a_move_that_is_not_due(self, data: Any) -> None:
        reference = data.draw(st.sampled_from(self.games))
        due = MOVES.get(reference.phase, ())
        others = [name for names in MOVES.values() for name in names if name not in due]
        name = data.draw(st.sampled_from(others))
        reason = "dispute_game: not this move"
        if reference.phase == RESOLVED:
            reason = "dispute_game: game is over"
        elif self.convicted:
            reason = "dispute_game: claim is convicted"
        reference.game.refuses(reason, name, *reference.game.any_arguments(name))

    @rule(seconds=st.sampled_from([1, EXTENSION, EXTENSION + 1, 200, CLOCK, CLOCK + 1]))
    def time_passes(self, seconds: int) -> None:
        """Whoever is honest has moved before."""
        self.honest_moves()
        boa.env.time_travel(seconds=seconds)

    @precondition(lambda self: self.games)
    @rule(data=st.data())
    def anyone_calls_time(self, data: Any) -> None:
        reference = data.draw(st.sampled_from(self.games))
        now = self.market.now
        if reference.phase == RESOLVED:
            reason = "dispute_game: game is over"
        elif self.convicted:
            reason = "dispute_game: claim is convicted"
        elif now <= reference.deadline:
            reason = "dispute_game: clock is running"
        else:
            reference.game.timeout(sender=self.market.stranger)
            reference.expired(now)
            self.settle(reference)
            return
        reference.game.refuses(reason, "timeout")

    @precondition(lambda self: self.games)
    @rule(data=st.data())
    def anyone_closes(self, data: Any) -> None:
        reference = data.draw(st.sampled_from(self.games))
        if reference.phase == RESOLVED:
            reference.game.refuses("dispute_game: game is over", "close")
        elif not self.convicted:
            reference.game.refuses("dispute_game: not convicted", "close")
        else:
            self.close(reference)

    @rule()
    def provider_finalises(self) -> None:
        if self.finalised:
            reason = "settlement: job is paid already"
        elif self.market.now <= self.posted_at + WINDOW:
            reason = "settlement: window still open"
        elif self.convicted:
            reason = "settlement: claim is not open"
        elif any(reference.phase != RESOLVED for reference in self.games):
            reason = "settlement: a game is open"
        else:
            assert self.market.finalise(self.claim) == self.claim.receipt.price
            self.finalised = True
            return
        with reverts(reason):
            self.market.finalise(self.claim)

    # How it must turn out.

    @invariant()
    def bonds_are_where_they_belong(self) -> None:
        if not hasattr(self, "claim"):
            return
        token, contracts = self.market.bond_token, self.market
        running = sum(reference.phase != RESOLVED for reference in self.games)
        burned = (SLASH - REWARD) * self.convicted
        assert token.balanceOf(contracts.game.address) == BOND * running
        assert contracts.game.open_games(self.claim.claim_id) == running
        assert contracts.game.convicted(self.claim.claim_id) == self.convicted
        assert contracts.providers.bonded(contracts.provider) == BONDED - SLASH * self.convicted
        locked = 0 if self.convicted or self.finalised else SLASH
        assert contracts.providers.locked(contracts.provider) == locked
        assert token.totalSupply() == self.supply - burned
        for wallet, amount in self.wallets.items():
            assert token.balanceOf(wallet) == amount

    @invariant()
    def clocks_agree(self) -> None:
        for reference in self.games:
            record = reference.game.record
            assert (record.phase, record.outcome) == (reference.phase, reference.outcome)
            assert [record.provider_left, record.challenger_left] == reference.left
            if reference.phase != RESOLVED:
                assert record.turn_started == reference.since

    @invariant()
    def honest_side_never_loses(self) -> None:
        if hasattr(self, "lying") and not self.lying:
            assert not self.convicted
        for reference in self.games:
            assert not (reference.honest and reference.outcome == PROVIDER_WON)

    def teardown(self) -> None:
        """Everything ends, in bounded time, whatever was left standing."""
        try:
            if hasattr(self, "claim"):
                self.finish()
        finally:
            self.stack.close()

    def finish(self) -> None:
        for _ in range(60):
            self.honest_moves()
            running = [r for r in self.games if r.phase != RESOLVED]
            if not running:
                break
            for reference in running:
                self.call_time_or_close(reference)
            boa.env.time_travel(seconds=CLOCK + 1)
        assert all(reference.phase == RESOLVED for reference in self.games)
        assert self.market.bond_token.balanceOf(self.market.game.address) == 0
        assert self.convicted == self.lying
        assert not (self.lying and self.finalised)
        self.bonds_are_where_they_belong()
        self.honest_side_never_loses()

    # The machinery.

    def open(self, honest: bool) -> None:
        challenger = boa.env.generate_address("challenger")
        game = open_game(self.market, self.claim, TRACES[self.trace_name], TOKEN_INDEX, challenger)
        self.wallets[challenger] = 0
        self.games.append(Reference(game, honest, [CLOCK, CLOCK], self.market.now))

    def honest_moves(self) -> None:
        """An honest provider answers everywhere; the honest challenger follows the lie."""
        for reference in self.games:
            while self.is_honest(reference) and not self.convicted:
                self.move(reference, PLACES[0], None)

    def is_honest(self, reference: Reference) -> bool:
        if reference.phase == RESOLVED:
            return False
        return reference.honest if reference.side == 1 else not self.lying

    def move(self, reference: Reference, place: Place, misstated: int | None) -> None:
        """One move of whoever has it, towards the place where that is possible.

        The honest challenger knows better where to go.
        """
        game, now = reference.game, self.market.now
        if reference.honest:
            place, misstated = LIES[self.trace_name], None
        late = now > reference.deadline
        if self.convicted or late:
            reason = "claim is convicted" if self.convicted else "clock expired"
            name = MOVES[reference.phase][0]
            game.refuses(f"dispute_game: {reason}", name, *game.any_arguments(name))
            return
        note(f"game {self.games.index(reference)}: phase {reference.phase} towards {place}")
        self.play(reference, place, misstated)
        record = game.record
        reference.moved(now, record.phase)
        reference.outcome = record.outcome
        if record.phase == RESOLVED:
            self.settle(reference)

    def play(self, reference: Reference, place: Place, misstated: int | None) -> None:
        game = reference.game
        if reference.phase == 2:
            child = game.child_towards(place)
            if not game.is_real(child):
                child = 0
            game.move("pick_node", *game.pick_arguments(child))
        elif reference.phase == 6:
            column = game.column_towards(place)
            self.columns[game.game_id], self.misstated[game.game_id] = column, misstated
            game.move("pick_element", *game.element_arguments(column, misstated))
        else:
            column = self.columns.get(game.game_id, 0)
            game.advance((0, 0, column), self.misstated.get(game.game_id))

    def settle(self, reference: Reference) -> None:
        """Who gets what at the end of a game."""
        winner = self.market.provider
        if reference.outcome == CHALLENGER_WON:
            assert not self.convicted
            self.convicted = True
            winner = reference.game.challenger
            self.wallets[winner] += REWARD
        self.wallets[winner] += BOND

    def close(self, reference: Reference) -> None:
        reference.game.close(sender=self.market.stranger)
        reference.phase, reference.outcome = RESOLVED, CLOSED
        self.wallets[reference.game.challenger] += BOND

    def call_time_or_close(self, reference: Reference) -> None:
        if self.convicted:
            self.close(reference)
        elif self.market.now > reference.deadline:
            reference.game.timeout()
            reference.expired(self.market.now)
            self.settle(reference)


def test_disputes(market: Market) -> None:
    class Machine(Disputes):
        supply = market.bond_token.totalSupply()

    Machine.market = market
    run_state_machine_as_test(Machine, settings=settings(max_examples=25, stateful_step_count=30))
