"""Roots of models and of whole traces, computed twice; files that are not what they say."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.trace.pass_trace import PassTrace
from assay_verifier.errors import Malformed
from assay_verifier.hashes import tree
from assay_verifier.model import read_model
from assay_verifier.opcodes import Op
from assay_verifier.program import Program
from assay_verifier.wellformed import single_pass
from tests.offchain.verifier.both import MODELS, Both

Get = Callable[[str], Both]
DECODERS = [name for name in MODELS if name != "encoder"]


def tokens(both: Both, count: int) -> list[int]:
    return np.random.default_rng(count).integers(0, both.model.vocab_size, count).tolist()


@pytest.mark.parametrize("name", MODELS)
def test_model_roots(both_of: Get, name: str) -> None:
    both = both_of(name)
    assert both.model.root == both.commitment.model_root
    assert both.model.embeds == (name == "encoder")


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("count", [1, 60])
def test_every_step_of_a_trace(both_of: Get, name: str, count: int) -> None:
    both = both_of(name)
    trace = PassTrace(both.commitment, tokens(both, count))
    program = both.model.program
    leaves = program.trace_leaves(program.run(trace.tokens))
    for step, tensor, leaf in zip(program.steps, trace.tensors, leaves, strict=True):
        assert leaf == tensor.commitment, step.name
    assert tree(leaves) == trace.root


def test_a_trace_of_more_positions_than_a_tile(both_of: Get) -> None:
    both = both_of("plain")
    trace = PassTrace(both.commitment, tokens(both, 514))
    program = both.model.program
    assert tree(program.trace_leaves(program.run(trace.tokens))) == trace.root


@pytest.mark.parametrize("name", DECODERS)
def test_one_pass_gives_what_many_give(both_of: Get, name: str) -> None:
    both = both_of(name)
    program, ids = both.model.program, tokens(both, 45)
    assert single_pass(program.steps) is not None
    rows = list(program.rows_after(ids, 41))
    assert len(rows) == 5
    for count, row in enumerate(rows, 41):
        assert row.tolist() == program.run(ids[:count])[-1][0].tolist()


def changed(program: Program, index: int, **fields: Any) -> Program:
    steps = list(program.steps)
    steps[index] = replace(steps[index], **fields)
    return replace(program, steps=steps)


def at(program: Program, op: Op) -> int:
    """The first step of an opcode."""
    return next(i for i, step in enumerate(program.steps) if step.op == op)


def test_a_program_that_looks_ahead_takes_a_pass_a_token(both_of: Get) -> None:
    program = both_of("plain").model.program
    assert single_pass(both_of("encoder").model.program.steps) is None
    scores = at(program, Op.SCORES)
    ahead = changed(program, scores, params=(*program.steps[scores].params[:4], -1, 0))
    assert single_pass(ahead.steps) is None
    ids = tokens(both_of("plain"), 6)
    rows = [row.tolist() for row in ahead.rows_after(ids, 4)]
    assert rows == [ahead.run(ids[:count])[-1][0].tolist() for count in (4, 5, 6)]
    assert rows != [row.tolist() for row in program.rows_after(ids, 4)]


READS = {
    "a sum of what is masked": (Op.SUM, lambda p: {"inputs": (at(p, Op.SCORES),)}),
    "a maximum of numerators": (Op.ROWMAX, lambda p: {"inputs": (at(p, Op.EXP2),)}),
    "powers of other rows": (Op.EXP2, lambda p: {"inputs": (at(p, Op.EXP2), at(p, Op.ROWMAX))}),
    "values by position": (Op.ATTEND, lambda p: {"inputs": (at(p, Op.EXP2), 0, at(p, Op.SUM))}),
    "scores' exponent": (Op.EXPONENT, lambda p: {"inputs": (at(p, Op.SCORES),)}),
    "scores of scores": (Op.SCORES, lambda p: {"inputs": (at(p, Op.EXP2),) * 4}),
    "a transposed transpose": (Op.TRANSPOSE, lambda p: {"inputs": (at(p, Op.TRANSPOSE),)}),
    "the first row": (Op.NORM, lambda p: {"per_position": False}),
    "a second LAST": (Op.ADD, lambda p: {"op": Op.LAST}),
}


@pytest.mark.parametrize("name", READS)
def test_what_lets_rows_look_ahead(both_of: Get, name: str) -> None:
    program = both_of("plain").model.program
    op, fields = READS[name]
    assert single_pass(changed(program, at(program, op), **fields(program)).steps) is None


@pytest.mark.parametrize(
    "fields",
    [{"inputs": (0, 1)}, {"rows": 2}, {"per_position": True}, {"width": 0}, {"op": Op.ROPE},
     {"op": Op.BIAS, "params": (1, 0, 0, 0, 0, 0)}],
)  # fmt: skip
def test_what_a_single_row_must_not_be(both_of: Get, fields: dict[str, Any]) -> None:
    program = both_of("plain").model.program
    assert single_pass(changed(program, len(program.steps) - 1, **fields).steps) is None


def test_mantissas_of_more_than_16_bits(both_of: Get) -> None:
    program = both_of("plain").model.program
    place = program.steps[at(program, Op.LINEAR)].tensors[1]
    for mantissa in (-1, 2**16):
        weights = list(program.weights)
        values = weights[place].ints()
        values[3, 0] = mantissa
        weights[place] = replace(weights[place], values=values)
        with pytest.raises(Malformed, match="mantissa"):
            replace(program, weights=weights).check()


@pytest.mark.parametrize(
    ("op", "fields", "why"),
    [
        (Op.EMBED, {"params": (16, 0, 0, 0, 0, 0)}, "parameter 0"),
        (Op.QUANT, {"params": (12, 0, 0, 0, 0, 0)}, "12 bits"),
        (Op.QUANT, {"params": (8, 0, 0, 0, 0, 0)}, "element sizes"),
        (Op.LINEAR, {"inputs": (0, 1)}, "element sizes"),
        (Op.LINEAR, {"tensors": (0, 2)}, "element sizes"),
        (Op.LINEAR, {"tensors": (10**6, 2)}, "no tensor 1000000"),
        (Op.NORM, {"inputs": (0, 1)}, "element sizes"),
        (Op.ADD, {"inputs": (10**6, 0)}, "not before it"),
        (Op.SCORES, {"params": (2**16, 40, 4, 2, 0, 0)}, "parameter 0"),
        (Op.SCORES, {"params": (1, 40, 4, 3, 0, 0)}, "multiple"),
        (Op.SOFTCAP, {"params": (0, 1, 1, 0, 0, 0)}, "parameter 0"),
        (Op.GELU_GATE, {"params": (65, 0, 0, 0, 0, 0)}, "parameter 0"),
    ],
)
def test_ill_formed_steps(both_of: Get, op: Op, fields: dict[str, Any], why: str) -> None:
    program = both_of("every feature").model.program
    program.check()
    with pytest.raises(Malformed, match=why):
        changed(program, at(program, op), **fields).check()


@pytest.mark.parametrize("op", [Op.LINEAR, Op.ROPE, Op.SCORES, Op.ATTEND, Op.LAST, Op.RMS])
def test_steps_of_other_shapes(both_of: Get, op: Op) -> None:
    program = both_of("plain").model.program
    index = at(program, op)
    for fields in ({"rows": 3}, {"width": 5}):
        with pytest.raises(Malformed, match=op.name):
            changed(program, index, **fields).run([1, 2])


@pytest.fixture
def copy(both_of: Get, tmp_path: Path) -> Path:
    """The plain model's files, to be damaged."""
    shutil.copytree(both_of("plain").folder, tmp_path, dirs_exist_ok=True)
    return tmp_path


