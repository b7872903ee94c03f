"""The challenger under attack by its surroundings: kills, reorganisations, doubts, gas, slow work.

The chain is a real Anvil; where a kill is tested, the challenger is a process and the signal is
SIGKILL. The lying provider is played here, by the service's own responder.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import httpx
import pytest

from assay.chain import table
from assay.chain.anvil import Anvil
from assay.chain.game_view import GameView
from assay.chain.games import Games
from assay.chain.network import Network
from assay.chain.table import DEADLINE, GAMES
from assay.challenger.audit import Finding, audit
from assay.challenger.auditor import INCOMPLETE, Auditor, Examine, Subject
from assay.challenger.evidence import Evidence
from assay.challenger.opening import game_salt
from assay.challenger.player import GamePlayer
from assay.challenger.solver import Truth
from assay.challenger.truths import Truths
from assay.core.game import Phase, Player
from assay.core.types import SamplingParams
from assay.core.wire import ClaimData
from assay.provider.responder import Defence
from assay.provider.responder import next_move as answer
from assay.trace.execute import Tamper
from assay.trace.pass_trace import PassTrace
from tests.integration.arena import Arena, right_output, wrong_at
from tests.integration.conftest import Shipped
from tests.integration.services import Running, wait_for

PROVIDER = "honest provider"
REORGANISED = 20
GWEI = 10**9


@dataclass
class Dispute:
    """A claim whose token 1 is wrong, and its provider's side of the game about it."""

    arena: Arena
    shipped: Shipped
    data: ClaimData
    defence: Defence

    @property
    def game(self) -> bytes:
        """The id of the challenger's game, open or not."""
        network, opener = self.arena.network, self.arena.address("challenger")
        claim = self.arena.claim_id(self.data)
        return network.game.game_id(claim, 1, opener, game_salt(claim, opener))

    def view(self) -> GameView | None:
        if not any(self.arena.network.game.standing(self.game)):
            return None
        return Games(self.arena.network).view(self.game)

    def phase(self) -> Phase | None:
        view = self.view()
        return view.state.phase if view else None

    def defend(self) -> None:
        """The provider's move, if it is its turn."""
        view = self.view()
        if view is not None and view.state.turn is Player.PROVIDER:
            move = answer(view.state, self.defence)
            assert move is not None
            Games(self.arena.networks[PROVIDER]).play(view, move)

    def play(self, *turns: Callable[[], None], until: Phase, seconds: float = 60) -> None:
        """Both sides move until the game stands at a phase."""
        deadline = time.monotonic() + seconds
        while self.phase() is not until:
            assert time.monotonic() < deadline, f"the game stands at {self.phase()}"
            for turn in (*turns, self.defend):
                turn()
            time.sleep(0.02)


def dispute(arena: Arena, shipped: Shipped, evidence: Evidence, text: str = "Open a") -> Dispute:
    prompt, params = shipped.tokenizer.encode(text), SamplingParams(3)
    lie = wrong_at(right_output(shipped.engine, prompt, params), 1, arena.header.vocab_size)
    (data,) = arena.post(arena.draft(prompt, lie, params))
    evidence.keep(data)
    place = Tamper(shipped.commitment.program.step_named("layer.1.down"), 2, 9, 1)
    trace = PassTrace(shipped.commitment, [*data.prompt, *data.output[:1]], place)
    return Dispute(arena, shipped, data, arena.defence(data, 1, trace))


def auditor(
    arena: Arena,
    shipped: Shipped,
    evidence: Evidence,
    examine: Examine | None = None,
    head_seconds: float | None = None,
) -> Auditor:
    examine = examine or partial(audit, model=shipped.commitment.header, engine=shipped.engine)
    return Auditor(
        arena.networks["challenger"],
        evidence,
        [Subject(shipped.commitment, examine)],
        arena.address("challenger"),
        None,
        threading.Event(),
        head_seconds=head_seconds,
        hold_fire=False,
    )


def player(
    arena: Arena, shipped: Shipped, evidence: Evidence, truths: Truths | None = None, wei: int = 0
) -> GamePlayer:
    network = arena.networks["challenger"]
    urgency = network.urgency(network.game.challenger_bond(), wei or None)
    address = arena.address("challenger")
    return GamePlayer(network, evidence, [shipped.commitment], address, None, truths, urgency)


# A kill at any point


def test_a_challenger_that_is_killed_at_every_move_convicts(
    shipped: Shipped, tmp_path: Path
) -> None:
    """Its move in the pool at one time, mined at the next; none is sent twice."""
    with Anvil() as anvil:
        arena = Arena(anvil, shipped.commitment, tmp_path)
        found = dispute(arena, shipped, Evidence([], tmp_path / "data" / "evidence"))
        nonce = _nonce(arena.network, arena.address("challenger"))
        anvil.rpc("evm_setAutomine", False)
        service = Running(arena, tmp_path, ["challenger", "run"], "challenger")
        try:
            service.wait_ready()
            kills = _killed_until_resolved(found, service)
            wait_for(lambda: "game_resolved" in service.names() or None, 30, "its last words")
            metrics = httpx.get(f"{service.url}/metrics", timeout=5).text
        finally:
            service.process.stop()
        view = found.view()
        assert view is not None and view.outcome.name == "CHALLENGER_WON"
        moves = [event for event in view.events if event.name in _OF_THE_CHALLENGER]
        sent = _nonce(arena.network, arena.address("challenger")) - nonce
        assert kills == sent == len(moves)
        outcome = 'assay_games_ended_total{side="challenger",outcome="challenger_won"} 1'
        assert outcome in metrics.splitlines()


