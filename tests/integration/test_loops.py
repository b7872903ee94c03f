"""The services' loops, turn by turn on Anvil: killed at every awkward moment, and begun again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from assay.chain.games import Games
from assay.chain.sender import Mined
from assay.chain.settlement import ClaimStatus
from assay.challenger.audit import audit
from assay.challenger.auditor import Auditor, Subject
from assay.challenger.evidence import Evidence
from assay.challenger.player import GamePlayer
from assay.challenger.solver import FixedTarget, next_move
from assay.core.errors import ContractReverted
from assay.core.game import Phase, Player
from assay.core.types import SamplingParams
from assay.core.wire import ClaimData
from assay.provider.cheat import Honest
from assay.provider.defender import Defender
from assay.provider.finaliser import Finaliser
from assay.provider.journal import Batch, Entry, Journal, batch_tree, claim_data
from assay.provider.poster import Poster
from assay.provider.responder import next_move as answer
from assay.trace.execute import Tamper
from assay.trace.pass_trace import PassTrace
from tests.integration.arena import Arena, greedy, right_output, wrong_at
from tests.integration.conftest import Shipped

PROVIDER = "honest provider"


def entry(data: ClaimData) -> Entry:
    return Entry(
        data.receipt.job_id, data.job, data.signature, data.salt, data.prompt, data.output,
        data.receipt, b"", time.time(),
    )  # fmt: skip


def drafts(arena: Arena, shipped: Shipped, count: int) -> list[ClaimData]:
    prompt = shipped.tokenizer.encode("Raise an error if")
    output = right_output(shipped.engine, prompt, greedy(2))
    return [arena.draft(prompt, output, greedy(2)) for _ in range(count)]


def poster(arena: Arena, journal: Journal, size: int = 10, seconds: float = 0.0) -> Poster:
    network = arena.networks[PROVIDER]
    return Poster(network, journal, arena.address(PROVIDER), size, seconds)


def batches(arena: Arena) -> list[bytes]:
    """Ids of all batches on chain."""
    added = arena.network.reader().poll().added
    return [event.args["batch_id"] for event in added if event.name == "BatchPosted"]


def until(turn: Callable[[], bool], seconds: float = 30.0) -> None:
    """Call `turn` until it is true."""
    deadline = time.monotonic() + seconds
    while not turn():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# Posting


def test_a_batch_waits_for_its_age_or_its_size(
    arena: Arena, shipped: Shipped, journal: Journal
) -> None:
    first, second = drafts(arena, shipped, 2)
    journal.add(entry(first))
    patient = poster(arena, journal, size=2, seconds=3600)
    patient.turn()
    assert batches(arena) == []
    journal.add(entry(second))
    patient.turn()
    (batch,) = batches(arena)
    assert arena.network.settlement.batch(batch).count == 2


def test_a_claim_from_before_the_clock_was_set_back_does_not_wait(
    arena: Arena, shipped: Shipped, journal: Journal
) -> None:
    """It could come too late otherwise: a claim must be posted before its job's deadline."""
    journal.add(entry(drafts(arena, shipped, 1)[0]))
    network, address = arena.networks[PROVIDER], arena.address(PROVIDER)
    Poster(network, journal, address, 10, 3600.0, lambda: time.time() - 300).turn()
    assert len(batches(arena)) == 1


def test_a_batch_is_no_larger_than_the_bond(
    arena: Arena, shipped: Shipped, journal: Journal
) -> None:
    slash = arena.network.settlement.slash_per_claim()
    room = arena.network.providers.free(arena.address(PROVIDER)) // slash
    for data in drafts(arena, shipped, room + 2):
        journal.add(entry(data))
    for _ in range(3):
        poster(arena, journal).turn()
    (batch,) = batches(arena)
    assert arena.network.settlement.batch(batch).count == room
    assert journal.counts()["pending"] == 2


def test_a_kill_before_the_transaction_posts_once(
    arena: Arena, shipped: Shipped, journal: Journal
) -> None:
    """Between the journal's batch and its transaction."""
    _written(arena, journal, drafts(arena, shipped, 2))
    for _ in range(2):
        poster(arena, journal).turn()
    assert len(batches(arena)) == 1
    assert journal.unposted_batches() == []


def test_a_kill_after_the_transaction_posts_once(
    arena: Arena, shipped: Shipped, journal: Journal
) -> None:
    """Between the transaction and the journal's note of it."""
    batch = _written(arena, journal, drafts(arena, shipped, 2))
    arena.networks[PROVIDER].settlement.post_batch(batch.root, batch.count)
    for _ in range(2):
        poster(arena, journal).turn()
    assert batches(arena) == [batch.batch_id]
    assert journal.unposted_batches() == []


