"""Several requests decoded together: one row each per step, joined and left at any step."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

from assay.core.errors import InputError
from assay.core.types import SamplingParams
from assay.engine.admission import check_request
from assay.engine.backends.base import pages_for
from assay.engine.forward import Decoder, Segment
from assay.engine.sampler import Draw, Sampler
from assay.exact.model import DecoderShape


@dataclass(frozen=True)
class Emitted:
    """A request's next token; `finished` with its last one."""

    request: int
    token: int
    finished: bool


@dataclass
class _Running:
    """A request in a slot: `pending` tokens are not in the cache yet, `cached` ones are."""

    slot: int
    params: SamplingParams
    pending: Sequence[int]
    cached: int = 0
    output: list[int] = field(default_factory=list)


class Batch:
    """Up to `slots` requests at once over one KV cache. Not for use from several threads.

    `add` takes a request, `step` yields one token of each, `cancel` drops one. A request's tokens
    depend on itself alone.
    """

    def __init__(self, shape: DecoderShape, decoder: Decoder, sampler: Sampler, slots: int) -> None:
        self._shape = shape
        self._decoder = decoder
        self._sampler = sampler
        self._pages = pages_for(shape.context)
        self._cache = decoder.new_cache(slots * self._pages)
        self._free = list(range(slots))
        self._running: dict[int, _Running] = {}
        self._ids = count()

    def __len__(self) -> int:
        """Requests under way."""
        return len(self._running)

    @property
    def full(self) -> bool:
        """Whether every slot is taken."""
        return not self._free

    def add(self, prompt: Sequence[int], params: SamplingParams) -> int:
        """Admit a request and return its id; its prompt is computed at the next step.

        Raises:
            InputError: the request is invalid (nothing changed), or every slot is taken.
        """
        check_request(self._shape, prompt, params)
        if self.full:
            raise InputError(
                f"all {len(self._running)} slots are taken; try again", code="busy", status=503
            )
        request = next(self._ids)
        self._running[request] = _Running(heapq.heappop(self._free), params, tuple(prompt))
        return request

    def cancel(self, request: int) -> None:
        """Drop a request; nothing happens if it has ended."""
        running = self._running.pop(request, None)
        if running is not None:
            heapq.heappush(self._free, running.slot)

    def step(self) -> list[Emitted]:
        """One forward pass: the next token of every request, in order of admission."""
        running = list(self._running.items())
        if not running:
            return []
        segments = [Segment(self._pages_of(r.slot), r.cached, r.pending) for _, r in running]
        last = [-1]
        for segment in segments:
            last.append(last[-1] + len(segment.tokens))
        hidden = self._decoder.hidden(self._cache, segments)[last[1:]]
        draws = [Draw(r.params, len(r.output)) for _, r in running]
        tokens = self._sampler.choose(self._decoder.logits(hidden), draws)
        return [self._advance(*item, token) for item, token in zip(running, tokens, strict=True)]

    def _pages_of(self, slot: int) -> range:
        return range(slot * self._pages, (slot + 1) * self._pages)

    def _advance(self, request: int, running: _Running, token: int) -> Emitted:
        running.cached += len(running.pending)
        running.pending = (token,)
        running.output.append(token)
        full = len(running.output) == running.params.max_tokens
        finished = full or token in self._shape.eos_tokens
        if finished:
            self.cancel(request)
        return Emitted(request, token, finished)
