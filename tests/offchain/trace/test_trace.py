"""A trace commits to every element, and its witnesses recompute each of them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest

from assay.core.hashes import list_root, step_leaf, tensor_commitment, tile_leaf
from assay.core.merkle import root_from_path
from assay.core.types import ENCODER_OPS, TILE, Op, Opening
from assay.exact import ops
from assay.exact.fixed import Ints
from assay.trace import witness
from assay.trace.commitment import ModelCommitment, tiles_per_row
from assay.trace.execute import Tamper
from assay.trace.pass_trace import PassTrace
from tests.support.models import FULL, FULL_OPS, random_model, with_digits

TOKENS = [int(t) for t in np.random.default_rng(5).integers(0, 1100, 530)]


@pytest.fixture(scope="module", params=["16 bits", "8 bits in places"])
def commitment(request: pytest.FixtureRequest) -> ModelCommitment:
    model = random_model(FULL)
    return ModelCommitment(model if request.param == "16 bits" else with_digits(model))


@pytest.fixture(scope="module")
def trace(commitment: ModelCommitment) -> PassTrace:
    """530 positions: two chunks of context."""
    return PassTrace(commitment, TOKENS)


def leads_to(opening: Opening, row: int, column: int, outer_index: int) -> bytes:
    """The outer root that an opening of (row, column) leads to."""
    leaf_index = row * tiles_per_row(opening.width) + column // TILE
    inner_depth = max(opening.rows * tiles_per_row(opening.width) - 1, 0).bit_length()
    root = root_from_path(tile_leaf(opening.data), leaf_index, opening.path[:inner_depth])
    tensor = tensor_commitment(opening.rows, opening.width, opening.elem_bytes, root)
    return root_from_path(tensor, outer_index, opening.path[inner_depth:])


def test_program_holds_every_opcode_in_topological_order(commitment: ModelCommitment) -> None:
    steps = commitment.program.steps
    assert {Op(step.opcode) for step in steps} == set(FULL_OPS)
    for index, step in enumerate(steps):
        assert all(source < index for source in step.inputs)


def test_shapes_are_those_of_the_program(trace: PassTrace) -> None:
    for step, tensor in zip(trace.commitment.program.steps, trace.tensors, strict=True):
        assert tensor.values.shape == step.shape(trace.positions)


def test_program_paths(commitment: ModelCommitment) -> None:
    for index in (0, 17, len(commitment.program.steps) - 1):
        leaf = step_leaf(commitment.program.steps[index])
        root = root_from_path(leaf, index, commitment.step_path(index))
        assert root == commitment.steps_tree.root


def test_openings_of_outputs_lead_to_the_trace_root(trace: PassTrace) -> None:
    rng = np.random.default_rng(0)
    for index, tensor in enumerate(trace.tensors):
        row, column = int(rng.integers(tensor.rows)), int(rng.integers(tensor.width))
        opening = trace.open(index, row, column)
        assert leads_to(opening, row, column, index) == trace.root
        assert leads_to(opening, row, column, index ^ 1) != trace.root


def test_openings_of_weights_lead_to_the_weights_root(commitment: ModelCommitment) -> None:
    weights = commitment.weights
    for index in (0, 3, len(weights.tensors) - 1):
        tensor = weights.tensors[index]
        opening = weights.open(index, tensor.rows - 1, tensor.width - 1)
        root = leads_to(opening, tensor.rows - 1, tensor.width - 1, index)
        assert list_root(len(weights.tensors), root) == weights.root


@pytest.mark.parametrize("op", sorted(witness.REDUCTIONS - ENCODER_OPS), ids=lambda op: op.name)
def test_partials_combine_to_the_element(trace: PassTrace, op: Op) -> None:
    rng = np.random.default_rng(int(op))
    steps = trace.commitment.program.steps
    several_chunks = False
    for index, step in enumerate(steps):
        if step.opcode != op:
            continue
        tensor = trace.tensor(index)
        row, column = int(rng.integers(tensor.rows)), int(rng.integers(tensor.width))
        parts = witness.partials(trace, index, row, column)
        assert len(parts) == witness.chunk_count(step, trace.positions)
        several_chunks |= len(parts) > 1
        assert combined(trace, index, row, column, parts) == tensor.values[row, column]
    assert several_chunks or op in (Op.EXPONENT, Op.RMS)


def combined(trace: PassTrace, index: int, row: int, column: int, parts: list[int]) -> int:
    """The element from its partials and the scalars that `combine` opens."""
    step = trace.commitment.program.steps[index]
    scalars = [o.data for o in witness.combine(trace, index, row, column)]
    total = np.array([[sum(parts)]], dtype=np.int64)
    match Op(step.opcode):
        case Op.EXPONENT:
            bits = (*step.params, 16)[1]
            return int(ops.exponent(np.array([parts], dtype=np.int64), bits)[0, 0])
        case Op.ROWMAX:
            return max(parts)
        case Op.SUM:
            return sum(parts)
        case Op.RMS:
            return int(ops.rms_finish(total, signed(scalars[0], 1), *step.params[:2])[0, 0])
        case Op.LINEAR:
            mantissa, shift = np.frombuffer(scalars[1], dtype=">i4").astype(np.int64)
            return int(ops.linear_finish(total, signed(scalars[0], 1), mantissa, shift)[0, 0])
        case Op.ATTEND:
            return int(ops.attend_finish(total, signed(scalars[0], 8))[0, 0])
    raise AssertionError(step)


def signed(data: bytes, elem_bytes: int) -> Ints:
    return np.frombuffer(data, dtype=f">i{elem_bytes}").astype(np.int64)[None]


def test_every_element_has_a_witness_under_committed_roots(trace: PassTrace) -> None:
    """Each opening's path has exactly the length that its header and its outer tree imply."""
    rng = np.random.default_rng(2)
    commitment = trace.commitment
    outer = {
        depth: name
        for name, depth in (
            ("trace", trace.steps_tree.depth),
            ("weights", commitment.weights.tree.depth),
            ("tables", commitment.tables.tree.depth),
        )
    }
    seen = defaultdict(int)
    for index, step in enumerate(commitment.program.steps):
        tensor = trace.tensor(index)
        row, column = int(rng.integers(tensor.rows)), int(rng.integers(tensor.width))
        chunks = witness.chunk_count(step, trace.positions)
        if chunks > 1:
            openings = witness.chunk(trace, index, row, column, chunks - 1)
        else:
            openings = witness.element(trace, index, row, column)
        for opening in openings:
            inner = (opening.rows * tiles_per_row(opening.width) - 1).bit_length()
            assert len(opening.path) - inner in outer
            seen[outer[len(opening.path) - inner]] += 1
    assert set(seen) == {"trace", "weights", "tables"}


