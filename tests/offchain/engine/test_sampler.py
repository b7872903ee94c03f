"""The vectorised sampler draws the reference's tokens."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from assay.core.types import SamplingParams
from assay.engine.admission import MAX_INV_TEMPERATURE, MIN_INV_TEMPERATURE
from assay.engine.sampler import Draw, Sampler
from assay.exact import sampling

TABLE = sampling.gumbel_table()
temperatures = st.one_of(st.just(0), st.integers(MIN_INV_TEMPERATURE, MAX_INV_TEMPERATURE))


def sampler(fraction: int) -> Sampler:
    return Sampler(torch.tensor(TABLE, dtype=torch.int64), fraction)


@given(
    seed=st.binary(min_size=32, max_size=32),
    inverse=temperatures,
    index=st.integers(0, 2**32),
    fraction=st.integers(0, 24),
    scale=st.integers(0, 31),
)
def test_equals_the_reference(
    seed: bytes, inverse: int, index: int, fraction: int, scale: int
) -> None:
    rng = np.random.default_rng(index)
    logits = rng.integers(-(2**31), 2**31, 500) >> scale
    params = SamplingParams(1, inverse, seed)
    # A greedy and a warm neighbour: rows must not mix.
    draws = [Draw(params, index), Draw(SamplingParams(1), 0), Draw(SamplingParams(1, 65536), 1)]
    rows = torch.from_numpy(np.stack([logits, -logits, logits]).astype(np.float64))
    got = sampler(fraction).choose(rows, draws)
    expected = [
        sampling.sample(x, d.params.inv_temperature, fraction, d.params.seed, d.index, TABLE)
        for x, d in zip([logits, -logits, logits], draws, strict=True)
    ]
    assert got == expected


def test_ties_go_to_the_lowest_id() -> None:
    rows = torch.zeros(2, 5000, dtype=torch.float64)
    rows[:, [17, 4000]] = 3.0
    assert sampler(16).choose(rows, [Draw(SamplingParams(1), 0)] * 2) == [17, 17]
    flat = torch.full((1, 4096), -(2.0**31), dtype=torch.float64)
    assert sampler(16).choose(flat, [Draw(SamplingParams(1), 0)]) == [0]


def test_ties_of_warm_scores_go_to_the_lowest_id() -> None:
    """A table without noise makes ties; the argmax must still be the first."""
    quiet = Sampler(torch.zeros(128 * 128, dtype=torch.int64), 16)
    rows = torch.zeros(1, 3000, dtype=torch.float64)
    rows[0, [1234, 2999]] = 9.0
    assert quiet.choose(rows, [Draw(SamplingParams(1, 65536), 5)]) == [1234]


def test_draws_follow_the_softmax() -> None:
    """Frequencies over 20,000 indices, within 5 standard deviations of each probability."""
    probabilities = np.array([0.5, 0.25, 0.15, 0.1])
    logits = np.round(np.log(probabilities) * 2**16)
    count = 20000
    rows = torch.from_numpy(np.tile(logits, (count, 1)))
    draws = [Draw(SamplingParams(1, 65536, b"s" * 32), t) for t in range(count)]
    found = np.bincount(sampler(16).choose(rows, draws), minlength=4) / count
    deviation = np.sqrt(probabilities * (1 - probabilities) / count)
    assert (np.abs(found - probabilities) < 5 * deviation).all(), found
