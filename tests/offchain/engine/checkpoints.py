"""Small random Llama checkpoints on disk, whole, sharded or damaged."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from assay.engine.importer import SHIPPED_MODEL

CONFIG: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": 4096,
    "hidden_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "intermediate_size": 80,
    "max_position_embeddings": 96,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "hidden_act": "silu",
    "tie_word_embeddings": False,
    "bos_token_id": 0,
    "eos_token_id": 0,
}


def random_tensors(config: dict[str, Any] = CONFIG, seed: int = 0) -> dict[str, torch.Tensor]:
    """Weights by their Hugging Face names; norm gains around 1, matrices of unit output size."""
    generator = torch.Generator().manual_seed(seed)
    d, inner, hd = config["hidden_size"], config["intermediate_size"], config["head_dim"]
    wide, narrow = config["num_attention_heads"] * hd, config["num_key_value_heads"] * hd

    def matrix(out: int, width: int) -> torch.Tensor:
        return torch.randn(out, width, generator=generator) * width**-0.5

    def gain() -> torch.Tensor:
        return 1 + 0.2 * torch.randn(d, generator=generator)

    tensors = {
        "model.embed_tokens.weight": torch.randn(config["vocab_size"], d, generator=generator),
        "model.norm.weight": gain(),
    }
    if not config["tie_word_embeddings"]:
        tensors["lm_head.weight"] = matrix(config["vocab_size"], d)
    for layer in range(config["num_hidden_layers"]):
        at = f"model.layers.{layer}."
        tensors |= {
            at + "input_layernorm.weight": gain(),
            at + "post_attention_layernorm.weight": gain(),
            at + "self_attn.q_proj.weight": matrix(wide, d),
            at + "self_attn.k_proj.weight": matrix(narrow, d),
            at + "self_attn.v_proj.weight": matrix(narrow, d),
            at + "self_attn.o_proj.weight": matrix(d, wide),
            at + "mlp.gate_proj.weight": matrix(inner, d),
            at + "mlp.up_proj.weight": matrix(inner, d),
            at + "mlp.down_proj.weight": matrix(d, inner),
        }
    return tensors


def write_checkpoint(
    folder: Path,
    config: dict[str, Any] | None = None,
    tensors: dict[str, torch.Tensor] | None = None,
    shards: int = 1,
) -> Path:
    """A folder as `save_pretrained` leaves it; `config` entries go over CONFIG's."""
    full = CONFIG | (config or {})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(full))
    shutil.copy(SHIPPED_MODEL / "tokenizer.json", folder)
    tensors = random_tensors(full) if tensors is None else tensors
    if shards == 1:
        save_file(tensors, folder / "model.safetensors")
        return folder
    names, weight_map = sorted(tensors), {}
    for shard in range(shards):
        file = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        part = {name: tensors[name] for name in names[shard::shards]}
        save_file(part, folder / file)
        weight_map |= dict.fromkeys(part, file)
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder
