"""Attention over 8,192 positions: every kernel gives the reference's integers, and one unit of one
element of the last position's is convicted.

One layer and one head, hidden size 64: the reference's trace takes 7 seconds and 5 GB for a moment,
since it holds all scores at once.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest

from assay.challenger.solver import FixedTarget, Truth
from assay.core.merkle import MerkleTree
from assay.engine import engine as engine_module
from assay.engine.backends.base import pages_for
from assay.engine.engine import Engine
from assay.engine.forward import Decoder, Segment
from assay.exact.model import DecoderShape
from assay.trace import witness
from assay.trace.commitment import CommittedTensor, ModelCommitment
from assay.trace.pass_trace import PassTrace
from tests.integration.arena import Arena, greedy, wrong_at
from tests.support.models import random_model

POSITIONS = 8192
TOKEN = 2
"""The disputed output token: the one after position POSITIONS - 1."""
SHAPE = DecoderShape(
    vocab=700, hidden=64, layers=1, heads=1, kv_heads=1, head_dim=64, intermediate=96,
    context=POSITIONS + 1, eos_tokens=(), rope_theta=1e6, rms_eps=1e-5,
)  # fmt: skip
PLACES = {
    "scores": (POSITIONS - 1, 5000),
    "rowmax": (POSITIONS - 1, 0),
    "exp2": (POSITIONS - 1, 8000),
    "sum": (POSITIONS - 1, 0),
    "attend": (POSITIONS - 1, 41),
}
CHUNKED = ("rowmax", "sum", "attend")
"""Whose elements reduce all positions: 16 chunks."""


@dataclass(frozen=True)
class Long:
    """The model, a right prompt and output, and the reference's trace of the last pass."""

    commitment: ModelCommitment
    prompt: list[int]
    output: list[int]
    trace: PassTrace

    @property
    def tokens(self) -> list[int]:
        return [*self.prompt, *self.output[:TOKEN]]

    def named(self, name: str) -> int:
        return self.commitment.program.step_named(name)


@pytest.fixture(scope="module")
def long() -> Long:
    model = random_model(SHAPE)
    prompt = np.random.default_rng(6).integers(1, SHAPE.vocab, POSITIONS - TOKEN).tolist()
    output = list(Engine(model, slots=1, backend="torch").generate(prompt, greedy(TOKEN + 1)))
    commitment = ModelCommitment(model)
    trace = PassTrace(commitment, [*prompt, *output[:TOKEN]])
    return Long(commitment, prompt, output, trace)


@pytest.fixture
def long_arena(arena: Arena, long: Long) -> Iterator[Arena]:
    """The shared chain, with this model on it."""
    arena.network.models.register(long.commitment.header)
    ours = copy.copy(arena)
    ours.commitment = long.commitment
    yield ours


@pytest.mark.parametrize("rows", [POSITIONS, 1000], ids=["whole", "chunked"])
@pytest.mark.parametrize("backend", ["native", "torch"])
def test_every_position_equals_the_reference(
    long: Long, backend: str, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows after the layer, of all positions, and the last one's logits."""
    engine = Engine(long.commitment.model, slots=1, backend=backend)  # type: ignore[arg-type]
    decoder = Decoder(engine.backend)
    cache = decoder.new_cache(pages_for(POSITIONS))
    expected = long.trace.tensor(long.named("layer.0.mlp_add")).values
    for start in range(0, POSITIONS, rows):
        part = long.tokens[start : start + rows]
        hidden = decoder.hidden(cache, [Segment(range(cache.pages), start, part)])
        assert np.array_equal(hidden.to(int).numpy(), expected[start : start + rows])
    last = long.trace.tensor(long.named("logits")).values
    assert np.array_equal(decoder.logits(hidden[-1:]).to(int).numpy(), last)
    monkeypatch.setattr(engine_module, "PREFILL_ROWS", rows)
    assert engine.first_wrong_token(long.prompt, long.output, greedy(TOKEN + 1)) is None
    wrong = wrong_at(long.output, TOKEN, SHAPE.vocab)
    assert engine.first_wrong_token(long.prompt, wrong, greedy(TOKEN + 1)) == TOKEN


def test_a_window_at_the_end_of_a_long_context(long: Long) -> None:
    """Both backends agree where most pages lie before the window."""
    model = random_model(replace(SHAPE, windows=(100,)))
    native, torch = (Engine(model, slots=1, backend=b) for b in ("native", "torch"))  # type: ignore[arg-type]
    params = greedy(TOKEN + 1)
    output = list(native.generate(long.prompt, params))
    assert torch.first_wrong_token(long.prompt, output, params) is None
    assert output == list(native.generate(long.prompt, params))


def tampered(trace: PassTrace, step: int, row: int, column: int) -> PassTrace:
    """The trace of a provider that is off by one there, and right everywhere else."""
    honest = trace.tensor(step)
    values = honest.values.copy()
    values[row, column] += 1
    false = copy.copy(trace)
    false.tensors = list(trace.tensors)
    false.tensors[step] = CommittedTensor(values, honest.elem_bytes)
    false.steps_tree = MerkleTree([tensor.commitment for tensor in false.tensors])
    return false


@pytest.mark.parametrize("name", PLACES)
def test_one_unit_at_the_last_position_convicts(long: Long, long_arena: Arena, name: str) -> None:
    step, (row, column) = long.named(f"layer.0.{name}"), PLACES[name]
    lie = wrong_at(long.output, TOKEN, SHAPE.vocab)
    (claim,) = long_arena.post(long_arena.draft(long.prompt, lie, greedy(TOKEN + 1)))
    false = tampered(long.trace, step, row, column)
    truth = Truth(long.trace, long.output[TOKEN], lie[TOKEN])
    played = long_arena.play(claim, TOKEN, false, truth)
    assert played.convicted, (played.moves, played.view.reason)
    assert played.place == (step, row, column)
    assert ("ProveCombine" in played.moves) == (name in CHUNKED)
    assert not any("timeout" in move for move in played.moves)


@pytest.mark.parametrize("misstated", [None, 15])
@pytest.mark.parametrize("name", CHUNKED)
def test_a_false_challenge_at_the_last_position_loses(
    long: Long, long_arena: Arena, name: str, misstated: int | None
) -> None:
    """The provider joins the partials of its right element, or opens the last chunk."""
    step, (row, column) = long.named(f"layer.0.{name}"), PLACES[name]
    (claim,) = long_arena.post(long_arena.draft(long.prompt, long.output, greedy(TOKEN + 1)))
    partials = witness.partials(long.trace, step, row, column)
    if misstated is not None:
        partials[misstated] += 1
    target = FixedTarget(step, row, column, tuple(partials))
    played = long_arena.play(claim, TOKEN, long.trace, target)
    assert played.view.outcome.name == "PROVIDER_WON", (played.moves, played.view.reason)
    proof = "ProveCombine" if misstated is None else "ProveChunk"
    assert played.moves[-2:] == ["PickElement", proof]
