"""For every opcode: one unit in one element convicts its provider, and a false challenge of one
element costs the challenger its bond. On Anvil, move by move.

On the shipped model, and what its program lacks on a random one with every feature of a decoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from assay.challenger.solver import FixedTarget
from assay.core.types import ENCODER_OPS, Op
from assay.trace import witness
from assay.trace.commitment import ModelCommitment
from assay.trace.execute import Tamper
from assay.trace.pass_trace import PassTrace
from tests.integration.arena import Arena, greedy, right_output, wrong_at
from tests.integration.conftest import Featured, Shipped

TOKEN = 1
"""The disputed output token."""
MASKED = -(2**31)
FEATURES = {Op.BIAS, Op.SPLIT, Op.SOFTCAP, Op.GELU_GATE}
SHIPPED_OPS = sorted({*Op} - FEATURES - ENCODER_OPS)
FEATURED_PLACES = {
    "layer.0.k_bias": (20, 17),
    "layer.0.up_bias": (3, 599),
    "layer.0.q_split": (101, 5),
    "layer.0.k_norm.inverse_rms": (40, 0),
    "layer.0.q_norm.output": (77, 15),
    "layer.0.k_rope": (91, 9),
    "layer.0.scores": (45 * 4 + 1, 3),
    "layer.0.sum": (45 * 4 + 2, 0),
    "layer.1.scores": (45 * 4 + 1, 3),
    "layer.0.scores_capped": (45 * 4 + 1, 3),
    "layer.1.scores_capped": (45 * 4 + 1, 3),
    "layer.1.gelu_gate": (44, 511),
    "layer.1.mlp_post_norm.output": (45, 63),
    "logits": (0, 1001),
    "layer.0.attn_norm.quant_exponent": (12, 0),
    "layer.0.mlp_quant": (45, 598),
    "layer.0.q": (31, 63),
    "layer.0.down": (44, 11),
}
"""Step -> (row, column). Of 46 positions, the window of the first layer hides 0 to 5 from the
last: its score of position 3 is masked, the second layer's is not."""


@dataclass(frozen=True)
class Ring:
    """Where a game is played: a chain with a model, and a right output to a prompt."""

    arena: Arena
    model: ModelCommitment
    prompt: Sequence[int]
    right: Sequence[int]

    @property
    def positions(self) -> int:
        return len(self.prompt) + TOKEN

    def convict(self, place: tuple[int, int, int], delta: int) -> None:
        """A provider whose trace is off by `delta` in one element loses there."""
        arena, params = self.arena, greedy(3)
        output = wrong_at(self.right, TOKEN, self.model.header.vocab_size)
        tokens = [*self.prompt, *output[:TOKEN]]
        (claim,) = arena.post(arena.draft(self.prompt, output, params))
        provider, challenger = arena.address("honest provider"), arena.address("challenger")
        slash = arena.network.settlement.slash_per_claim()
        bonded = arena.network.providers.bonded(provider)
        purse = arena.network.bond_token.balance_of(challenger)

        played = arena.play(claim, TOKEN, PassTrace(self.model, tokens, Tamper(*place, delta)))

        assert played.convicted, (played.moves, played.view.reason)
        assert played.place == place
        assert not any("timeout" in move for move in played.moves)
        assert arena.network.providers.bonded(provider) == bonded - slash
        reward = slash * arena.network.settlement.reward_bps() // 10_000
        assert arena.network.bond_token.balance_of(challenger) == purse + reward

    def acquit(self, place: tuple[int, int, int]) -> None:
        """A challenger who points at a right element loses its bond."""
        arena, params = self.arena, greedy(3)
        (claim,) = arena.post(arena.draft(self.prompt, self.right, params))
        provider, challenger = arena.address("honest provider"), arena.address("challenger")
        bonded = arena.network.providers.bonded(provider)
        tokens = arena.network.bond_token
        purses = tokens.balance_of(provider), tokens.balance_of(challenger)

        played = arena.play(claim, TOKEN, guide=FixedTarget(*place, self.partials(place)))

        bond = arena.network.game.challenger_bond()
        assert played.view.outcome.name == "PROVIDER_WON", (played.moves, played.view.reason)
        assert played.place == place
        assert not any("timeout" in move for move in played.moves)
        assert arena.network.providers.bonded(provider) == bonded
        assert tokens.balance_of(provider) == purses[0] + bond
        assert tokens.balance_of(challenger) == purses[1] - bond

    def partials(self, place: tuple[int, int, int]) -> tuple[int, ...]:
        """What a challenger must state of the element's reduction if it is long: the truth."""
        step, row, column = place
        if witness.chunk_count(self.model.program.steps[step], self.positions) < 2:
            return ()
        trace = PassTrace(self.model, [*self.prompt, *self.right[:TOKEN]])
        return tuple(witness.partials(trace, step, row, column))