_OF_THE_CHALLENGER = ("GameOpened", "NodePicked", "ElementPicked")


def _killed_until_resolved(found: Dispute, service: Running) -> int:
    anvil, kills = found.arena.anvil, 0
    while found.phase() is not Phase.RESOLVED:
        view = found.view()
        if view is not None and view.state.turn is Player.PROVIDER:
            anvil.rpc("evm_setAutomine", True)
            found.defend()
            anvil.rpc("evm_setAutomine", False)
            continue
        wait_for(lambda: _in_pool(anvil) or None, 90, "a move")
        service.kill()
        kills += 1
        if kills % 2:
            anvil.rpc("evm_mine")
        service.start()
        service.wait_ready()
        if not kills % 2:
            time.sleep(2.0)  # time to send the move once more, were it to
            assert _in_pool(anvil) == 1
            anvil.rpc("evm_mine")
    return kills


def _in_pool(anvil: Anvil) -> int:
    return int(anvil.rpc("txpool_status")["pending"], 16)


def _nonce(network: Network, address: str) -> int:
    return network.web3.eth.get_transaction_count(network.web3.to_checksum_address(address))


# Reorganisations


def test_a_reorganisation_of_twenty_blocks(
    arena: Arena, shipped: Shipped, evidence: Evidence
) -> None:
    """It undoes the opening and all moves; the same challenger opens and plays again."""
    found = dispute(arena, shipped, evidence)
    finder, mover = auditor(arena, shipped, evidence), player(arena, shipped, evidence)
    before = arena.anvil.rpc("evm_snapshot")
    try:
        found.play(finder.turn, mover.turn, until=Phase.PROVE_ELEMENT)
        arena.anvil.rpc("anvil_mine", hex(REORGANISED))
        finder.turn()
        mover.turn()
        assert mover.active() == 1
        arena.anvil.rpc("evm_revert", before)
        arena.anvil.rpc("anvil_mine", hex(REORGANISED + 2))
        assert found.phase() is None
        found.play(finder.turn, mover.turn, until=Phase.RESOLVED)
    finally:
        mover.close()
    assert arena.network.game.convicted(arena.claim_id(found.data))


# No game on a doubt


def _opened(arena: Arena) -> list[str]:
    names = [event.name for event in arena.network.reader().poll().added]
    return [name for name in names if name == "GameOpened"]


def _withheld(arena: Arena, finder: Auditor, kind: str) -> bool:
    """Whether the auditor opens nothing, and counts this doubt."""
    before = INCOMPLETE.value(kind=kind)
    finder.turn()
    return _opened(arena) == [] and INCOMPLETE.value(kind=kind) == before + 1


def test_an_engine_that_errs_accuses_nobody(
    arena: Arena, shipped: Shipped, evidence: Evidence
) -> None:
    """The engine finds a right token wrong; the reference does not."""
    prompt, params = shipped.tokenizer.encode("Open a"), SamplingParams(3)
    (data,) = arena.post(arena.draft(prompt, right_output(shipped.engine, prompt, params), params))
    evidence.keep(data)
    finder = auditor(arena, shipped, evidence, lambda data: Finding(1, "wrong token"))
    assert _withheld(arena, finder, "engines_disagree")


def test_a_node_that_lags_accuses_nobody(
    arena: Arena, shipped: Shipped, evidence: Evidence
) -> None:
    dispute(arena, shipped, evidence)
    # Anvil gives no two blocks one time: a burst of transactions leaves it ahead of our clock.
    wait_for(lambda: time.time() - arena.network.now() > 1 or None, 30, "a block a second old")
    assert _withheld(arena, auditor(arena, shipped, evidence, head_seconds=1.0), "node_behind")


def test_an_account_without_a_bond_accuses_nobody(
    arena: Arena, shipped: Shipped, evidence: Evidence
) -> None:
    dispute(arena, shipped, evidence)
    own = arena.networks["challenger"]
    held = own.bond_token.balance_of(arena.address("challenger"))
    own.bond_token.transfer(arena.address(PROVIDER), held)
    finder = auditor(arena, shipped, evidence)
    assert _withheld(arena, finder, "no_bond")
    arena.networks[PROVIDER].bond_token.transfer(arena.address("challenger"), held)
    deadline = time.monotonic() + 30
    while not _opened(arena):
        assert time.monotonic() < deadline
        finder.turn()
        time.sleep(0.1)


