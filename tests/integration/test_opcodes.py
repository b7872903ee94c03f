"""For every opcode of the shipped model's program: one unit in one element convicts its provider,
and a false challenge of one element costs the challenger its bond. On Anvil, move by move."""

from __future__ import annotations

import pytest

from assay.challenger.solver import FixedTarget
from assay.core.types import Op
from assay.trace.commitment import ModelCommitment
from assay.trace.execute import Tamper
from assay.trace.pass_trace import PassTrace
from tests.integration.arena import Arena, greedy, right_output, wrong_at
from tests.integration.conftest import Shipped

TOKEN = 1
"""The disputed output token."""
MASKED = -(2**31)


def element_of(commitment: ModelCommitment, op: Op, positions: int) -> tuple[int, int, int]:
    """(step, row, column) in the middle of an opcode's first step; attention rows of the last
    position, where no element is masked."""
    program = commitment.program
    step = next(i for i, s in enumerate(program.steps) if s.opcode == op)
    rows, width = program.steps[step].shape(positions)
    return step, (rows - 1 if op in (Op.SCORES, Op.EXP2) else rows // 2), width // 2


def tampered(
    commitment: ModelCommitment, tokens: list[int], place: tuple[int, int, int], delta: int
) -> PassTrace:
    return PassTrace(commitment, tokens, Tamper(*place, delta))


@pytest.fixture
def prompt(shipped: Shipped) -> list[int]:
    return shipped.tokenizer.encode("Return a list of")


@pytest.mark.parametrize("op", list(Op), ids=lambda op: op.name)
def test_one_unit_in_one_element_convicts(
    arena: Arena, shipped: Shipped, prompt: list[int], op: Op
) -> None:
    model, params = shipped.commitment, greedy(3)
    right = right_output(shipped.engine, prompt, params)
    output = wrong_at(right, TOKEN, model.header.vocab_size)
    tokens = [*prompt, *output[:TOKEN]]
    place = element_of(model, op, len(tokens))
    (claim,) = arena.post(arena.draft(prompt, output, params))
    provider, challenger = arena.address("honest provider"), arena.address("challenger")
    slash = arena.network.settlement.slash_per_claim()
    bonded = arena.network.providers.bonded(provider)
    purse = arena.network.bond_token.balance_of(challenger)

    played = arena.play(claim, TOKEN, tampered(model, tokens, place, 1 if op % 2 else -1))

    assert played.convicted, (played.moves, played.view.reason)
    assert played.place == place
    assert not any("timeout" in move for move in played.moves)
    assert arena.network.providers.bonded(provider) == bonded - slash
    reward = slash * arena.network.settlement.reward_bps() // 10_000
    assert arena.network.bond_token.balance_of(challenger) == purse + reward


@pytest.mark.parametrize("op", list(Op), ids=lambda op: op.name)
def test_a_false_challenge_loses(arena: Arena, shipped: Shipped, prompt: list[int], op: Op) -> None:
    params = greedy(3)
    output = right_output(shipped.engine, prompt, params)
    place = element_of(shipped.commitment, op, len(prompt) + TOKEN)
    (claim,) = arena.post(arena.draft(prompt, output, params))
    provider, challenger = arena.address("honest provider"), arena.address("challenger")
    bonded = arena.network.providers.bonded(provider)
    tokens = arena.network.bond_token
    purses = tokens.balance_of(provider), tokens.balance_of(challenger)

    played = arena.play(claim, TOKEN, guide=FixedTarget(*place))

    bond = arena.network.game.challenger_bond()
    assert played.view.outcome.name == "PROVIDER_WON", (played.moves, played.view.reason)
    assert played.place == place
    assert not any("timeout" in move for move in played.moves)
    assert arena.network.providers.bonded(provider) == bonded
    assert tokens.balance_of(provider) == purses[0] + bond
    assert tokens.balance_of(challenger) == purses[1] - bond
