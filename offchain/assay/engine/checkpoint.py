"""Reads a Hugging Face checkpoint folder: config.json, safetensors (sharded too), tokenizer.json.

Knows file formats and tensors' names; `config` reads the sizes, `families` lists the
architectures. Whatever the files call a tensor, it goes by Llama's name from here on. Nothing is
known of integers. What cannot be represented is refused by name before a weight is read.
"""

from __future__ import annotations

import json
import math
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
from assay.engine.chat import tokenizer_hash
from assay.engine.config import MAX_EOS_TOKENS, decoder_shape
from assay.engine.families import ATTENTION, MLP, Family, family_of
from assay.exact.model import DecoderShape

Array = NDArray[np.float64]
EMBEDDING, HEAD, FINAL_NORM = "model.embed_tokens.weight", "lm_head.weight", "model.norm.weight"
NORMS = {"attn_norm": "input_layernorm", "mlp_norm": "post_attention_layernorm"}
POST_NORMS = {
    "attn_norm": "input_layernorm",
    "attn_post_norm": "post_attention_layernorm",
    "mlp_norm": "pre_feedforward_layernorm",
    "mlp_post_norm": "post_feedforward_layernorm",
}
"""A layer's norms where what it adds is normalised, too."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint's sizes and float64 weights, by Llama's Hugging Face names.

    The head is always present under `lm_head.weight`: a tied checkpoint's is its embedding. The
    embedding is as it enters the residual, and a norm's weights are all of its gain, whatever the
    files leave out.
    """

    name: str
    shape: DecoderShape
    tensors: Mapping[str, Array]
    tokenizer_hash: bytes
    config_hash: bytes


def layer_names(shape: DecoderShape, layer: int) -> dict[str, str]:
    """Short name -> Hugging Face name of one decoder layer's tensors.

    Short names are those of `exact.model.Layer`; a linear layer's bias is "q_bias" and so on.
    """
    prefix = f"model.layers.{layer}."
    linears = {x: f"{prefix}self_attn.{x}_proj" for x in ATTENTION}
    linears |= {x: f"{prefix}mlp.{x}_proj" for x in MLP}
    head_norms = ("q_norm", "k_norm") if shape.head_norm else ()
    norms = POST_NORMS if shape.post_norms else NORMS
    return {
        **{x: f"{prefix}{name}.weight" for x, name in norms.items()},
        **{x: f"{name}.weight" for x, name in linears.items()},
        **{f"{x}_bias": f"{linears[x]}.bias" for x in shape.biases},
        **{x: f"{prefix}self_attn.{x}.weight" for x in head_norms},
    }


def tensor_shapes(shape: DecoderShape) -> dict[str, tuple[int, ...]]:
    """Hugging Face name -> shape of every tensor that the model needs."""
    d, inner = shape.hidden, shape.intermediate
    wide, narrow = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    sizes: dict[str, tuple[int, ...]] = {
        "attn_norm": (d,),
        "mlp_norm": (d,),
        "attn_post_norm": (d,),
        "mlp_post_norm": (d,),
        "q": (wide, d),
        "k": (narrow, d),
        "v": (narrow, d),
        "o": (d, wide),
        "gate": (inner, d),
        "up": (inner, d),
        "down": (d, inner),
        "q_norm": (shape.head_dim,),
        "k_norm": (shape.head_dim,),
    }
    sizes |= {f"{x}_bias": sizes[x][:1] for x in shape.biases}
    shapes: dict[str, tuple[int, ...]] = {
        EMBEDDING: (shape.vocab, d),
        FINAL_NORM: (d,),
        HEAD: (shape.vocab, d),
    }
    for layer in range(shape.layers):
        shapes |= {name: sizes[short] for short, name in layer_names(shape, layer).items()}
    return shapes


def read_checkpoint(path: Path | str) -> Checkpoint:
    """Read and check a checkpoint folder.

    Raises:
        ModelError: anything missing, malformed, unsupported, or not finite; says which.
    """
    folder = Path(path)
    config_bytes = read_bytes(folder / "config.json")
    config = parse_object(config_bytes, folder / "config.json")
    shape = decoder_shape(config, _end_tokens(config, folder))
    tokenizer = folder / "tokenizer.json"
    check_vocabulary(parse_object(read_bytes(tokenizer), tokenizer), shape.vocab)
    family = family_of(config)
    tied = bool({**family.defaults, **config}.get("tie_word_embeddings", False))
    return Checkpoint(
        name=folder.resolve().name,
        shape=shape,
        tensors=_load(folder, shape, family, tied),
        tokenizer_hash=tokenizer_hash(folder),
        config_hash=sha256(config_bytes).digest(),
    )


# Configuration


def read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"cannot read {path}: {error.strerror}; a checkpoint folder holds config.json, "
            "tokenizer.json and *.safetensors"
        ) from error


def parse_object(data: bytes, path: Path) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except ValueError as error:
        raise ModelError(f"{path} is not JSON ({error}); copy the checkpoint again") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path} holds a {type(value).__name__} where an object is expected")
    return value


