"""The reference interpreter: runs a program over a token list, step by step, with `exact.ops`.

This is the plain reading of the program. The engine computes the same tokens much faster; the
trace, which only a dispute needs, is built from this one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from assay.core.types import Op, Step
from assay.exact import ops
from assay.exact.fixed import Ints
from assay.trace.builder import Program


@dataclass(frozen=True)
class Tamper:
    """Adds `delta` to one element of one step's output: how a cheating trace is made."""

    step: int
    row: int
    column: int
    delta: int


def execute(program: Program, tokens: Sequence[int], tamper: Tamper | None = None) -> list[Ints]:
    """The outputs of all steps, in order, for a pass over `tokens` (its positions)."""
    outputs: list[Ints] = []
    ids = np.asarray(tokens, dtype=np.int64)
    for index, step in enumerate(program.steps):
        arguments = [outputs[i] for i in step.inputs]
        tensors = [program.tensor(i).values.astype(np.int64) for i in step.tensors]
        output = apply(step, arguments, tensors, ids)
        if tamper is not None and tamper.step == index:
            output = output.copy()
            output[tamper.row, tamper.column] += tamper.delta
        outputs.append(output)
    return outputs


def apply(step: Step, inputs: list[Ints], tensors: list[Ints], tokens: Ints) -> Ints:
    """One step's output from its inputs' and tensors' values."""
    return _OPS[Op(step.opcode)](step, inputs, tensors, tokens)


def _bits(said: tuple[int, ...]) -> int:
    """Of a quantised row, by the last parameter of its steps: none, or 0, stands for 16."""
    return (said and said[0]) or 16


_Run = Callable[[Step, list[Ints], list[Ints], Ints], Ints]

_OPS: dict[Op, _Run] = {
    Op.EMBED: lambda s, x, t, ids: ops.embed(t[0], ids, s.params[0]),
    Op.EXPONENT: lambda s, x, t, ids: ops.exponent(x[0], _bits(s.params[1:])),
    Op.RMS: lambda s, x, t, ids: ops.rms(x[0], x[1], s.params[0]),
    Op.NORM: lambda s, x, t, ids: ops.norm(x[0], x[1], x[2], t[0], s.params[0]),
    Op.QUANT: lambda s, x, t, ids: ops.quant(x[0], x[1], _bits(s.params)),
    Op.LINEAR: lambda s, x, t, ids: ops.linear(x[0], x[1], t[0], t[1][:, 0], t[1][:, 1]),
    Op.ROPE: lambda s, x, t, ids: ops.rope(x[0], t[0], s.params[0]),
    Op.SCORES: lambda s, x, t, ids: ops.scores(x[0], x[1], x[2], x[3], *s.params[:5]),
    Op.ROWMAX: lambda s, x, t, ids: ops.rowmax(x[0]),
    Op.EXP2: lambda s, x, t, ids: ops.exp2(x[0], x[1]),
    Op.SUM: lambda s, x, t, ids: ops.rowsum(x[0]),
    Op.TRANSPOSE: lambda s, x, t, ids: ops.transpose(x[0], s.params[0]),
    Op.ATTEND: lambda s, x, t, ids: ops.attend(x[0], x[1], x[2], s.params[0], s.params[1]),
    Op.ADD: lambda s, x, t, ids: ops.add(x[0], x[1]),
    Op.SILU_GATE: lambda s, x, t, ids: ops.silu_gate(x[0], x[1], s.params[0], s.params[1]),
    Op.GELU_GATE: lambda s, x, t, ids: ops.gelu_gate(x[0], x[1], s.params[0], s.params[1]),
    Op.SOFTCAP: lambda s, x, t, ids: ops.softcap(x[0], *s.params[:3]),
    Op.LAST: lambda s, x, t, ids: ops.last(x[0]),
    Op.BIAS: lambda s, x, t, ids: ops.bias(x[0], t[0]),
    Op.MEAN: lambda s, x, t, ids: ops.mean(x[0]),
    Op.CENTER: lambda s, x, t, ids: ops.center(x[0], x[1]),
    Op.GELU: lambda s, x, t, ids: ops.gelu(x[0], s.params[0], s.params[1]),
    Op.SPLIT: lambda s, x, t, ids: ops.split(x[0], s.params[0]),
}