def rewrite(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads((folder / "model.json").read_text())
    change(document)
    (folder / "model.json").write_text(json.dumps(document))


@pytest.mark.parametrize(("place", "root"), [(5, "weights_root"), (-5, "tables_root")])
def test_other_tensors_than_the_header_says(copy: Path, place: int, root: str) -> None:
    data = bytearray((copy / "tensors.bin").read_bytes())
    data[place] ^= 1
    (copy / "tensors.bin").write_bytes(data)
    with pytest.raises(Malformed, match=root):
        read_model(copy)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda d: d["steps"][9].update(rows=2), "program_root"),
        (lambda d: d["steps"].pop(), "n_steps"),
        (lambda d: d["weights"][0].update(rows=1), "bytes"),
        (lambda d: d["weights"][0].update(elem_bytes=3), "elements of 3 bytes"),
        (lambda d: d["header"].update(n_tables=7), "n_tables"),
        (lambda d: d["header"].update(spec_version=2), "spec_version"),
        (lambda d: d["header"].update(vocab_size=1101), "row of 1101"),
        (lambda d: d["header"].update(gumbel_table=9), "no table 9"),
        (lambda d: d["header"].update(gumbel_table=0), "noise"),
        (lambda d: d["header"].update(context_length=1), "context"),
        (lambda d: d["header"].update(program_root="0x12"), "program_root has 1 bytes"),
        (lambda d: d["header"].pop("eos_tokens"), "eos_tokens"),
        (lambda d: d["steps"][0].update(opcode=77), "no opcode 77"),
        (lambda d: d["steps"][0].update(width=True), "width is True"),
        (lambda d: d.update(format="zip"), "format"),
    ],
)
def test_damaged_documents(
    copy: Path, change: Callable[[dict[str, Any]], object], why: str
) -> None:
    read_model(copy)
    rewrite(copy, change)
    with pytest.raises(Malformed, match=why):
        read_model(copy)


def test_missing_files(copy: Path) -> None:
    (copy / "tensors.bin").unlink()
    with pytest.raises(Malformed, match=r"tensors\.bin"):
        read_model(copy)
    (copy / "model.json").write_text("[")
    with pytest.raises(Malformed, match=r"model\.json"):
        read_model(copy)
