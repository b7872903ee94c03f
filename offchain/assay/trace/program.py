"""A model as a program: its static list of steps and the tensors that they read.

Steps stand in topological order: a step reads only outputs of earlier ones. Output shapes depend
on the pass only through its number of positions N.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.core.types import TABLE_BASE, Op, Step
from assay.exact.model import ExactModel, Layer, Linear, Norm

Integers = NDArray[np.signedinteger[Any]]


@dataclass(frozen=True)
class Tensor:
    """A public tensor: two-dimensional integers, `elem_bytes` bytes each in their leaves."""

    name: str
    values: Integers
    elem_bytes: int


@dataclass
class Program:
    """Steps with their names, and the weights and tables that the steps refer to by index."""

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


def build_program(model: ExactModel) -> Program:
    """The program of a decoder."""
    return _Builder(model).build()


class _Builder:
    def __init__(self, model: ExactModel) -> None:
        self._model = model
        self._program = Program()
        self._hidden = model.shape.hidden

    def build(self) -> Program:
        model, program = self._model, self._program
        rope = self._table("rope", model.rope, 2)
        gumbel = self._table("gumbel", model.gumbel, 4)
        program.gumbel_table = gumbel - TABLE_BASE
        embedding = self._weight("embedding", model.embedding, 2)
        x = self._rows(
            "embed", Op.EMBED, self._hidden, 4, (), (embedding,), (model.embedding_shift,)
        )
        for index, layer in enumerate(model.layers):
            x = self._layer(f"layer.{index}.", layer, x, rope)
        x = self._add("last", Op.LAST, 1, False, self._hidden, 4, (x,))
        a = self._norm("final_norm.", model.final_norm, x, per_position=False)
        self._linear("logits", model.head, a, self._hidden, per_position=False)
        return program

    def _layer(self, prefix: str, layer: Layer, x: int, rope: int) -> int:
        y = self._attention(
            prefix, layer, self._norm(prefix + "attn_norm.", layer.attn_norm, x), rope
        )
        x = self._rows(prefix + "attn_add", Op.ADD, self._hidden, 4, (x, y))
        y = self._mlp(prefix, layer, self._norm(prefix + "mlp_norm.", layer.mlp_norm, x))
        return self._rows(prefix + "mlp_add", Op.ADD, self._hidden, 4, (x, y))

    def _norm(self, prefix: str, norm: Norm, x: int, per_position: bool = True) -> tuple[int, int]:
        """(quantised, exponent) steps of the normalised rows."""
        n = self._normed(prefix, norm, x, 1, per_position)
        return self._quant(prefix, n, 1, norm.gain.size, per_position)

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
        self, prefix: str, x: int, rows: int, width: int, per_position: bool = True
    ) -> tuple[int, int]:
        name = prefix + "quant"
        e = self._add(name + "_exponent", Op.EXPONENT, rows, per_position, 1, 1, (x,), (), (width,))
        return self._add(name, Op.QUANT, rows, per_position, width, 2, (x, e)), e

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

    def _attention(self, prefix: str, layer: Layer, a: tuple[int, int], rope: int) -> int:
        shape = self._model.shape
        heads, kv, hd = shape.heads, shape.kv_heads, shape.head_dim
        q = self._linear(prefix + "q", layer.q, a, self._hidden)
        k = self._linear(prefix + "k", layer.k, a, self._hidden)
        v = self._linear(prefix + "v", layer.v, a, self._hidden)
        q = self._turned(prefix + "q_", layer.q_norm, q, heads, rope)
        k = self._turned(prefix + "k_", layer.k_norm, k, kv, rope)
        qq, eq = self._quant(prefix + "q_", q, heads, hd)
        kq, ek = self._quant(prefix + "k_", k, kv, hd)
        vt = self._add(
            prefix + "v_transpose", Op.TRANSPOSE, kv * hd, False, 0, 2, (v,), (), (layer.v_shift,)
        )
        s = self._add(
            prefix + "scores",
            Op.SCORES,
            heads,
            True,
            0,
            4,
            (qq, eq, kq, ek),
            (),
            (layer.score_mantissa, layer.score_shift, heads, kv, layer.window),
        )
        m = self._add(prefix + "rowmax", Op.ROWMAX, heads, True, 1, 4, (s,))
        p = self._add(prefix + "exp2", Op.EXP2, heads, True, 0, 2, (s, m))
        total = self._add(prefix + "sum", Op.SUM, heads, True, 1, 8, (p,))
        o = self._rows(prefix + "attend", Op.ATTEND, heads * hd, 4, (p, vt, total), (), (heads, kv))
        return self._linear(
            prefix + "o", layer.o, self._quant(prefix + "attend_", o, 1, heads * hd), heads * hd
        )

    def _turned(self, prefix: str, norm: Norm | None, x: int, heads: int, rope: int) -> int:
        """Rotated heads, a row each; normalised before if there is a norm."""
        hd = self._model.shape.head_dim
        if norm is None:
            return self._add(prefix + "rope", Op.ROPE, heads, True, hd, 4, (x,), (rope,), (heads,))
        x = self._add(prefix + "split", Op.SPLIT, heads, True, hd, 4, (x,), (), (heads,))
        x = self._normed(prefix + "norm.", norm, x, heads)
        return self._add(prefix + "rope", Op.ROPE, heads, True, hd, 4, (x,), (rope,), (heads, 1))

    def _mlp(self, prefix: str, layer: Layer, a: tuple[int, int]) -> int:
        inner = self._model.shape.intermediate
        gate = self._linear(prefix + "gate", layer.gate, a, self._hidden)
        up = self._linear(prefix + "up", layer.up, a, self._hidden)
        h = self._rows(
            prefix + "silu_gate",
            Op.SILU_GATE,
            inner,
            4,
            (gate, up),
            (),
            (layer.gate_fraction, layer.product_shift),
        )
        return self._linear(
            prefix + "down", layer.down, self._quant(prefix + "mlp_", h, 1, inner), inner
        )

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
