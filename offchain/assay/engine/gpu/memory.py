"""What a cache's passes work in on the device, and the passes recorded over that memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class GpuRows:
    """digits (R, planes, K) int8, high and low, or the only ones; scales (R,) int32."""

    digits: Tensor
    scales: Tensor

    @property
    def planes(self) -> int:
        return self.digits.shape[1]

    @property
    def values(self) -> Tensor:
        wide = self.digits.to(torch.int32)
        return wide[:, 0] * 256 + wide[:, 1] if self.planes == 2 else wide[:, 0]

    @property
    def exponents(self) -> Tensor:
        return self.scales[:, None]


class Memory:
    """What a cache's passes write to, by use and shape; grows to the most rows seen.

    `age` counts what had to be replaced: a recorded pass is good for one age.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._tensors: dict[tuple[Any, ...], Tensor] = {}
        self.age = 0

    def of(self, use: str, count: int, *shape: int, dtype: torch.dtype = torch.int32) -> Tensor:
        """(count, *shape), whatever was left in it."""
        found = self._tensors.get((use, *shape))
        if found is None or len(found) < count:
            self.age += found is not None
            found = torch.empty(count, *shape, dtype=dtype, device=self._device)
            self._tensors[use, *shape] = found
        return found[:count]

    def rows(self, use: str, count: int, width: int, bits: int) -> GpuRows:
        digits = self.of(use, count, bits // 8, width, dtype=torch.int8)
        return GpuRows(digits, self.of(f"{use} scales of {width}", count))


class Recording:
    """A pass's kernels in a CUDA graph, and the tensor that holds its outcome."""

    def __init__(self, steps: Callable[[], Tensor]) -> None:
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
            self._result = steps()

    def replay(self) -> Tensor:
        self._graph.replay()
        return self._result


@dataclass
class Recorded:
    """Passes by their rows and parts: those that have run, and those recorded, of one age of the
    memory that they work in."""

    age: int = 0
    seen: set[tuple[int, int]] = field(default_factory=set)
    passes: dict[tuple[int, int], Recording] = field(default_factory=dict)

    def clear(self, age: int) -> None:
        self.age = age
        self.seen.clear()
        self.passes.clear()
