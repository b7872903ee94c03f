"""The float reference is transformers' own Llama, to rounding."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from assay.engine.checkpoint import read_checkpoint
from assay.engine.float_model import FloatModel
from assay.engine.importer import SHIPPED_MODEL
from tests.offchain.engine.checkpoints import write_checkpoint


def compare(folder: Path, length: int) -> None:
    checkpoint = read_checkpoint(folder)
    tokens = torch.randint(0, checkpoint.shape.vocab, (length,))
    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.inference_mode():
        expected = theirs(tokens[None]).logits[0]
        found = FloatModel(checkpoint).logits(tokens)
    assert (found - expected).abs().max() < 2e-4 * expected.abs().max()
    assert torch.equal(found.argmax(1), expected.argmax(1))


@pytest.mark.parametrize("tied", [False, True])
def test_random_weights(tmp_path: Path, tied: bool) -> None:
    compare(write_checkpoint(tmp_path, {"tie_word_embeddings": tied}), 90)


def test_the_shipped_model() -> None:
    compare(SHIPPED_MODEL, 200)
