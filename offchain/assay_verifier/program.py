"""The specification's "Programs": a pass over tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay_verifier import hashes
from assay_verifier.arithmetic import Ints
from assay_verifier.errors import Malformed
from assay_verifier.opcodes import Op, output
from assay_verifier.steps import TABLE_BASE, Step
from assay_verifier.wellformed import check_scale, check_shapes, check_step, single_pass

ROWS = 64
"""Single rows behind LAST that are computed together, each for itself."""
NOTHING: Ints = np.empty((0, 0), dtype=np.int64)


@dataclass(frozen=True)
class Tensor:
    """A weight or table, big-endian as in its file."""

    name: str
    values: NDArray[np.signedinteger[Any]]
    elem_bytes: int

    def ints(self) -> Ints:
        return self.values.astype(np.int64)


@dataclass(frozen=True)
class Program:
    """Steps, and the tensors that they read."""

    steps: Sequence[Step]
    weights: Sequence[Tensor]
    tables: Sequence[Tensor]

    def tensor(self, tensor_id: int) -> Tensor:
        """By the id that steps use."""
        index, tensors = tensor_id, self.weights
        if tensor_id >= TABLE_BASE:
            index, tensors = tensor_id - TABLE_BASE, self.tables
        if index >= len(tensors):
            raise Malformed(f"there is no tensor {tensor_id}; the model has {len(tensors)} such")
        return tensors[index]

    def check(self) -> None:
        """Raise `Malformed` unless it is well-formed, as far as no pass is needed to say so."""
        if not self.steps:
            raise Malformed("the program has no steps")
        for index, step in enumerate(self.steps):
            if any(source >= index for source in step.inputs):
                raise Malformed(f"{step.name}: reads a step that is not before it")
            tensors = [self.tensor(i) for i in step.tensors]
            inputs = [self.steps[i].elem_bytes for i in step.inputs]
            check_step(step, inputs, [tensor.elem_bytes for tensor in tensors])
            if step.op == Op.LINEAR:
                check_scale(step, tensors[1].ints())

    def run(self, tokens: Sequence[int]) -> list[Ints]:
        """The outputs of all steps in the pass over `tokens`, at least one."""
        return self._run(self.steps, [], tokens, keep=True)

    def rows_after(self, tokens: Sequence[int], first: int) -> Iterator[Ints]:
        """The last step's row (W,) of the passes over the first `first`, `first` + 1, … tokens.

        "Many tokens in one pass": LAST takes every pass's own row, where the program is such.
        """
        last = single_pass(self.steps)
        if last is None:
            for count in range(first, len(tokens) + 1):
                yield self._run(self.steps, [], tokens[:count])[-1][0]
            return
        body = self._run(self.steps[:last], [], tokens)
        rows = body[self.steps[last].inputs[0]]
        for start in range(first - 1, len(tokens), ROWS):
            part = rows[start : start + ROWS]
            tail = [replace(step, rows=len(part)) for step in self.steps[last + 1 :]]
            yield from self._run(tail, [*body, part], tokens)[-1]

    def _run(
        self, steps: Sequence[Step], before: list[Ints], tokens: Sequence[int], keep: bool = False
    ) -> list[Ints]:
        """`before` and the outputs of `steps`, which follow; without `keep` an output is forgotten
        when its last reader has read it."""
        outputs, ids = list(before), np.array(tokens, dtype=np.int64)
        readers = {i: index for index, step in enumerate(self.steps) for i in step.inputs}
        for step in steps:
            inputs = [outputs[i] for i in step.inputs]
            tensors = [self.tensor(i).ints() for i in step.tensors]
            shapes = [[_shape(values) for values in operands] for operands in (inputs, tensors)]
            check_shapes(step, len(ids), *shapes)
            if step.op == Op.EMBED and ids.max() >= len(tensors[0]):
                raise Malformed(f"{step.name}: no row for token {ids.max()}")
            outputs.append(output(step.op, step.params, inputs, tensors, ids))
            for i in step.inputs:
                if not keep and readers[i] == len(outputs) - 1:
                    outputs[i] = NOTHING
        return outputs

    def trace_leaves(self, outputs: Sequence[Ints]) -> list[bytes]:
        """The tensor hashes of a pass's outputs; their tree is the trace's root."""
        return [
            hashes.tensor(values, step.elem_bytes)
            for values, step in zip(outputs, self.steps, strict=True)
        ]


def _shape(values: Ints) -> tuple[int, int]:
    return len(values), values.shape[1]
