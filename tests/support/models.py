"""Small random integer models that exercise every opcode, and several chunks per reduction."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from assay.core.types import ENCODER_OPS, Op
from assay.exact.encoder import EncoderLayer, EncoderModel, EncoderShape, LayerNorm, WideLinear
from assay.exact.model import DecoderShape, ExactModel, Layer, Linear, Norm, Softcap
from assay.exact.sampling import gumbel_table

SMALL = DecoderShape(
    vocab=1100, hidden=64, layers=2, heads=4, kv_heads=2, head_dim=16, intermediate=600,
    context=1200, eos_tokens=(0,), rope_theta=10000.0, rms_eps=1e-5,
)  # fmt: skip
UNCAPPED = replace(SMALL, biases=("q", "k", "v", "o", "up"), head_norm=True, windows=(40, 0))
"""With what distinguishes Mistral, Qwen and Phi from Llama."""
FULL = replace(
    UNCAPPED, activation="gelu_pytorch_tanh", post_norms=True, score_cap=5.0, logit_cap=48.0
)
"""With every feature of a decoder."""
FULL_OPS = sorted({*Op} - ENCODER_OPS - {Op.SILU_GATE})
"""Opcodes of its program: a decoder has one kind of gate."""
_RESIDUAL_FRACTION = 20


def random_model(shape: DecoderShape = SMALL, seed: int = 7) -> ExactModel:
    """Random weights with shifts that keep every tensor well inside its range."""
    rng = np.random.default_rng(seed)
    d, kv_width = shape.hidden, shape.kv_heads * shape.head_dim
    inner = shape.intermediate

    def linear(name: str, out: int, width: int) -> Linear:
        return _linear(rng, out, width, name in shape.biases)

    def layer(index: int) -> Layer:
        return Layer(
            attn_norm=_norm(rng, shape, d),
            q=linear("q", d, d),
            k=linear("k", kv_width, d),
            v=linear("v", kv_width, d),
            v_shift=7,
            score_mantissa=47274,
            score_shift=40,
            o=linear("o", d, d),
            mlp_norm=_norm(rng, shape, d),
            gate=linear("gate", inner, d),
            up=linear("up", inner, d),
            gate_fraction=16,
            product_shift=14,
            down=linear("down", d, inner),
            q_norm=_norm(rng, shape, shape.head_dim) if shape.head_norm else None,
            k_norm=_norm(rng, shape, shape.head_dim) if shape.head_norm else None,
            window=shape.window(index),
            score_cap=_cap(shape.score_cap, 16),
            attn_post_norm=_norm(rng, shape, d) if shape.post_norms else None,
            mlp_post_norm=_norm(rng, shape, d) if shape.post_norms else None,
        )

    layers = tuple(layer(index) for index in range(shape.layers))
    return ExactModel(
        name="random",
        shape=shape,
        embedding=rng.integers(-(2**14), 2**14, (shape.vocab, d)).astype(np.int16),
        embedding_shift=4,
        layers=layers,
        final_norm=_norm(rng, shape, d),
        head=_linear(rng, shape.vocab, d, False),
        logit_fraction=14,
        rope=rope_table(shape),
        gumbel=gumbel_table(),
        tokenizer_hash=bytes(range(32)),
        config_hash=bytes(reversed(range(32))),
        logit_cap=_cap(shape.logit_cap, 14),
    )


def with_digits(model: ExactModel) -> ExactModel:
    """Inputs of 8 bits: all in the first layer, none in the second, each kind once in the rest."""
    kinds = ("attn_input_bits", "o_input_bits", "mlp_input_bits", "product_bits")
    layers = [
        replace(layer, **{kind: 8 for k, kind in enumerate(kinds) if index == 0 or index - 2 == k})
        for index, layer in enumerate(model.layers)
    ]
    return replace(model, layers=tuple(layers), final_input_bits=8)


ENCODER = EncoderShape(
    vocab=900, hidden=48, layers=2, heads=3, head_dim=16, intermediate=560, context=600,
    norm_eps=1e-12,
)  # fmt: skip


def random_encoder(shape: EncoderShape = ENCODER, seed: int = 11) -> EncoderModel:
    """Random weights; rows after a norm are around 2**20."""
    rng = np.random.default_rng(seed)
    d, inner = shape.hidden, shape.intermediate

    def wide(out: int, width: int) -> WideLinear:
        fine = _linear(rng, out, width, False)
        bias = rng.integers(-(2**22), 2**22, out).astype(np.int32)
        return WideLinear(
            _linear(rng, out, width, False), replace(fine, shift=fine.shift + 8), bias
        )

    def norm() -> LayerNorm:
        gain = rng.integers(-(2**30), 2**30, d).astype(np.int32)
        bias = rng.integers(-(2**20), 2**20, d).astype(np.int32)
        return LayerNorm(Norm(gain=gain, shift=28, eps=48), bias)

    def layer() -> EncoderLayer:
        return EncoderLayer(
            q=wide(d, d),
            k=wide(d, d),
            v=wide(d, d),
            v_shift=7,
            score_mantissa=47274,
            score_shift=40,
            o=wide(d, d),
            attn_norm=norm(),
            up=wide(inner, d),
            gelu_fraction=18,
            gelu_shift=2,
            down=wide(d, inner),
            output_norm=norm(),
        )

    return EncoderModel(
        name="random encoder",
        shape=shape,
        embedding=rng.integers(-(2**14), 2**14, (shape.vocab, d)).astype(np.int16),
        embedding_shift=4,
        positions=rng.integers(-(2**20), 2**20, (shape.context, d)).astype(np.int32),
        embedding_norm=norm(),
        layers=tuple(layer() for _ in range(shape.layers)),
        pool_shift=8,
        unit=Norm(gain=np.full(d, round(2**30 / d**0.5), dtype=np.int32), shift=26, eps=0),
        tokenizer_hash=bytes(32),
        config_hash=bytes(32),
    )


def rope_table(shape: DecoderShape) -> np.ndarray:
    """Q14 cosines then sines, (context, head_dim) int16."""
    half = shape.head_dim // 2
    frequency = shape.rope_theta ** (-np.arange(half) / half)
    angle = np.arange(shape.context)[:, None] * frequency[None]
    table = np.concatenate([np.cos(angle), np.sin(angle)], axis=1)
    return np.rint(table * 16384).astype(np.int16)


def _linear(rng: np.random.Generator, out: int, width: int, has_bias: bool) -> Linear:
    return Linear(
        weight=rng.integers(-128, 128, (out, width)).astype(np.int8),
        mantissa=rng.integers(2**15, 2**16, out).astype(np.int32),
        shift=(27 + rng.integers(0, 3, out)).astype(np.int32),
        bias=rng.integers(-(2**22), 2**22, out).astype(np.int32) if has_bias else None,
    )


def _cap(cap: float | None, fraction: int) -> Softcap | None:
    return None if cap is None else Softcap.of(round(cap * 2**fraction))


def _norm(rng: np.random.Generator, shape: DecoderShape, width: int) -> Norm:
    eps = round(width * shape.rms_eps * 2 ** (2 * _RESIDUAL_FRACTION))
    gain = rng.integers(-(2**30), 2**30, width).astype(np.int32)
    return Norm(gain=gain, shift=28, eps=eps)
