"""The KV cache: integers, by slot; what one sequence holds never depends on its neighbours."""

from __future__ import annotations

import torch
from torch import Tensor

from assay.engine.kernels import Rows, power
from assay.exact.model import DecoderShape

GRANULE = 64
"""Positions are allocated in multiples of this."""


class KVCache:
    """Keys as int16 with their exponents, values as int16, one slot per sequence.

    Per layer: k, v (slots, KV, capacity, hd) int16; ek (slots, KV, capacity, 1) int8. Slots and
    capacity grow with what is asked for.
    """

    def __init__(self, shape: DecoderShape) -> None:
        self._shape = shape
        self.slots = 0
        self.capacity = 0
        self._k: list[Tensor] = []
        self._v: list[Tensor] = []
        self._ek: list[Tensor] = []

    def reserve(self, slots: int, positions: int) -> None:
        """Make room for so many sequences of so many positions; what is there stays."""
        if slots <= self.slots and positions <= self.capacity:
            return
        if positions > self.capacity:
            wanted = max(positions, min(2 * self.capacity, self._shape.context))
            self.capacity = -(-wanted // GRANULE) * GRANULE
        self.slots = max(slots, self.slots)
        self._k = self._grown(self._k, self._shape.head_dim, torch.int16)
        self._v = self._grown(self._v, self._shape.head_dim, torch.int16)
        self._ek = self._grown(self._ek, 1, torch.int8)

    def _grown(self, old: list[Tensor], width: int, dtype: torch.dtype) -> list[Tensor]:
        size = (self.slots, self._shape.kv_heads, self.capacity, width)
        new = [torch.zeros(size, dtype=dtype) for _ in range(self._shape.layers)]
        for before, after in zip(old, new, strict=False):
            after[: before.shape[0], :, : before.shape[2]] = before
        return new

    def write(self, layer: int, slots: Tensor, positions: Tensor, k: Rows, v: Tensor) -> None:
        """Store one row per (slot, position): k (R, KV, hd) with exponents (R, KV, 1), v int16."""
        self._k[layer][slots, :, positions] = k.values.to(torch.int16)
        self._ek[layer][slots, :, positions] = k.exponents.to(torch.int8)
        self._v[layer][slots, :, positions] = v

    def read(self, layer: int, slots: Tensor, length: int) -> tuple[Rows, Tensor]:
        """Keys and values (B, KV, length, hd) as float64 of the given slots' first positions.

        What lies beyond a sequence's own end is stale or zero; the caller masks it.
        """
        ek, k, v = (
            part[layer][:, :, :length].index_select(0, slots)
            for part in (self._ek, self._k, self._v)
        )
        exponents, keys, values = ek.to(torch.int64), k.to(torch.float64), v.to(torch.float64)
        return Rows(keys, exponents, power(exponents)), values
