"""Models of 8B's and 70B's shapes, of which only the tensors that games open are in memory.

The program is the whole model's, step by step, so that every tree of a game is as deep as it would
be. A weight that some game opens is random integers of full size under its real tree; any other is
a hash drawn at random, which is all that a game ever sees of it.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from assay.core.hashes import list_root, step_leaf
from assay.core.merkle import MerkleTree
from assay.core.types import Hash, Model, Opening
from assay.exact.model import DecoderShape, ExactModel, Layer, Linear, Norm
from assay.exact.sampling import gumbel_table
from assay.trace.builder import Integers, Program, Tensor
from assay.trace.commitment import Commitment, CommittedTensor, TensorList
from assay.trace.program import build_program

LLAMA_8B = DecoderShape(
    vocab=128_256, hidden=4_096, layers=32, heads=32, kv_heads=8, head_dim=128,
    intermediate=14_336, context=131_072, eos_tokens=(128_001,), rope_theta=5e5, rms_eps=1e-5,
)  # fmt: skip
LLAMA_70B = replace(LLAMA_8B, hidden=8_192, layers=80, heads=64, intermediate=28_672)


class PartlyKnown(TensorList):
    """Tensors under one root, of which only some are in memory.

    Args:
        count: of all tensors.
        known: those in memory, by their places.
    """

    def __init__(self, count: int, known: Mapping[int, Tensor], draw: random.Random) -> None:
        self._known = {i: CommittedTensor(t.values, t.elem_bytes) for i, t in known.items()}
        leaves = [
            self._known[i].commitment if i in self._known else draw.randbytes(32)
            for i in range(count)
        ]
        self.tree = MerkleTree(leaves)

    @property
    def root(self) -> Hash:
        return list_root(self.tree.count, self.tree.root)

    def open(self, index: int, row: int, column: int) -> Opening:
        return self._known[index].open(row, column, self.tree.path(index))


class WideCommitment(Commitment):
    """A whole model's program over weights that are known as far as games open them.

    Args:
        known: names of the weights to draw.
    """

    model: ExactModel

    def __init__(self, shape: DecoderShape, known: Iterable[str], seed: int = 1) -> None:
        self.model = _hollow_model(shape)
        self.program = build_program(self.model)
        drawn = _draw(self.program, set(known), seed)
        for place, tensor in drawn.items():
            self.program.weights[place] = tensor
        draw = random.Random(seed)
        gumbel = self.program.gumbel_table
        tables = {gumbel: self.program.tables[gumbel]}
        self.weights = PartlyKnown(len(self.program.weights), drawn, draw)
        self.tables = PartlyKnown(len(self.program.tables), tables, draw)
        self.steps_tree = MerkleTree([step_leaf(step) for step in self.program.steps])

    @property
    def header(self) -> Model:
        return self._header(self.model.logit_fraction, self.model.shape.eos_tokens)


def _draw(program: Program, names: set[str], seed: int) -> dict[int, Tensor]:
    """Random values for the named weights; scales are in the range of honest ones."""
    found: dict[int, Tensor] = {}
    for place, tensor in enumerate(program.weights):
        if tensor.name in names:
            rng = np.random.default_rng([seed, place])
            found[place] = replace(tensor, values=_values(rng, tensor))
    missing = names - {tensor.name for tensor in found.values()}
    if missing:
        raise KeyError(f"no weights of these names in the program: {sorted(missing)}")
    return found


def _values(rng: np.random.Generator, tensor: Tensor) -> Integers:
    rows, width = tensor.values.shape
    if tensor.name.endswith(".scale"):
        mantissa, shift = rng.integers(2**15, 2**16, rows), rng.integers(32, 35, rows)
        scales: Integers = np.stack([mantissa, shift], axis=1).astype(np.int32)
        return scales
    if tensor.elem_bytes == 1:
        return rng.integers(-128, 128, (rows, width), dtype=np.int8)
    return rng.integers(-(2**30), 2**30, (rows, width), dtype=np.int32)


def _zeros(kind: type[np.signedinteger[Any]], *shape: int) -> Any:
    """An array that takes no memory."""
    return np.broadcast_to(kind(0), shape)


def _hollow_model(shape: DecoderShape) -> ExactModel:
    """The shape's model without its integers; its shifts are those of a usual model."""
    norm = Norm(gain=_zeros(np.int32, shape.hidden), shift=28, eps=48)
    return ExactModel(
        name=f"{shape.layers} layers of {shape.hidden}",
        shape=shape,
        embedding=_zeros(np.int16, shape.vocab, shape.hidden),
        embedding_shift=4,
        layers=(_hollow_layer(shape, norm),) * shape.layers,
        final_norm=norm,
        head=_hollow_linear(shape.vocab, shape.hidden),
        logit_fraction=14,
        rope=_zeros(np.int16, shape.context, shape.head_dim),
        gumbel=gumbel_table(),
        tokenizer_hash=bytes(range(32)),
        config_hash=bytes(reversed(range(32))),
    )


def _hollow_layer(shape: DecoderShape, norm: Norm) -> Layer:
    d, inner, kv_width = shape.hidden, shape.intermediate, shape.kv_heads * shape.head_dim
    return Layer(
        attn_norm=norm,
        q=_hollow_linear(d, d),
        k=_hollow_linear(kv_width, d),
        v=_hollow_linear(kv_width, d),
        v_shift=7,
        score_mantissa=47274,
        score_shift=40,
        o=_hollow_linear(d, d),
        mlp_norm=norm,
        gate=_hollow_linear(inner, d),
        up=_hollow_linear(inner, d),
        gate_fraction=16,
        product_shift=14,
        down=_hollow_linear(d, inner),
    )


def _hollow_linear(out: int, width: int) -> Linear:
    return Linear(_zeros(np.int8, out, width), _zeros(np.int32, out), _zeros(np.int32, out))
