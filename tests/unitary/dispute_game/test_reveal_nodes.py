"""DisputeGame.reveal_nodes: the nodes must hash to the picked one."""

from __future__ import annotations

import pytest

from tests.support.market import Market, event
from tests.support.toy_game import PICK_NODE, REVEAL_NODES, REVEAL_STEP, ToyGame


def test_default_behavior(market: Market, game: ToyGame) -> None:
    game.play((45, 0, 0), until=REVEAL_NODES)
    node = game.record.node
    game.move("reveal_nodes", *game.reveal_arguments())
    revealed = event(market.game, "NodesRevealed")
    assert (game.phase, game.record.node) == (PICK_NODE, node)
    assert (revealed.game_id, revealed.in_steps) == (game.game_id, True)
    assert (revealed.node_index, revealed.depth_left) == (5, 3)
    assert list(revealed.children) == game.trace.steps_tree.nodes(7, 40, 8)


def test_in_the_tiles(market: Market, game: ToyGame) -> None:
    """160 tiles are 8 levels: 4, then 4."""
    game.play((3, 100, 0), until=REVEAL_STEP)
    game.advance((3, 100, 0))
    game.advance((3, 100, 0))
    assert game.phase == REVEAL_NODES
    game.move("reveal_nodes", *game.reveal_arguments())
    revealed = event(market.game, "NodesRevealed")
    assert (revealed.in_steps, revealed.node_index, revealed.depth_left) == (False, 6, 4)
    assert list(revealed.children) == game.trace.tiles(3).nodes(8, 96, 16)


@pytest.mark.parametrize("position", [0, 3, 7])
def test_revert_altered_node(game: ToyGame, position: int) -> None:
    game.play((45, 0, 0), until=REVEAL_NODES)
    (children,) = game.reveal_arguments()
    children[position] = b"\x42" * 32
    game.refuses("dispute_game: wrong opening", "reveal_nodes", children)


def test_revert_other_level(game: ToyGame) -> None:
    """Nodes of a level above or below hash to the same node, but are not what is asked."""
    game.play((45, 0, 0), until=REVEAL_NODES)
    for children in (game.trace.steps_tree.nodes(6, 20, 4), [game.record.node], []):
        game.refuses("dispute_game: malformed row", "reveal_nodes", children)


def test_revert_nodes_of_another_node(game: ToyGame) -> None:
    game.play((45, 0, 0), until=REVEAL_NODES)
    children = game.trace.steps_tree.nodes(7, 32, 8)
    game.refuses("dispute_game: wrong opening", "reveal_nodes", children)
