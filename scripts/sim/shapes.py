"""What a pass of a model takes, counted on its program: products, elements, bytes that are hashed.

A program depends on a model's sizes alone, so it is built from hollow tensors, which have shapes
and no values. Nothing here measures anything; rates are in `rates.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from assay.core.types import Op, Step
from assay.exact.model import DecoderShape, ExactModel, Layer, Linear, Norm
from assay.trace.builder import Program
from assay.trace.program import build_program

Integer = TypeVar("Integer", bound=np.signedinteger[Any])


def _decoder(hidden: int, layers: int, heads: int, intermediate: int, vocab: int) -> DecoderShape:
    return DecoderShape(
        vocab=vocab,
        hidden=hidden,
        layers=layers,
        heads=heads,
        kv_heads=min(heads, 8),
        head_dim=hidden // heads,
        intermediate=intermediate,
        context=131_072,
        eos_tokens=(2,),
        rope_theta=500_000.0,
        rms_eps=1e-5,
    )


SHAPES = {
    "1B": _decoder(2_048, 16, 32, 8_192, 128_256),
    "8B": _decoder(4_096, 32, 32, 14_336, 128_256),
    "70B": _decoder(8_192, 80, 64, 28_672, 128_256),
}
"""Llama 3's, by name."""


@dataclass(frozen=True)
class Pass:
    """One pass over `positions` tokens.

    products    multiplications of integers: LINEAR, SCORES and ATTEND
    elements    of all steps' outputs
    hashed      bytes of these, as they lie in the trace's leaves
    """

    positions: int
    products: int
    elements: int
    hashed: int


def work(shape: DecoderShape, positions: int) -> Pass:
    """What tracing one pass takes; all positions up to a claim's disputed token belong to it."""
    program = hollow_program(shape)
    products = elements = hashed = 0
    for step in program.steps:
        rows = step.rows * (positions if step.per_position else 1)
        count = rows * (step.width or positions)
        elements += count
        hashed += count * step.elem_bytes
        products += count * _terms(step, shape, positions)
    return Pass(positions, products, elements, hashed)


def _terms(step: Step, shape: DecoderShape, positions: int) -> int:
    """Products behind one element of a step."""
    if step.opcode == Op.LINEAR:
        return step.params[0]
    if step.opcode == Op.SCORES:
        return shape.head_dim
    return positions if step.opcode == Op.ATTEND else 0


def weight_bytes(shape: DecoderShape) -> int:
    """int8 weights that one decoded token reads."""
    program = hollow_program(shape)
    return sum(t.values.size for t in program.weights if t.name.endswith(".weight"))


@cache
def hollow_program(shape: DecoderShape) -> Program:
    """The program of a model of these sizes; tensors take no memory and mean nothing."""
    norm = Norm(_hollow(np.int32, shape.hidden), 0, 0)
    return build_program(
        ExactModel(
            name="hollow",
            shape=shape,
            embedding=_hollow(np.int16, shape.vocab, shape.hidden),
            embedding_shift=0,
            layers=(_layer(shape, norm),) * shape.layers,
            final_norm=norm,
            head=_linear(shape.vocab, shape.hidden),
            logit_fraction=0,
            rope=_hollow(np.int16, shape.context, shape.head_dim),
            gumbel=_hollow(np.int32, 128, 128),
            tokenizer_hash=bytes(32),
            config_hash=bytes(32),
        )
    )


def _layer(shape: DecoderShape, norm: Norm) -> Layer:
    hidden, inner = shape.hidden, shape.intermediate
    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    head_norm = Norm(_hollow(np.int32, shape.head_dim), 0, 0) if shape.head_norm else None
    return Layer(
        attn_norm=norm,
        q=_linear(queries, hidden),
        k=_linear(keys, hidden),
        v=_linear(keys, hidden),
        v_shift=0,
        score_mantissa=0,
        score_shift=0,
        o=_linear(hidden, queries),
        mlp_norm=norm,
        gate=_linear(inner, hidden),
        up=_linear(inner, hidden),
        gate_fraction=0,
        product_shift=0,
        down=_linear(hidden, inner),
        q_norm=head_norm,
        k_norm=head_norm,
    )


def _linear(out: int, width: int) -> Linear:
    vector = _hollow(np.int32, out)
    return Linear(_hollow(np.int8, out, width), vector, vector)


def _hollow(kind: type[Integer], *sizes: int) -> NDArray[Integer]:
    return np.broadcast_to(kind(0), sizes)
