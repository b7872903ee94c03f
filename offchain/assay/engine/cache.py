"""The torch backend's KV cache: integers, in pages."""

from __future__ import annotations

import torch
from torch import Tensor

from assay.engine.backends.base import PAGE
from assay.engine.kernels import Rows, power
from assay.exact.model import DecoderShape


class KVCache:
    """Keys as int16 with their exponents, values as int16.

    Per layer: k, v (KV, pages, PAGE, hd) int16; ek (KV, pages, PAGE, 1) int8. `table` (B, P) int64
    says in which pages B sequences lie, `places` (R,) int64 are page * PAGE + position in the page.
    """

    def __init__(self, shape: DecoderShape, pages: int) -> None:
        self.pages = pages

        def parts(width: int, dtype: torch.dtype) -> list[Tensor]:
            size = (shape.kv_heads, pages, PAGE, width)
            return [torch.zeros(size, dtype=dtype) for _ in range(shape.layers)]

        self._k, self._v = (parts(shape.head_dim, torch.int16) for _ in range(2))
        self._ek = parts(1, torch.int8)

    def write(self, layer: int, places: Tensor, k: Rows, v: Tensor) -> None:
        """Store one row per place: k (R, KV, hd) with exponents (R, KV, 1), v int16."""
        for part, rows in ((self._k, k.values), (self._ek, k.exponents), (self._v, v)):
            to = part[layer].flatten(1, 2)
            to[:, places] = rows.transpose(0, 1).to(to.dtype)

    def read(self, layer: int, table: Tensor, length: int) -> tuple[Rows, Tensor]:
        """The sequences' first positions: keys and values (B, KV, length, hd) as float64.

        What lies beyond a sequence's own end is stale or zero; the caller masks it.
        """
        ek, k, v = (
            part[layer]
            .index_select(1, table.flatten())
            .view(part[layer].shape[0], *table.shape, PAGE, -1)
            .flatten(2, 3)[:, :, :length]
            .transpose(0, 1)
            for part in (self._ek, self._k, self._v)
        )
        exponents = ek.to(torch.int64)
        return Rows(_float(k), exponents, power(exponents)), _float(v)


def _float(x: Tensor) -> Tensor:
    return x.to(torch.float64, memory_format=torch.contiguous_format)
