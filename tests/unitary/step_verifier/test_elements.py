"""Elementwise steps: Vyper's arithmetic equals the reference, thousands of vectors per opcode.

Honest ranges are compared with `assay.exact.ops`. A lying provider may commit to anything that an
element's bytes hold: those are compared with the unbounded integers of `tests.support.scalar`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.core.types import Op, Step
from assay.exact import ops
from assay.exact.model import Softcap
from tests.support import scalar
from tests.unitary.step_verifier.draws import BATCH, Ints, around, seeds, spread

CASES = settings(max_examples=8)
WILD = settings(max_examples=4)
MASKED = -(2**31)


def computed(probe: Any, op: Op, columns: list[Ints], params: tuple[int, ...] = (), **step: int) \
        -> list[int]:  # fmt: skip
    """The contract's elements for a batch of operand values, one array per operand."""
    column = step.pop("column", 0)
    descriptor = Step(int(op), 1, True, step.pop("width", 2), 4, (), (), params)
    rows = np.zeros((len(columns[0]), 6), dtype=object)
    for index, values in enumerate(columns):
        rows[:, index] = [int(v) for v in values]
    return list(probe.elements(descriptor.abi(), column, rows.tolist()))


@CASES
@given(seed=seeds, shift=st.integers(0, 15))
def test_embed(probe: Any, seed: int, shift: int) -> None:
    table = spread(np.random.default_rng(seed), 16)
    expected = ops.embed(table[:, None], np.arange(BATCH), shift)[:, 0]
    assert computed(probe, Op.EMBED, [table], (shift,)) == expected.tolist()


@CASES
@given(seed=seeds, shift=st.integers(1, 62))
def test_norm(probe: Any, seed: int, shift: int) -> None:
    rng = np.random.default_rng(seed)
    x, gain = spread(rng, 32), spread(rng, 32)
    e, inverse = rng.integers(-15, 18, BATCH), spread(rng, 32, low=0)
    expected = ops.norm(x, e, inverse, gain, shift)
    assert computed(probe, Op.NORM, [x, e, inverse, gain], (shift,)) == expected.tolist()


@CASES
@given(seed=seeds, params=st.sampled_from([(), (8,)]))
def test_quant(probe: Any, seed: int, params: tuple[int, ...]) -> None:
    rng = np.random.default_rng(seed)
    x, e = spread(rng, 32), rng.integers(-15, 26, BATCH)
    e[:4] = [-128, 127, 0, 1]
    assert computed(probe, Op.QUANT, [x, e], params) == ops.quant(x, e, *params).tolist()


@CASES
@given(seed=seeds, second_half=st.booleans())
def test_rope(probe: Any, seed: int, second_half: bool) -> None:
    rng = np.random.default_rng(seed)
    x = np.stack([spread(rng, 32), spread(rng, 32)], axis=1)
    table = np.stack([spread(rng, 16), spread(rng, 16)], axis=1)
    column = int(second_half)
    operands = [x[:, column], x[:, 1 - column], table[:, 0], table[:, 1]]
    expected = ops.rope(x, table, 1)[:, column]
    assert computed(probe, Op.ROPE, operands, (1,), column=column) == expected.tolist()


