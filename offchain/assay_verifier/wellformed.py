"""What makes a program well-formed: the columns of the specification's table of opcodes.

Here it is decided what an operand can hold, on which `opcodes` relies.
"""

from __future__ import annotations

from collections.abc import Sequence

from assay_verifier.arithmetic import Ints
from assay_verifier.errors import Malformed
from assay_verifier.opcodes import Op
from assay_verifier.steps import Shape, Step

MAX_TERMS = 2**17
MAX_HEAD = 512

_X = ((4,), (), 4)
_XY = ((4, 4), (), 4)
BYTES: dict[Op, tuple[tuple[int, ...], tuple[int, ...], int]] = {
    Op.EMBED: ((), (2,), 4),
    Op.EXPONENT: ((4,), (), 1),
    Op.RMS: ((4, 1), (), 4),
    Op.NORM: ((4, 1, 4), (4,), 4),
    Op.QUANT: ((4, 1), (), 2),
    Op.LINEAR: ((2, 1), (1, 4), 4),
    Op.ROPE: ((4,), (2,), 4),
    Op.SCORES: ((2, 1, 2, 1), (), 4),
    Op.ROWMAX: _X,
    Op.EXP2: ((4, 4), (), 2),
    Op.SUM: ((2,), (), 8),
    Op.TRANSPOSE: ((4,), (), 2),
    Op.ATTEND: ((2, 2, 8), (), 4),
    Op.ADD: _XY,
    Op.SILU_GATE: _XY,
    Op.LAST: _X,
    Op.BIAS: ((4,), (4,), 4),
    Op.SPLIT: _X,
    Op.MEAN: _X,
    Op.CENTER: _XY,
    Op.GELU: _X,
    Op.SOFTCAP: _X,
    Op.GELU_GATE: _XY,
}
"""Bytes an element: of inputs, of tensors, of the output; 16-bit rows where 8 are possible too."""

PARAMS: dict[Op, dict[int, tuple[int, int]]] = {
    Op.EMBED: {0: (0, 15)},
    Op.EXPONENT: {0: (1, MAX_TERMS)},
    Op.RMS: {0: (0, 2**63 - 1), 1: (1, MAX_TERMS)},
    Op.LINEAR: {0: (1, MAX_TERMS)},
    Op.ROPE: {0: (1, 2**31)},
    Op.SCORES: {0: (0, 2**16 - 1), 2: (1, 2**31), 3: (1, 2**31)},
    Op.ATTEND: {0: (1, 2**31), 1: (1, 2**31)},
    Op.SILU_GATE: {0: (0, 64)},
    Op.SPLIT: {0: (1, 2**31)},
    Op.MEAN: {0: (1, MAX_TERMS)},
    Op.GELU: {0: (0, 64)},
    Op.SOFTCAP: {0: (1, 2**31 - 1), 1: (0, 2**31), 2: (0, 64)},
    Op.GELU_GATE: {0: (0, 64)},
}
"""Least and most of those parameters that have a range."""


def check_step(step: Step, inputs: Sequence[int], tensors: Sequence[int]) -> None:
    """Raise `Malformed` unless the step may read operands of these bytes an element."""
    expected_inputs, expected_tensors, expected_output = BYTES[step.op]
    if step.op == Op.QUANT and step.params[0] == 8:
        expected_output = 1
    if step.op == Op.LINEAR and tuple(inputs) == (1, 1):
        expected_inputs = (1, 1)
    found = (tuple(inputs), tuple(tensors), step.elem_bytes)
    if found != (expected_inputs, expected_tensors, expected_output):
        raise Malformed(f"{step.name}: {step.op.name} of element sizes {found}")
    for place, (least, most) in PARAMS.get(step.op, {}).items():
        if not least <= step.params[place] <= most:
            value = step.params[place]
            raise Malformed(f"{step.name}: parameter {place} is {value}, not {least} to {most}")
    bits = {Op.EXPONENT: 1, Op.QUANT: 0}.get(step.op)
    if bits is not None and step.params[bits] not in (0, 8):
        raise Malformed(f"{step.name}: rows of {step.params[bits]} bits, not 0 (for 16) or 8")
    groups = {Op.SCORES: 2, Op.ATTEND: 0}.get(step.op)
    if groups is not None and step.params[groups] % step.params[groups + 1]:
        raise Malformed(f"{step.name}: heads are no multiple of key/value heads")


def check_scale(step: Step, scale: Ints) -> None:
    """Raise `Malformed` unless the mantissas (W, 2) of a LINEAR step are in range."""
    if scale[:, 0].min() < 0 or scale[:, 0].max() >= 2**16:
        raise Malformed(f"{step.name}: a mantissa is outside 0 to {2**16 - 1}")


def check_shapes(step: Step, n: int, inputs: Sequence[Shape], tensors: Sequence[Shape]) -> None:
    """Raise `Malformed` unless the operands have the shapes of the table in a pass of n."""
    if n > MAX_TERMS:
        raise Malformed(f"a pass over {n} positions; there are at most {MAX_TERMS}")
    free = inputs[0][1] if step.op == Op.SCORES else tensors[0][0] if step.op == Op.EMBED else 0
    expected_inputs, expected_tensors, shape = expected(step, n, free)
    fits = [
        have[1] == want[1] and (have[0] == want[0] or (want[0] < 0 and have[0] >= -want[0]))
        for have, want in zip(
            [*inputs, *tensors], [*expected_inputs, *expected_tensors], strict=True
        )
    ]
    if not all(fits) or shape != step.shape(n) or 0 in shape:
        raise Malformed(
            f"{step.name}: {step.op.name} {step.shape(n)} of {list(inputs)} and {list(tensors)}"
        )


