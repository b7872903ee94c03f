"""The same integers from the same checkpoint, whoever imports it and however it is scaled."""

from __future__ import annotations

import errno
import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from assay.core.errors import ModelError
from assay.engine import calibration
from assay.engine.checkpoint import Checkpoint, read_checkpoint
from assay.engine.engine import Engine
from assay.engine.equalise import channel_sets, equalise, stress
from assay.engine.float_model import FloatModel
from assay.engine.importer import SHIPPED_MODEL, import_checkpoint
from assay.engine.quality import same_integers
from assay.exact.model import ExactModel, Linear
from tests.offchain.engine.checkpoints import random_tensors, write_checkpoint

RECORD, TEXT = "exact.json", "calibration.txt"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "tiny")


def linears(model: ExactModel) -> list[Linear]:
    parts = [
        getattr(x, n) for x in model.layers for n in ("q", "k", "v", "o", "gate", "up", "down")
    ]
    return [*parts, model.head]


def float_logits(checkpoint: Checkpoint, tokens: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        return FloatModel(checkpoint, torch.float64).logits(torch.tensor(tokens))


def tokens_of(checkpoint: Checkpoint, count: int = 60) -> list[int]:
    return np.random.default_rng(1).integers(0, checkpoint.shape.vocab, count).tolist()


def test_the_record_fixes_the_integers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second import reads the ranges: no float pass decides anything any more."""
    first = import_checkpoint(folder)
    record = (folder / RECORD).read_bytes()

    def unused(*arguments: object) -> dict[str, int]:
        raise AssertionError("ranges were measured again")

    monkeypatch.setattr(calibration, "measure_fractions", unused)
    assert same_integers(import_checkpoint(folder), first)
    assert (folder / RECORD).read_bytes() == record


def test_threads_change_no_integer(folder: Path) -> None:
    first = import_checkpoint(folder)
    try:
        torch.set_num_threads(2)
        assert same_integers(import_checkpoint(folder), first)
    finally:
        torch.set_num_threads(1)


def test_different_weights_differ(tmp_path: Path, folder: Path) -> None:
    other = write_checkpoint(tmp_path / "other", tensors=random_tensors(seed=1))
    assert not same_integers(import_checkpoint(folder), import_checkpoint(other))


def test_numbers_are_in_their_ranges(folder: Path) -> None:
    model = import_checkpoint(folder)
    assert model.embedding.dtype == np.int16 and np.abs(model.embedding).max() > 2**13
    assert 0 <= model.embedding_shift <= 15 and model.gumbel.shape == (128, 128)
    for linear in linears(model):
        assert linear.weight.dtype == np.int8 and np.abs(linear.weight.astype(int)).max() == 127
        assert linear.mantissa.min() >= 2**15 and linear.mantissa.max() < 2**16
        assert linear.weight.shape[0] == len(linear.mantissa) == len(linear.shift)
        assert linear.mantissa.dtype == linear.shift.dtype == np.int32
    for norm in (model.final_norm, *(layer.attn_norm for layer in model.layers)):
        assert norm.gain.dtype == np.int32 and 0 < norm.shift <= 62 and norm.eps > 0


def test_exact_logits_follow_the_float_ones(folder: Path) -> None:
    """An error of about 1 % of the logits' own spread: that of 8-bit weights."""
    checkpoint = read_checkpoint(folder)
    model, tokens = import_checkpoint(folder), tokens_of(checkpoint)
    expected = float_logits(checkpoint, tokens)
    found = Engine(model).logits(tokens) * 2.0**-model.logit_fraction
    error = torch.from_numpy(found) - expected
    assert error.square().mean().sqrt() < 0.015 * expected.std()


@pytest.mark.parametrize("limit", [30.0, 1000.0])
def test_stress_keeps_the_function(folder: Path, limit: float) -> None:
    checkpoint = read_checkpoint(folder)
    stressed = stress(checkpoint, limit)
    gains = stressed.tensors["model.norm.weight"] / checkpoint.tensors["model.norm.weight"]
    assert gains.max() > limit / 2 and gains.min() >= 1
    expected = float_logits(checkpoint, tokens_of(checkpoint))
    assert torch.allclose(float_logits(stressed, tokens_of(checkpoint)), expected, atol=1e-9)


def test_equalise_keeps_the_function_and_is_canonical(folder: Path) -> None:
    checkpoint = read_checkpoint(folder)
    plain = equalise(checkpoint)
    expected = float_logits(checkpoint, tokens_of(checkpoint))
    assert torch.allclose(float_logits(plain, tokens_of(checkpoint)), expected, atol=1e-9)
    stressed = equalise(stress(checkpoint, 1000.0, seed=3))
    for name, tensor in plain.tensors.items():
        assert np.allclose(stressed.tensors[name], tensor, rtol=1e-13, atol=0), name


def test_equalised_columns_peak_at_one(folder: Path) -> None:
    checkpoint = equalise(read_checkpoint(folder))
    for channels in channel_sets(checkpoint.shape):
        stacked = np.concatenate([checkpoint.tensors[name] for name in channels.consumers])
        peaks = np.abs(stacked).max(axis=0)
        if channels.per_head:  # the largest of the query heads that share the channel
            peaks = peaks.reshape(checkpoint.shape.kv_heads, -1, checkpoint.shape.head_dim).max(1)
        assert np.array_equal(peaks, np.ones_like(peaks))


def test_a_dead_channel_survives(tmp_path: Path) -> None:
    """All-zero columns and rows are no reason to divide by zero."""
    tensors = random_tensors()
    for layer in range(2):
        tensors[f"model.layers.{layer}.mlp.down_proj.weight"][:, 7] = 0
        tensors[f"model.layers.{layer}.self_attn.o_proj.weight"][3, :] = 0
        tensors[f"model.layers.{layer}.input_layernorm.weight"][5] = 0
    folder = write_checkpoint(tmp_path, tensors=tensors)
    checkpoint = read_checkpoint(folder)
    expected = float_logits(checkpoint, tokens_of(checkpoint))
    model = import_checkpoint(folder)
    found = Engine(model).logits(tokens_of(checkpoint)) * 2.0**-model.logit_fraction
    assert (torch.from_numpy(found) - expected).square().mean().sqrt() < 0.015 * expected.std()


def test_a_stressed_checkpoint_on_disk_imports_alike(tmp_path: Path) -> None:
    """In float64, so that the scales themselves are kept; ranges and integers come out equal."""
    plain = write_checkpoint(tmp_path / "plain")
    stressed = stress(read_checkpoint(plain), 1000.0, seed=5)
    tensors = {name: torch.from_numpy(array) for name, array in stressed.tensors.items()}
    outliers = write_checkpoint(tmp_path / "outliers", tensors=tensors)
    first, second = import_checkpoint(plain), import_checkpoint(outliers)
    bits = [json.loads((f / RECORD).read_text())["fraction_bits"] for f in (plain, outliers)]
    assert bits[0] == bits[1]
    different = sum(
        int((a.weight != b.weight).sum())
        for a, b in zip(linears(first), linears(second), strict=True)
    )
    assert different <= 10, "rounding ties may fall to either side, hardly more"


def test_a_folder_that_cannot_be_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(calibration, "save", refuse)
    with caplog.at_level(logging.WARNING):
        import_checkpoint(folder)
    assert "cannot write" in caplog.text and "Read-only" in caplog.text
    assert not (folder / RECORD).exists()


def test_own_calibration_text_is_used(folder: Path) -> None:
    import_checkpoint(folder)
    shipped = json.loads((folder / RECORD).read_text())["text_sha256"]
    (folder / RECORD).unlink()
    (folder / TEXT).write_text("Open the file and return its contents. " * 40)
    import_checkpoint(folder)
    assert json.loads((folder / RECORD).read_text())["text_sha256"] != shipped


def test_revert_record_of_other_weights(tmp_path: Path, folder: Path) -> None:
    import_checkpoint(folder)
    other = write_checkpoint(tmp_path / "other", tensors=random_tensors(seed=1))
    (other / RECORD).write_bytes((folder / RECORD).read_bytes())
    with pytest.raises(ModelError, match=r"was made for weights .* delete it and import again"):
        import_checkpoint(other)


def test_revert_record_of_another_format(folder: Path) -> None:
    import_checkpoint(folder)
    record = json.loads((folder / RECORD).read_text()) | {"format": 99}
    (folder / RECORD).write_text(json.dumps(record))
    with pytest.raises(ModelError, match="has format 99"):
        import_checkpoint(folder)


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"fraction_bits": 3}', '{"unknown": 1}'])
def test_revert_malformed_record(folder: Path, content: str) -> None:
    (folder / RECORD).write_text(content)
    with pytest.raises(ModelError, match=r"exact\.json is malformed"):
        import_checkpoint(folder)


