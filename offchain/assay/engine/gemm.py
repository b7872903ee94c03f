"""Exact products of 16-bit or 8-bit rows with int8 matrices: the one heavy operation.

Two implementations, equal bit for bit, because each is exact:

- int8: a row a = 256 * hi + lo becomes two int8 rows of one int8 x int8 -> int32 product; a row of
  8 bits is one already. A plane's sums stay below 2**17 * 2**14 = 2**31 for K < 2**17, which
  `checkpoint` sees to. Weights cost one byte of traffic.
- float64: |a * w| < 2**22, so sums stay below 2**39; a float64 holds every partial sum in any
  order, fused or not.

Some CPUs' int8 kernels saturate in between (x86 without VNNI adds pairs of products in int16), so
int8 is used only where a product of extreme values comes out right; and only where it is faster.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import Protocol

import torch
from torch import Tensor


class Gemm(Protocol):
    """`pack` a weight once, then multiply."""

    name: str

    def pack(self, weight: Tensor) -> Tensor:
        """int8 (J, K) -> whatever `multiply` takes."""
        ...

    def multiply(self, rows: Tensor, packed: Tensor, bits: int = 16) -> Tensor:
        """float64 integers (R, K) within +-32639, or +-128 if 8 bits, times the packed weight:
        float64 (R, J), exact."""
        ...


class DigitGemm:
    """Two digit planes as extra rows of one int8 product; one plane for rows of 8 bits."""

    name = "int8"

    def pack(self, weight: Tensor) -> Tensor:
        return weight.contiguous().t()

    def multiply(self, rows: Tensor, packed: Tensor, bits: int = 16) -> Tensor:
        n, width = rows.shape
        if width == 1:  # torch 2.13's int8 product returns garbage for K = 1
            return rows * packed
        if bits == 8:
            return torch._int_mm(rows.to(torch.int8), packed).to(torch.float64)
        product = torch._int_mm(digit_planes(rows), packed)
        return product[n:].to(torch.float64).add_(product[:n], alpha=256)


class FloatGemm:
    """Plain float64 BLAS."""

    name = "float64"

    def pack(self, weight: Tensor) -> Tensor:
        return weight.to(torch.float64)

    def multiply(self, rows: Tensor, packed: Tensor, bits: int = 16) -> Tensor:
        return torch.nn.functional.linear(rows, packed)


def digit_planes(rows: Tensor) -> Tensor:
    """float64 integers (R, K) within +-32639 -> int8 (2R, K): high digits, then low ones.

    Low digits are the balanced remainder in [-128, 127]: an int16's low byte read as signed.
    """
    low = rows.to(torch.int16)
    return torch.cat([(low + 128).bitwise_right_shift_(8), low]).to(torch.int8)


@cache
def best_gemm() -> Gemm:
    """The faster of the implementations that are right on this machine."""
    exact, plain = DigitGemm(), FloatGemm()
    return exact if int8_is_exact(exact) and _seconds(exact) < _seconds(plain) else plain


def int8_is_exact(gemm: Gemm) -> bool:
    """Whether extreme values come out right, at the widths and row counts that pick kernels."""
    try:
        return all(
            _is_exact(gemm, rows, width, bits)
            for rows in (1, 2, 7, 16, 33)
            for width in (1, 31, 64, 640, 1040)
            for bits in (8, 16)
        )
    except RuntimeError:  # torch has no int8 product for this machine
        return False


def _is_exact(gemm: Gemm, rows: int, width: int, bits: int) -> bool:
    a = torch.full((rows, width), 127 if bits == 8 else 127 * 256 + 127, dtype=torch.float64)
    a[::2] = -128 if bits == 8 else -127 * 256 - 128
    weight = torch.full((24, width), 127, dtype=torch.int8)
    weight[::3] = -128
    expected = FloatGemm().multiply(a, FloatGemm().pack(weight))
    return torch.equal(gemm.multiply(a, gemm.pack(weight), bits), expected)


def _seconds(gemm: Gemm) -> float:
    """Time of a decode-like and a prefill-like product, best of three."""
    weight = gemm.pack(torch.ones(512, 512, dtype=torch.int8))
    one, many = torch.ones(1, 512, dtype=torch.float64), torch.ones(64, 512, dtype=torch.float64)

    def work() -> None:
        gemm.multiply(many, weight)
        for _ in range(8):
            gemm.multiply(one, weight)

    return min(_timed(work) for _ in range(3))


def _timed(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
