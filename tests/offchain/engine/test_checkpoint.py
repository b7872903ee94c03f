"""What is read from a checkpoint folder, and what is refused, by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from assay.core.errors import ModelError
from assay.engine.checkpoint import EMBEDDING, HEAD, read_checkpoint
from assay.exact.model import RopeScaling
from tests.offchain.engine.checkpoints import CONFIG, random_tensors, write_checkpoint

LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
Q = "model.layers.1.self_attn.q_proj.weight"


def test_default_behavior(tmp_path: Path) -> None:
    tensors = random_tensors()
    checkpoint = read_checkpoint(write_checkpoint(tmp_path / "tiny", tensors=tensors))
    shape = checkpoint.shape
    assert (shape.vocab, shape.hidden, shape.layers, shape.intermediate) == (4096, 48, 2, 80)
    assert (shape.heads, shape.kv_heads, shape.head_dim, shape.context) == (4, 2, 16, 96)
    assert (shape.eos_tokens, shape.rope_theta, shape.rms_eps) == ((0,), 10000.0, 1e-5)
    assert checkpoint.name == "tiny"
    assert len(checkpoint.config_hash) == len(checkpoint.tokenizer_hash) == 32
    for name, tensor in tensors.items():
        assert checkpoint.tensors[name].dtype == np.float64
        assert np.array_equal(checkpoint.tensors[name], tensor.numpy())


def test_shards_make_one_checkpoint(tmp_path: Path) -> None:
    whole = read_checkpoint(write_checkpoint(tmp_path / "whole"))
    sharded = read_checkpoint(write_checkpoint(tmp_path / "sharded", shards=3))
    assert whole.tensors.keys() == sharded.tensors.keys()
    assert all(np.array_equal(whole.tensors[n], sharded.tensors[n]) for n in whole.tensors)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_any_float_format(tmp_path: Path, dtype: torch.dtype) -> None:
    tensors = {name: tensor.to(dtype) for name, tensor in random_tensors().items()}
    checkpoint = read_checkpoint(write_checkpoint(tmp_path, tensors=tensors))
    assert np.array_equal(checkpoint.tensors[Q], tensors[Q].to(torch.float64).numpy())


def test_a_tied_head_is_the_embedding(tmp_path: Path) -> None:
    checkpoint = read_checkpoint(write_checkpoint(tmp_path, {"tie_word_embeddings": True}))
    assert np.array_equal(checkpoint.tensors[HEAD], checkpoint.tensors[EMBEDDING])


def test_defaults_of_older_configs(tmp_path: Path) -> None:
    """No num_key_value_heads, no head_dim: as many as heads, hidden / heads."""
    config = {"num_key_value_heads": None, "head_dim": None, "hidden_size": 64}
    full = CONFIG | config
    tensors = random_tensors(full | {"num_key_value_heads": 4, "head_dim": 16})
    shape = read_checkpoint(write_checkpoint(tmp_path, config, tensors)).shape
    assert (shape.kv_heads, shape.head_dim) == (4, 16)


def test_rope_theta_under_its_new_key(tmp_path: Path) -> None:
    rope = {"rope_parameters": {"rope_type": "default", "rope_theta": 500000.0}}
    assert read_checkpoint(write_checkpoint(tmp_path, rope)).shape.rope_theta == 500000.0


def test_rope_scaling_under_its_old_key(tmp_path: Path) -> None:
    old = {"rope_scaling": LLAMA3, "rope_theta": 500000.0}
    shape = read_checkpoint(write_checkpoint(tmp_path, old)).shape
    assert shape.rope_scaling == RopeScaling("llama3", 8.0, 1.0, 4.0, 8192)
    assert shape.rope_theta == 500000.0


def test_end_tokens_of_the_generation_config(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path)
    (folder / "generation_config.json").write_text('{"eos_token_id": [3, 5]}')
    assert read_checkpoint(folder).shape.eos_tokens == (3, 5)


def test_no_end_token(tmp_path: Path) -> None:
    assert (
        read_checkpoint(write_checkpoint(tmp_path, {"eos_token_id": None})).shape.eos_tokens == ()
    )


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"architectures": ["GPT2LMHeadModel"]}, "GPT2LMHeadModel is not.*LlamaForCausalLM"),
        ({"architectures": None, "model_type": "bert"}, "bert is not supported"),
        ({"hidden_act": "gelu"}, "hidden_act = 'gelu' is not supported, only 'silu'"),
        ({"quantization_config": {"bits": 4}}, "quantization_config"),
        ({"rope_scaling": {"rope_type": "llama3"}}, "low_freq_factor is None; .* positive number"),
        ({"rope_scaling": LLAMA3 | {"low_freq_factor": 4}}, "low_freq_factor 4.0 is not below"),
        ({"rope_scaling": LLAMA3 | {"original_max_position_embeddings": 0}}, "embeddings is 0"),
        ({"rope_scaling": {"type": "linear"}}, "factor is None; it must be a positive number"),
        ({"rope_scaling": {"type": "linear", "factor": 0.5}}, "factor is 0.5; .* at least 1"),
        ({"rope_scaling": {"type": "linear", "factor": "2"}}, "factor is '2'; it must be"),
        ({"rope_scaling": [2.0]}, r"RoPE parameters are \[2.0\]; an object is expected"),
        ({"rope_theta": 0}, "rope_theta is 0; it must be a positive number"),
        ({"rope_parameters": {"rope_type": "yarn"}}, "'yarn' is not supported .*'llama3'"),
        ({"rope_scaling": {"type": "longrope"}}, "'longrope' is not supported .its factors change"),
        ({"rope_scaling": {"type": "dynamic"}}, "'dynamic' is not supported .its base changes"),
        ({"rope_scaling": {"type": "new"}}, "'new' is not supported .it is unknown"),
        ({"partial_rotary_factor": 0.5}, "partial_rotary_factor = 0.5 is not supported"),
        ({"rope_parameters": {"partial_rotary_factor": 0.75}}, "partial_rotary_factor = 0.75"),
        ({"num_key_value_heads": 3}, "4 attention heads are not a multiple of 3"),
        ({"head_dim": 15}, "head_dim is 15; it must be even"),
        ({"head_dim": 514}, "head_dim is 514.*<= 512"),
        ({"intermediate_size": 2**17}, "widest layer has 131072 inputs.*131071"),
        ({"max_position_embeddings": 2**18}, "the context 262144; both are limited"),
        ({"hidden_size": "wide"}, "hidden_size is 'wide'; it must be a positive integer"),
        ({"num_hidden_layers": 0}, "num_hidden_layers is 0"),
        ({"vocab_size": None}, "vocab_size is None"),
        ({"eos_token_id": [1, 2, 3, 4, 5]}, "5 eos tokens; at most 4"),
        ({"eos_token_id": 4096}, r"eos tokens \(4096,\) are outside the vocabulary of 4096"),
        ({"eos_token_id": "end"}, "eos_token_id is 'end'"),
        ({"vocab_size": 4000}, "vocabulary mismatch.*4095.*4000"),
    ],
)  # fmt: skip
def test_refuses_config(tmp_path: Path, config: dict[str, Any], message: str) -> None:
    folder = write_checkpoint(tmp_path, tensors={})
    (folder / "config.json").write_text(json.dumps(CONFIG | config))
    with pytest.raises(ModelError, match=message):
        read_checkpoint(folder)


def _nan(tensors: dict[str, torch.Tensor]) -> None:
    tensors[Q][3, 4] = float("nan")


def _infinite(tensors: dict[str, torch.Tensor]) -> None:
    tensors[Q][0, 0] = float("inf")


def _missing(tensors: dict[str, torch.Tensor]) -> None:
    del tensors[Q]


def _narrow(tensors: dict[str, torch.Tensor]) -> None:
    tensors[Q] = tensors[Q][:, :-1].contiguous()


def _integer(tensors: dict[str, torch.Tensor]) -> None:
    tensors[Q] = tensors[Q].to(torch.int8)


def _headless(tensors: dict[str, torch.Tensor]) -> None:
    del tensors[HEAD]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_nan, f"{Q} holds NaN or infinite"),
        (_infinite, f"{Q} holds NaN or infinite"),
        (_missing, f"lacks 1 tensors, among them {Q}"),
        (_narrow, rf"{Q} has shape \(64, 47\), config.json implies \(64, 48\)"),
        (_integer, f"{Q} is torch.int8"),
        (_headless, "lacks 1 tensors, among them lm_head.weight"),
    ],
)
def test_refuses_weights(
    tmp_path: Path, damage: Callable[[dict[str, torch.Tensor]], None], message: str
) -> None:
    tensors = random_tensors()
    damage(tensors)
    with pytest.raises(ModelError, match=message):
        read_checkpoint(write_checkpoint(tmp_path, tensors=tensors))


def test_refuses_a_truncated_file(tmp_path: Path) -> None:
    file = write_checkpoint(tmp_path) / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ModelError, match=r"model\.safetensors is missing, truncated or corrupt"):
        read_checkpoint(tmp_path)


def test_refuses_a_file_that_is_no_safetensors(tmp_path: Path) -> None:
    (write_checkpoint(tmp_path) / "model.safetensors").write_bytes(b"not tensors at all")
    with pytest.raises(ModelError, match="truncated or corrupt"):
        read_checkpoint(tmp_path)


def test_refuses_a_missing_shard(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, shards=3)
    (folder / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(ModelError, match=r"model-00002-of-00003\.safetensors is missing"):
        read_checkpoint(folder)


def test_refuses_an_index_that_lies(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path, shards=2)
    path = folder / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    files = sorted(set(index["weight_map"].values()))
    index["weight_map"][Q] = files[index["weight_map"][Q] == files[0]]
    path.write_text(json.dumps(index))
    with pytest.raises(ModelError, match=f"lacks {Q}, which the index says it holds"):
        read_checkpoint(folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
def test_refuses_a_missing_file(tmp_path: Path, name: str) -> None:
    (write_checkpoint(tmp_path) / name).unlink()
    with pytest.raises(ModelError, match=f"cannot read .*{name}"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", "\xff"])
@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
def test_refuses_malformed_json(tmp_path: Path, name: str, content: str) -> None:
    (write_checkpoint(tmp_path) / name).write_bytes(content.encode("latin-1"))
    with pytest.raises(ModelError, match=name):
        read_checkpoint(tmp_path)


def test_refuses_a_folder_without_weights(tmp_path: Path) -> None:
    (write_checkpoint(tmp_path) / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"no \*\.safetensors"):
        read_checkpoint(tmp_path)
