"""The trace of one pass at full width, as far as a game about one step sees it.

Random integers stand for what the disputed step reads; its disputed element is what the reference
makes of them, all other elements of its output are random. The outputs of all other steps are
hashes drawn at random: a game passes them by. An activation's row r is a random sequence read from
place r on: rows differ, tiles differ, and a tensor takes the memory of a row and a column.
"""

from __future__ import annotations

import copy
import random
from functools import cached_property
from hashlib import sha256
from typing import Any, cast

import numpy as np
from numpy.lib.stride_tricks import as_strided

from assay.core.hashes import TAG_TILE
from assay.core.merkle import MerkleTree
from assay.core.types import TILE, Op, Step
from assay.exact import ops
from assay.exact.fixed import DIGIT_MAX, INT32_MAX, Ints, rescale
from assay.trace.commitment import CommittedTensor, tiles_per_row
from assay.trace.execute import apply
from assay.trace.pass_trace import PassTrace
from scripts.bench.wide_model import WideCommitment

BOUND = {1: 17, 2: DIGIT_MAX, 4: 2**26, 8: 2**40}
"""Size of random elements, by their bytes: exponents, digits, residuals, softmax' sums."""


class Shifted(CommittedTensor):
    """A random tensor whose row r is one sequence from place r on, changed in one element at most.

    Args:
        shape: rows, width, bytes of an element.
        low: the least value; the greatest is `BOUND` of the element's size.
    """

    def __init__(self, rng: np.random.Generator, shape: tuple[int, int, int], low: int) -> None:
        rows, width, elem_bytes = shape
        kind = np.dtype(f"i{elem_bytes}")
        self._line = rng.integers(low, BOUND[elem_bytes] + 1, rows + width).astype(kind)
        strides = (kind.itemsize, kind.itemsize)
        super().__init__(
            as_strided(self._line, (rows, width), strides, writeable=False), elem_bytes
        )

    @cached_property
    def tree(self) -> MerkleTree:
        """As the values' own, but each of the line's stretches is hashed once."""
        raw, size = self._line.astype(f">i{self.elem_bytes}").tobytes(), self.elem_bytes
        known: dict[tuple[int, int], bytes] = {}
        leaves = []
        for row in range(self.rows):
            for start in range(0, self.width, TILE):
                stretch = (row + start, row + min(start + TILE, self.width))
                if stretch not in known:
                    data = raw[stretch[0] * size : stretch[1] * size]
                    known[stretch] = sha256(TAG_TILE + data).digest()
                leaves.append(known[stretch])
        return MerkleTree(leaves)


class Changed(CommittedTensor):
    """A tensor that differs from another in one element; it shares the rest with it."""

    def __init__(self, other: CommittedTensor, row: int, column: int, value: int) -> None:
        super().__init__(other.values, other.elem_bytes)
        self._other, self._row = other, row
        self._values = other.values[row].copy()
        self._values[column] = value
        self._place = other.leaf_index(row, column)
        self.values: Any = _Rows(other.values, row, self._values)

    @cached_property
    def tree(self) -> MerkleTree:
        start = self._place % tiles_per_row(self.width) * TILE
        leaf = sha256(TAG_TILE + self.tile(self._row, start)).digest()
        return self._other.tree.changed(self._place, leaf)


class _Rows:
    """Values of a matrix of which one row is another."""

    def __init__(self, values: Any, row: int, own: Any) -> None:
        self._values, self._row, self._own, self.shape = values, row, own, values.shape

    def __getitem__(self, key: Any) -> Any:
        row, *columns = key if isinstance(key, tuple) else (key,)
        found = self._own if row == self._row else self._values[row]
        return found[columns[0]] if columns else found


class WideTrace(PassTrace):
    """A pass of which only what the disputed step reads and makes is known.

    Args:
        tokens: the pass's positions.
        step: the disputed step.
        place: row and column of the element that the reference computes; without one nothing is
            computed, and what the step reads is not known either.
    """

    def __init__(
        self,
        commitment: WideCommitment,
        tokens: tuple[int, ...],
        step: int,
        place: tuple[int, int] | None,
    ) -> None:
        self.commitment = commitment
        self.tokens, self.positions = tokens, len(tokens)
        described = commitment.program.steps[step]
        known: dict[int, CommittedTensor] = {step: self._shifted(step)}
        if place is not None:
            known |= {i: self._shifted(i) for i in described.inputs}
            value = _element(
                commitment, described, [known[i].values for i in described.inputs], place
            )
            known[step] = Changed(known[step], *place, value)
        draw, count = random.Random(step), len(commitment.program.steps)
        # What no game opens is None.
        self.tensors = [cast(CommittedTensor, known.get(i)) for i in range(count)]
        leaves = [known[i].commitment if i in known else draw.randbytes(32) for i in range(count)]
        self.steps_tree = MerkleTree(leaves)

    def with_lie(self, step: int, row: int, column: int) -> WideTrace:
        """The trace of a provider whose element there is one too large."""
        honest = self.tensors[step]
        false = Changed(honest, row, column, int(honest.values[row, column]) + 1)
        other = copy.copy(self)
        other.tensors = [*self.tensors[:step], false, *self.tensors[step + 1 :]]
        other.steps_tree = self.steps_tree.changed(step, false.commitment)
        return other

    def _shifted(self, index: int) -> CommittedTensor:
        step = self.commitment.program.steps[index]
        shape = (*step.shape(self.positions), step.elem_bytes)
        low = 0 if step.opcode in (Op.EXP2, Op.SUM) else -BOUND[step.elem_bytes]
        return Shifted(np.random.default_rng([7, index]), shape, low)


def _element(
    commitment: WideCommitment, step: Step, inputs: list[Any], place: tuple[int, int]
) -> int:
    """What the reference makes of the element."""
    row, column = place
    op = Op(step.opcode)
    if op is Op.SCORES:
        return _score(step, inputs, row, column)
    if op is Op.ATTEND:
        return _attended(step, inputs, row, column)
    rows = [values[row : row + 1].astype(np.int64) for values in inputs]
    tensors = [commitment.program.tensor(i).values for i in step.tensors]
    if op is Op.LINEAR:
        tensors, column = [tensor[column : column + 1] for tensor in tensors], 0
    wide = [tensor.astype(np.int64) for tensor in tensors]
    return int(apply(step, rows, wide, np.zeros(1, dtype=np.int64))[0, column])


def _score(step: Step, inputs: list[Any], row: int, column: int) -> int:
    """One score, as `ops.scores` defines it; the caller asks for none that is masked."""
    q, eq, k, ek = inputs
    mantissa, shift, heads, kv_heads = step.params[:4]
    key = column * kv_heads + row % heads // (heads // kv_heads)
    dot = int((q[row].astype(np.int64) * k[key].astype(np.int64)).sum())
    by: Ints = np.array([shift - int(eq[row, 0]) - int(ek[key, 0])])
    return max(int(rescale(np.array([dot * mantissa]), by)[0]), -INT32_MAX)


def _attended(step: Step, inputs: list[Any], row: int, column: int) -> int:
    """One element of `ops.attend`."""
    p, v, total = inputs
    heads, kv_heads = step.params[:2]
    head, d = divmod(column, step.width // heads)
    values = v[head // (heads // kv_heads) * (step.width // heads) + d].astype(np.int64)
    at = row * heads + head
    weighed = np.array([int((p[at].astype(np.int64) * values).sum())])
    return int(ops.attend_finish(weighed, np.array([int(total[at, 0])]))[0])