def test_a_kill_with_the_transaction_in_the_pool_posts_once(
    arena: Arena, shipped: Shipped, journal: Journal
) -> None:
    batch = _written(arena, journal, drafts(arena, shipped, 2))
    network = arena.networks[PROVIDER]
    arena.anvil.rpc("evm_setAutomine", False)
    try:
        function = network.settlement.contract.functions.post_batch(batch.root, batch.count)
        assert network.sender is not None
        fields = {"to": function.address, "data": function._encode_transaction_data(), "value": 0}
        pending = network.sender.submit("post_batch", fields)
        poster(arena, journal).turn()
        assert batches(arena) == []
    finally:
        arena.anvil.rpc("evm_setAutomine", True)
        arena.anvil.rpc("evm_mine")
    network.sender.wait(pending)
    poster(arena, journal).turn()
    assert batches(arena) == [batch.batch_id]
    assert journal.unposted_batches() == []


@pytest.mark.parametrize("asked", range(1, 4))
def test_a_transaction_that_shows_itself_late_posts_once(
    arena: Arena, shipped: Shipped, journal: Journal, monkeypatch: pytest.MonkeyPatch, asked: int
) -> None:
    """After the first, second, … of the questions by which it is looked for."""
    arena.post(*drafts(arena, shipped, 1))
    batch = _written(arena, journal, drafts(arena, shipped, 2))
    settlement = arena.networks[PROVIDER].settlement
    post, count = settlement.post_batch, 0

    def late(ask: Callable[..., Any]) -> Callable[..., Any]:
        def question(*given: Any) -> Any:
            nonlocal count
            count += 1
            answered = ask(*given)
            if count == asked:
                post(batch.root, batch.count)
            return answered

        return question

    monkeypatch.setattr(settlement, "batch", late(settlement.batch))
    monkeypatch.setattr(settlement, "next_nonce", late(settlement.next_nonce))
    monkeypatch.setattr(settlement, "post_batch", lambda *given: pytest.fail("posted again"))
    poster(arena, journal).turn()
    assert count >= asked and len(batches(arena)) == 2
    assert journal.unposted_batches() == [] and journal.counts()["pending"] == 0


def test_a_batch_whose_nonce_is_gone_is_built_again(
    arena: Arena, shipped: Shipped, journal: Journal
) -> None:
    data = drafts(arena, shipped, 1)
    _written(arena, journal, data)
    arena.post(*drafts(arena, shipped, 1))
    poster(arena, journal).turn()
    assert len(batches(arena)) == 2
    found = journal.claim(data[0].receipt.job_id)
    assert found is not None
    assert found.batch_nonce == 1


def test_a_batch_that_a_reorganisation_took_is_posted_again(
    arena: Arena, shipped: Shipped, journal: Journal
) -> None:
    snapshot = arena.anvil.rpc("evm_snapshot")
    journal.add(entry(drafts(arena, shipped, 1)[0]))
    poster(arena, journal).turn()
    arena.anvil.rpc("evm_revert", snapshot)
    assert batches(arena) == []
    Finaliser(arena.networks[PROVIDER], journal).turn()
    poster(arena, journal).turn()
    assert len(batches(arena)) == 1


def test_a_batch_that_a_reorganisation_moved_is_posted_once(
    arena: Arena, shipped: Shipped, journal: Journal
) -> None:
    """Its transaction is mined after the batch before it is gone, and gets that one's nonce."""
    snapshot = arena.anvil.rpc("evm_snapshot")
    data = drafts(arena, shipped, 3)
    journal.add(entry(data[0]))
    poster(arena, journal).turn()
    moved = _written(arena, journal, data[1:])
    arena.anvil.rpc("evm_revert", snapshot)
    arena.networks[PROVIDER].settlement.post_batch(moved.root, moved.count)
    Finaliser(arena.networks[PROVIDER], journal).turn()
    for _ in range(2):
        poster(arena, journal).turn()
    found = [arena.network.settlement.batch(batch_id) for batch_id in batches(arena)]
    assert (found[0].root, found[0].count) == (moved.root, 2)
    assert sum(batch.count for batch in found) == 3
    assert journal.counts()["posted"] == 3
    assert all(journal.batch(batch_id) for batch_id in batches(arena))


