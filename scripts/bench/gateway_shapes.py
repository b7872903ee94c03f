"""A checkpoint of a larger model's shapes, random weights under the shipped model's tokenizer."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from assay.engine.calibration import checkpoint_hash
from assay.engine.checkpoint import read_checkpoint
from assay.engine.equalise import equalise
from assay.engine.importer import SHIPPED_MODEL, calibrate, write

SIZES: dict[str, Any] = {
    "hidden_size": 2048,
    "intermediate_size": 5632,
    "num_hidden_layers": 8,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
    "head_dim": 64,
}
"""Layers of TinyLlama-1.1B, eight of its 22: 360 million weights."""
FEW_TOKENS = 64
"""Of the calibration's text, which an import runs to round better."""
COPIED = ("tokenizer.json", "tokenizer_config.json", "generation_config.json")


def write_checkpoint(folder: Path) -> Path:
    """As `assay.engine.importer` reads it; takes 0.7 GB. Weights are rounded to the nearest: better
    rounding takes minutes a layer, and random ones answer no better for it."""
    folder.mkdir()
    config = json.loads((SHIPPED_MODEL / "config.json").read_text()) | SIZES
    (folder / "config.json").write_text(json.dumps(config))
    for name in COPIED:
        shutil.copy(SHIPPED_MODEL / name, folder / name)
    save_file(dict(_tensors(config)), folder / "model.safetensors")
    record = calibrate(equalise(read_checkpoint(folder)), folder, checkpoint_hash(folder))
    write(replace(record, feedback_width=0, text_tokens=FEW_TOKENS), folder)
    return folder


def _tensors(config: dict[str, Any]) -> Iterator[tuple[str, torch.Tensor]]:
    """Hugging Face's names and values; matrices of unit output size, gains of 1."""
    generator = torch.Generator().manual_seed(1)
    width, inner = config["hidden_size"], config["intermediate_size"]
    heads = config["num_attention_heads"] * config["head_dim"]
    shared = config["num_key_value_heads"] * config["head_dim"]

    def matrix(out: int, columns: int) -> torch.Tensor:
        values: torch.Tensor = torch.randn(out, columns, generator=generator) * columns**-0.5
        return values.half()

    gains = torch.ones(width, dtype=torch.float16)
    yield "model.embed_tokens.weight", matrix(config["vocab_size"], width)
    for layer in range(config["num_hidden_layers"]):
        at = f"model.layers.{layer}."
        yield at + "input_layernorm.weight", gains.clone()
        yield at + "self_attn.q_proj.weight", matrix(heads, width)
        yield at + "self_attn.k_proj.weight", matrix(shared, width)
        yield at + "self_attn.v_proj.weight", matrix(shared, width)
        yield at + "self_attn.o_proj.weight", matrix(width, heads)
        yield at + "post_attention_layernorm.weight", gains.clone()
        yield at + "mlp.gate_proj.weight", matrix(inner, width)
        yield at + "mlp.up_proj.weight", matrix(inner, width)
        yield at + "mlp.down_proj.weight", matrix(width, inner)
    yield "model.norm.weight", gains.clone()
