"""Roots and places: whatever a move shows hangs from what was committed, where it was committed.

A liar shows nodes of another tree, another step, junk where a tree has no leaves, a receipt from
elsewhere; a false challenger picks what was never shown. After a reorganisation a liar answers with
another trace, and moves that were made against the first are replayed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import boa
import pytest
from boa import BoaError

from assay.chain.record import Record
from assay.core.hashes import node, receipt_leaf
from assay.core.merkle import MerkleTree
from assay.core.types import EMPTY_TOKEN
from tests.attacks.arena import ANY_RECORD, LENIENT, Defect, dispute, without
from tests.support.market import BOND, CLOCK, SLASH, STEPS, Claim, Market
from tests.support.toy_game import (
    CHALLENGER_WON,
    PICK_NODE,
    PROVE_ELEMENT,
    PROVE_SAMPLE,
    PROVIDER_WON,
    REVEAL_STEP,
    ToyGame,
    ToyTrace,
    open_game,
)

GAME, SETTLEMENT = "disputes/DisputeGame", "network/Settlement"
STATE, WALK, DESCENT = "modules/game_state", "modules/walk", "modules/descent"
LIE = (1, 2, 600)
JUNK = b"\x66" * 32
POSITIONS = 4

UNBOUND_NODES = Defect(
    GAME,
    '    assert opened == record.node, "dispute_game: wrong opening"\n',
    "    pass\n",
    STATE,
)
UNBOUND_PICKS = Defect(GAME, "    game_state._check_node(record, shown_for)\n", "", WALK)
ANY_STEP = Defect(
    GAME,
    "    assert merkle.program_root(pass_.n_steps, root) == pass_.program_root, (\n"
    '        "dispute_game: other step"\n    )\n',
    "",
    WALK,
)
PICKS_PADDING = Defect(
    GAME,
    '    assert child < 1 << height and descent.holds_leaf(cursor), "dispute_game: no such node"\n',
    "",
    WALK,
)
JUNK_IN_PADDING = Defect(
    GAME,
    "        if children[i] != padding:\n            return False\n",
    "        pass\n",
    DESCENT,
)
ANY_PATH = Defect(
    SETTLEMENT,
    "    if index >= count or len(proof) != merkle.depth_of(count):\n",
    "    if index >= count:\n",
    "modules/claims",
)
BEYOND_THE_COUNT = Defect(
    SETTLEMENT,
    "    if index >= count or len(proof) != merkle.depth_of(count):\n",
    "    if len(proof) != merkle.depth_of(count):\n",
    "modules/claims",
)

Attack = Callable[[Market, Claim], bool]


class JunkTree(MerkleTree):
    """A tree with one leaf of junk right after the last real one."""

    def __init__(self, leaves: list[bytes]) -> None:
        super().__init__([*leaves, JUNK])
        self.count = len(leaves)


def splice(market: Market, claim: Claim) -> bool:
    """A liar answers with its false root, then shows the nodes of an honest trace."""
    honest = ToyTrace(POSITIONS)
    game = open_game(market, claim, ToyTrace(POSITIONS, {LIE: 1})).answer()
    game.advance(LIE)
    game.trace = honest
    return _acquitted(game, LIE)


def another_step(market: Market, claim: Claim) -> bool:
    """A step from whose parameters the false element follows, in place of the program's own."""
    game = open_game(market, claim, ToyTrace(POSITIONS, {LIE: 1})).play(LIE, until=REVEAL_STEP)
    arguments = game.step_arguments()
    false = replace(STEPS[LIE[0]], params=(STEPS[LIE[0]].params[0] + 1,))
    arguments[1] = false.abi()
    try:
        game.move("reveal_step", *arguments)
        game.play(LIE, until=PROVE_ELEMENT)
        element = game.element(LIE[2])
        proof = [game.terms.abi(), false.abi(), element, *game.proof_arguments(LIE[2])[3:]]
        game.move("prove_element", *proof, EMPTY_TOKEN.abi())
    except BoaError:
        return False
    return game.record.outcome == PROVIDER_WON


def hide_behind_junk(market: Market, claim: Claim) -> bool:
    """All steps are right, and junk beside the last one makes another root: nothing to point at.

    The root is wrong, so an honest challenger goes on; among real nodes it finds no difference.
    """
    trace = ToyTrace(POSITIONS)
    honest = trace.steps_tree
    trace.steps_tree = JunkTree([honest.at(7, step) for step in range(len(STEPS))])
    game = open_game(market, claim, trace).answer()
    game.advance((69, 0, 0))
    try:
        game.move("reveal_nodes", *game.reveal_arguments())
    except BoaError:
        return False
    shown = trace.steps_tree.children(4, 8, 3)[:6]
    return shown == honest.children(4, 8, 3)[:6] and game.phase == PICK_NODE


def pick_padding(market: Market, claim: Claim) -> bool:
    """A false challenger picks where no step is: nobody can reveal one."""
    game = open_game(market, claim).answer()
    game.advance((69, 0, 0))
    game.move("reveal_nodes", *game.reveal_arguments())
    try:
        game.move("pick_node", *game.pick_arguments(6))
    except BoaError:
        return False
    boa.env.time_travel(seconds=CLOCK + 1)
    game.timeout()
    return game.record.outcome == CHALLENGER_WON