def _written(arena: Arena, journal: Journal, data: list[ClaimData]) -> Batch:
    """The journal as a kill leaves it that comes just after the batch was written."""
    entries = [entry(item) for item in data]
    for item in entries:
        journal.add(item)
    settlement, provider = arena.network.settlement, arena.address(PROVIDER)
    root, nonce = batch_tree(entries).root, settlement.next_nonce(provider)
    batch_id = settlement.batch_id(provider, root, len(entries), nonce)
    batch = Batch(nonce, batch_id, root, len(entries), posted=False, transaction=None)
    journal.write_batch(batch, [item.job_id for item in entries])
    return batch


# Finalising


def test_claims_are_paid_after_the_window_and_a_bad_one_holds_up_none(
    arena: Arena, shipped: Shipped, journal: Journal
) -> None:
    good, bad, other = drafts(arena, shipped, 3)
    bad = replace(bad, signature=bytes(65))
    for data in (good, bad, other):
        journal.add(entry(data))
    poster(arena, journal).turn()
    finaliser = Finaliser(arena.networks[PROVIDER], journal)
    finaliser.turn()
    assert journal.counts()["posted"] == 3
    arena.pass_time(arena.network.settlement.challenge_until(batches(arena)[0]))
    ledger = arena.network.ledger
    before = ledger.earnings_of(arena.address(PROVIDER)) + ledger.fees()
    for _ in range(2):
        finaliser.turn()
    assert journal.counts() == {"pending": 0, "posted": 0, "final": 2, "dead": 1}
    paid = ledger.earnings_of(arena.address(PROVIDER)) + ledger.fees() - before
    assert paid == good.receipt.price + other.receipt.price
    assert arena.network.providers.locked(arena.address(PROVIDER)) == 0


def test_a_claim_that_ends_within_the_window_is_noted(
    arena: Arena, shipped: Shipped, journal: Journal
) -> None:
    """By its event: claims are not looked at one by one at every block."""
    for data in drafts(arena, shipped, 2):
        journal.add(entry(data))
    poster(arena, journal).turn()
    finaliser = Finaliser(arena.networks[PROVIDER], journal)
    finaliser.turn()
    assert (journal.counts()["posted"], journal.promised()) == (2, 0)
    arena.networks[PROVIDER].settlement.withdraw_claim(batches(arena)[0], 1)
    finaliser.turn()
    assert journal.counts() == {"pending": 0, "posted": 1, "final": 0, "dead": 1}


