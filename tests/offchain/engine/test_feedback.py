"""Rounding with error feedback: right algebra, smaller error, same bits."""

from __future__ import annotations

import numpy as np
import pytest

from assay.engine.feedback import Feedback, _unit_upper, input_products


def correlated(rng: np.random.Generator, count: int = 400, width: int = 24) -> np.ndarray:
    """Inputs (count, width) int16 with strong correlations."""
    mixed = rng.standard_normal((count, width)) @ rng.standard_normal((width, width))
    return np.rint(mixed / np.abs(mixed).max() * 32000).astype(np.int16)


def test_products_are_exact_and_aligned() -> None:
    rng = np.random.default_rng(0)
    values = correlated(rng)
    exponents = rng.integers(-3, 4, (len(values), 1)).astype(np.int8)
    found = input_products(values, exponents)
    aligned = [
        [(int(v) + ((1 << (3 - int(e))) >> 1)) >> (3 - int(e)) for v in row]
        for row, (e,) in zip(values, exponents, strict=True)
    ]
    expected = np.array(aligned, dtype=object).T @ np.array(aligned, dtype=object)
    assert np.array_equal(found, expected.astype(np.float64))
    assert int(expected.max()) < 2**53


def test_elimination_gives_the_factors() -> None:
    values = correlated(np.random.default_rng(1)).astype(np.float64)
    products = values.T @ values
    unit = _unit_upper(products.copy()) + np.eye(len(products))
    inner = np.linalg.inv(unit) @ products @ np.linalg.inv(unit).T
    assert np.allclose(np.tril(unit, -1), 0) and np.allclose(np.diag(unit), 1)
    off_diagonal = inner - np.diag(np.diag(inner))
    assert np.abs(off_diagonal).max() < 1e-9 * np.abs(np.diag(inner)).max()


def test_independent_inputs_round_to_nearest() -> None:
    weights = np.random.default_rng(2).uniform(-127, 127, (70, 16))
    rounded = Feedback(np.diag(np.arange(1.0, 17.0) * 1000)).round(weights)
    assert np.array_equal(rounded, np.rint(weights))


@pytest.mark.parametrize("seed", range(3))
def test_output_error_shrinks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = correlated(rng)
    weights = rng.uniform(-127, 127, (100, values.shape[1]))
    rounded = Feedback(input_products(values, np.zeros((len(values), 1), np.int8))).round(weights)
    with_feedback = values @ (rounded - weights).T
    nearest = values @ (np.rint(weights) - weights).T
    assert np.square(with_feedback).mean() < 0.5 * np.square(nearest).mean()
    assert rounded.dtype == np.int8 and np.abs(rounded.astype(int)).max() <= 127


def test_extreme_weights_stay_in_range() -> None:
    values = correlated(np.random.default_rng(4))
    weights = np.full((3, values.shape[1]), 127.0) * np.array([[1], [-1], [0]])
    rounded = Feedback(input_products(values, np.zeros((len(values), 1), np.int8))).round(weights)
    assert np.abs(rounded.astype(int)).max() <= 127 and not rounded[2].any()


def test_unused_inputs() -> None:
    """A column that is always zero leaves its diagonal zero; damping keeps the division sound."""
    values = correlated(np.random.default_rng(5))
    values[:, 3] = 0
    weights = np.random.default_rng(6).uniform(-127, 127, (10, values.shape[1]))
    rounded = Feedback(input_products(values, np.zeros((len(values), 1), np.int8))).round(weights)
    assert np.array_equal(rounded[:, 3], np.rint(weights[:, 3]))