def pick_at_will(market: Market, claim: Claim) -> bool:
    """A false challenger picks a node that the honest provider never showed."""
    game = open_game(market, claim).answer()
    child, _, path = game.pick_arguments(0)
    try:
        game.move("pick_node", child, JUNK, path)
    except BoaError:
        return False
    boa.env.time_travel(seconds=CLOCK + 1)
    game.timeout()
    return game.record.outcome == CHALLENGER_WON


def replay_a_pick(market: Market, claim: Claim) -> bool:
    """The pick that pointed at one trace's lie lands in a game over another trace."""
    game = open_game(market, claim, ToyTrace(POSITIONS, {LIE: 1}))
    opened = game.standing
    with boa.env.anchor():  # the blocks that are undone
        made_for = game.answer().standing
        pick = game.pick_arguments(game.child_towards(LIE))
    game.standing, game.trace = opened, ToyTrace(POSITIONS, {(60, 0, 0): 1})
    game.answer()
    return _replayed(game, made_for, "pick_node", *pick)


def replay_a_sample(market: Market, claim: Claim) -> bool:
    """The challenger accepted one trace; after the reorganisation it has accepted another."""
    game = open_game(market, claim)
    opened = game.standing
    with boa.env.anchor():
        made_for = game.answer().standing
        accepted = [game.terms.abi(), 1]
    game.standing, game.trace = opened, ToyTrace(POSITIONS, {LIE: 1})
    game.answer()
    return _replayed(game, made_for, "challenge_sample", *accepted) and game.phase == PROVE_SAMPLE


def bring_a_verifier(market: Market, claim: Claim) -> bool:
    """A liar's last move names a verifier to which all is right."""
    game = open_game(market, claim, ToyTrace(POSITIONS, {LIE: 1})).play(LIE, until=PROVE_ELEMENT)
    forged = replace(Record(*game.standing), verifier=without(LENIENT)().address)
    game.standing = forged.abi()
    return _acquitted(game, LIE)


def two_receipts_in_one_place(market: Market, claim: Claim) -> bool:
    """Challengers are shown a right receipt at index 1; another one, a level below, is paid."""
    shown, paid, last = (market.claim() for _ in range(3))
    leaves = [receipt_leaf(each.receipt) for each in (shown, paid, last)]
    inner = node(leaves[2], leaves[1])
    batch = bytes(market.settlement.post_batch(node(inner, leaves[0]), 2, sender=market.provider))
    shown.batch_id, shown.index, shown.proof = batch, 1, (inner,)
    paid.batch_id, paid.index, paid.proof = batch, 1, (leaves[2], leaves[0])
    return _paid(market, paid)


def more_claims_than_bond(market: Market, claim: Claim) -> bool:
    """A batch of three locks three slashes, and has four leaves."""
    claims = [market.claim() for _ in range(4)]
    tree = MerkleTree([receipt_leaf(each.receipt) for each in claims])
    locked = market.providers.locked(market.provider)
    batch = bytes(market.settlement.post_batch(tree.root, 3, sender=market.provider))
    assert market.providers.locked(market.provider) - locked == 3 * SLASH
    extra = claims[3]
    extra.batch_id, extra.index, extra.proof = batch, 3, tree.path(3)
    return _paid(market, extra)


def _acquitted(game: ToyGame, target: tuple[int, int, int]) -> bool:
    try:
        game.play(target)
    except BoaError:
        return False
    return bool(game.market.bond_token.balanceOf(game.market.provider) == BOND)


def _replayed(game: ToyGame, made_for: tuple[object, ...], name: str, *arguments: object) -> bool:
    """Whether a move lands, although it was made for another record."""
    assert made_for != game.standing
    game.standing = made_for
    try:
        game.move(name, *arguments)
    except BoaError:
        return False
    return True


def _paid(market: Market, claim: Claim) -> bool:
    market.after_window()
    try:
        return market.finalise(claim) > 0
    except BoaError:
        return False


ATTACKS = [
    pytest.param(splice, UNBOUND_NODES, id="splice of another trace"),
    pytest.param(another_step, ANY_STEP, id="another step"),
    pytest.param(hide_behind_junk, JUNK_IN_PADDING, id="junk in the padding"),
    pytest.param(pick_padding, PICKS_PADDING, id="a pick of padding"),
    pytest.param(pick_at_will, UNBOUND_PICKS, id="a pick of nothing shown"),
    pytest.param(replay_a_pick, ANY_RECORD, id="a replayed pick"),
    pytest.param(replay_a_sample, ANY_RECORD, id="a replayed consent"),
    pytest.param(bring_a_verifier, ANY_RECORD, id="a verifier of its own"),
    pytest.param(two_receipts_in_one_place, ANY_PATH, id="a longer path"),
    pytest.param(more_claims_than_bond, BEYOND_THE_COUNT, id="beyond the count"),
]


@pytest.mark.parametrize(("attack", "defect"), ATTACKS)
def test_no_other_place(attack: Attack, defect: Defect) -> None:
    """It fails on the contracts, and succeeds where the defence is missing."""
    with dispute() as sound:
        assert not attack(*sound)
    with dispute(defect) as defective:
        assert attack(*defective)
