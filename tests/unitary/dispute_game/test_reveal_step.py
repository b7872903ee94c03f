"""DisputeGame.reveal_step: the model's own step, and an output of its shape."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_abi.abi import encode

from assay.core.hashes import keccak, tensor_commitment
from assay.core.types import Pass, Step
from tests.support.market import STEPS, STEPS_TREE, Market, event
from tests.support.toy_game import PICK_NODE, REVEAL_STEP, REVEAL_TILE, ToyGame, ToyTrace, open_game


def test_default_behavior(market: Market, game: ToyGame) -> None:
    """Step 1 in a pass over 4 positions: 4 rows of 700, two tiles each."""
    game.play((1, 0, 0), until=REVEAL_STEP)
    game.move("reveal_step", *game.step_arguments())
    revealed = event(market.game, "StepRevealed")
    record = game.record
    assert (record.phase, record.step_known, record.step_index) == (PICK_NODE, True, 1)
    assert (record.width, record.elem_bytes, record.chunk_count) == (700, 4, 0)
    assert (record.node_index, record.depth_left, record.leaf_count) == (0, 3, 8)
    assert record.node == game.trace.tiles(1).root
    terms = encode([Pass.ABI, Step.ABI], [game.terms.abi(), STEPS[1].abi()])
    assert record.terms == keccak(terms)
    assert (revealed.step_index, revealed.step.opcode, revealed.step.params[0]) == (1, 1, -9)
    assert (revealed.rows, revealed.width, revealed.elem_bytes) == (4, 700, 4)
    assert list(revealed.children) == game.trace.tiles(1).nodes(3, 0, 8)


def test_single_tile_is_revealed_next(game: ToyGame) -> None:
    """A tree without levels leaves the challenger nothing to pick."""
    game.play((0, 0, 0), until=REVEAL_STEP)
    game.move("reveal_step", *game.step_arguments())
    assert (game.phase, game.record.depth_left) == (REVEAL_TILE, 0)
    assert game.record.node == game.trace.tiles(0).root


def test_reduction_tells_its_chunks(game: ToyGame) -> None:
    game.play((2, 0, 0), until=REVEAL_STEP)
    game.move("reveal_step", *game.step_arguments())
    assert game.record.chunk_count == 3


def test_revert_step_of_another_place(game: ToyGame) -> None:
    game.play((4, 0, 0), until=REVEAL_STEP)
    terms, _, _, children = game.step_arguments()
    arguments = (terms, STEPS[0].abi(), STEPS_TREE.path(0), children)
    game.refuses("dispute_game: other step", "reveal_step", *arguments)


@pytest.mark.parametrize(
    "change",
    [{"rows": 2}, {"width": 5}, {"elem_bytes": 8}, {"params": (6,)}, {"opcode": 2}],
    ids=str,
)
def test_revert_altered_step(game: ToyGame, change: dict[str, object]) -> None:
    game.play((0, 0, 0), until=REVEAL_STEP)
    terms, _, path, children = game.step_arguments()
    step = replace(STEPS[0], **change).abi()
    game.refuses("dispute_game: other step", "reveal_step", terms, step, path, children)


def test_revert_path_length(game: ToyGame) -> None:
    game.play((0, 0, 0), until=REVEAL_STEP)
    terms, step, path, children = game.step_arguments()
    for other in (path[1:], (*path, bytes(32))):
        arguments = (terms, step, other, children)
        game.refuses("dispute_game: wrong path length", "reveal_step", *arguments)


def test_revert_other_output(game: ToyGame) -> None:
    game.play((1, 0, 0), until=REVEAL_STEP)
    terms, step, path, children = game.step_arguments()
    children[3] = b"\x42" * 32
    game.refuses("dispute_game: wrong opening", "reveal_step", terms, step, path, children)


def test_revert_wrong_node_count(game: ToyGame) -> None:
    game.play((1, 0, 0), until=REVEAL_STEP)
    terms, step, path, children = game.step_arguments()
    for other in (children[:4], [], children * 2):
        arguments = (terms, step, path, other)
        game.refuses("dispute_game: malformed row", "reveal_step", *arguments)


def test_revert_altered_pass(game: ToyGame) -> None:
    game.play((1, 0, 0), until=REVEAL_STEP)
    terms, step, path, children = game.step_arguments()
    more = (*terms[:6], terms[6] + 1, *terms[7:])
    game.refuses("dispute_game: wrong terms", "reveal_step", more, step, path, children)


class Misshapen(ToyTrace):
    """Commits to step 1 as twice the rows: another shape than the step has."""

    def commitment(self, step: int) -> bytes:
        return tensor_commitment(8, 350, 4, self.tiles(step).root)


def test_revert_output_of_another_shape(market: Market, game: ToyGame) -> None:
    """The tree is right, the header is not: the leaf cannot be opened at all."""
    trace = Misshapen(4, {(1, 0, 0): 0})
    other = open_game(market, game.claim, trace, challenger=market.stranger)
    other.play((1, 0, 0), until=REVEAL_STEP)
    other.refuses("dispute_game: wrong opening", "reveal_step", *other.step_arguments())