def test_evidence_that_is_not_the_claims_accuses_nobody(
    arena: Arena, shipped: Shipped, evidence: Evidence
) -> None:
    """The provider serves another output than it committed to; the one in the batch is right."""
    prompt, params = shipped.tokenizer.encode("Open a"), SamplingParams(3)
    right = right_output(shipped.engine, prompt, params)
    (data,) = arena.post(arena.draft(prompt, right, params))
    evidence.keep(replace(data, output=tuple(wrong_at(right, 1, arena.header.vocab_size))))
    assert _withheld(arena, auditor(arena, shipped, evidence), "unproven")


def test_a_damaged_file_is_no_evidence(
    arena: Arena, shipped: Shipped, evidence: Evidence, tmp_path: Path
) -> None:
    """Half a file, as a full disk leaves it: the data is asked for again, not guessed."""
    dispute(arena, shipped, evidence)
    (file,) = (tmp_path / "evidence").glob("*.json")
    file.write_text(file.read_text()[:100])
    auditor(arena, shipped, evidence).turn()
    assert _opened(arena) == []


def test_a_player_whose_evidence_was_exchanged_does_not_point(
    arena: Arena, shipped: Shipped, evidence: Evidence
) -> None:
    found = dispute(arena, shipped, evidence)
    auditor(arena, shipped, evidence).turn()
    found.defend()
    evidence.keep(replace(found.data, output=(0, 0, 0)))
    mover = player(arena, shipped, evidence)
    mover.turn()
    mover.close()
    assert found.phase() is Phase.PICK_NODE


# Deadlines


class SlowTruths(Truths):
    """One claim's recomputation never ends until it is let go."""

    def __init__(self, shipped: Shipped, slow: ClaimData) -> None:
        super().__init__([shipped.commitment])
        self.let_go = threading.Event()
        self._slow = slow.receipt.job_id

    def of(self, data: ClaimData, token_index: int) -> Truth:
        if data.receipt.job_id == self._slow:
            assert self.let_go.wait(60)
        return super().of(data, token_index)


def test_a_slow_recomputation_delays_no_other_game(
    arena: Arena, shipped: Shipped, evidence: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a single thread for moves: a computation must not sit in it."""
    monkeypatch.setattr(table, "GAMES_AT_ONCE", 1)
    slow, quick = (dispute(arena, shipped, evidence, text) for text in ("Open a", "Close the"))
    bond = arena.network.game.challenger_bond()
    arena.network.bond_token.transfer(arena.address("challenger"), 2 * bond)
    auditor(arena, shipped, evidence).turn()
    truths = SlowTruths(shipped, slow.data)
    mover = player(arena, shipped, evidence, truths)
    try:
        slow.defend()
        quick.play(mover.turn, until=Phase.RESOLVED)
        assert slow.phase() is Phase.PICK_NODE
    finally:
        truths.let_go.set()
        mover.close()
    assert slow.phase() is not Phase.PICK_NODE


def test_a_gas_spike_costs_patience_first_and_money_before_the_deadline(
    arena: Arena, shipped: Shipped, evidence: Evidence
) -> None:
    """Above the ordinary limit a move waits half of its clock; then it costs what it is worth."""
    found = dispute(arena, shipped, evidence)
    auditor(arena, shipped, evidence).turn()
    found.defend()
    network = arena.networks["challenger"]
    assert network.sender is not None
    ordinary = network.sender.policy
    network.sender.policy = replace(ordinary, max_fee=20 * GWEI)
    spike = hex(40 * GWEI)
    try:
        for wei, seconds, moved in ((10**15, 0, False), (0, 350, False), (10**15, 0, True)):
            if seconds:
                arena.pass_time(network.now() + seconds)
            arena.anvil.rpc("anvil_setNextBlockBaseFeePerGas", spike)
            arena.anvil.rpc("evm_mine")
            mover = player(arena, shipped, evidence, wei=wei)
            mover.turn()
            mover.close()
            assert (found.phase() is not Phase.PICK_NODE) == moved
    finally:
        network.sender.policy = ordinary
        arena.anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(GWEI))


def test_a_near_deadline_is_reported(
    arena: Arena, shipped: Shipped, evidence: Evidence, caplog: pytest.LogCaptureFixture
) -> None:
    """Once a deadline; and the gauge counts down to it."""
    found = dispute(arena, shipped, evidence)
    auditor(arena, shipped, evidence).turn()
    found.defend()
    network, address = arena.networks["challenger"], arena.address("challenger")
    truths = SlowTruths(shipped, found.data)
    mover = GamePlayer(
        network, evidence, [shipped.commitment], address, None, truths, alert_seconds=10_000
    )
    try:
        mover.turn()
        wait_for(lambda: "deadline_near" in caplog.messages or None, 20, "the warning")
        mover.turn()
        left = DEADLINE.value(side="challenger")
        assert 500 < left <= 600
        assert GAMES.value(side="challenger", phase="pick_node") == 1
    finally:
        truths.let_go.set()
        mover.close()
    assert caplog.messages.count("deadline_near") == 1