@pytest.fixture
def ring(arena: Arena, shipped: Shipped) -> Ring:
    prompt = shipped.tokenizer.encode("Return a list of")
    right = right_output(shipped.engine, prompt, greedy(3))
    return Ring(arena, shipped.commitment, prompt, right)


@pytest.fixture
def featured_ring(featured_arena: Arena, featured: Featured) -> Ring:
    prompt = np.random.default_rng(4).integers(1, 1100, 45).tolist()
    right = right_output(featured.engine, prompt, greedy(3))
    return Ring(featured_arena, featured.commitment, prompt, right)


def element_of(commitment: ModelCommitment, op: Op, positions: int) -> tuple[int, int, int]:
    """(step, row, column) in the middle of an opcode's first step; attention rows of the last
    position, where no element is masked."""
    program = commitment.program
    step = next(i for i, s in enumerate(program.steps) if s.opcode == op)
    rows, width = program.steps[step].shape(positions)
    return step, (rows - 1 if op in (Op.SCORES, Op.EXP2) else rows // 2), width // 2


def test_each_opcode_is_in_one_of_the_models(shipped: Shipped, featured: Featured) -> None:
    steps = shipped.commitment.program.steps
    assert {Op(step.opcode) for step in steps} == set(SHIPPED_OPS)
    program = featured.commitment.program
    disputed = {Op(program.steps[program.step_named(name)].opcode) for name in FEATURED_PLACES}
    assert {*SHIPPED_OPS, *disputed} == set(Op) - ENCODER_OPS


@pytest.mark.parametrize("op", SHIPPED_OPS, ids=lambda op: op.name)
def test_one_unit_in_one_element_convicts(ring: Ring, op: Op) -> None:
    ring.convict(element_of(ring.model, op, ring.positions), 1 if op % 2 else -1)


@pytest.mark.parametrize("op", SHIPPED_OPS, ids=lambda op: op.name)
def test_a_false_challenge_loses(ring: Ring, op: Op) -> None:
    ring.acquit(element_of(ring.model, op, ring.positions))


@pytest.mark.parametrize("name", FEATURED_PLACES)
def test_one_unit_convicts_in_every_feature(featured_ring: Ring, name: str) -> None:
    step = featured_ring.model.program.step_named(name)
    featured_ring.convict((step, *FEATURED_PLACES[name]), 1)


@pytest.mark.parametrize("name", FEATURED_PLACES)
def test_a_false_challenge_loses_in_every_feature(featured_ring: Ring, name: str) -> None:
    step = featured_ring.model.program.step_named(name)
    featured_ring.acquit((step, *FEATURED_PLACES[name]))


def test_the_window_hides_what_it_should(featured: Featured, featured_ring: Ring) -> None:
    """The places above are where they are said to be."""
    ring = featured_ring
    trace = PassTrace(ring.model, [*ring.prompt, *ring.right[:TOKEN]])
    scores = [
        trace.tensor(ring.model.program.step_named(f"layer.{layer}.scores")) for layer in (0, 1)
    ]
    row, column = FEATURED_PLACES["layer.0.scores"]
    assert scores[0].values[row, column] == MASKED != scores[0].values[row, 6]
    assert scores[1].values[row, column] != MASKED
