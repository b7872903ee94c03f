"""Solver and responder play whole games against each other over the small random model."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest

from assay.challenger.solver import FixedTarget, Truth, next_move
from assay.core.game import (
    GameState,
    Phase,
    PickNode,
    Player,
    Timeout,
)
from assay.core.merkle import MerkleTree
from assay.core.types import TEMPERATURE_ONE, Op
from assay.trace import witness
from assay.trace.execute import Tamper
from tests.offchain.challenger.referee import Referee, play
from tests.offchain.challenger.world import (
    Claim,
    commitment,
    element_of,
    longest_reduction,
    true_output,
)
from tests.support.models import FULL_OPS


def truth(claim: Claim) -> Truth:
    index = claim.token_index
    return Truth(claim.true_trace, true_output(claim.inv_temperature)[index], claim.claimed[index])


def played(claim: Claim, trace=None, guide=None, silent=False):  # type: ignore[no-untyped-def]
    defence = claim.defence(trace)
    referee = Referee(commitment(), defence)
    return play(referee, guide or truth(claim), defence, silent)


@pytest.mark.parametrize("delta", [1, -1])
@pytest.mark.parametrize("op", FULL_OPS, ids=lambda op: op.name)
def test_one_unit_in_one_element_is_found(op: Op, delta: int) -> None:
    claim = Claim()
    step, row, column = element_of(op)
    result = played(claim, claim.tampered(Tamper(step, row, column, delta)))
    assert result.winner is Player.CHALLENGER
    assert (result.final.step, result.final.row, result.final.column) == (step, row, column)


@pytest.mark.parametrize("op", FULL_OPS, ids=lambda op: op.name)
def test_a_false_challenge_fails(op: Op) -> None:
    claim = Claim(wrong_token=False)
    step, row, column = element_of(op)
    result = played(claim, guide=FixedTarget(step, row, column))
    assert result.winner is Player.PROVIDER
    assert (result.final.step, result.final.row, result.final.column) == (step, row, column)


def stated(chunk: int | None = None, error: int = 1) -> tuple[int, ...]:
    """The partials of the longest reduction in the right trace, that of `chunk` off by `error`."""
    partials = witness.partials(Claim(wrong_token=False).true_trace, *longest_reduction())
    if chunk is not None:
        partials[chunk] += error
    return tuple(partials)


@pytest.mark.parametrize("error", [1, -1, 2**62])
@pytest.mark.parametrize("chunk", [0, 1])
def test_a_misstated_partial_fails(chunk: int, error: int) -> None:
    claim = Claim(wrong_token=False)
    guide = FixedTarget(*longest_reduction(), stated=stated(chunk, error))
    result = played(claim, guide=guide)
    assert (result.winner, result.moves[-1]) == (Player.PROVIDER, "ProveChunk")


def test_rightly_stated_partials_of_a_right_element_fail() -> None:
    claim = Claim(wrong_token=False)
    result = played(claim, guide=FixedTarget(*longest_reduction(), stated=stated()))
    assert (result.winner, result.moves[-1]) == (Player.PROVIDER, "ProveCombine")


def test_misstatements_that_cancel_out_fail() -> None:
    first, second = stated()
    claim = Claim(wrong_token=False)
    guide = FixedTarget(*longest_reduction(), stated=(first + 1, second - 1))
    assert played(claim, guide=guide).winner is Player.PROVIDER


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_wrong_number_of_partials_is_no_move(count: int) -> None:
    claim = Claim(wrong_token=False)
    guide = FixedTarget(*longest_reduction(), stated=(stated() * 2)[:count])
    result = played(claim, guide=guide)
    assert (result.winner, result.moves[-2:]) == (Player.PROVIDER, ["RevealTile", "Timeout"])


def test_a_wrong_element_of_a_long_reduction_is_found() -> None:
    claim = Claim()
    result = played(claim, claim.tampered(Tamper(*longest_reduction(), 1)))
    assert (result.winner, result.moves[-1]) == (Player.CHALLENGER, "ProveCombine")


def test_other_partials_of_other_weights_are_found() -> None:
    """The provider's own partials give its element, but not with the model's weights."""
    claim = Claim()
    result = played(claim, claim.with_swapped_weight_rows("layer.0.down.weight"))
    assert (result.winner, result.moves[-1]) == (Player.CHALLENGER, "ProveChunk")


@pytest.mark.parametrize("inv_temperature", [0, TEMPERATURE_ONE], ids=["greedy", "sampled"])
@pytest.mark.parametrize("token_index", [0, 1])
def test_a_wrong_token_over_a_right_trace_is_found(inv_temperature: int, token_index: int) -> None:
    claim = Claim(inv_temperature, token_index)
    result = played(claim)
    assert result.winner is Player.CHALLENGER
    assert result.moves == ["Answer", "ChallengeSample", "ProveSample"]


@pytest.mark.parametrize("inv_temperature", [0, TEMPERATURE_ONE], ids=["greedy", "sampled"])
def test_a_false_rival_fails(inv_temperature: int) -> None:
    claim = Claim(inv_temperature, wrong_token=False)
    assert played(claim, guide=FixedTarget(rival_token=5)).winner is Player.PROVIDER


def test_a_wrong_prompt_token_is_found_at_its_embedding() -> None:
    claim = Claim()
    result = played(claim, claim.with_wrong_prompt())
    assert result.winner is Player.CHALLENGER
    assert (result.final.step, result.final.row) == (0, 1)


@pytest.mark.parametrize("name", ["layer.0.q.weight", "layer.0.down.weight"])
def test_a_swapped_weight_row_is_found(name: str) -> None:
    claim = Claim()
    result = played(claim, claim.with_swapped_weight_rows(name))
    assert result.winner is Player.CHALLENGER
    assert result.final.step == commitment().program.step_named(name.removesuffix(".weight"))


def test_a_silent_provider_loses_by_its_clock() -> None:
    result = played(Claim(), silent=True)
    assert (result.winner, result.moves) == (Player.CHALLENGER, ["Timeout"])


def test_an_honest_challenger_of_a_right_claim_has_no_move() -> None:
    result = played(Claim(wrong_token=False))
    assert (result.winner, result.moves) == (Player.PROVIDER, ["Answer", "Timeout"])


@pytest.mark.parametrize("tree", ["steps", "tiles"])
def test_junk_in_the_padding_convicts(tree: str) -> None:
    """It cannot be revealed: else a challenger would follow what no real leaf explains."""
    claim = Claim()
    trace = copy.copy(claim.true_trace)
    if tree == "steps":
        trace.steps_tree = junk_padded(trace.steps_tree)
    else:
        tensor = copy.copy(trace.tensor(0))
        tensor.__dict__["tree"] = junk_padded(tensor.tree)
        tensor.__dict__.pop("commitment")
        trace.tensors = [tensor, *trace.tensors[1:]]
        trace.steps_tree = MerkleTree([t.commitment for t in trace.tensors])
    result = played(claim, trace)
    assert (result.winner, result.moves[-1]) == (Player.CHALLENGER, "Timeout")


def junk_padded(tree: MerkleTree) -> MerkleTree:
    """The same leaves with junk after the last one."""
    leaves = [tree.at(tree.depth, i) for i in range(tree.count)]
    assert len(leaves) < 1 << tree.depth
    padded = MerkleTree([*leaves, bytes(31) + b"\x01"])
    padded.count = tree.count
    return padded


def test_the_first_of_several_differences_is_picked() -> None:
    claim = Claim()
    state = GameState(
        phase=Phase.PICK_NODE, positions=6, token_index=1, steps=len(commitment().program.steps)
    )
    children = claim.true_trace.steps_tree.children(0, 0, state.height)
    shown = replace(state, children=(children[0], children[1], *([bytes(32)] * 14)))
    assert next_move(shown, truth(claim), now=0) == PickNode(2)


def test_the_last_second_belongs_to_the_provider() -> None:
    state = GameState(phase=Phase.ANSWER, positions=6, token_index=1, steps=4, deadline=100)
    assert next_move(state, truth(Claim()), now=100) is None
    assert next_move(state, truth(Claim()), now=101) == Timeout()