@CASES
@given(seed=seeds)
def test_exp2(probe: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    m = spread(rng, 32)
    # Distances up to where the result vanishes, on both sides of whole powers; then any.
    near = rng.integers(0, 32 << 16, BATCH)
    near[::3] = around(rng, [n << 16 for n in range(33)])[::3]
    s = np.where(np.arange(BATCH) % 4 == 3, spread(rng, 32), m - near)
    s = np.maximum(s, MASKED)
    s[:3] = [MASKED, MASKED + 1, MASKED]
    m[2] = MASKED
    expected = ops.exp2(s[:, None], m[:, None])[:, 0]
    assert computed(probe, Op.EXP2, [s, m]) == expected.tolist()


@CASES
@given(seed=seeds, shift=st.integers(-4, 31))
def test_transpose(probe: Any, seed: int, shift: int) -> None:
    rng = np.random.default_rng(seed)
    v = spread(rng, 32)
    v[::5] = np.clip(around(rng, [32512 << max(shift, 0), -32512 << max(shift, 0)]), -(2**31),
                     2**31 - 1)[::5]  # fmt: skip
    expected = ops.transpose(v[:, None], shift)[0]
    assert computed(probe, Op.TRANSPOSE, [v], (shift,)) == expected.tolist()


@CASES
@given(seed=seeds)
def test_add(probe: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = spread(rng, 32), spread(rng, 32)
    assert computed(probe, Op.ADD, [x, y]) == ops.add(x, y).tolist()


@CASES
@given(seed=seeds)
def test_bias(probe: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, row = spread(rng, 32), spread(rng, 32)
    assert computed(probe, Op.BIAS, [x, row]) == ops.bias(x, row).tolist()


@CASES
@given(seed=seeds)
def test_center(probe: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, mean = spread(rng, 32), spread(rng, 32)
    assert computed(probe, Op.CENTER, [x, mean]) == ops.center(x, mean).tolist()


@CASES
@given(seed=seeds, fraction=st.integers(0, 31), shift=st.integers(-10, 40))
def test_gelu(probe: Any, seed: int, fraction: int, shift: int) -> None:
    rng = np.random.default_rng(seed)
    x = spread(rng, 32)
    x[::2] = (rng.uniform(-17, 17, BATCH) * min(2**fraction, 2**26)).astype(np.int64)[::2]
    expected = ops.gelu(x, fraction, shift)
    assert computed(probe, Op.GELU, [x], (fraction, shift)) == expected.tolist()


@CASES
@given(seed=seeds, fraction=st.integers(0, 31), shift=st.integers(-3, 62))
def test_silu_gate(probe: Any, seed: int, fraction: int, shift: int) -> None:
    rng = np.random.default_rng(seed)
    gate, up = spread(rng, 32), spread(rng, 32)
    # Where sigmoid turns: |gate| up to 2**fraction * 24.
    gate[::2] = (rng.uniform(-24, 24, BATCH) * min(2**fraction, 2**26)).astype(np.int64)[::2]
    expected = ops.silu_gate(gate, up, fraction, shift)
    assert computed(probe, Op.SILU_GATE, [gate, up], (fraction, shift)) == expected.tolist()


@CASES
@given(seed=seeds, fraction=st.integers(0, 31), shift=st.integers(-3, 62))
def test_gelu_gate(probe: Any, seed: int, fraction: int, shift: int) -> None:
    rng = np.random.default_rng(seed)
    gate, up = spread(rng, 32), spread(rng, 32)
    # Where the tail ends (5.7), and where what is read of the gate does (16).
    gate[::2] = (rng.uniform(-7, 7, BATCH) * min(2**fraction, 2**28)).astype(np.int64)[::2]
    gate[::9] = np.clip(around(rng, [16 << fraction, -16 << fraction]), -(2**31), 2**31 - 1)[::9]
    expected = ops.gelu_gate(gate, up, fraction, shift)
    assert computed(probe, Op.GELU_GATE, [gate, up], (fraction, shift)) == expected.tolist()


def test_gelu_gate_to_its_last_bits(probe: Any) -> None:
    """Where every bit of its constants shows."""
    gate = np.linspace(-6, 6, BATCH * 4).astype(np.float64) * 2**28
    gate = np.rint(gate).astype(np.int64)
    up = np.full(len(gate), 2**20)
    expected = ops.gelu_gate(gate, up, 28, 20)
    parts = [
        computed(probe, Op.GELU_GATE, [gate[i : i + BATCH], up[i : i + BATCH]], (28, 20))
        for i in range(0, len(gate), BATCH)
    ]
    assert [value for part in parts for value in part] == expected.tolist()


@CASES
@given(seed=seeds, cap=st.integers(1, 2**31 - 1) | st.integers(1, 31).map(lambda b: 2**b - 1))
def test_softcap(probe: Any, seed: int, cap: int) -> None:
    rng = np.random.default_rng(seed)
    x = spread(rng, 32)
    # Where the tail ends: tanh is 1 from a distance of 31 on, |x| / cap = 10.7.
    x[::2] = np.clip(rng.uniform(-12, 12, BATCH) * cap, -(2**31), 2**31 - 1).astype(np.int64)[::2]
    made = Softcap.of(cap)
    expected = ops.softcap(x, made.cap, made.mantissa, made.shift)
    params = (made.cap, made.mantissa, made.shift)
    assert computed(probe, Op.SOFTCAP, [x], params) == expected.tolist()
    assert expected[x == MASKED].tolist() == [MASKED] * int((x == MASKED).sum())


@pytest.mark.parametrize("whole", [29, 30, 31])
def test_silu_gate_where_the_tail_ends(probe: Any, whole: int) -> None:
    """E = 2**-30 at a distance of exactly 30 is the last tail that counts."""
    fraction = 26
    first = -(-((whole << 16) << (14 + fraction)) // ops.LOG2E_Q30)
    gate = np.arange(first - 3, first + 4)
    gate = np.concatenate([gate, -gate])
    up = np.full(len(gate), 2**31 - 1)
    expected = ops.silu_gate(gate, up, fraction, 31)
    assert computed(probe, Op.SILU_GATE, [gate, up], (fraction, 31)) == expected.tolist()


@CASES
@given(seed=seeds)
def test_last(probe: Any, seed: int) -> None:
    x = spread(np.random.default_rng(seed), 32)
    assert computed(probe, Op.LAST, [x]) == ops.last(x[None]).tolist()[0]


WILD_OPS: dict[Op, tuple[int, Callable[..., int]]] = {
    Op.NORM: (4, lambda v, p: scalar.norm(v[0], v[1], v[2], v[3], p[0])),
    Op.QUANT: (2, lambda v, p: scalar.quant(v[0], v[1], p[0] or 16)),
    Op.ROPE: (4, lambda v, p: scalar.rope([v[0], v[1]], [v[2], v[3]], 0)),
    Op.EXP2: (2, lambda v, p: scalar.exp2(v[0], v[1])),
    Op.ADD: (2, lambda v, p: scalar.add(v[0], v[1])),
    Op.BIAS: (2, lambda v, p: scalar.bias(v[0], v[1])),
    Op.CENTER: (2, lambda v, p: scalar.clamp(v[0] - v[1], 32)),
    Op.GELU: (1, lambda v, p: scalar.gelu(v[0], p[0], p[1])),
    Op.SILU_GATE: (2, lambda v, p: scalar.silu_gate(v[0], v[1], p[0], p[1])),
    Op.GELU_GATE: (2, lambda v, p: scalar.gelu_gate(v[0], v[1], p[0], p[1])),
    Op.SOFTCAP: (1, lambda v, p: scalar.softcap(v[0], p[0], p[1], p[2])),
    Op.TRANSPOSE: (1, lambda v, p: scalar.transpose(v[0], p[0])),
}


@pytest.mark.parametrize("op", list(WILD_OPS), ids=lambda op: op.name)
@WILD
@given(seed=seeds, params=st.tuples(st.integers(0, 64), st.integers(-300, 300)))
def test_any_committed_operands(probe: Any, op: Op, seed: int, params: tuple[int, int]) -> None:
    """Operands of 64 bits where the program says 8, 16 or 32: exact all the same."""
    rng = np.random.default_rng(seed)
    count, reference = WILD_OPS[op]
    given_params = params if op in (Op.SILU_GATE, Op.GELU_GATE, Op.GELU) else (params[1],)
    if op == Op.SOFTCAP:
        given_params = (abs(params[1]) + 1, 2**62 - params[1], params[0])
    if op == Op.QUANT:
        given_params = (params[0] % 2 * 8,)
    columns = [spread(rng, 64) for _ in range(count)]
    if op in (Op.NORM, Op.QUANT):  # Python cannot shift by 2**63 bits
        columns[1] = spread(rng, 12)
    rows = [[int(c[i]) for c in columns] for i in range(BATCH)]
    expected = [reference(row, given_params) for row in rows]
    assert computed(probe, op, columns, given_params) == expected
