"""Rounding to integers with error feedback, bit-deterministic.

Rounding each weight to the nearest integer ignores that inputs correlate: an error in one column
can be undone in the next ones. With C, the sum of the inputs' outer products, written as
(U + I) D (U + I)^T, U strictly upper triangular, a row's output error is minimised greedily by
rounding column j to `w_j + sum_{i<j} (w_i - q_i) U_ij` (LDLQ in Chee et al. 2023, arXiv:2307.13304;
equal to GPTQ, arXiv:2210.17323). On the shipped model it cuts the logit error to about a third.

C comes from the exact engine, so it is the same integers everywhere; what follows are elementwise
float64 operations in a fixed order, no sums that a library could reorder.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from assay.engine.backends.base import Rows
from assay.engine.checkpoint import Array

DAMPING = 100
"""The diagonal grows by its mean over this, so that rarely used inputs keep their weights."""
BLOCK_ROWS = 64
LIMIT = 127


class Collector:
    """Keeps the quantised inputs of every linear layer that a forward pass shows it."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._values: dict[str, list[NDArray[np.int16]]] = {}
        self._exponents: dict[str, list[NDArray[np.int8]]] = {}

    def __call__(self, site: str, rows: Rows) -> None:
        """Observer of `Decoder`; sites wider than `width` are passed over."""
        if rows.values.shape[1] <= self._width:
            self._values.setdefault(site, []).append(rows.values.cpu().numpy().astype(np.int16))
            self._exponents.setdefault(site, []).append(
                rows.exponents.cpu().numpy().astype(np.int8)
            )

    def products(self) -> dict[str, Array]:
        """C by site."""
        return {
            site: input_products(np.concatenate(parts), np.concatenate(self._exponents[site]))
            for site, parts in self._values.items()
        }


def input_products(values: NDArray[np.int16], exponents: NDArray[np.int8]) -> Array:
    """Sum of outer products of quantised rows: (R, K) in units of 2**exponents (R, 1) -> (K, K).

    The rows are brought to the largest exponent's unit; sums are then below R * 2**30, exact in
    float64 for R up to 2**23 in any order.
    """
    shift = exponents.max() - exponents.astype(np.int64)
    aligned = (values.astype(np.int64) + ((1 << shift) >> 1)) >> shift
    rows = aligned.astype(np.float64)
    product: Array = rows.T @ rows
    return product


class Feedback:
    """Rounds every matrix that reads the inputs whose C is `products`, (K, K) integers."""

    def __init__(self, products: Array) -> None:
        diagonal = np.diag(products)
        # The strongest inputs first: they get no other column's error.
        self._order = np.argsort(-diagonal, kind="stable")
        mean = int(diagonal.astype(np.int64).sum()) // len(diagonal)
        damped = products + max(mean // DAMPING, 1) * np.eye(len(diagonal))
        self._upper = _unit_upper(damped[np.ix_(self._order, self._order)])

    def round(self, weights: Array) -> NDArray[np.int8]:
        """Integers in [-127, 127] near `weights` (out, K)."""
        rounded = np.empty(weights.shape, dtype=np.int8)
        for start in range(0, len(weights), BLOCK_ROWS):  # a block's working set stays in cache
            rows = slice(start, start + BLOCK_ROWS)
            rounded[rows, self._order] = self._round_block(weights[rows, self._order])
        return rounded

    def _round_block(self, weights: Array) -> Array:
        columns = np.ascontiguousarray(weights.T)
        target = columns.copy()
        rounded = np.empty_like(columns)
        for j, row in enumerate(self._upper):
            rounded[j] = np.minimum(np.maximum(np.rint(target[j]), -LIMIT), LIMIT)
            target[j + 1 :] += np.multiply.outer(row[j + 1 :], columns[j] - rounded[j])
        return rounded.T


def _unit_upper(symmetric: Array) -> Array:
    """U of C = (U + I) D (U + I)^T by elimination from the last column; overwrites its argument."""
    upper = np.zeros_like(symmetric)
    for j in range(len(symmetric) - 1, 0, -1):
        upper[:j, j] = symmetric[:j, j] / symmetric[j, j]
        symmetric[:j, :j] -= np.multiply.outer(upper[:j, j], symmetric[j, :j])
    return upper