def test_revert_incomplete_record(folder: Path) -> None:
    import_checkpoint(folder)
    record = json.loads((folder / RECORD).read_text())
    del record["fraction_bits"]["1.gate"]
    (folder / RECORD).write_text(json.dumps(record))
    with pytest.raises(ModelError, match=r"lacks the fraction bits of 1\.gate"):
        import_checkpoint(folder)


def test_revert_calibration_text_gone(folder: Path) -> None:
    (folder / TEXT).write_text("Open the file and return its contents. " * 40)
    import_checkpoint(folder)
    (folder / TEXT).unlink()
    with pytest.raises(ModelError, match="names a calibration text"):
        import_checkpoint(folder)


def test_revert_calibration_text_not_utf8(folder: Path) -> None:
    (folder / TEXT).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelError, match="not valid UTF-8"):
        import_checkpoint(folder)


def test_revert_values_beyond_range(tmp_path: Path) -> None:
    tensors = random_tensors()
    tensors["model.embed_tokens.weight"] *= 1e9
    with pytest.raises(ModelError, match=r"embedding reaches .* the limit is"):
        import_checkpoint(write_checkpoint(tmp_path, tensors=tensors))


def test_the_shipped_record_is_current(shipped_model: ExactModel) -> None:
    record = calibration.load(SHIPPED_MODEL, calibration.checkpoint_hash(SHIPPED_MODEL))
    assert record is not None
    assert replace(record, fraction_bits={}).text_tokens > 0
    assert shipped_model.logit_fraction == record.fraction_bits["logits"]
