"""Whole verifications, openings included, on the vectors that all implementations share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from assay.core.types import Op
from assay.trace import witness
from tests.support import vectors
from tests.unitary.step_verifier.single_step import DISPUTED, SingleStep, of_case

PLACES_PER_CASE = 2


def places(case: dict[str, Any], rng: np.random.Generator) -> list[tuple[int, int]]:
    """The last element and some others."""
    output = case["output"]
    rows, width = len(output), len(output[0])
    drawn = [
        (int(rng.integers(rows)), int(rng.integers(width))) for _ in range(PLACES_PER_CASE - 1)
    ]
    return [(rows - 1, width - 1), *drawn]


def follows(world: SingleStep, verifier: Any, row: int, column: int, value: int) -> bool:
    """Whether the verifier accepts a value: in one piece, or by combine and every chunk."""
    if witness.chunk_count(world.step, world.trace.positions) <= 1:
        return world.element(verifier, row, column, value)
    partials = witness.partials(world.trace, DISPUTED, row, column)
    return world.combine(verifier, row, column, value, partials) and all(
        world.chunk(verifier, row, column, number, partial)
        for number, partial in enumerate(partials)
    )


@pytest.mark.parametrize("op", list(Op), ids=lambda op: op.name)
def test_default_behavior(verifier: Any, op: Op) -> None:
    rng = np.random.default_rng(int(op))
    for case in vectors.load(op):
        world = of_case(case)
        assert verifier.shape(world.step.abi(), case["positions"]) == (
            len(case["output"]),
            len(case["output"][0]),
            case["elem_bytes"],
        )
        for row, column in places(case, rng):
            assert follows(world, verifier, row, column, case["output"][row][column]), case["op"]


@pytest.mark.parametrize("op", list(Op), ids=lambda op: op.name)
def test_one_unit_off(verifier: Any, op: Op) -> None:
    case = vectors.load(op)[-1]
    world = of_case(case)
    row, column = len(case["output"]) // 2, len(case["output"][0]) // 2
    value = case["output"][row][column]
    assert follows(world, verifier, row, column, value)
    for wrong in (value - 1, value + 1, -value - 1, value + 2**64, 2**255 - 1, -(2**255)):
        if witness.chunk_count(world.step, case["positions"]) > 1:
            assert not world.combine(verifier, row, column, wrong)
        else:
            assert not world.element(verifier, row, column, wrong)


@pytest.mark.parametrize(
    "op", [op for op in Op if op in witness.REDUCTIONS], ids=lambda op: op.name
)
def test_one_unit_off_in_a_chunk(verifier: Any, op: Op) -> None:
    case = next(
        c for c in vectors.load(op) if witness.chunk_count(of_case(c).step, c["positions"]) > 1
    )
    world = of_case(case)
    partials = witness.partials(world.trace, DISPUTED, 0, 0)
    assert len(partials) > 1
    last = len(partials) - 1
    assert world.chunk(verifier, 0, 0, last, partials[last])
    for wrong in (partials[last] - 1, partials[last] + 1, partials[last] + 2**64):
        assert not world.chunk(verifier, 0, 0, last, wrong)
