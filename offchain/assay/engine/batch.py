"""Several requests computed together, pass by pass; joined and left at any time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, count, islice, zip_longest
from typing import NamedTuple

from torch import Tensor

from assay.core.errors import InputError
from assay.core.types import SamplingParams
from assay.engine.admission import check_request
from assay.engine.forward import Decoder, Segment
from assay.engine.memory import HEAD_ELEMENTS
from assay.engine.planner import Limits, Part, Planner, Request
from assay.engine.sampler import Draw, Sampler
from assay.engine.speculate import Draft
from assay.exact.model import DecoderShape


class Emitted(NamedTuple):
    """A request's next token; `finished` with its last one."""

    request: int
    token: int
    finished: bool


@dataclass
class Counters:
    """What a batch has done so far; reused are pages, evicted requests, the others tokens."""

    passes: int = 0
    rows: int = 0
    reused: int = 0
    evicted: int = 0
    guessed: int = 0
    accepted: int = 0


class Batch:
    """Requests over one paged cache, within `Limits`. Not for use from several threads.

    `add` takes a request, `step` makes tokens, `cancel` drops one. A request's tokens depend on
    itself alone: neither on its neighbours nor on chunks, evictions, reused pages or the draft.
    """

    def __init__(
        self,
        shape: DecoderShape,
        decoder: Decoder,
        sampler: Sampler,
        limits: Limits,
        draft: Draft | None = None,
    ) -> None:
        self._shape = shape
        self._decoder = decoder
        self._sampler = sampler
        self._planner = Planner(limits)
        self._cache = decoder.new_cache(limits.pages)
        self._draft = draft
        self._ids = count()
        self._counters = Counters()

    def __len__(self) -> int:
        """Requests running or waiting."""
        return len(self._planner)

    @property
    def full(self) -> bool:
        """Whether another request would be refused."""
        return self._planner.full

    @property
    def counters(self) -> Counters:
        self._counters.reused = self._planner.pool.reused
        self._counters.evicted = self._planner.evicted
        return self._counters

    @property
    def free_pages(self) -> int:
        """Pages that no request holds."""
        return self._planner.pool.available

    def add(self, prompt: Sequence[int], params: SamplingParams, output: Sequence[int] = ()) -> int:
        """Admit a request and return its id; its prompt is computed from the next step on.

        `output`: its first tokens, where another batch has made them; it goes on after those.

        Raises:
            InputError: the request is invalid, or there is no room (status 503); nothing changed.
        """
        check_request(self._shape, prompt, params)
        if len(output) >= params.max_tokens:
            raise InputError(
                f"{len(output)} output tokens are there already and max_tokens is "
                f"{params.max_tokens}; nothing is left to compute",
                code="invalid_max_tokens",
                param="max_tokens",
            )
        request = Request(next(self._ids), params, len(prompt), [*prompt, *output])
        self._planner.add(request)
        return request.id

    def cancel(self, request: int) -> None:
        """Drop a request; nothing happens if it has ended."""
        self._planner.drop(request)

    def step(self) -> list[Emitted]:
        """One forward pass: a token, or several that a draft has guessed, of every request whose
        tokens are all computed."""
        parts = self._planner.plan()
        if not parts:
            return []
        guesses = self._draft.guess(parts) if self._draft else {}
        segments = [_segment(part, guesses.get(part.request.id, [])) for part in parts]
        hidden = self._decoder.hidden(self._cache, segments, _answering(parts))
        self._counters.passes += 1
        self._counters.rows += sum(part.rows for part in parts)
        answers = iter(self._answers(hidden, parts))
        emitted: list[Emitted] = []
        for part in parts:
            own = list(islice(answers, part.answers))
            emitted += self._advance(part, guesses.get(part.request.id, []), own)
        return emitted

    def _answers(self, hidden: Tensor, parts: Sequence[Part]) -> list[int]:
        """The tokens that follow from the answering rows."""
        draws = [
            Draw(part.request.params, part.request.output + i)
            for part in parts
            for i in range(part.answers)
        ]
        tokens: list[int] = []
        step = max(HEAD_ELEMENTS // self._shape.vocab, 1)
        for first in range(0, len(draws), step):
            logits = self._decoder.logits(hidden[first : first + step])
            tokens += self._sampler.choose(logits, draws[first : first + step])
        return tokens

    def _advance(self, part: Part, guesses: Sequence[int], answers: Sequence[int]) -> list[Emitted]:
        """Take answers as long as the row that each follows from held the right guess."""
        request, computed = part.request, part.end
        emitted: list[Emitted] = []
        for answer, guess in zip_longest(answers, guesses):
            request.tokens.append(answer)
            finished = not request.remaining or answer in self._shape.eos_tokens
            emitted.append(Emitted(request.id, answer, finished))
            if finished or answer != guess:
                break
        accepted = max(len(emitted) - 1, 0)
        request.cached = computed + accepted
        request.drafted = min(request.drafted, request.cached)
        self._counters.guessed += len(guesses)
        self._counters.accepted += accepted
        self._planner.computed(request)
        if emitted and emitted[-1].finished:
            self._planner.drop(request.id)
        return emitted


def _answering(parts: Sequence[Part]) -> list[int] | None:
    """Rows of the pass that a token follows from: the last of every complete part, and those of
    its guesses; None for all rows."""
    ends = accumulate(part.rows for part in parts)
    rows = [
        row for part, end in zip(parts, ends, strict=True) for row in range(end - part.answers, end)
    ]
    return None if len(rows) == sum(part.rows for part in parts) else rows


def _segment(part: Part, guesses: Sequence[int]) -> Segment:
    request = part.request
    tokens = request.tokens[request.cached : part.end]
    return Segment(request.pages, request.cached, [*tokens, *guesses] if guesses else tokens)
