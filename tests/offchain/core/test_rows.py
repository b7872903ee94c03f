"""Which claims are paid together: neighbours, as many as one call takes."""

from __future__ import annotations

import pytest

from assay.core.merkle import rows


@pytest.mark.parametrize(
    ("indices", "expected"),
    [
        ([], []),
        ([5], [range(5, 6)]),
        ([0, 1, 2], [range(3)]),
        ([0, 2, 3, 7], [range(1), range(2, 4), range(7, 8)]),
        (list(range(9)), [range(4), range(4, 8), range(8, 9)]),
        ([0, 1, 2, 3, 5, 6], [range(4), range(5, 7)]),
    ],
)
def test_rows(indices: list[int], expected: list[range]) -> None:
    assert list(rows(indices, 4)) == expected
