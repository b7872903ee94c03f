"""The models that `serving` measures: the shipped one, and one of TinyLlama's shapes.

None has end tokens, so that every run makes as many tokens as it asks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from assay.engine.importer import SHIPPED_MODEL, import_checkpoint
from assay.engine.tokenizer import Tokenizer
from assay.exact.model import ExactModel, Layer, Linear
from assay.exact.sampling import gumbel_table
from scripts.bench.llama_shape import Sizes
from scripts.bench.worker_exact import exact_model

SHIPPED, LARGE = "shipped", "tinyllama"
NAMES = (SHIPPED, LARGE)
CORE = 4
"""Layers of the large model that say nearly everything, and that are its draft."""
DAMPING = 5
"""The layers after those add to the residual 2**-DAMPING of what they would."""


def load(name: str) -> ExactModel:
    if name == LARGE:
        return nested(exact_model(Sizes()))
    model = import_checkpoint(SHIPPED_MODEL)
    return replace(model, shape=replace(model.shape, eos_tokens=()))


def nested(model: ExactModel) -> ExactModel:
    """A model whose first layers are a good draft of it, as random weights give none.

    It takes the time of any model of its shape; how often the draft is right is its construction's
    doing, and says nothing of trained models.
    """
    later = tuple(_damped(layer) for layer in model.layers[CORE:])
    return replace(model, layers=(*model.layers[:CORE], *later), gumbel=gumbel_table())


def first_layers(model: ExactModel, count: int) -> ExactModel:
    return replace(model, layers=model.layers[:count], shape=replace(model.shape, layers=count))


def prompts(model: ExactModel, length: int) -> Iterator[list[int]]:
    """Different pieces of the shipped model's held-out text, or random tokens, over and over."""
    rng = np.random.default_rng(length)
    if model.name == "tinyllama-shapes":
        while True:
            yield rng.integers(0, model.shape.vocab, length).tolist()
    text = (SHIPPED_MODEL / "heldout.txt").read_text(encoding="utf-8")
    tokens = Tokenizer.of_checkpoint(SHIPPED_MODEL).encode(text)[1:]
    while True:
        at = int(rng.integers(0, len(tokens) - length))
        yield tokens[at : at + length]


def _damped(layer: Layer) -> Layer:
    def less(linear: Linear) -> Linear:
        return replace(linear, shift=linear.shift + np.int32(DAMPING))

    return replace(layer, o=less(layer.o), down=less(layer.down))
