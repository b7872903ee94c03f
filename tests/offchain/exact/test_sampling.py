"""Sampling: the table, the generator, and the distribution that they give."""

from __future__ import annotations

import math

import numpy as np
import pytest

from assay.exact import sampling

TABLE = sampling.gumbel_table()
SEED = bytes(range(32))


def test_table_holds_gumbel_quantiles() -> None:
    for row, column in ((0, 0), (3, 127), (40, 5), (127, 127)):
        index = row * 128 + column
        u = (1 + ((index & 511) + 0.5) / 512) / 2 ** ((index >> 9) + 1)
        assert TABLE[row, column] == round(-math.log(-math.log1p(-u)) * 65536)


def test_row_equals_single_tokens() -> None:
    row = sampling.noise_row(SEED, 9, 3000, TABLE)
    key = sampling.noise_key(SEED, 9)
    for token in range(3000):
        slot = sampling.noise_slot(sampling.noise_uniform(key, token))
        assert row[token] == TABLE[slot]


@pytest.mark.parametrize(
    ("uniform", "slot"),
    [(0, (124, 0)), (1, (124, 0)), (2, (120, 0)), (3, (122, 0)), (2**32 - 1, (3, 127))],
)
def test_slots_of_extreme_uniforms(uniform: int, slot: tuple[int, int]) -> None:
    assert sampling.noise_slot(uniform) == slot


def test_greedy_takes_the_lowest_of_equal_maxima() -> None:
    logits = np.array([3, 7, 7, -1], dtype=np.int64)
    assert sampling.sample(logits, 0, 16, SEED, 0, TABLE) == 1


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_frequencies_follow_softmax(temperature: float) -> None:
    real = np.array([1.0, 2.0, 0.0, 3.0])
    logits = np.rint(real * 2**16).astype(np.int64)
    draws = 20_000
    inverse = round(65536 / temperature)
    tokens = [sampling.sample(logits, inverse, 16, SEED, i, TABLE) for i in range(draws)]
    weights = np.exp(real / temperature)
    expected = weights / weights.sum()
    observed = np.bincount(tokens, minlength=4) / draws
    # 4.5 standard deviations of a binomial share; the seed is fixed, so this cannot flake.
    assert (np.abs(observed - expected) < 4.5 * np.sqrt(expected * (1 - expected) / draws)).all()


def test_seed_and_index_change_the_noise() -> None:
    row = sampling.noise_row(SEED, 0, 64, TABLE)
    assert (row != sampling.noise_row(SEED, 1, 64, TABLE)).any()
    assert (row != sampling.noise_row(bytes(32), 0, 64, TABLE)).any()
