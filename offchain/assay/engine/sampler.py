"""`exact.sampling` over many rows of logits at once; same tokens.

int64 stands in for uint64: multiplication wraps alike, and a right shift is made logical by
masking the sign's copies.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from assay.core.types import SamplingParams
from assay.engine.memory import SCORE_ELEMENTS
from assay.exact.sampling import noise_key

_GOLDEN = 0x9E3779B97F4A7C15 - (1 << 64)
_MIX1 = 0xBF58476D1CE4E5B9 - (1 << 64)
_MIX2 = 0x94D049BB133111EB - (1 << 64)


@dataclass(frozen=True)
class Draw:
    """One token to draw: whose parameters, and its index among the output tokens."""

    params: SamplingParams
    index: int


class Sampler:
    """Draws tokens; gumbel is the model's int64 table, fraction the logits' fraction bits."""

    def __init__(self, gumbel: Tensor, fraction: int) -> None:
        self._gumbel = gumbel.flatten()
        self._fraction = fraction

    @torch.inference_mode()
    def choose(self, logits: Tensor, draws: Sequence[Draw]) -> list[int]:
        """logits (R, vocab) holding int32, one row per draw; ties go to the lowest id."""
        warm = [row for row, draw in enumerate(draws) if draw.params.inv_temperature]
        if not warm:
            return logits.argmax(dim=1).tolist()
        tokens: list[int] = logits.argmax(dim=1).tolist()
        step = max(SCORE_ELEMENTS // logits.shape[1], 1)
        for first in range(0, len(warm), step):
            part = warm[first : first + step]
            scores = self._scores(logits[part].to(torch.int64), [draws[row] for row in part])
            for row, token in zip(part, scores.argmax(dim=1).tolist(), strict=True):
                tokens[row] = token
        return tokens

    def _scores(self, logits: Tensor, draws: Sequence[Draw]) -> Tensor:
        """round(logit / T) + noise in Q16; |logit * inv_temperature| < 2**31 * 2**21."""
        device = logits.device
        inverses = [draw.params.inv_temperature for draw in draws]
        inverse = torch.tensor(inverses, device=device)[:, None]
        scaled = logits * inverse
        if self._fraction > 0:
            scaled = (scaled + (1 << (self._fraction - 1))) >> self._fraction
        keys = [_signed(noise_key(draw.params.seed, draw.index)) for draw in draws]
        return scaled + self._noise(torch.tensor(keys, device=device)[:, None], logits.shape[1])

    def _noise(self, keys: Tensor, vocab: int) -> Tensor:
        z = keys + _counters(vocab, keys.device)
        z = (z ^ _shift(z, 30)) * _MIX1
        z = (z ^ _shift(z, 27)) * _MIX2
        uniform = _shift(z ^ _shift(z, 31), 32)
        length = torch.frexp(uniform.to(torch.float64)).exponent.to(torch.int64)
        zeros = (32 - length).clamp_(max=31)
        mantissa = ((uniform << (zeros + 1)) & 0xFFFFFFFF) >> 23
        return self._table(keys.device)[zeros * 512 + mantissa]

    def _table(self, device: torch.device) -> Tensor:
        if self._gumbel.device != device:
            self._gumbel = self._gumbel.to(device)
        return self._gumbel


@functools.lru_cache(maxsize=4)
def _counters(vocab: int, device: torch.device) -> Tensor:
    """(token + 1) * GOLDEN mod 2**64, as int64: (1, vocab)."""
    return (torch.arange(1, vocab + 1, device=device) * _GOLDEN)[None]


def _shift(z: Tensor, by: int) -> Tensor:
    """Logical right shift."""
    return (z >> by) & ((1 << (64 - by)) - 1)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value
