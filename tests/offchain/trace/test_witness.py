"""What audits ask for: the trace's witness, and an auditor's faster way to it."""

from __future__ import annotations

import numpy as np

from assay.core.outputs import row_commitment
from assay.engine.engine import Engine
from assay.trace.commitment import EncoderCommitment, ModelCommitment
from assay.trace.pass_trace import PassTrace
from tests.support.models import FULL, random_encoder, random_model

TOKENS = (3, 1, 4, 1, 5, 9, 2)


def test_a_decoders_is_the_last_steps_leaf_that_the_engine_finds() -> None:
    model = random_model(FULL)
    trace = PassTrace(ModelCommitment(model), TOKENS)
    engine = Engine(model)
    row = engine.last_logits(TOKENS)
    assert np.array_equal(row, engine.logits(TOKENS)[-1])
    tree = trace.steps_tree
    assert trace.witness == tree.at(tree.depth, len(trace.tensors) - 1)
    assert row_commitment(row.tolist()) == trace.witness
    assert row_commitment(engine.last_logits(TOKENS[:-1]).tolist()) != trace.witness


def test_an_encoders_is_the_root() -> None:
    """The last step's output is the embedding, which comes with the claim."""
    trace = PassTrace(EncoderCommitment(random_encoder()), TOKENS)
    assert trace.witness == trace.root != trace.tensors[-1].commitment