def _end_tokens(config: dict[str, Any], folder: Path) -> tuple[int, ...]:
    """Tokens that end an output: generation_config.json goes over config.json."""
    generation = folder / "generation_config.json"
    value = config.get("eos_token_id")
    if generation.is_file():
        value = parse_object(read_bytes(generation), generation).get("eos_token_id", value)
    tokens = [] if value is None else value if isinstance(value, list) else [value]
    if any(not isinstance(token, int) or token < 0 for token in tokens):
        raise ModelError(f"eos_token_id is {value!r}; it must be a token id or a list of them")
    if len(tokens) > MAX_EOS_TOKENS:
        raise ModelError(f"{len(tokens)} eos tokens; at most {MAX_EOS_TOKENS} are supported")
    return tuple(tokens)


def check_vocabulary(tokenizer: dict[str, Any], vocab: int) -> None:
    model = tokenizer.get("model")
    words = model.get("vocab") if isinstance(model, dict) else None
    if not isinstance(words, dict | list):
        raise ModelError("tokenizer.json has no model.vocab; it must be of the tokenizers library")
    ids = list(words.values()) if isinstance(words, dict) else list(range(len(words)))
    added = tokenizer.get("added_tokens") or []
    try:
        ids += [token["id"] for token in added]
    except (TypeError, KeyError) as error:
        raise ModelError(
            "tokenizer.json: added_tokens holds something that is no token; copy it again"
        ) from error
    if not all(isinstance(token, int) and token >= 0 for token in ids):
        raise ModelError("tokenizer.json has ids that are no natural numbers; copy it again")
    if max(ids, default=0) >= vocab:
        raise ModelError(
            f"vocabulary mismatch: tokenizer.json has token id {max(ids)}, config.json says "
            f"vocab_size {vocab}; take both from the same checkpoint"
        )


# Weights


@dataclass(frozen=True)
class _Source:
    """Where a tensor lies: `rows` of the files' tensor `name`, which has `shape`."""

    name: str
    shape: tuple[int, ...]
    rows: slice


def _sources(shape: DecoderShape, family: Family) -> dict[str, _Source]:
    """Our name -> where its values are."""
    shapes = tensor_shapes(shape)
    found = {name: _Source(name, size, slice(None)) for name, size in shapes.items()}
    for layer in range(shape.layers):
        names = layer_names(shape, layer)
        for stacked, parts in family.fused.items():
            rows = [shapes[names[part]][0] for part in parts]
            whole = (sum(rows), *shapes[names[parts[0]]][1:])
            for i, part in enumerate(parts):
                place = slice(sum(rows[:i]), sum(rows[: i + 1]))
                theirs = f"model.layers.{layer}.{stacked}.weight"
                found[names[part]] = _Source(theirs, whole, place)
    return found


def _load(folder: Path, shape: DecoderShape, family: Family, tied: bool) -> dict[str, Array]:
    files, sources = _files_by_tensor(folder), _sources(shape, family)
    if tied and HEAD not in files and EMBEDDING in files:
        del sources[HEAD]
    tensors = _load_sources(folder, files, sources)
    tensors = {HEAD: tensors[EMBEDDING], **tensors}
    if family.scaled_embedding:
        tensors[EMBEDDING] = tensors[EMBEDDING] * math.sqrt(shape.hidden)
    if family.gain_less_one:
        tensors |= {name: 1 + tensors[name] for name in tensors if name.endswith("norm.weight")}
    return tensors


def load_tensors(folder: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
    """Tensors by the files' own names, checked against their shapes."""
    sources = {name: _Source(name, size, slice(None)) for name, size in shapes.items()}
    return _load_sources(folder, _files_by_tensor(folder), sources)


def _load_sources(
    folder: Path, files: Mapping[str, Path], sources: Mapping[str, _Source]
) -> dict[str, Array]:
    missing = sorted({source.name for source in sources.values()} - set(files))
    if missing:
        raise ModelError(
            f"{folder} lacks {len(missing)} tensors, among them {', '.join(missing[:3])}; "
            "copy the checkpoint again, all shards"
        )
    tensors: dict[str, Array] = {}
    for file in sorted({files[source.name] for source in sources.values()}):
        held = {ours: source for ours, source in sources.items() if files[source.name] == file}
        tensors |= _load_file(file, held)
    return tensors


def _files_by_tensor(folder: Path) -> dict[str, Path]:
    """Tensor name -> file, from the shard index if there is one, else from the files' headers."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        weight_map = parse_object(read_bytes(index), index).get("weight_map") or {}
        if not isinstance(weight_map, dict):
            raise ModelError(
                f"{index}: weight_map is no object of tensors and files; copy it again"
            )
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


def _load_file(file: Path, sources: Mapping[str, _Source]) -> dict[str, Array]:
    loaded: dict[str, Array] = {}
    with _open(file) as tensors:
        present = set(tensors.keys())
        for name, source in sources.items():
            if source.name not in present:
                raise ModelError(f"{file} lacks {source.name}, which the index says it holds")
            loaded[name] = _float64(source, tensors.get_tensor(source.name))
    return loaded


def _float64(source: _Source, tensor: torch.Tensor) -> Array:
    name, shape = source.name, source.shape
    if tuple(tensor.shape) != shape:
        raise ModelError(f"{name} has shape {tuple(tensor.shape)}, config.json implies {shape}")
    if not tensor.is_floating_point() or tensor.element_size() < 2:
        raise ModelError(f"{name} is {tensor.dtype}; weights must be float16, bfloat16 or wider")
    if not torch.isfinite(tensor).all():
        raise ModelError(f"{name} holds NaN or infinite values; the checkpoint is damaged")
    array: Array = tensor[source.rows].to(torch.float64).numpy()
    return array
