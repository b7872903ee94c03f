"""The reference equals the golden vectors and an independent scalar version of every opcode."""

from __future__ import annotations

import numpy as np
import pytest

from assay.core.types import Op
from tests.support import scalar, vectors


@pytest.mark.parametrize("op", Op, ids=lambda op: op.name)
def test_reference_gives_the_golden_vectors(op: Op) -> None:
    cases = vectors.load(op)
    assert cases
    for case in cases:
        assert vectors.run(case).tolist() == case["output"]


@pytest.mark.parametrize("op", Op, ids=lambda op: op.name)
@pytest.mark.parametrize("seed", [20, 1, 2])
def test_reference_equals_unbounded_integers(op: Op, seed: int) -> None:
    rng = np.random.default_rng(seed)
    checked = 0
    for case in vectors.Writer(seed).cases(op):
        output = case["output"]
        places = [(r, c) for r in range(len(output)) for c in range(len(output[0]))]
        for index in rng.permutation(len(places))[:700]:
            row, column = places[index]
            assert output[row][column] == scalar.element(case, row, column), (row, column)
            checked += 1
    assert checked >= 15


def test_every_output_fits_its_bytes() -> None:
    for op in Op:
        for case in vectors.load(op):
            limit = 1 << (8 * case["elem_bytes"] - 1)
            output = np.array(case["output"])
            assert output.min() >= -limit and output.max() < limit, op.name
