"""DisputeGame.pick_node: only nodes that were shown and that hold something real."""

from __future__ import annotations

import pytest

from tests.support.market import Market, event
from tests.support.toy_game import (
    PICK_NODE,
    REVEAL_NODES,
    REVEAL_STEP,
    REVEAL_TILE,
    ToyGame,
)


def test_default_behavior(market: Market, game: ToyGame) -> None:
    """70 steps are 7 levels: 4, then 3."""
    game.answer()
    arguments = game.pick_arguments(5)
    game.move("pick_node", *arguments)
    picked = event(market.game, "NodePicked")
    record = game.record
    assert (record.phase, record.node) == (REVEAL_NODES, arguments[1])
    assert (record.node_index, record.depth_left) == (5, 3)
    assert (picked.game_id, picked.in_steps, picked.child) == (game.game_id, True, 5)
    assert (picked.node, picked.node_index, picked.depth_left) == (arguments[1], 5, 3)


def test_a_leaf_of_the_steps_is_a_step(game: ToyGame) -> None:
    game.play((45, 0, 0), until=REVEAL_STEP)
    assert (game.record.node_index, game.record.depth_left) == (45, 0)
    assert game.record.node == game.trace.steps_tree.at(7, 45)


def test_a_leaf_of_the_tiles_is_a_tile(market: Market, game: ToyGame) -> None:
    game.play((1, 3, 699), until=REVEAL_STEP)
    game.advance((1, 3, 699))
    game.advance((1, 3, 699))
    assert not event(market.game, "NodePicked").in_steps
    assert game.phase == REVEAL_TILE
    assert (game.record.node_index, game.record.depth_left) == (7, 0)
    assert game.record.node == game.trace.tiles(1).at(3, 7)


def test_last_real_node_can_be_picked(game: ToyGame) -> None:
    """Steps 64 to 69 hang below child 8 of 16."""
    game.answer()
    game.move("pick_node", *game.pick_arguments(8))
    assert game.phase == REVEAL_NODES


@pytest.mark.parametrize("child", [9, 15])
def test_revert_padding(game: ToyGame, child: int) -> None:
    game.answer()
    game.refuses("dispute_game: no such node", "pick_node", *game.pick_arguments(child))


def test_revert_padding_leaf(game: ToyGame) -> None:
    game.play((69, 0, 0), until=REVEAL_NODES)
    game.advance((69, 0, 0))
    assert game.phase == PICK_NODE
    game.refuses("dispute_game: no such node", "pick_node", *game.pick_arguments(6))


@pytest.mark.parametrize("child", [16, 2**32, 2**255])
def test_revert_beyond_the_nodes_shown(game: ToyGame, child: int) -> None:
    game.answer()
    _, node, path = game.pick_arguments(0)
    game.refuses("dispute_game: no such node", "pick_node", child, node, path)


def test_revert_node_for_another_place(game: ToyGame) -> None:
    game.answer()
    _, node, path = game.pick_arguments(5)
    game.refuses("dispute_game: wrong opening", "pick_node", 4, node, path)


def test_revert_node_that_was_not_shown(game: ToyGame) -> None:
    game.answer()
    child, _, path = game.pick_arguments(5)
    game.refuses("dispute_game: wrong opening", "pick_node", child, b"\x42" * 32, path)


def test_revert_path_cut_short_or_extended(game: ToyGame) -> None:
    """No node of another level passes for a child."""
    game.answer()
    child, node, path = game.pick_arguments(5)
    for other in (path[1:], [*path, bytes(32)], []):
        game.refuses("dispute_game: wrong path length", "pick_node", child, node, other)
