"""Damaged folders, whatever the damage: a `ModelError` or a model, never another exception; and an
engine that serves already goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.core.errors import ModelError
from assay.core.types import SamplingParams
from assay.engine import checkpoint
from assay.engine.checkpoint import read_checkpoint
from assay.engine.engine import Engine
from assay.engine.importer import import_checkpoint
from tests.offchain.engine.checkpoints import CONFIG, random_tensors, write_checkpoint
from tests.support.models import random_model

BAD = (
    None, "x", "5", -1, 0, 1.5, 10**30, True, [], [1], {}, {"a": 1}, float("inf"), float("nan"),
)  # fmt: skip
LLAMA3 = {
    "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}  # fmt: skip
WINDOWS = {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1}
FEATURES = ("layer_types", "rope_scaling", "rope_parameters", "attention_bias", "mlp_bias")
KEYS = (*CONFIG, *WINDOWS, *FEATURES, "partial_rotary_factor", "quantization_config")
TOKENIZER = {"model": {"vocab": {"a": 1}}, "added_tokens": [{"id": 2}]}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tiny, and read up to the place of every tensor, without the tensors."""

    def places(folder: Path, shape: Any, family: Any, tied: bool) -> Mapping[str, Any]:
        checkpoint._files_by_tensor(folder)
        return checkpoint._sources(shape, family)

    monkeypatch.setattr(checkpoint, "_load", places)
    write_checkpoint(tmp_path)
    (tmp_path / "tokenizer.json").write_text(json.dumps(TOKENIZER))
    return tmp_path


def refused(folder: Path) -> bool:
    """Whether the folder is refused as it should be; any other exception ends the test."""
    try:
        read_checkpoint(folder)
    except ModelError as error:
        assert len(str(error)) > 20
        return True
    return False


def refusals(folder: Path, name: str, documents: list[Any]) -> int:
    count = 0
    for document in documents:
        (folder / name).write_text(json.dumps(document))
        count += refused(folder)
    return count


@pytest.mark.parametrize("family", ["Llama", "Mistral", "Qwen2", "Qwen3", "Phi3"])
def test_any_value_of_any_key(folder: Path, family: str) -> None:
    base = CONFIG | {"architectures": [f"{family}ForCausalLM"]}
    base |= WINDOWS if family != "Llama" else {}
    documents = [base | {key: value} for key in KEYS for value in BAD]
    assert refusals(folder, "config.json", documents) > len(documents) / 3
    rope = [base | {"rope_scaling": LLAMA3 | {key: value}} for key in LLAMA3 for value in BAD]
    assert refusals(folder, "config.json", rope) > len(rope) / 3


@pytest.mark.parametrize("name", ["generation_config.json", "model.safetensors.index.json"])
def test_any_value_of_other_files(folder: Path, name: str) -> None:
    key = "eos_token_id" if name.startswith("generation") else "weight_map"
    whole = [value for value in BAD if not isinstance(value, dict)]
    assert refusals(folder, name, whole) == len(whole)
    assert refusals(folder, name, [{key: value} for value in BAD]) >= 3


def test_any_value_of_the_tokenizer(folder: Path) -> None:
    more = (*BAD, [{}], [{"id": "x"}], [{"id": -5}], {"a": "b"}, {"a": None})
    vocabularies = [{**TOKENIZER, "model": {"vocab": value}} for value in more]
    added = [{**TOKENIZER, "added_tokens": value} for value in more]
    assert refusals(folder, "tokenizer.json", vocabularies) > len(more) / 2
    assert refusals(folder, "tokenizer.json", added) > len(more) / 2


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"num_hidden_layers": 10**30}, "num_hidden_layers is 10{30}; at most 1024"),
        ({"rms_norm_eps": "x"}, "rms_norm_eps is 'x'; it must be a positive number"),
        ({"architectures": {"a": 1}}, "is not supported; supported are"),
    ],
)
def test_revert_what_once_hung_or_crashed(
    folder: Path, config: dict[str, Any], message: str
) -> None:
    (folder / "config.json").write_text(json.dumps(CONFIG | config))
    with pytest.raises(ModelError, match=message):
        read_checkpoint(folder)


def test_a_flipped_byte_in_the_files_header(tmp_path: Path) -> None:
    """Names, shapes, types and offsets of the tensors, one byte changed at a time."""
    file = write_checkpoint(tmp_path) / "model.safetensors"
    whole, rng = file.read_bytes(), np.random.default_rng(0)
    header = 8 + int.from_bytes(whole[:8], "little")
    count = 0
    for place in rng.integers(0, header, 60).tolist():
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(8))
        file.write_bytes(damaged)
        count += refused(tmp_path)
    assert count > 50


NORM, EMBEDDING = "model.norm.weight", "model.embed_tokens.weight"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (NORM, float("nan"), f"{NORM} holds NaN or infinite values; the checkpoint is damaged"),
        (NORM, None, f"lacks 1 tensors, among them {NORM}; copy the checkpoint again"),
        (EMBEDDING, 1e30, r"reaches 1e\+30 on the calibration text; the limit is 2\*\*"),
    ],
)
def test_an_engine_serves_on_after_a_refused_import(
    tmp_path: Path, name: str, value: float | None, message: str
) -> None:
    engine, params = Engine(random_model(), slots=2), SamplingParams(20)
    expected = list(engine.generate([1, 2, 3], params))
    stream = engine.generate([1, 2, 3], params)
    found = [next(stream)]
    tensors = random_tensors()
    if value is None:
        del tensors[name]
    else:
        tensors[name][..., 0] = value
    with pytest.raises(ModelError, match=message):
        import_checkpoint(write_checkpoint(tmp_path, tensors=tensors))
    assert [*found, *stream] == expected
    assert list(engine.generate([1, 2, 3], params)) == expected
