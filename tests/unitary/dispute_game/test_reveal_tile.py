"""DisputeGame.reveal_tile: the picked tile's elements, all of them and nothing else."""

from __future__ import annotations

import pytest

from assay.core.hashes import tile_leaf
from tests.support.market import Market, event
from tests.support.toy_game import PICK_ELEMENT, REVEAL_TILE, ToyGame, ToyTrace, open_game


@pytest.mark.parametrize(("column", "elements"), [(0, 512), (511, 512), (512, 188), (699, 188)])
def test_default_behavior(market: Market, game: ToyGame, column: int, elements: int) -> None:
    game.play((1, 2, column), until=REVEAL_TILE)
    (data,) = game.tile_arguments()
    game.move("reveal_tile", data)
    revealed = event(market.game, "TileRevealed")
    assert game.phase == PICK_ELEMENT
    assert len(data) == 4 * elements
    assert (revealed.row, revealed.first_column, revealed.data) == (2, column // 512 * 512, data)


def test_revert_altered_tile(game: ToyGame) -> None:
    game.play((1, 2, 0), until=REVEAL_TILE)
    (data,) = game.tile_arguments()
    altered = bytes([data[0] ^ 1]) + data[1:]
    game.refuses("dispute_game: wrong opening", "reveal_tile", altered)


def test_revert_wrong_length(game: ToyGame) -> None:
    game.play((1, 2, 600), until=REVEAL_TILE)
    (data,) = game.tile_arguments()
    for other in (data[:-1], data + b"\x00", b"", data + bytes(4)):
        game.refuses("dispute_game: wrong tile length", "reveal_tile", other)


class Overlong(ToyTrace):
    """Commits to a tile with one element too many."""

    def tile(self, step: int, row: int, first_column: int) -> bytes:
        return super().tile(step, row, first_column) + bytes(4)


def test_revert_tile_committed_with_a_wrong_length(market: Market, game: ToyGame) -> None:
    """Such a tile cannot be opened, so its provider loses by the clock."""
    trace = Overlong(4, {(0, 0, 0): 0})
    other = open_game(market, game.claim, trace, challenger=market.stranger)
    other.play((0, 0, 0), until=REVEAL_TILE)
    (data,) = other.tile_arguments()
    assert tile_leaf(data) == other.record.node
    other.refuses("dispute_game: wrong tile length", "reveal_tile", data)
