"""DisputeGame.pick_chunk: one of the revealed partials."""

from __future__ import annotations

import pytest

from tests.support.market import Market, event
from tests.support.toy_game import PICK_CHUNK, PROVE_CHUNK, ToyGame

PLACE = (2, 1, 3)


@pytest.mark.parametrize("chunk", [0, 2])
def test_default_behavior(market: Market, game: ToyGame, chunk: int) -> None:
    game.play(PLACE, until=PICK_CHUNK)
    game.move("pick_chunk", chunk, game.record.node)
    assert event(market.game, "ChunkPicked").chunk == chunk
    assert (game.record.phase, game.record.target) == (PROVE_CHUNK, chunk)


@pytest.mark.parametrize("chunk", [3, 255, 2**256 - 1])
def test_revert_no_such_chunk(game: ToyGame, chunk: int) -> None:
    game.play(PLACE, until=PICK_CHUNK)
    game.refuses("dispute_game: no such chunk", "pick_chunk", chunk, game.record.node)


def test_revert_other_partials(game: ToyGame) -> None:
    """What a challenger said about some partials counts for no others."""
    game.play(PLACE, until=PICK_CHUNK)
    node = game.node_of((1, 3, 36, [10, 13, 13]))
    game.refuses("dispute_game: wrong opening", "pick_chunk", 0, node)
