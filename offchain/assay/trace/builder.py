"""Programs as they are written down: steps, their names, and the tensors that they read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.core.types import TABLE_BASE, Op, Step
from assay.exact.model import Linear, Norm

Integers = NDArray[np.signedinteger[Any]]


@dataclass(frozen=True)
class Tensor:
    """A public tensor: two-dimensional integers, `elem_bytes` bytes each in their leaves."""

    name: str
    values: Integers
    elem_bytes: int


@dataclass
class Program:
    """Steps with their names, and the weights and tables that the steps refer to by index.

    `gumbel_table`: of the tables, the one that tokens are drawn with; NONE for an encoder.
    """

    steps: list[Step] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    weights: list[Tensor] = field(default_factory=list)
    tables: list[Tensor] = field(default_factory=list)
    gumbel_table: int = 0

    def tensor(self, tensor_id: int) -> Tensor:
        """The weight or table behind an id of `Step.tensors`."""
        if tensor_id >= TABLE_BASE:
            return self.tables[tensor_id - TABLE_BASE]
        return self.weights[tensor_id]

    def step_named(self, name: str) -> int:
        """Index of the step called `name`, such as `layer.0.q`."""
        try:
            return self.names.index(name)
        except ValueError:
            raise KeyError(
                f"no step {name!r}; the program's first steps: {self.names[:8]}"
            ) from None


class Builder:
    """Appends steps to a program; what several kinds of model are made of.

    A quantised tensor is the pair of its steps: (integers, exponents).
    """

    def __init__(self) -> None:
        self._program = Program()

    def _norm(
        self, prefix: str, norm: Norm, x: int, bits: int, per_position: bool = True
    ) -> tuple[int, int]:
        """(quantised, exponent) steps of the normalised rows."""
        n = self._normed(prefix, norm, x, 1, per_position)
        return self._quant(prefix, n, 1, norm.gain.size, bits, per_position)

    def _normed(self, prefix: str, norm: Norm, x: int, rows: int, per_position: bool = True) -> int:
        """`rows` rows a position, each as wide as the gain."""
        d = norm.gain.size
        gain = self._weight(prefix + "gain", norm.gain[None, :], 4)
        e = self._add(prefix + "exponent", Op.EXPONENT, rows, per_position, 1, 1, (x,), (), (d,))
        r = self._add(
            prefix + "inverse_rms", Op.RMS, rows, per_position, 1, 4, (x, e), (), (norm.eps, d)
        )
        return self._add(
            prefix + "output", Op.NORM, rows, per_position, d, 4, (x, e, r), (gain,), (norm.shift,)
        )

    def _quant(
        self, prefix: str, x: int, rows: int, width: int, bits: int = 16, per_position: bool = True
    ) -> tuple[int, int]:
        """16 bits go without saying, 8 are the steps' last parameter."""
        name, said = prefix + "quant", () if bits == 16 else (bits,)
        e = self._add(
            name + "_exponent", Op.EXPONENT, rows, per_position, 1, 1, (x,), (), (width, *said)
        )
        q = self._add(name, Op.QUANT, rows, per_position, width, bits // 8, (x, e), (), said)
        return q, e

    def _linear(
        self, name: str, linear: Linear, a: tuple[int, int], width: int, per_position: bool = True
    ) -> int:
        weight = self._weight(name + ".weight", linear.weight, 1)
        scale = self._weight(name + ".scale", np.stack([linear.mantissa, linear.shift], axis=1), 4)
        out = linear.weight.shape[0]
        y = self._add(name, Op.LINEAR, 1, per_position, out, 4, a, (weight, scale), (width,))
        if linear.bias is None:
            return y
        bias = self._weight(name + ".bias", linear.bias[None, :], 4)
        return self._add(name + "_bias", Op.BIAS, 1, per_position, out, 4, (y,), (bias,))

    def _attend(self, prefix: str, s: int, vt: int, heads: tuple[int, int], head_dim: int) -> int:
        """Softmax of scores over (query, key/value) heads, and the values that it weighs."""
        count, width = heads[0], heads[0] * head_dim
        m = self._add(prefix + "rowmax", Op.ROWMAX, count, True, 1, 4, (s,))
        p = self._add(prefix + "exp2", Op.EXP2, count, True, 0, 2, (s, m))
        total = self._add(prefix + "sum", Op.SUM, count, True, 1, 8, (p,))
        return self._rows(prefix + "attend", Op.ATTEND, width, 4, (p, vt, total), (), heads)

    def _rows(
        self,
        name: str,
        op: Op,
        width: int,
        elem_bytes: int,
        inputs: tuple[int, ...],
        tensors: tuple[int, ...] = (),
        params: tuple[int, ...] = (),
    ) -> int:
        """A step with one output row per position."""
        return self._add(name, op, 1, True, width, elem_bytes, inputs, tensors, params)

    def _add(
        self,
        name: str,
        op: Op,
        rows: int,
        per_position: bool,
        width: int,
        elem_bytes: int,
        inputs: tuple[int, ...],
        tensors: tuple[int, ...] = (),
        params: tuple[int, ...] = (),
    ) -> int:
        self._program.steps.append(
            Step(int(op), rows, per_position, width, elem_bytes, inputs, tensors, params)
        )
        self._program.names.append(name)
        return len(self._program.steps) - 1

    def _weight(self, name: str, values: Integers, elem_bytes: int) -> int:
        self._program.weights.append(Tensor(name, values, elem_bytes))
        return len(self._program.weights) - 1

    def _table(self, name: str, values: Integers, elem_bytes: int) -> int:
        self._program.tables.append(Tensor(name, values, elem_bytes))
        return TABLE_BASE + len(self._program.tables) - 1
