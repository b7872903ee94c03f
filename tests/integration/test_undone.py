"""What a reorganisation undoes that was over: the end of a game, of a window; a batch just posted.

Snapshots of the real Anvil are the branches; the services' own loops go from one to the other.
"""

from __future__ import annotations

import pytest

from assay.chain.games import Games
from assay.challenger.auditor import Auditor
from assay.challenger.evidence import Evidence
from assay.core.game import Phase
from assay.provider.cheat import Honest
from assay.provider.defender import Defender
from assay.provider.finaliser import Finaliser
from assay.provider.journal import Journal
from tests.integration.arena import Arena
from tests.integration.conftest import Shipped
from tests.integration.test_challenger import auditor, dispute
from tests.integration.test_loops import batches, drafts, entry, poster, until

PROVIDER = "honest provider"


def branch_off(arena: Arena, snapshot: object) -> None:
    """Back to the snapshot, and on by a block of another branch."""
    arena.anvil.rpc("evm_revert", snapshot)
    arena.anvil.rpc("evm_mine")


def test_a_game_whose_end_is_undone_is_played_on(
    arena: Arena, shipped: Shipped, journal: Journal
) -> None:
    """The opening stays on chain; whoever left the game for good would lose it by the clock."""
    (data,) = arena.post(*drafts(arena, shipped, 1))
    journal.add(entry(data))
    game, games = arena.open(data, 1), Games(arena.network)
    address = arena.address(PROVIDER)
    defender = Defender(arena.networks[PROVIDER], journal, [shipped.commitment], Honest(), address)

    def left() -> bool:
        defender.turn()
        return games.view(game).state.phase is Phase.RESOLVED and defender.active() == 0

    def answered() -> bool:
        defender.turn()
        return games.view(game).state.phase is Phase.PICK_NODE

    try:
        until(answered)
        for _ in range(2):
            snapshot = arena.anvil.rpc("evm_snapshot")
            arena.pass_time(games.view(game).state.deadline)
            until(left)
            branch_off(arena, snapshot)
            assert games.view(game).state.phase is Phase.PICK_NODE
    finally:
        defender.close()


@pytest.mark.parametrize("restarted", [False, True], ids=["running", "begun anew meanwhile"])
def test_a_claim_whose_windows_end_is_undone_is_challenged(
    arena: Arena, shipped: Shipped, evidence: Evidence, restarted: bool
) -> None:
    """A game that is gone with the end of the window is opened again."""
    found = dispute(arena, shipped, evidence)
    finders: list[Auditor] = [auditor(arena, shipped, evidence)]
    snapshot = arena.anvil.rpc("evm_snapshot")
    finders[0].turn()
    assert found.phase() is not None
    arena.pass_time(arena.network.settlement.challenge_until(found.data.batch_id))
    finders[0].turn()
    if restarted:
        finders.append(auditor(arena, shipped, evidence))
        finders[1].turn()
    branch_off(arena, snapshot)
    assert found.phase() is None
    finders[-1].turn()
    assert found.phase() is not None


def test_a_window_that_is_over_for_good_is_forgotten(
    arena: Arena, shipped: Shipped, evidence: Evidence
) -> None:
    """After `reorg_depth` blocks, no reorganisation that is read opens it again."""
    found = dispute(arena, shipped, evidence)
    finder = auditor(arena, shipped, evidence)
    finder.turn()
    arena.pass_time(arena.network.settlement.challenge_until(found.data.batch_id))
    depth = arena.network.reorg_depth
    for blocks, known in ((0, 1), (depth - 1, 1), (1, 0)):
        if blocks:
            arena.anvil.rpc("anvil_mine", hex(blocks))
        finder.turn()
        assert finder.known() == known


def test_a_batch_is_not_written_over_one_that_was_just_undone(
    arena: Arena, shipped: Shipped, journal: Journal
) -> None:
    """The nonce is free on chain before the finaliser has noticed that the batch is gone."""
    snapshot = arena.anvil.rpc("evm_snapshot")
    first, second = drafts(arena, shipped, 2)
    journal.add(entry(first))
    poster(arena, journal).turn()
    branch_off(arena, snapshot)
    journal.add(entry(second))
    for _ in range(2):
        poster(arena, journal).turn()
    counts = [arena.network.settlement.batch(batch_id).count for batch_id in batches(arena)]
    assert counts == [1, 1]
    Finaliser(arena.networks[PROVIDER], journal).turn()
    assert journal.counts()["posted"] == 2
    assert journal.unposted_batches() == []
