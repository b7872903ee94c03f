"""The work of a pass is counted as a real trace of a real model has it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from assay.core.types import Op
from assay.trace.commitment import ModelCommitment
from assay.trace.pass_trace import PassTrace
from scripts.sim.shapes import SHAPES, hollow_program, weight_bytes, work
from tests.support.models import SMALL, UNCAPPED, random_model


@pytest.mark.parametrize("positions", [1, 9])
def test_elements_and_bytes_are_those_of_a_real_trace(positions: int) -> None:
    tensors = PassTrace(ModelCommitment(random_model(SMALL)), [1] * positions).tensors
    counted = work(SMALL, positions)
    assert counted.elements == sum(t.values.size for t in tensors)
    assert counted.hashed == sum(t.values.size * t.elem_bytes for t in tensors)


def test_products_are_weights_times_positions_and_attention() -> None:
    """Attention: every query head multiplies every key and every value, masked or not."""
    n = 9
    head = SMALL.vocab * SMALL.hidden
    layers = weight_bytes(SMALL) - head
    attention = 2 * SMALL.layers * SMALL.heads * SMALL.head_dim * n * n
    assert work(SMALL, n).products == layers * n + head + attention


def test_a_hollow_program_is_the_models_own() -> None:
    """But for biases, norms of heads and windows, which the shapes of the model do not have."""
    plain = replace(UNCAPPED, biases=(), head_norm=False, windows=())
    assert hollow_program(plain).names == ModelCommitment(random_model(plain)).program.names


@pytest.mark.parametrize(("name", "billions"), [("1B", 1.24), ("8B", 7.5), ("70B", 69.5)])
def test_shapes_have_the_weights_of_their_names(name: str, billions: float) -> None:
    """Llama-3's published counts, less the embedding."""
    assert weight_bytes(SHAPES[name]) / 1e9 == pytest.approx(billions, rel=0.01)
    assert sum(s.opcode == Op.ATTEND for s in hollow_program(SHAPES[name]).steps) == (
        SHAPES[name].layers
    )
