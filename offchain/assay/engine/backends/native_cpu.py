"""The backend in C++: int32 tensors, weights packed for the machine's vectors; see `native`.

Structures are filled in once per weight, cache and pass, so that a step costs one foreign call.
Rows and outputs lie in memory that each cache keeps and its passes use again; the residual and the
logits are fresh.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from assay.engine.backends.base import PAGE, LayerWeights, Segment, prepare_layers
from assay.engine.native.library import (
    ACTIVATIONS,
    AttentionStruct,
    Kernels,
    KeysValuesStruct,
    NormStruct,
    RowsStruct,
    RunStruct,
    SegmentStruct,
    ShapeStruct,
    SoftcapStruct,
    WeightsStruct,
)
from assay.exact.model import DecoderShape, ExactModel, Linear, Norm, Softcap
from assay.exact.ops import mean_square_eps

GRANULE = 64
"""Row widths are padded to multiples of this."""
BLOCK = 16
MAX_HEAD_DIM = 512
"""Sums of the digits of so many elements' products fit int32, see products_avx512.hpp."""


def _round_up(n: int, to: int) -> int:
    return -(-n // to) * to


@dataclass(frozen=True)
class NativeWeights:
    """A packed linear layer; `struct` points into the tensors."""

    packed: Tensor
    mantissa: Tensor
    shift: Tensor
    bias: Tensor | None
    outputs: int
    width: int
    struct: WeightsStruct
    address: int


@dataclass(frozen=True)
class NativeNorm:
    """A norm; `bits` of what is quantised after it."""

    gain: Tensor
    eps_terms: Tensor
    width: int
    bits: int
    struct: NormStruct
    address: int


class NativeRows:
    """Room for quantised rows of 16 or 8 bits, of which the first `count` are in use."""

    def __init__(self, capacity: int, width: int, digit_planes: bool, bits: int = 16) -> None:
        self._planes = bits // 8 if digit_planes else 0
        self._padded = _round_up(width, GRANULE)
        stride = (self._planes or 2) * self._padded
        self._values = torch.empty(capacity, stride, dtype=torch.uint8)
        self._exponents = torch.empty(capacity, dtype=torch.int32)
        self._sums = torch.empty(capacity, bits // 8, dtype=torch.int32)
        self.capacity, self.width, self.count = capacity, width, 0
        self.struct = RowsStruct(
            self._values.data_ptr(),
            self._exponents.data_ptr(),
            self._sums.data_ptr(),
            stride,
            width,
            bits,
        )
        self.address = self.struct.address

    @property
    def values(self) -> Tensor:
        """(count, width) int16, a copy."""
        used = self._values[: self.count]
        if not self._planes:
            return used.view(torch.int16)[:, : self.width].clone()
        digits = used.view(torch.int8).to(torch.int16)
        first = digits[:, : self.width]
        if self._planes == 1:
            return first
        return first * 256 + digits[:, self._padded :][:, : self.width]

    @property
    def exponents(self) -> Tensor:
        """(count, 1) int32, a copy."""
        return self._exponents[: self.count, None].clone()


class NativeCache:
    """Keys and values in the layout of `assay.hpp`, and what passes over them work in."""

    def __init__(self, shape: DecoderShape, pages: int, memory: _Memory) -> None:
        self.pages, self.memory = pages, memory
        head_dim, outer = shape.head_dim, (shape.kv_heads, pages)
        wide = _round_up(head_dim, BLOCK)
        self._layers = [
            (
                torch.zeros(*outer, PAGE // BLOCK, head_dim // 2, BLOCK, 2, dtype=torch.int16),
                torch.zeros(*outer, PAGE // 2, wide, 2, dtype=torch.int16),
                torch.zeros(*outer, PAGE, dtype=torch.int8),
            )
            for _ in range(shape.layers)
        ]
        self._structs = [
            KeysValuesStruct(*(part.data_ptr() for part in layer), pages) for layer in self._layers
        ]
        self.addresses = [struct.address for struct in self._structs]


class NativeRun:
    """One pass's rows; `struct` points into the tensors."""

    def __init__(
        self, segments: Sequence[Segment], cache: NativeCache, rope: Tensor, memory: _Memory
    ) -> None:
        self.segments, self.cache = segments, cache
        counts = [len(segment.tokens) for segment in segments]
        firsts = np.cumsum([0, *counts])
        self.count = int(firsts[-1])
        self.tokens = torch.tensor([t for segment in segments for t in segment.tokens])
        starts = np.repeat(np.array([s.start for s in segments], np.int32), counts)
        offsets = np.arange(self.count, dtype=np.int32) - np.repeat(firsts[:-1], counts)
        self._positions = (starts + offsets).astype(np.int32)
        tables = [segment.table() for segment in segments]
        heads = np.cumsum([0, *map(len, tables)])
        self._tables = np.array([page for table in tables for page in table], np.int32)
        self._pages = self._tables[np.repeat(heads[:-1], counts) + self._positions // PAGE]
        self._segments = (SegmentStruct * len(segments))(
            *(
                SegmentStruct(row, count, segment.start, self._tables.ctypes.data + 4 * head)
                for row, count, segment, head in zip(
                    firsts.tolist(), counts, segments, heads.tolist(), strict=False
                )
            )
        )
        self._memory = memory.attention(self.count)
        self.struct = RunStruct(
            self._segments,
            len(segments),
            self.count,
            self._pages.ctypes.data,
            self._positions.ctypes.data,
            rope.data_ptr(),
            *(part.data_ptr() for part in self._memory),
        )
        self.address = self.struct.address


class _Memory:
    """What steps write to, by use and width; grows to the most rows seen."""

    def __init__(self, shape: DecoderShape, digit_planes: bool) -> None:
        self._shape, self._planes = shape, digit_planes
        self._rows: dict[tuple[str, int, int], NativeRows] = {}
        self._outputs: dict[int, Tensor] = {}
        self._attention: tuple[Tensor, ...] = ()

    def rows(self, use: str, count: int, width: int, bits: int) -> NativeRows:
        rows = self._rows.get((use, width, bits))
        if rows is None or rows.capacity < count:
            rows = self._rows[use, width, bits] = NativeRows(count, width, self._planes, bits)
        rows.count = count
        return rows

    def output(self, count: int, width: int) -> Tensor:
        out = self._outputs.get(width)
        if out is None or out.shape[0] < count:
            out = self._outputs[width] = torch.empty(count, width, dtype=torch.int32)
        return out if out.shape[0] == count else out[:count]

    def attention(self, count: int) -> tuple[Tensor, ...]:
        """Queries, their exponents, mixed values."""
        if not self._attention or self._attention[0].shape[0] < count:
            wide = self._shape.heads * self._shape.head_dim
            self._attention = (
                torch.empty(count, 2 * wide, dtype=torch.int16),
                torch.empty(count, self._shape.heads, dtype=torch.int32),
                torch.empty(count, wide, dtype=torch.int32),
            )
        return self._attention


class NativeBackend:
    """See `base.Backend`.

    Args:
        isa: the instruction set, see `native.library.isas`; None takes the best.
        threads: threads of a step, the calling one included; None takes as many as torch.
        pin: whether each of them stays on one processor.
    """

    name = "native"

    def __init__(
        self,
        model: ExactModel,
        isa: str | None = None,
        threads: int | None = None,
        pin: bool = False,
    ) -> None:
        shape = self._shape = model.shape
        self.kernels = Kernels(isa, threads or torch.get_num_threads(), pin)
        self._library, self._context = self.kernels.library, self.kernels.context
        self._shape_struct = ShapeStruct(shape.heads, shape.kv_heads, shape.head_dim)
        self._shape_address = self._shape_struct.address
        self._current = threading.local()
        self._rope = torch.tensor(model.rope)
        self._embedding = torch.from_numpy(model.embedding)
        self._embedding_shift = model.embedding_shift
        self.layers = prepare_layers(model, self)
        self.final_norm = self.prepare_norm(model.final_norm, model.final_input_bits)
        self.head = self.prepare_linear(model.head)
        self._logit_cap = _softcap(model.logit_cap)
        self._score_caps = [_softcap(layer.score_cap) for layer in model.layers]
        self._attention = [
            _attention(layer, cap) for layer, cap in zip(self.layers, self._score_caps, strict=True)
        ]
        self._activation = ACTIVATIONS.index(shape.activation)

    @staticmethod
    def supports(shape: DecoderShape) -> bool:
        """Whether the kernels do all that a model of this shape needs, within their bounds."""
        return shape.head_dim <= MAX_HEAD_DIM and shape.head_dim % 2 == 0

    @property
    def _memory(self) -> _Memory:
        """Of the cache that this thread's pass is over."""
        if not hasattr(self._current, "memory"):
            self._current.memory = self._new_memory()
        memory: _Memory = self._current.memory
        return memory

    def _new_memory(self) -> _Memory:
        return _Memory(self._shape, self.kernels.digit_planes)

    def prepare_linear(self, *parts: Linear) -> NativeWeights:
        weight = np.ascontiguousarray(np.concatenate([part.weight for part in parts]))
        outputs, width = weight.shape
        channels = _round_up(outputs, self.kernels.lanes)
        packed = torch.empty(channels * _round_up(width, 4), dtype=torch.uint8)
        self._library.assay_advise(packed.data_ptr(), packed.numel())
        self._library.assay_pack(
            self._context, weight.ctypes.data, outputs, width, packed.data_ptr()
        )
        mantissa, shift = torch.zeros(2, channels, dtype=torch.int32)
        mantissa[:outputs] = torch.from_numpy(np.concatenate([part.mantissa for part in parts]))
        shift[:outputs] = torch.from_numpy(np.concatenate([part.shift for part in parts]))
        bias = None
        if any(part.bias is not None for part in parts):
            bias = torch.zeros(channels, dtype=torch.int32)
            rows = [np.zeros(len(p.weight), np.int32) if p.bias is None else p.bias for p in parts]
            bias[:outputs] = torch.from_numpy(np.concatenate(rows))
        pointers = (part.data_ptr() for part in (packed, mantissa, shift))
        struct = WeightsStruct(*pointers, None if bias is None else bias.data_ptr(), outputs, width)
        return NativeWeights(packed, mantissa, shift, bias, outputs, width, struct, struct.address)

    def prepare_norm(self, norm: Norm, bits: int = 16) -> NativeNorm:
        gain = torch.tensor(norm.gain, dtype=torch.int32)
        terms = torch.from_numpy(mean_square_eps(norm.eps, np.arange(-15, 18, dtype=np.int64)))
        struct = NormStruct(gain.data_ptr(), terms.data_ptr(), len(gain), norm.shift)
        return NativeNorm(gain, terms, len(gain), bits, struct, struct.address)

    def new_cache(self, pages: int) -> NativeCache:
        return NativeCache(self._shape, pages, self._new_memory())

    def begin(self, cache: NativeCache, segments: Sequence[Segment]) -> NativeRun:
        self._current.memory = cache.memory
        return NativeRun(segments, cache, self._rope, cache.memory)

    def play(self, run: NativeRun, steps: Callable[[], Tensor]) -> Tensor:
        return steps()

    def embed(self, run: NativeRun) -> Tensor:
        rows = self._embedding.index_select(0, run.tokens).to(torch.int32)
        return rows.bitwise_left_shift_(self._embedding_shift)

    def quantise(self, x: Tensor, bits: int = 16) -> NativeRows:
        count, x = x.shape[0], x.contiguous()
        rows = self._memory.rows("quantise", count, x.shape[1], bits)
        self._library.assay_quantise(self._context, x.data_ptr(), count, rows.address)
        return rows

    def norm(self, x: Tensor, weights: NativeNorm) -> NativeRows:
        count, x = x.shape[0], x.contiguous()
        rows = self._memory.rows("norm", count, weights.width, weights.bits)
        self._library.assay_norm(self._context, x.data_ptr(), count, weights.address, rows.address)
        return rows

    def linear(
        self, rows: NativeRows, weights: NativeWeights, onto: Tensor | None = None
    ) -> Tensor:
        count = rows.count
        if onto is not None:
            out = onto
        elif weights is self.head:
            out = torch.empty(count, weights.outputs, dtype=torch.int32)
        else:
            out = self._memory.output(count, weights.outputs)
        self._library.assay_linear(
            self._context,
            rows.address,
            count,
            weights.address,
            out.data_ptr(),
            None if onto is None else onto.data_ptr(),
        )
        return out

    def norm_onto(self, x: Tensor, weights: NativeNorm, onto: Tensor) -> Tensor:
        self._library.assay_norm_onto(
            self._context, x.data_ptr(), x.shape[0], weights.address, onto.data_ptr()
        )
        return onto

    def cap(self, logits: Tensor) -> Tensor:
        if self._logit_cap is not None:
            self._library.assay_softcap(
                self._context, logits.data_ptr(), logits.numel(), self._logit_cap.address
            )
        return logits

    def store(self, index: int, qkv: Tensor, run: NativeRun) -> None:
        self._library.assay_store(
            self._context,
            qkv.data_ptr(),
            run.address,
            self._shape_address,
            self._attention[index].address,
            run.cache.addresses[index],
        )

    def attend(self, index: int, queries: None, run: NativeRun) -> NativeRows:
        width = self._shape.heads * self._shape.head_dim
        bits = self.layers[index].scalars.o_input_bits
        rows = self._memory.rows("attend", run.count, width, bits)
        self._library.assay_attend(
            self._context,
            run.address,
            self._shape_address,
            self._attention[index].address,
            run.cache.addresses[index],
            rows.address,
        )
        return rows

    def gate(self, index: int, gate_up: Tensor) -> NativeRows:
        count, width = gate_up.shape[0], self._shape.intermediate
        scalars = self.layers[index].scalars
        rows = self._memory.rows("gate", count, width, scalars.product_bits)
        self._library.assay_gate(
            self._context,
            gate_up.data_ptr(),
            count,
            self._activation,
            scalars.gate_fraction,
            scalars.product_shift,
            self._memory.output(count, width).data_ptr(),
            rows.address,
        )
        return rows


def _softcap(cap: Softcap | None) -> SoftcapStruct | None:
    return None if cap is None else SoftcapStruct(cap.cap, cap.mantissa, cap.shift)


def _attention(layer: LayerWeights, cap: SoftcapStruct | None) -> AttentionStruct:
    scalars, norms = layer.scalars, layer.head_norms or (None, None)
    return AttentionStruct(
        scalars.v_shift,
        scalars.score_mantissa,
        scalars.score_shift,
        scalars.window,
        *(None if part is None else part.address for part in (*norms, cap)),
    )
