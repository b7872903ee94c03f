"""Reads a Hugging Face checkpoint folder: config.json, safetensors (sharded too), tokenizer.json.

Knows file formats and the Llama family's names; knows nothing of integers. Everything that the
exact engine cannot represent is refused here, by name, before a weight is read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from assay.core.errors import ModelError
from assay.exact.model import LlamaShape

Array = NDArray[np.float64]
SUPPORTED = {"LlamaForCausalLM": "Llama 1 and 2, TinyLlama, SmolLM"}
"""Architecture names that are imported, and what goes by that name."""
EMBEDDING, HEAD, FINAL_NORM = "model.embed_tokens.weight", "lm_head.weight", "model.norm.weight"
MAX_EOS_TOKENS = 4
MAX_HEAD_DIM = 512
MAX_WIDTH = 2**17 - 1
"""Terms of one reduction: what the integer ranges of `exact.ops` are argued for."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint's sizes and float64 weights, by their Hugging Face names.

    The head is always present under `lm_head.weight`: a tied checkpoint's is its embedding.
    """

    name: str
    shape: LlamaShape
    tensors: Mapping[str, Array]
    tokenizer_hash: bytes
    config_hash: bytes


def layer_names(layer: int) -> dict[str, str]:
    """Short name -> Hugging Face name of one decoder layer's tensors."""
    prefix = f"model.layers.{layer}."
    return {
        "attn_norm": prefix + "input_layernorm.weight",
        **{x: f"{prefix}self_attn.{x}_proj.weight" for x in ("q", "k", "v", "o")},
        "mlp_norm": prefix + "post_attention_layernorm.weight",
        **{x: f"{prefix}mlp.{x}_proj.weight" for x in ("gate", "up", "down")},
    }


def tensor_shapes(shape: LlamaShape) -> dict[str, tuple[int, ...]]:
    """Hugging Face name -> shape of every tensor that the model needs."""
    d, inner = shape.hidden, shape.intermediate
    wide, narrow = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    sizes: dict[str, tuple[int, ...]] = {
        "attn_norm": (d,),
        "mlp_norm": (d,),
        "q": (wide, d),
        "k": (narrow, d),
        "v": (narrow, d),
        "o": (d, wide),
        "gate": (inner, d),
        "up": (inner, d),
        "down": (d, inner),
    }
    shapes: dict[str, tuple[int, ...]] = {
        EMBEDDING: (shape.vocab, d),
        FINAL_NORM: (d,),
        HEAD: (shape.vocab, d),
    }
    for layer in range(shape.layers):
        shapes |= {name: sizes[short] for short, name in layer_names(layer).items()}
    return shapes


def read_checkpoint(path: Path | str) -> Checkpoint:
    """Read and check a checkpoint folder.

    Raises:
        ModelError: anything missing, malformed, unsupported, or not finite; says which.
    """
    folder = Path(path)
    config_bytes = _read(folder / "config.json")
    config = _json(config_bytes, folder / "config.json")
    shape = _shape(config, _end_tokens(config, folder))
    tokenizer_bytes = _read(folder / "tokenizer.json")
    _check_vocabulary(_json(tokenizer_bytes, folder / "tokenizer.json"), shape.vocab)
    tied = bool(config.get("tie_word_embeddings", False))
    return Checkpoint(
        name=folder.resolve().name,
        shape=shape,
        tensors=_load(folder, tensor_shapes(shape), tied),
        tokenizer_hash=sha256(tokenizer_bytes).digest(),
        config_hash=sha256(config_bytes).digest(),
    )


# Configuration


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"cannot read {path}: {error.strerror}; a checkpoint folder holds config.json, "
            "tokenizer.json and *.safetensors"
        ) from error


def _json(data: bytes, path: Path) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except ValueError as error:
        raise ModelError(f"{path} is not JSON ({error}); copy the checkpoint again") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path} holds a {type(value).__name__} where an object is expected")
    return value