def test_no_claim_is_asked_after_by_itself(
    arena: Arena, shipped: Shipped, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From posting to payment; a provider may have a hundred thousand under way."""
    network, asked, asked_until = arena.networks[PROVIDER], list[int](), list[bytes]()
    status, challenge_until = network.settlement.status, network.settlement.challenge_until

    def counted(batch_id: bytes, index: int) -> ClaimStatus:
        asked.append(index)
        return status(batch_id, index)

    def known(batch_id: bytes) -> int:
        asked_until.append(batch_id)
        return challenge_until(batch_id)

    finaliser = Finaliser(network, journal)
    finaliser.turn()
    monkeypatch.setattr(network.settlement, "status", counted)
    monkeypatch.setattr(network.settlement, "challenge_until", known)
    for data in drafts(arena, shipped, 3):
        journal.add(entry(data))
    poster(arena, journal).turn()
    finaliser.turn()
    for _ in range(3):
        arena.anvil.rpc("evm_mine")
        finaliser.turn()
    arena.pass_time(challenge_until(batches(arena)[0]))
    for _ in range(2):
        finaliser.turn()
    assert journal.counts() == {"pending": 0, "posted": 0, "final": 3, "dead": 0}
    assert (asked, asked_until) == ([], batches(arena)), "nor after a window at every block"


def test_a_batch_that_is_taken_while_it_is_watched_is_posted_again(
    arena: Arena, shipped: Shipped, journal: Journal
) -> None:
    finaliser = Finaliser(arena.networks[PROVIDER], journal)
    finaliser.turn()
    snapshot = arena.anvil.rpc("evm_snapshot")
    journal.add(entry(drafts(arena, shipped, 1)[0]))
    poster(arena, journal).turn()
    finaliser.turn()
    assert journal.counts()["posted"] == 1
    arena.anvil.rpc("evm_revert", snapshot)
    finaliser.turn()
    assert len(journal.unposted_batches()) == 1
    poster(arena, journal).turn()
    for _ in range(2):
        finaliser.turn()
    assert (len(batches(arena)), journal.unposted_batches()) == (1, [])


def test_a_claim_is_not_given_up_for_a_refusal_that_is_over(
    arena: Arena, shipped: Shipped, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last game about it, or its window, may end between the refusal and a look at why."""
    network = arena.networks[PROVIDER]
    journal.add(entry(drafts(arena, shipped, 1)[0]))
    poster(arena, journal).turn()
    finaliser = Finaliser(network, journal)
    finaliser.turn()
    arena.pass_time(network.settlement.challenge_until(batches(arena)[0]))
    finalise, refusals = network.settlement.finalise_many, ["a game is open"]

    def refused_once(*arguments: Any) -> Mined:
        if refusals:
            raise ContractReverted("Settlement.finalise_many", refusals.pop())
        return finalise(*arguments)

    monkeypatch.setattr(network.settlement, "finalise_many", refused_once)
    for _ in range(2):
        finaliser.turn()
    assert refusals == []
    assert journal.counts() == {"pending": 0, "posted": 0, "final": 1, "dead": 0}


def test_a_claim_in_a_game_waits_and_the_others_are_paid(
    arena: Arena, shipped: Shipped, journal: Journal
) -> None:
    for data in drafts(arena, shipped, 3):
        journal.add(entry(data))
    poster(arena, journal).turn()
    finaliser = Finaliser(arena.networks[PROVIDER], journal)
    finaliser.turn()
    (batch_id,) = batches(arena)
    batch = journal.batch(batch_id)
    assert batch is not None
    claims = journal.claims_of(batch)
    accused = claim_data(journal, batch, 1)
    assert accused is not None
    arena.open(accused, 0)
    arena.pass_time(arena.network.settlement.challenge_until(batch_id))
    for _ in range(2):
        finaliser.turn()
    states = [found.state for item in claims if (found := journal.claim(item.job_id))]
    assert states == ["final", "open", "final"]


@pytest.mark.parametrize("restarted", [False, True], ids=["running", "down meanwhile"])
def test_a_payment_that_a_reorganisation_took_is_made_again(
    arena: Arena, shipped: Shipped, journal: Journal, restarted: bool
) -> None:
    network = arena.networks[PROVIDER]
    journal.add(entry(drafts(arena, shipped, 1)[0]))
    poster(arena, journal).turn()
    finaliser = Finaliser(network, journal)
    finaliser.turn()
    arena.pass_time(network.settlement.challenge_until(batches(arena)[0]))
    snapshot = arena.anvil.rpc("evm_snapshot")
    for _ in range(2):
        finaliser.turn()
    assert journal.counts()["final"] == 1
    earned = network.ledger.earnings_of(arena.address(PROVIDER))
    arena.anvil.rpc("evm_revert", snapshot)
    arena.anvil.rpc("evm_mine")
    assert network.ledger.earnings_of(arena.address(PROVIDER)) < earned
    if restarted:
        finaliser = Finaliser(network, journal)
    for _ in range(2):
        finaliser.turn()
    assert journal.counts()["final"] == 1
    assert network.ledger.earnings_of(arena.address(PROVIDER)) == earned


# Defending


def test_parallel_false_challenges_are_all_won(
    arena: Arena, shipped: Shipped, journal: Journal
) -> None:
    """By a defender that is begun anew in the middle of them."""
    (draft,) = drafts(arena, shipped, 1)
    journal.add(entry(draft))
    poster(arena, journal).turn()
    (batch,) = batches(arena)
    data = replace(draft, batch_id=batch)
    places = [FixedTarget(3), FixedTarget(20, 1), FixedTarget(rival_token=9)]
    arena.network.bond_token.transfer(arena.address("challenger"), 10**22)
    opened = {arena.open(data, 1): guide for guide in places}
    games = Games(arena.networks["challenger"])
    started = [_defender(arena, shipped, journal)]

    def turn() -> bool:
        started[-1].turn()
        views = [games.view(game) for game in opened]
        for view in views:
            if view.state.turn is Player.CHALLENGER:
                move = next_move(view.state, opened[view.game_id], now=0)
                assert move is not None
                games.play(view, move)
        if len(started) == 1 and any(view.state.phase is Phase.PICK_ELEMENT for view in views):
            started[-1].close()
            started.append(_defender(arena, shipped, journal))
        return all(view.state.phase is Phase.RESOLVED for view in views)

    try:
        until(turn, 60)
    finally:
        started[-1].close()
    assert {games.view(game).outcome.name for game in opened} == {"PROVIDER_WON"}
    assert len(started) == 2


def test_a_challenger_that_falls_silent_loses_its_bond(
    arena: Arena, shipped: Shipped, journal: Journal
) -> None:
    (draft,) = drafts(arena, shipped, 1)
    journal.add(entry(draft))
    poster(arena, journal).turn()
    game = arena.open(replace(draft, batch_id=batches(arena)[0]), 1)
    defender = _defender(arena, shipped, journal)
    games = Games(arena.network)

    def answered() -> bool:
        defender.turn()
        return games.view(game).state.phase is Phase.PICK_NODE

    def over() -> bool:
        defender.turn()
        return games.view(game).state.phase is Phase.RESOLVED

    try:
        until(answered)
        arena.pass_time(games.view(game).state.deadline)
        until(over)
    finally:
        defender.close()
    assert games.view(game).outcome.name == "PROVIDER_WON"


def _defender(arena: Arena, shipped: Shipped, journal: Journal) -> Defender:
    address = arena.address(PROVIDER)
    return Defender(arena.networks[PROVIDER], journal, [shipped.commitment], Honest(), address)


# Challenging


def test_a_silent_provider_is_convicted_by_a_challenger_begun_anew(
    arena: Arena, shipped: Shipped, evidence: Evidence
) -> None:
    data = _lie(arena, shipped, evidence)
    _auditor(arena, shipped, evidence).turn()
    _auditor(arena, shipped, evidence).turn()  # a second start opens no second game
    (game,) = _games_against(arena, data)
    games = Games(arena.network)
    player = _player(arena, shipped, evidence)
    player.turn()
    player.close()
    arena.pass_time(games.view(game).state.deadline)
    player = _player(arena, shipped, evidence)

    def over() -> bool:
        player.turn()
        return games.view(game).state.phase is Phase.RESOLVED

    try:
        until(over)
    finally:
        player.close()
    view = games.view(game)
    assert view.outcome.name == "CHALLENGER_WON"
    assert arena.network.settlement.status(data.batch_id, data.index).name == "CONVICTED"


def test_a_challenger_can_be_killed_between_any_two_moves(
    arena: Arena, shipped: Shipped, evidence: Evidence
) -> None:
    data = _lie(arena, shipped, evidence)
    _auditor(arena, shipped, evidence).turn()
    (game,) = _games_against(arena, data)
    games, place = Games(arena.networks[PROVIDER]), Tamper(_step(shipped, "layer.1.down"), 2, 9, 1)
    trace = PassTrace(shipped.commitment, [*data.prompt, *data.output[:1]], place)
    defence = arena.defence(data, 1, trace)
    while True:
        view = games.view(game)
        if view.state.phase is Phase.RESOLVED:
            break
        if view.state.turn is Player.PROVIDER:
            move = answer(view.state, defence)
            assert move is not None
            games.play(view, move)
        else:
            player = _player(arena, shipped, evidence)
            player.turn()
            player.close()
    assert view.outcome.name == "CHALLENGER_WON"
    assert view.step is not None
    assert view.record.chunk_count > 1


def test_right_claims_are_left_alone(arena: Arena, shipped: Shipped, evidence: Evidence) -> None:
    for data in arena.post(*drafts(arena, shipped, 2)):
        evidence.keep(data)
    _auditor(arena, shipped, evidence).turn()
    names = [event.name for event in arena.network.reader().poll().added]
    assert "GameOpened" not in names


def _lie(arena: Arena, shipped: Shipped, evidence: Evidence) -> ClaimData:
    """A claim whose token 1 is wrong, its data at hand."""
    prompt, params = shipped.tokenizer.encode("Raise an error if"), SamplingParams(3)
    lie = wrong_at(right_output(shipped.engine, prompt, params), 1, arena.header.vocab_size)
    (data,) = arena.post(arena.draft(prompt, lie, params))
    evidence.keep(data)
    return data


def _step(shipped: Shipped, name: str) -> int:
    return shipped.commitment.program.step_named(name)


def _auditor(arena: Arena, shipped: Shipped, evidence: Evidence) -> Auditor:
    examine = partial(audit, model=shipped.commitment.header, engine=shipped.engine)
    return Auditor(
        arena.networks["challenger"],
        evidence,
        [Subject(shipped.commitment, examine)],
        arena.address("challenger"),
        None,
        threading.Event(),
        hold_fire=False,
    )


def _player(arena: Arena, shipped: Shipped, evidence: Evidence) -> GamePlayer:
    challenger = arena.address("challenger")
    return GamePlayer(
        arena.networks["challenger"], evidence, [shipped.commitment], challenger, None
    )


def _games_against(arena: Arena, data: ClaimData) -> list[bytes]:
    claim = arena.claim_id(data)
    added = arena.network.reader().poll().added
    return [
        event.args["game_id"]
        for event in added
        if event.name == "GameOpened" and event.args["claim_id"] == claim
    ]