def test_a_tampered_element_changes_its_step_and_later_ones_only(
    commitment: ModelCommitment,
) -> None:
    tokens = TOKENS[:12]
    honest = PassTrace(commitment, tokens)
    step = commitment.program.step_named("layer.1.scores")
    cheat = PassTrace(commitment, tokens, Tamper(step, 21, 3, 1))
    for index in range(step):
        assert cheat.tensors[index].commitment == honest.tensors[index].commitment
    difference = np.argwhere(cheat.tensors[step].values != honest.tensors[step].values)
    assert difference.tolist() == [[21, 3]]
    assert cheat.root != honest.root


def test_prefix_passes_agree(commitment: ModelCommitment) -> None:
    """Rows of a longer pass equal those of a shorter one: prefill equals decode."""
    short, long = PassTrace(commitment, TOKENS[:9]), PassTrace(commitment, TOKENS[:14])
    for index, step in enumerate(commitment.program.steps):
        if step.per_position and step.width:
            rows = short.tensors[index].rows
            assert (long.tensors[index].values[:rows] == short.tensors[index].values).all()


def test_model_root_depends_on_every_part() -> None:
    model, changed = random_model(FULL), replace(FULL, windows=(41, 0))
    models = [model, random_model(seed=8), random_model(FULL, seed=8), random_model(changed)]
    first, *rest = model.layers
    for kind in ("attn_input_bits", "o_input_bits", "mlp_input_bits", "product_bits"):
        models.append(replace(model, layers=(replace(first, **{kind: 8}), *rest)))
    models.append(replace(model, final_input_bits=8))
    assert len({ModelCommitment(each).model_root for each in models}) == len(models)
    again = ModelCommitment(random_model(FULL)).model_root
    assert again == ModelCommitment(model).model_root


def test_inputs_of_one_digit_are_bytes(commitment: ModelCommitment) -> None:
    """What a linear step reads is as wide as the model says, and its exponent step agrees."""
    program, model = commitment.program, commitment.model
    for name, bits in (
        ("layer.0.attn_norm.quant", model.layers[0].attn_input_bits),
        ("layer.0.attend_quant", model.layers[0].o_input_bits),
        ("layer.0.mlp_norm.quant", model.layers[0].mlp_input_bits),
        ("layer.0.mlp_quant", model.layers[0].product_bits),
        ("final_norm.quant", model.final_input_bits),
    ):
        step = program.steps[program.step_named(name)]
        said = program.steps[step.inputs[1]].params[1:]
        assert (step.elem_bytes, step.params, said) == (bits // 8, said, (8,) * (bits == 8))


def test_empty_pass_is_refused(commitment: ModelCommitment) -> None:
    with pytest.raises(ValueError, match="at least one token"):
        PassTrace(commitment, [])