def _shape(config: dict[str, Any], eos_tokens: tuple[int, ...]) -> LlamaShape:
    _refuse_unsupported(config)
    heads = _size(config, "num_attention_heads")
    hidden = _size(config, "hidden_size")
    shape = LlamaShape(
        vocab=_size(config, "vocab_size"),
        hidden=hidden,
        layers=_size(config, "num_hidden_layers"),
        heads=heads,
        kv_heads=_size(config, "num_key_value_heads", heads),
        head_dim=_size(config, "head_dim", hidden // heads),
        intermediate=_size(config, "intermediate_size"),
        context=_size(config, "max_position_embeddings"),
        eos_tokens=eos_tokens,
        rope_theta=_rope_theta(config),
        rms_eps=float(config.get("rms_norm_eps", 1e-6)),
    )
    _check_sizes(shape)
    return shape


def _check_sizes(shape: LlamaShape) -> None:
    if shape.heads % shape.kv_heads:
        raise ModelError(
            f"config.json: {shape.heads} attention heads are not a multiple of {shape.kv_heads} "
            "key/value heads"
        )
    if shape.head_dim % 2 or shape.head_dim > MAX_HEAD_DIM:
        raise ModelError(
            f"config.json: head_dim is {shape.head_dim}; it must be even and <= {MAX_HEAD_DIM}"
        )
    widest = max(shape.hidden, shape.intermediate, shape.heads * shape.head_dim)
    if widest > MAX_WIDTH or shape.context > MAX_WIDTH + 1:
        raise ModelError(
            f"config.json: the widest layer has {widest} inputs, the context {shape.context}; "
            f"both are limited to about {MAX_WIDTH}"
        )
    if any(token >= shape.vocab for token in shape.eos_tokens):
        raise ModelError(
            f"eos tokens {shape.eos_tokens} are outside the vocabulary of {shape.vocab}"
        )


def _refuse_unsupported(config: dict[str, Any]) -> None:
    architecture = (config.get("architectures") or [config.get("model_type", "unnamed")])[0]
    if architecture not in SUPPORTED:
        known = "; ".join(f"{name} ({what})" for name, what in SUPPORTED.items())
        raise ModelError(f"architecture {architecture} is not supported; supported are {known}")
    expected = {
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "quantization_config": None,
        "sliding_window": None,
        "partial_rotary_factor": 1.0,
    }
    for key, only in expected.items():
        if config.get(key, only) not in (only, None):
            raise ModelError(
                f"config.json: {key} = {config[key]!r} is not supported, only {only!r}"
            )


def _rope_theta(config: dict[str, Any]) -> float:
    """Both the old keys (rope_theta, rope_scaling) and the new one (rope_parameters)."""
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind != "default":
        raise ModelError(f"config.json: RoPE scaling {kind!r} is not supported, only 'default'")
    return float(rope.get("rope_theta", config.get("rope_theta", 10000.0)))


def _size(config: dict[str, Any], key: str, default: int | None = None) -> int:
    value = config.get(key)
    value = default if value is None else value
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ModelError(f"config.json: {key} is {value!r}; it must be a positive integer")
    return value


def _end_tokens(config: dict[str, Any], folder: Path) -> tuple[int, ...]:
    """Tokens that end an output: generation_config.json goes over config.json."""
    generation = folder / "generation_config.json"
    value = config.get("eos_token_id")
    if generation.is_file():
        value = _json(_read(generation), generation).get("eos_token_id", value)
    tokens = [] if value is None else value if isinstance(value, list) else [value]
    if any(not isinstance(token, int) or token < 0 for token in tokens):
        raise ModelError(f"eos_token_id is {value!r}; it must be a token id or a list of them")
    if len(tokens) > MAX_EOS_TOKENS:
        raise ModelError(f"{len(tokens)} eos tokens; at most {MAX_EOS_TOKENS} are supported")
    return tuple(tokens)


def _check_vocabulary(tokenizer: dict[str, Any], vocab: int) -> None:
    model = tokenizer.get("model")
    words = model.get("vocab") if isinstance(model, dict) else None
    if not isinstance(words, dict | list):
        raise ModelError("tokenizer.json has no model.vocab; it must be of the tokenizers library")
    ids = list(words.values()) if isinstance(words, dict) else list(range(len(words)))
    ids += [token["id"] for token in tokenizer.get("added_tokens") or []]
    if max(ids, default=0) >= vocab:
        raise ModelError(
            f"vocabulary mismatch: tokenizer.json has token id {max(ids)}, config.json says "
            f"vocab_size {vocab}; take both from the same checkpoint"
        )


# Weights


def _load(folder: Path, shapes: dict[str, tuple[int, ...]], tied: bool) -> dict[str, Array]:
    files = _files_by_tensor(folder)
    if tied and HEAD not in files and EMBEDDING in files:
        shapes = {name: size for name, size in shapes.items() if name != HEAD}
    missing = sorted(set(shapes) - set(files))
    if missing:
        raise ModelError(
            f"{folder} lacks {len(missing)} tensors, among them {', '.join(missing[:3])}; "
            "copy the checkpoint again, all shards"
        )
    tensors: dict[str, Array] = {}
    for file in sorted({files[name] for name in shapes}):
        tensors |= _load_file(file, [name for name in shapes if files[name] == file], shapes)
    return {HEAD: tensors[EMBEDDING], **tensors}


def _files_by_tensor(folder: Path) -> dict[str, Path]:
    """Tensor name -> file, from the shard index if there is one, else from the files' headers."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        weight_map = _json(_read(index), index).get("weight_map") or {}
        return {name: folder / str(file) for name, file in weight_map.items()}
    found: dict[str, Path] = {}
    for file in sorted(folder.glob("*.safetensors")):
        with _open(file) as tensors:
            found |= dict.fromkeys(tensors.keys(), file)
    if not found:
        raise ModelError(f"no *.safetensors in {folder}; convert the checkpoint to safetensors")
    return found


def _open(file: Path) -> Any:
    try:
        return safe_open(file, framework="pt")
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f"{file} is missing, truncated or corrupt ({error}); copy it again"
        ) from error


def _load_file(
    file: Path, names: list[str], shapes: dict[str, tuple[int, ...]]
) -> dict[str, Array]:
    loaded = {}
    with _open(file) as tensors:
        present = set(tensors.keys())
        for name in names:
            if name not in present:
                raise ModelError(f"{file} lacks {name}, which the index says it holds")
            loaded[name] = _float64(name, tensors.get_tensor(name), shapes[name])
    return loaded


def _float64(name: str, tensor: torch.Tensor, shape: tuple[int, ...]) -> Array:
    if tuple(tensor.shape) != shape:
        raise ModelError(f"{name} has shape {tuple(tensor.shape)}, config.json implies {shape}")
    if not tensor.is_floating_point() or tensor.element_size() < 2:
        raise ModelError(f"{name} is {tensor.dtype}; weights must be float16, bfloat16 or wider")
    if not torch.isfinite(tensor).all():
        raise ModelError(f"{name} holds NaN or infinite values; the checkpoint is damaged")
    array: Array = tensor.to(torch.float64).numpy()
    return array
