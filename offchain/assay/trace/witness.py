"""Openings that let the contract recompute one element, and the partial sums of a reduction.

Which tiles a step reads, and in which order, is the protocol between this file and the
StepVerifier contract. `row` and `column` are those of the disputed output element.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from assay.core.types import TILE, Op, Opening, Step
from assay.exact import ops
from assay.exact.fixed import Ints
from assay.exact.sampling import noise_key, noise_slot, noise_uniform
from assay.trace.commitment import tiles_per_row
from assay.trace.pass_trace import PassTrace

REDUCTIONS = frozenset({Op.EXPONENT, Op.RMS, Op.LINEAR, Op.ROWMAX, Op.SUM, Op.ATTEND, Op.MEAN})


@dataclass(frozen=True)
class Place:
    """One element of one step's output in a pass."""

    trace: PassTrace
    index: int
    row: int
    column: int

    @property
    def step(self) -> Step:
        return self.trace.commitment.program.steps[self.index]

    @property
    def op(self) -> Op:
        return Op(self.step.opcode)

    def value(self) -> int:
        return int(self.trace.tensor(self.index).values[self.row, self.column])

    def input(self, slot: int, row: int, column: int) -> Opening:
        return self.trace.open(self.step.inputs[slot], row, column)

    def input_row(self, slot: int, row: int) -> Ints:
        values: Ints = self.trace.tensor(self.step.inputs[slot]).values[row].astype(np.int64)
        return values

    def weight(self, slot: int, row: int, column: int) -> Opening:
        return self.trace.commitment.open_tensor(self.step.tensors[slot], row, column)


def reduction_width(step: Step, positions: int) -> int:
    """Terms of the reduction behind one element; 0 for elementwise steps."""
    op = Op(step.opcode)
    if op in (Op.LINEAR, Op.EXPONENT, Op.MEAN):
        return step.params[0]
    if op == Op.RMS:
        return step.params[1]
    return positions if op in REDUCTIONS else 0


def chunk_count(step: Step, positions: int) -> int:
    return tiles_per_row(reduction_width(step, positions))


def partials(trace: PassTrace, index: int, row: int, column: int) -> list[int]:
    """The reduction's partial results over its chunks of TILE terms."""
    place = Place(trace, index, row, column)
    match place.op:
        case Op.EXPONENT:
            return ops.partials_absmax(place.input_row(0, row))
        case Op.ROWMAX:
            return ops.partials_max(place.input_row(0, row))
        case Op.SUM | Op.MEAN:
            return ops.partials_sum(place.input_row(0, row))
        case Op.RMS:
            q = ops.quant(place.input_row(0, row), place.input_row(1, row))
            return ops.partials_dot(q, q)
        case Op.LINEAR:
            weights = trace.commitment.program.tensor(place.step.tensors[0]).values[column]
            return ops.partials_dot(place.input_row(0, row), weights.astype(np.int64))
        case Op.ATTEND:
            p_row, v_row = _attend_rows(place)
            return ops.partials_dot(place.input_row(0, p_row), place.input_row(1, v_row))
    raise ValueError(f"{place.op.name} is no reduction: it has no partials")


def combine(trace: PassTrace, index: int, row: int, column: int) -> list[Opening]:
    """The row's scalars that turn the partials into the element."""
    place = Place(trace, index, row, column)
    match place.op:
        case Op.RMS:
            return [place.input(1, row, 0)]
        case Op.LINEAR:
            return [place.input(1, row, 0), place.weight(1, column, 0)]
        case Op.ATTEND:
            return [place.input(2, _attend_rows(place)[0], 0)]
    return []


def chunk(trace: PassTrace, index: int, row: int, column: int, number: int) -> list[Opening]:
    """The operands of chunk `number` of the reduction."""
    place = Place(trace, index, row, column)
    start = number * TILE
    match place.op:
        case Op.EXPONENT | Op.ROWMAX | Op.SUM | Op.MEAN:
            return [place.input(0, row, start)]
        case Op.RMS:
            return [place.input(0, row, start), place.input(1, row, 0)]
        case Op.LINEAR:
            return [place.input(0, row, start), place.weight(0, column, start)]
        case Op.ATTEND:
            p_row, v_row = _attend_rows(place)
            return [place.input(0, p_row, start), place.input(1, v_row, start)]
    raise ValueError(f"{place.op.name} is no reduction: it has no chunks")


