"""Reads a BERT encoder's checkpoint folder for sentence embeddings.

The embedding is the mean of the last layer's rows, brought to length 1. The pooler, if the files
hold one, is not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from assay.core.errors import ModelError
from assay.engine.checkpoint import (
    Array,
    check_vocabulary,
    load_tensors,
    parse_object,
    read_bytes,
)
from assay.engine.config import MAX_HEAD_DIM, MAX_WIDTH, positive_size
from assay.engine.families import Config
from assay.exact.encoder import EncoderShape

ARCHITECTURE = "BertModel"
WORDS, POSITIONS, TYPES = (
    f"embeddings.{kind}_embeddings.weight" for kind in ("word", "position", "token_type")
)
EMBEDDING_NORM = "embeddings.LayerNorm"
LINEARS = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "o": "attention.output.dense",
    "up": "intermediate.dense",
    "down": "output.dense",
}
NORMS = {"attn_norm": "attention.output.LayerNorm", "output_norm": "output.LayerNorm"}
ONLY: Config = {
    "hidden_act": "gelu",
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "quantization_config": None,
}
"""Keys with a single supported value; null stands for it, too."""


@dataclass(frozen=True)
class EncoderCheckpoint:
    """An encoder's sizes and float64 weights, by their Hugging Face names."""

    name: str
    shape: EncoderShape
    tensors: Mapping[str, Array]
    tokenizer_hash: bytes
    config_hash: bytes


def layer_modules(layer: int) -> dict[str, str]:
    """Short name -> module; its tensors are the module's `.weight` and `.bias`."""
    prefix = f"encoder.layer.{layer}."
    return {short: prefix + name for short, name in {**LINEARS, **NORMS}.items()}


def tensor_shapes(shape: EncoderShape, types: int) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every tensor that is read."""
    d, inner = shape.hidden, shape.intermediate
    sizes: dict[str, tuple[int, ...]] = dict.fromkeys(("q", "k", "v", "o"), (d, d))
    sizes |= {"up": (inner, d), "down": (d, inner), "attn_norm": (d,), "output_norm": (d,)}
    modules: dict[str, tuple[int, ...]] = {EMBEDDING_NORM: (d,)}
    for layer in range(shape.layers):
        modules |= {name: sizes[short] for short, name in layer_modules(layer).items()}
    shapes: dict[str, tuple[int, ...]] = {
        WORDS: (shape.vocab, d),
        POSITIONS: (shape.context, d),
        TYPES: (types, d),
    }
    for name, size in modules.items():
        shapes |= {f"{name}.weight": size, f"{name}.bias": size[:1]}
    return shapes


def read_encoder(path: Path | str) -> EncoderCheckpoint:
    """Read and check a checkpoint folder.

    Raises:
        ModelError: anything missing, malformed, unsupported, or not finite; says which.
    """
    folder = Path(path)
    config_bytes = read_bytes(folder / "config.json")
    config = parse_object(config_bytes, folder / "config.json")
    shape = _shape(config)
    tokenizer_bytes = read_bytes(folder / "tokenizer.json")
    check_vocabulary(parse_object(tokenizer_bytes, folder / "tokenizer.json"), shape.vocab)
    types = positive_size(config, "type_vocab_size", 2)
    return EncoderCheckpoint(
        name=folder.resolve().name,
        shape=shape,
        tensors=load_tensors(folder, tensor_shapes(shape, types)),
        tokenizer_hash=sha256(tokenizer_bytes).digest(),
        config_hash=sha256(config_bytes).digest(),
    )


def _shape(config: Config) -> EncoderShape:
    architecture = (config.get("architectures") or [config.get("model_type", "unnamed")])[0]
    if architecture != ARCHITECTURE:
        raise ModelError(
            f"architecture {architecture} is no encoder that is supported; supported is "
            f"{ARCHITECTURE} (MiniLM and other BERT sentence encoders)"
        )
    for key, only in ONLY.items():
        if config.get(key, only) not in (only, None):
            raise ModelError(
                f"config.json: {key} = {config[key]!r} is not supported, only {only!r}"
            )
    hidden, heads = (positive_size(config, f"{x}") for x in ("hidden_size", "num_attention_heads"))
    shape = EncoderShape(
        vocab=positive_size(config, "vocab_size"),
        hidden=hidden,
        layers=positive_size(config, "num_hidden_layers"),
        heads=heads,
        head_dim=hidden // heads,
        intermediate=positive_size(config, "intermediate_size"),
        context=positive_size(config, "max_position_embeddings"),
        norm_eps=float(config.get("layer_norm_eps", 1e-12)),
    )
    if hidden % heads or shape.head_dim > MAX_HEAD_DIM:
        raise ModelError(
            f"config.json: {heads} heads of a hidden size of {hidden}; a head must be a whole "
            f"number <= {MAX_HEAD_DIM}"
        )
    if max(hidden, shape.intermediate, shape.context) > MAX_WIDTH:
        raise ModelError(f"config.json: sizes are limited to {MAX_WIDTH}; this has {shape}")
    return shape
