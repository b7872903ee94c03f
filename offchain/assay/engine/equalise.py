"""Function-preserving rescaling: moves range out of weight columns into what feeds them.

A channel between a producer (norm gain, v rows, up rows) and its consumers (columns of the next
linear layers) may carry any scale: multiply the producer by f, divide the columns by f, and the
model computes the same function. `equalise` picks f so that every column's largest weight is 1.
That choice is canonical: whatever such scales a checkpoint arrives with, the result is the same,
up to the last bit of a float64. `stress` puts scales in, to show that.

Only maxima, products and quotients, so that every machine gets the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from assay.engine.checkpoint import FINAL_NORM, HEAD, Array, Checkpoint, layer_names
from assay.exact.model import DecoderShape


@dataclass(frozen=True)
class Channels:
    """A producer and the matrices whose columns it feeds.

    `bias`, if there is one, is added to what the producer gives, and so is rescaled with it.
    `per_head`: each of the producer's channels feeds the same column of every query head that
    shares its key/value head (v and o under grouped-query attention).
    """

    producer: str
    consumers: tuple[str, ...]
    per_head: bool = False
    bias: str | None = None


def channel_sets(shape: DecoderShape) -> Iterator[Channels]:
    """Every rescalable set, in an order that makes their maxima canonical.

    v and up are rows of matrices that the norms feed, so their scales are settled first.
    """
    for layer in range(shape.layers):
        names = layer_names(shape, layer)
        yield Channels(names["v"], (names["o"],), per_head=True, bias=names.get("v_bias"))
        yield Channels(names["up"], (names["down"],), bias=names.get("up_bias"))
        yield Channels(names["attn_norm"], (names["q"], names["k"], names["v"]))
        yield Channels(names["mlp_norm"], (names["gate"], names["up"]))
    yield Channels(FINAL_NORM, (HEAD,))


def equalise(checkpoint: Checkpoint) -> Checkpoint:
    """The same function with every consumer column's largest weight 1 (all-zero columns stay)."""
    return _rescale(checkpoint, lambda peak: np.where(peak > 0, peak, 1.0))


def stress(checkpoint: Checkpoint, limit: float, seed: int = 0) -> Checkpoint:
    """The same function with outliers: a log-uniform factor in [1, limit] for each channel."""
    random = np.random.default_rng(seed)
    return _rescale(checkpoint, lambda peak: limit ** random.random(peak.shape))


def _rescale(checkpoint: Checkpoint, choose: Callable[[Array], Array]) -> Checkpoint:
    """`choose` gets each channel's largest absolute weight in the consumers, gives its factor."""
    tensors = dict(checkpoint.tensors)
    for channels in channel_sets(checkpoint.shape):
        columns = _columns(tensors, channels, checkpoint.shape)
        factor = choose(columns)
        spread = _spread(factor, channels, checkpoint.shape)
        for name in channels.consumers:
            tensors[name] = tensors[name] / spread
        producer = tensors[channels.producer]
        tensors[channels.producer] = producer * factor.reshape(-1, *[1] * (producer.ndim - 1))
        if channels.bias:
            tensors[channels.bias] = tensors[channels.bias] * factor
    return replace(checkpoint, tensors=tensors)


def _columns(tensors: dict[str, Array], channels: Channels, shape: DecoderShape) -> Array:
    peaks = [np.abs(tensors[name]).max(axis=0) for name in channels.consumers]
    peak: Array = np.maximum.reduce(peaks)
    if channels.per_head:
        peak = peak.reshape(shape.kv_heads, -1, shape.head_dim).max(axis=1).reshape(-1)
    return peak


def _spread(factor: Array, channels: Channels, shape: DecoderShape) -> Array:
    """A factor per producer channel -> one per consumer column."""
    if not channels.per_head:
        return factor
    heads = factor.reshape(shape.kv_heads, 1, shape.head_dim)
    return heads.repeat(shape.heads // shape.kv_heads, axis=1).reshape(-1)