def element(trace: PassTrace, index: int, row: int, column: int) -> list[Opening]:
    """All operands of an elementwise step, or of a reduction of a single chunk."""
    place = Place(trace, index, row, column)
    match place.op:
        case Op.RMS:
            return [place.input(1, row, 0), place.input(0, row, 0)]
        case op if op in REDUCTIONS:
            return combine(trace, index, row, column) + chunk(trace, index, row, column, 0)
        case Op.EMBED:
            return [place.weight(0, trace.tokens[row], column)]
        case Op.NORM:
            scalars = [place.input(1, row, 0), place.input(2, row, 0)]
            return [place.input(0, row, column), *scalars, place.weight(0, 0, column)]
        case Op.QUANT | Op.EXP2 | Op.CENTER:
            return [place.input(0, row, column), place.input(1, row, 0)]
        case Op.ROPE:
            return _rope(place)
        case Op.SCORES:
            return _scores(place)
        case Op.TRANSPOSE:
            return [place.input(0, column, row)]
        case Op.ADD | Op.SILU_GATE | Op.GELU_GATE:
            return [place.input(0, row, column), place.input(1, row, column)]
        case Op.LAST:
            return [place.input(0, trace.positions - 1, column)]
        case Op.BIAS:
            by_position = any(place.step.params)
            return [place.input(0, row, column), place.weight(0, row * by_position, column)]
        case Op.GELU | Op.SOFTCAP:
            return [place.input(0, row, column)]
        case Op.SPLIT:
            position, head = divmod(row, place.step.params[0])
            return [place.input(0, position, head * place.step.width + column)]
    raise ValueError(f"no witness for {place.op.name}")


def sample(
    trace: PassTrace, claimed: int, rival: int, seed: bytes, token_index: int, inv_temperature: int
) -> list[Opening]:
    """The two logits and, unless greedy, the noise of the two tokens; equal tiles once."""
    logits = len(trace.tensors) - 1
    openings = [trace.open(logits, 0, claimed)]
    if rival // TILE != claimed // TILE:
        openings.append(trace.open(logits, 0, rival))
    if inv_temperature == 0:
        return openings
    key = noise_key(seed, token_index)
    tables, table = trace.commitment.tables, trace.commitment.program.gumbel_table
    slots = [noise_slot(noise_uniform(key, token)) for token in (claimed, rival)]
    openings.append(tables.open(table, *slots[0]))
    if slots[1][0] != slots[0][0]:
        openings.append(tables.open(table, *slots[1]))
    return openings


def _attend_rows(place: Place) -> tuple[int, int]:
    """(row of the numerators, row of the transposed values) that an ATTEND element reads."""
    heads, kv_heads = place.step.params[:2]
    head_dim = place.step.width // heads
    head, d = divmod(place.column, head_dim)
    return place.row * heads + head, head // (heads // kv_heads) * head_dim + d


def _rope(place: Place) -> list[Opening]:
    heads, head_dim = place.step.params[0], place.step.width
    position, head = divmod(place.row, heads)
    row, start = (place.row, 0) if _is_split(place.step) else (position, head * head_dim)
    own = start + place.column
    partner = start + (place.column + head_dim // 2) % head_dim
    openings = [place.input(0, row, own)]
    if partner // TILE != own // TILE:
        openings.append(place.input(0, row, partner))
    return [*openings, place.weight(0, position, place.column)]


def _is_split(rope: Step) -> bool:
    """Whether a ROPE step reads a row per head."""
    return len(rope.params) > 1 and rope.params[1] != 0


def _scores(place: Place) -> list[Opening]:
    heads, kv_heads = place.step.params[2:4]
    position, head = divmod(place.row, heads)
    window = place.step.params[4] if len(place.step.params) > 4 else 0
    if place.column > position or 0 < window <= position - place.column:
        return []
    k_row = place.column * kv_heads + head // (heads // kv_heads)
    q = [place.input(0, place.row, 0), place.input(1, place.row, 0)]
    return [*q, place.input(2, k_row, 0), place.input(3, k_row, 0)]
