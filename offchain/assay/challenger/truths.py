"""Honest recomputations of disputed passes, by the reference arithmetic; the newest are kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from assay.challenger.solver import Truth
from assay.core.shelf import Shelf
from assay.core.wire import ClaimData
from assay.exact import sampling
from assay.trace.commitment import Commitment, ModelCommitment, known
from assay.trace.pass_trace import PassTrace

TRUTHS_KEPT = 4
"""A trace holds every step's output; games over the same token share it."""


class Truths:
    """Of some models' claims; a claim is known by its job and output root."""

    def __init__(self, commitments: Sequence[Commitment]) -> None:
        self._commitments: dict[bytes, Commitment] = {
            commitment.model_root: commitment for commitment in commitments
        }
        self._kept: Shelf[tuple[bytes, bytes, int], Truth] = Shelf(TRUTHS_KEPT)

    def of(self, data: ClaimData, token_index: int) -> Truth:
        """The pass that should have made an output token; takes long if it is not kept."""
        key = (data.receipt.job_id, data.receipt.output_root, token_index)
        commitment = known(self._commitments, data.job.model_root)
        return self._kept.get(key, lambda: make_truth(commitment, data, token_index))

    def has(self, data: ClaimData, token_index: int) -> bool:
        return (data.receipt.job_id, data.receipt.output_root, token_index) in self._kept


def make_truth(commitment: Commitment, data: ClaimData, token_index: int) -> Truth:
    """Recompute the pass that should have produced output token `token_index`, or the embedding."""
    if not isinstance(commitment, ModelCommitment):
        return Truth(PassTrace(commitment, data.prompt))
    trace = PassTrace(commitment, [*data.prompt, *data.output[:token_index]])
    model, job = commitment.model, data.job
    token = sampling.sample(
        trace.tensors[-1].values[0].astype(np.int64),
        job.inv_temperature,
        model.logit_fraction,
        job.seed,
        token_index,
        model.gumbel,
    )
    claimed = data.output[token_index] if token_index < len(data.output) else -1
    return Truth(trace, token, claimed)
