"""MiniLM's real weights in whole games: one wrong element of a real embedding convicts, and a
challenge of a right one is lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from assay.chain.anvil import Anvil
from assay.chain.moves import read_move
from assay.challenger.audit import audit_embedding
from assay.challenger.solver import FixedTarget
from assay.core.types import SamplingParams
from assay.engine.encoder import Encoder
from assay.engine.encoder_import import import_encoder
from assay.engine.tokenizer import Tokenizer
from assay.provider.cheat import make_cheat
from assay.trace.commitment import EncoderCommitment
from tests.integration.arena import Arena
from tests.support.encoders import copy_minilm

SENTENCE = "A verifier recomputes one element of a disputed step."
ONE = SamplingParams(1)
MOST_TRANSACTIONS = 14
MOST_GAS = 2_000_000
"""Of a whole game, both sides together."""


@dataclass(frozen=True)
class Real:
    """A chain that knows MiniLM, its encoder, and a sentence's tokens with their embedding."""

    arena: Arena
    encoder: Encoder
    tokens: tuple[int, ...]
    row: list[int]


@pytest.fixture(scope="module")
def made(anvil: Anvil, tmp_path_factory: pytest.TempPathFactory) -> Real:
    folder = copy_minilm(tmp_path_factory.mktemp("minilm"))
    model = import_encoder(folder)
    arena = Arena(anvil, EncoderCommitment(model), tmp_path_factory.mktemp("minilm arena"))
    encoder = Encoder.ready(model)
    tokens = tuple(Tokenizer.of_checkpoint(folder).encode(SENTENCE))
    return Real(arena, encoder, tokens, encoder.embed(tokens).tolist())


@pytest.fixture
def real(made: Real) -> Iterator[Real]:
    snapshot = made.arena.anvil.rpc("evm_snapshot")
    yield made
    made.arena.anvil.rpc("evm_revert", snapshot)


@pytest.mark.parametrize("step", ["layer.3.gelu", "layer.5.down", "unit.output"])
def test_one_wrong_element_convicts(real: Real, step: str) -> None:
    arena = real.arena
    cheat = make_cheat({"kind": "tamper", "step": step, "column": 3, "delta": 2**24})
    row = cheat.embedding(arena.commitment, real.tokens, real.row)
    (claim,) = arena.post(arena.draft(real.tokens, row, ONE))
    finding = audit_embedding(claim, arena.header, real.encoder)
    assert finding is not None
    played = arena.play(claim, 0, cheat.trace(arena.commitment, real.tokens, ()))
    assert played.convicted, (played.moves, played.view.reason)
    assert played.place[0] == arena.commitment.program.step_named(step)
    assert not any("timeout" in move for move in played.moves)
    transactions = {event.transaction for event in played.view.events}
    gas = sum(read_move(arena.network, sent).gas for sent in transactions)
    assert len(transactions) <= MOST_TRANSACTIONS
    assert gas <= MOST_GAS


def test_a_false_challenge_loses(real: Real) -> None:
    arena = real.arena
    (claim,) = arena.post(arena.draft(real.tokens, real.row, ONE))
    assert audit_embedding(claim, arena.header, real.encoder) is None
    step = arena.commitment.program.step_named("layer.5.up_fine")
    played = arena.play(claim, 0, guide=FixedTarget(step, 4, 700))
    assert played.view.outcome.name == "PROVIDER_WON", (played.moves, played.view.reason)