def expected(step: Step, n: int, free: int) -> tuple[list[Shape], list[Shape], Shape]:
    """Shapes of inputs, tensors and output, (-r, w) standing for at least r rows of w.

    `free` is what the step itself leaves open: the width of SCORES' rows, EMBED's vocabulary.
    """
    (rows, width), p = step.shape(n), step.params
    own, scalar = (rows, width), (rows, 1)
    match step.op:
        case Op.EMBED:
            return [], [(free, width)], (n, width)
        case Op.EXPONENT | Op.MEAN:
            return [(rows, p[0])], [], scalar
        case Op.RMS:
            return [(rows, p[1]), scalar], [], scalar
        case Op.NORM:
            return [own, scalar, scalar], [(1, width)], own
        case Op.QUANT | Op.CENTER:
            return [own, scalar], [], own
        case Op.LINEAR:
            return [(rows, p[0]), scalar], [(width, p[0]), (width, 2)], own
        case Op.ROPE:
            source = (n * p[0], width) if p[1] else (n, p[0] * width)
            return [source], [(-n, width // 2 * 2)], (n * p[0], width)
        case Op.SCORES:
            queries, keys, d = n * p[2], n * p[3], min(free, MAX_HEAD)
            return [(queries, d), (queries, 1), (keys, d), (keys, 1)], [], (queries, n)
        case Op.ROWMAX | Op.SUM:
            return [(rows, n)], [], scalar
        case Op.EXP2:
            return [(rows, n), scalar], [], (rows, n)
        case Op.TRANSPOSE:
            return [(n, rows)], [], (rows, n)
        case Op.ATTEND:
            d = width // p[0]
            return [(n * p[0], n), (p[1] * d, n), (n * p[0], 1)], [], (n, p[0] * d)
        case Op.ADD | Op.SILU_GATE | Op.GELU_GATE:
            return [own, own], [], own
        case Op.GELU | Op.SOFTCAP:
            return [own], [], own
        case Op.LAST:
            return [(n, width)], [], (1, width)
        case Op.BIAS:
            return [own], [(-rows if p[0] else 1, width)], own
        case Op.SPLIT:
            return [(n, p[0] * width)], [], (n * p[0], width)


BY_ROW = {
    Op.EXPONENT, Op.RMS, Op.NORM, Op.QUANT, Op.LINEAR, Op.ADD, Op.SILU_GATE, Op.BIAS, Op.MEAN,
    Op.CENTER, Op.GELU, Op.SOFTCAP, Op.GELU_GATE,
}  # fmt: skip
"""Opcodes of which a row depends on the same row of its inputs."""


def single_pass(steps: Sequence[Step]) -> int | None:
    """Index of the LAST step of a program whose tokens can be checked in one pass, or None.

    Before it no row depends on later positions: rows over all positions come from causal SCORES,
    and are read by those opcodes only to which what is masked adds nothing. Behind it there are
    single rows, made of nothing else.
    """
    lasts = [index for index, step in enumerate(steps) if step.op == Op.LAST]
    if len(lasts) != 1:
        return None
    body, tail = steps[: lasts[0]], steps[lasts[0] + 1 :]
    own = all(i >= lasts[0] for step in tail for i in step.inputs)
    alone = all(_is_single(step) for step in tail)
    return lasts[0] if own and alone and all(_looks_back(step, steps) for step in body) else None


def _is_single(step: Step) -> bool:
    """Whether it makes a single row of single rows, the same wherever they stand."""
    placed = step.op == Op.BIAS and step.params[0] != 0
    whole = step.rows == 1 and not step.per_position and step.width > 0
    return step.op in BY_ROW and whole and not placed


def _looks_back(step: Step, steps: Sequence[Step]) -> bool:
    """Whether no row of the step depends on later positions, given that its inputs' do not."""
    sources = [steps[i] for i in step.inputs]
    scored = [_is_scores(source, steps) for source in sources]
    weighed = [source.op == Op.EXP2 for source in sources]
    kept = [source.op == Op.TRANSPOSE for source in sources]
    match step.op:
        case Op.SCORES:
            return step.params[4] >= 0 and not any(scored + weighed + kept)
        case Op.TRANSPOSE:
            return not any(scored + weighed + kept)
        case Op.ROWMAX:
            return scored == [True]
        case Op.EXP2:
            return scored == [True, False] and not any(weighed + kept)
        case Op.SUM:
            return weighed == [True]
        case Op.ATTEND:
            return weighed == [True, False, False] and kept == [False, True, False]
        case Op.SOFTCAP if scored == [True]:
            return True
    return step.per_position and step.width > 0 and not any(scored + weighed + kept)


def _is_scores(step: Step, steps: Sequence[Step]) -> bool:
    """Whether its rows are scores, of which those of later positions are masked."""
    if step.op == Op.SOFTCAP:
        return _is_scores(steps[step.inputs[0]], steps)
    return step.op == Op.SCORES
