"""Junk where a tree has no leaves: it may not explain a wrong parent of right children.

A liar that commits to junk in the padding changes a hash above it without changing any leaf. Were
it allowed to show that, an honest challenger would follow the difference down to a node whose
real children are all right, and have no move.
"""

from __future__ import annotations

from collections.abc import Sequence

import boa
import pytest

from assay.core.hashes import node
from assay.core.merkle import MerkleTree
from tests.support.market import CLOCK, STEPS, Claim, Market
from tests.support.toy_game import (
    CHALLENGER_WON,
    REVEAL_NODES,
    REVEAL_STEP,
    ToyGame,
    ToyTrace,
    open_game,
)

JUNK = b"\x66" * 32
POSITIONS = 4


class JunkTree(MerkleTree):
    """A tree with one leaf of junk right after the last real one."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        super().__init__([*leaves, JUNK])
        self.count = len(leaves)


class JunkSteps(ToyTrace):
    """Honest outputs, junk in the padding of the steps."""

    def __init__(self) -> None:
        super().__init__(POSITIONS)
        leaves = [self.steps_tree.at(7, step) for step in range(len(STEPS))]
        self.steps_tree = JunkTree(leaves)


class JunkTiles(ToyTrace):
    """Honest tiles of step 3 (160 of 256), junk in their padding."""

    def __init__(self) -> None:
        super().__init__(POSITIONS, {(3, 0, 0): 0})

    def tiles(self, step: int) -> MerkleTree:
        honest = super().tiles(step)
        if step != 3:
            return honest
        return JunkTree([honest.at(honest.depth, leaf) for leaf in range(honest.count)])


def game_over(market: Market, claim: Claim, trace: ToyTrace) -> ToyGame:
    return open_game(market, claim, trace, challenger=market.challenger)


def test_junk_below_a_shown_node(market: Market, claim: Claim) -> None:
    """Steps 64 to 69 hang from child 8 of 16, with junk as its seventh leaf."""
    game = game_over(market, claim, JunkSteps()).play((69, 0, 0), until=REVEAL_NODES)
    assert game.trace.root != ToyTrace(POSITIONS).root
    game.refuses("dispute_game: malformed row", "reveal_nodes", *game.reveal_arguments())


def test_junk_among_the_first_nodes(market: Market, claim: Claim) -> None:
    """160 tiles under 16 nodes: the junk is right below the eleventh."""
    game = game_over(market, claim, JunkTiles()).play((3, 0, 0), until=REVEAL_STEP)
    game.refuses("dispute_game: malformed row", "reveal_step", *game.step_arguments())


def test_such_a_claim_is_lost_by_the_clock(market: Market, claim: Claim) -> None:
    game = game_over(market, claim, JunkTiles()).play((3, 0, 0), until=REVEAL_STEP)
    boa.env.time_travel(seconds=CLOCK + 1)
    game.timeout()
    assert game.record.outcome == CHALLENGER_WON


@pytest.mark.parametrize("place", [9, 12, 15])
def test_revert_junk_as_a_padding_node(market: Market, claim: Claim, place: int) -> None:
    """Nodes 9 to 15 of the first row are roots of eight zero leaves."""
    game = game_over(market, claim, ToyTrace(POSITIONS))
    terms, ending, children, token, previous = game.answer_arguments()
    zero = bytes(32)
    for _ in range(3):
        zero = node(zero, zero)
    assert children[place] == zero
    children[place] = JUNK
    game.refuses("dispute_game: malformed row", "answer", terms, ending, children, token, previous)


def test_zero_leaf_is_no_padding_where_a_real_one_belongs(market: Market, claim: Claim) -> None:
    """A step committed as zero is picked like any other, and cannot be opened."""

    class ZeroStep(ToyTrace):
        def commitment(self, step: int) -> bytes:
            return bytes(32)

    game = game_over(market, claim, ZeroStep(POSITIONS, {(69, 0, 0): 0}))
    game.play((69, 0, 0), until=REVEAL_STEP)
    game.refuses("dispute_game: wrong opening", "reveal_step", *game.step_arguments())
