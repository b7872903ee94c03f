"""A step of a program, and its hash."""

from __future__ import annotations

from dataclasses import dataclass

from assay_verifier.hashes import sha, words
from assay_verifier.opcodes import Op, Params

NONE = 2**32 - 1
TABLE_BASE = 2**24
"""Tensor ids from here on are of tables."""

Shape = tuple[int, int]


@dataclass(frozen=True)
class Step:
    """One step: `inputs` and `tensors` are those that there are, `params` are all six."""

    op: Op
    rows: int
    per_position: bool
    width: int
    elem_bytes: int
    inputs: tuple[int, ...]
    tensors: tuple[int, ...]
    params: Params
    name: str = ""

    def shape(self, positions: int) -> Shape:
        """Of the output."""
        return self.rows * (positions if self.per_position else 1), self.width or positions

    def leaf(self) -> bytes:
        """Its hash among the program's."""
        inputs, tensors = [*self.inputs, *[NONE] * 4][:4], [*self.tensors, *[NONE] * 2][:2]
        own = words(self.op, self.rows, self.per_position, self.width, self.elem_bytes)
        return sha(7, own, words(*inputs, *tensors, *self.params))
