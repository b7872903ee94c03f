"""An encoder's header: what tells it from a decoder's, and that every part moves its root."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.core.errors import ModelError
from assay.core.outputs import row_commitment
from assay.core.types import NONE
from assay.engine.encoder import Encoder
from assay.engine.importer import SHIPPED_MODEL
from assay.engine.load import import_model, is_encoder
from assay.exact.encoder import EMBEDDING_FRACTION, EncoderModel
from assay.exact.model import ExactModel
from assay.trace.commitment import (
    Commitment,
    EncoderCommitment,
    ModelCommitment,
    commit,
    known,
)
from assay.trace.pass_trace import PassTrace
from tests.support.encoders import write_bert
from tests.support.models import random_encoder, random_model

TOKENS = (5, 600, 32)


def test_default_behavior() -> None:
    model = random_encoder()
    commitment = commit(model)
    assert isinstance(commitment, EncoderCommitment)
    header = commitment.header
    assert header.embeds
    assert (header.gumbel_table, header.eos_tokens) == (NONE, ())
    assert (header.vocab_size, header.context_length) == (model.shape.vocab, model.shape.context)
    assert header.logit_fraction == EMBEDDING_FRACTION
    decoder = commit(random_model())
    assert isinstance(decoder, ModelCommitment)
    assert not decoder.header.embeds


def test_the_last_leaf_of_a_trace_is_the_embedding() -> None:
    model = random_encoder()
    tree = PassTrace(commit(model), TOKENS).steps_tree
    row = Encoder.ready(model).embed(TOKENS).tolist()
    assert tree.at(tree.depth, tree.count - 1) == row_commitment(row)


def changed(model: EncoderModel) -> list[EncoderModel]:
    """The model with one number or hash changed, in each of several parts."""
    layer = model.layers[1]
    bias = layer.up.bias + 1
    other = replace(layer, up=replace(layer.up, bias=bias))
    parts: list[dict[str, Any]] = [
        {"embedding": model.embedding + np.int16(1)},
        {"positions": model.positions + 1},
        {"pool_shift": model.pool_shift + 1},
        {"layers": (model.layers[0], other)},
        {"layers": tuple(reversed(model.layers))},
        {"unit": replace(model.unit, gain=model.unit.gain + 1)},
        {"tokenizer_hash": bytes([1]) * 32},
        {"config_hash": bytes([1]) * 32},
        {"shape": replace(model.shape, context=599)},
    ]
    return [replace(model, **part) for part in parts]


def test_the_root_depends_on_every_part() -> None:
    model = random_encoder()
    roots = {commit(item).model_root for item in (model, *changed(model))}
    assert len(roots) == 10
    assert commit(random_encoder()).model_root == commit(model).model_root


def test_a_folder_s_kind(tmp_path: Path) -> None:
    folder = write_bert(tmp_path)
    assert isinstance(import_model(folder), EncoderModel)
    assert not is_encoder(SHIPPED_MODEL)


def test_the_shipped_model_is_a_decoder() -> None:
    assert isinstance(import_model(SHIPPED_MODEL), ExactModel)


def test_models_by_their_roots() -> None:
    commitment = commit(random_encoder())
    commitments: dict[bytes, Commitment] = {commitment.model_root: commitment}
    assert known(commitments, commitment.model_root) is commitment
    with pytest.raises(ModelError, match=f"model 0x{'11' * 32} is not loaded"):
        known(commitments, bytes([0x11]) * 32)
