"""TinyLlama-1.1B's shapes with random weights, the same for every program that is measured.

Only numpy is at hand here: the file is also read in the peers' environment.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True)
class Sizes:
    vocab: int = 32000
    hidden: int = 2048
    layers: int = 22
    heads: int = 32
    kv_heads: int = 4
    head_dim: int = 64
    intermediate: int = 5632
    context: int = 2048
    eps: float = 1e-5
    theta: float = 10000.0

    @property
    def kv_width(self) -> int:
        return self.kv_heads * self.head_dim


def tensors(sizes: Sizes, seed: int = 1) -> Iterator[tuple[str, Floats]]:
    """(Hugging Face name, float32 values), one at a time; gains are 1."""
    s = sizes
    rng = np.random.default_rng(seed)

    def matrix(out: int, width: int) -> Floats:
        values: Floats = rng.standard_normal((out, width), dtype=np.float32)
        values *= np.float32(0.7 / np.sqrt(width))
        return values

    ones = np.ones(s.hidden, dtype=np.float32)
    yield "model.embed_tokens.weight", matrix(s.vocab, s.hidden)
    for i in range(s.layers):
        at = f"model.layers.{i}."
        yield at + "input_layernorm.weight", ones
        yield at + "self_attn.q_proj.weight", matrix(s.hidden, s.hidden)
        yield at + "self_attn.k_proj.weight", matrix(s.kv_width, s.hidden)
        yield at + "self_attn.v_proj.weight", matrix(s.kv_width, s.hidden)
        yield at + "self_attn.o_proj.weight", matrix(s.hidden, s.hidden)
        yield at + "post_attention_layernorm.weight", ones
        yield at + "mlp.gate_proj.weight", matrix(s.intermediate, s.hidden)
        yield at + "mlp.up_proj.weight", matrix(s.intermediate, s.hidden)
        yield at + "mlp.down_proj.weight", matrix(s.hidden, s.intermediate)
    yield "model.norm.weight", ones
    yield "lm_head.weight", matrix(s.vocab, s.hidden)
