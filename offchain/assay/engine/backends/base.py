"""What a backend must do: the fused steps that `forward.Decoder` puts together.

A backend holds one model's weights in the form that its kernels like and computes the opcodes of
`assay.exact.ops`, several to a step, to the same bits. Its tensors are its own affair: the pass in
`forward.py` hands what one step returns to the next and looks into none of it, but for two things
that every backend's have: residuals and logits are tensors (R, width) of integers within int32, of
whatever dtype, and `Rows` can be read.

What a step returns may lie in memory that the same step of the same cache uses again, so it is
good until that step is called again; the residual that `linear` or `norm_onto` adds to is
consumed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from assay.exact.model import ExactModel, Layer, Linear, Norm

Prepared = Any
"""A backend's own form of a `Linear` or `Norm`: made and read by that backend alone."""
Queries = Any
"""What `store` hands to `attend`."""


PAGE = 64
"""Positions of a page, the unit in which caches are handed out."""


def pages_for(positions: int) -> int:
    """Pages that so many positions take."""
    return -(-positions // PAGE)


@dataclass(frozen=True)
class Segment:
    """`tokens` of one sequence, the first of them at position `start`.

    Position p of the sequence lies in page `pages[p // PAGE]` of the cache. A sequence that has a
    cache to itself takes `range(cache.pages)`.
    """

    pages: Sequence[int]
    start: int
    tokens: Sequence[int]

    @property
    def end(self) -> int:
        """The position after the last."""
        return self.start + len(self.tokens)

    def table(self) -> Sequence[int]:
        """The pages that the segment writes or sees."""
        needed = pages_for(self.end)
        if len(self.pages) < needed:
            raise ValueError(f"{self.end} positions need {needed} pages, not {len(self.pages)}")
        return self.pages if len(self.pages) == needed else self.pages[:needed]


class Rows(Protocol):
    """Quantised rows: real = values * 2**exponents. 16 bits: values (R, K) within +-32515,
    exponents (R, 1) in [-15, 17]; 8 bits: within +-127, in [-7, 25]."""

    @property
    def values(self) -> Tensor: ...

    @property
    def exponents(self) -> Tensor: ...


class Cache(Protocol):
    """Keys and values in a fixed number of pages; which sequence owns which is not its affair."""

    @property
    def pages(self) -> int: ...


class Run(Protocol):
    """One pass's rows and where they belong, made by `Backend.begin`."""

    @property
    def segments(self) -> Sequence[Segment]: ...


@dataclass(frozen=True)
class LayerWeights:
    """One decoder layer; `qkv` and `gate_up` are stacked, since they share their input.

    head_norms: of queries and of keys, if the model has them; post norms: of what the layer's
    halves add to the residual.
    """

    attn_norm: Prepared
    qkv: Prepared
    o: Prepared
    mlp_norm: Prepared
    gate_up: Prepared
    down: Prepared
    scalars: Layer
    head_norms: tuple[Prepared, Prepared] | None = None
    attn_post_norm: Prepared | None = None
    mlp_post_norm: Prepared | None = None


class Backend(Protocol):
    """One model, ready to run.

    Rows have the bits that the model gives their product's input: those of `norm` what
    `prepare_norm` was told, those of `attend` and `gate` their layer's `o_input_bits` and
    `product_bits`. `linear` takes rows of either.

    T is the number of the pass's rows, R any number of rows, d the hidden size.
    """

    name: str
    final_norm: Prepared
    head: Prepared

    @property
    def layers(self) -> Sequence[LayerWeights]: ...

    def new_cache(self, pages: int) -> Cache:
        """A cache of so many pages, each of PAGE positions."""
        ...

    def begin(self, cache: Any, segments: Sequence[Segment]) -> Any:
        """Place the segments' rows in the cache's pages: a `Run`."""
        ...

    def play(self, run: Any, steps: Callable[[], Tensor]) -> Tensor:
        """The outcome of the pass's steps: by running them, or by repeating what an earlier run of
        the same steps recorded."""
        ...

    def embed(self, run: Any) -> Tensor:
        """EMBED: the residual rows of the pass's tokens (T, d)."""
        ...

    def quantise(self, x: Tensor, bits: int = 16) -> Rows:
        """EXPONENT and QUANT of rows (R, K) to 16 or 8 bits."""
        ...

    def norm(self, x: Tensor, weights: Prepared) -> Rows:
        """EXPONENT, RMS, NORM of residual rows (R, d), then EXPONENT and QUANT of the result."""
        ...

    def linear(self, rows: Any, weights: Prepared, onto: Tensor | None = None) -> Tensor:
        """LINEAR (R, K) -> (R, J), and BIAS where there is one; with `onto` (R, J), the residual,
        then ADD to it."""
        ...

    def norm_onto(self, x: Tensor, weights: Prepared, onto: Tensor) -> Tensor:
        """EXPONENT, RMS, NORM of rows (R, d), then ADD to `onto` (R, d), the residual."""
        ...

    def cap(self, logits: Tensor) -> Tensor:
        """SOFTCAP of the head's output (R, vocab), which is consumed, where the model has it."""
        ...

    def store(self, index: int, qkv: Tensor, run: Any) -> Queries:
        """NORM of each head where the layer has it, ROPE, EXPONENT, QUANT of queries and keys,
        TRANSPOSE of values; layer `index`'s keys and
        values go into the cache."""
        ...

    def attend(self, index: int, queries: Queries, run: Any) -> Rows:
        """SCORES, SOFTCAP where the layer has it, ROWMAX, EXP2, SUM, ATTEND (T, H * hd), then
        EXPONENT and QUANT of the result."""
        ...

    def gate(self, index: int, gate_up: Tensor) -> Rows:
        """SILU_GATE or GELU_GATE of (R, 2 * intermediate), then EXPONENT and QUANT of the
        result."""
        ...


class Preparing(Protocol):
    """The two conversions that `prepare_layers` needs."""

    def prepare_linear(self, *parts: Linear) -> Prepared:
        """Several layers that share their input, stacked by output channel."""
        ...

    def prepare_norm(self, norm: Norm, bits: int = 16) -> Prepared:
        """A norm; `bits` is what `Backend.norm` quantises its result to."""
        ...


def prepare_layers(model: ExactModel, backend: Preparing) -> tuple[LayerWeights, ...]:
    """Every layer's weights in a backend's own form."""
    return tuple(_prepare_layer(layer, backend) for layer in model.layers)


def _prepare_layer(layer: Layer, backend: Preparing) -> LayerWeights:
    head_norms = None
    if layer.q_norm and layer.k_norm:
        head_norms = backend.prepare_norm(layer.q_norm), backend.prepare_norm(layer.k_norm)
    return LayerWeights(
        attn_norm=backend.prepare_norm(layer.attn_norm, layer.attn_input_bits),
        qkv=backend.prepare_linear(layer.q, layer.k, layer.v),
        o=backend.prepare_linear(layer.o),
        mlp_norm=backend.prepare_norm(layer.mlp_norm, layer.mlp_input_bits),
        gate_up=backend.prepare_linear(layer.gate, layer.up),
        down=backend.prepare_linear(layer.down),
        scalars=layer,
        head_norms=head_norms,
        attn_post_norm=layer.attn_post_norm and backend.prepare_norm(layer.attn_post_norm),
        mlp_post_norm=layer.mlp_post_norm and backend.prepare_norm(layer.mlp_post_norm),
    )
