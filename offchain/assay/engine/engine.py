"""The engine: exact integers in, tokens out. Knows no chain, no files and no text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from assay.core.types import SamplingParams
from assay.engine.admission import check_request, check_sampling, check_tokens
from assay.engine.backends import (
    BackendFactory,
    BackendKind,
    BackendName,
    backend_for,
    make_backend,
)
from assay.engine.backends.base import PAGE, Backend, pages_for
from assay.engine.batch import Batch, Counters
from assay.engine.forward import Decoder, Segment
from assay.engine.memory import (
    HEAD_ELEMENTS,
    PREFILL_ROWS,
    Prediction,
    available_memory,
    check_memory,
    default_positions,
    predict,
)
from assay.engine.planner import Limits, check_fits
from assay.engine.sampler import Draw, Sampler
from assay.engine.scheduler import Scheduler, Stream
from assay.engine.speculate import Draft, check_draft
from assay.exact.model import ExactModel


class Engine:
    """Runs one exact model.

    Args:
        model: the integer model, see `importer.import_checkpoint`.
        threads: compute threads, torch's in this process too; None leaves them as they are.
        backend: "triton" (a GPU), "native", "torch", or "auto" for the fastest that this machine
            and this model can have; or a function that makes a `backends.base.Backend` of a model.
        slots: requests that `generate` computes together; more of them wait.
        pin: whether the native backend's threads each stay on one processor.
        waiting: requests that wait beyond those; still more are refused with status 503.
        positions: of the cache that requests share, rounded up to pages; by default a full context
            for each slot, as far as half of the free memory goes.
        rows: of one pass at most, unless `slots` need more: longer prompts come in parts.
        reuse: whether a prompt's first pages are taken from an earlier request that had the same
            tokens there. Changes no bit, but a fast first token tells that somebody asked so.
        draft: a model of the same vocabulary that guesses tokens ahead; changes no token.
        guesses: tokens that it guesses at a time.

    Raises:
        EnvironmentMissing: it will not fit into memory (says by how much), or the backend cannot
            be had.
        ConfigError: the draft is of another vocabulary, or a name is unknown.

    Attributes:
        memory: what weights and one batch take at most; None with a backend of the caller's own.
        ahead: requests that a provider hands over beyond a batch's slots; none, as it is asked
            anew before each step.

    `generate` may be called from several threads at once: their requests share a batch of
    `slots`. A `Batch` from `batch` belongs to one thread and has a cache to itself.
    """

    ahead = 0

    def __init__(
        self,
        model: ExactModel,
        threads: int | None = None,
        backend: BackendName | BackendFactory = "auto",
        slots: int = 32,
        pin: bool = False,
        waiting: int = 256,
        positions: int | None = None,
        rows: int = PREFILL_ROWS,
        reuse: bool = True,
        draft: ExactModel | None = None,
        guesses: int = 4,
    ) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        self.model = model
        self.shape = model.shape
        if draft is not None:
            check_draft(model, draft)

        self._guesses = guesses if draft is not None else 0
        self._slots, self._rows, self._reuse = slots, rows, reuse
        kind = None if callable(backend) else backend_for(model, backend)
        models = [model] if draft is None else [model, draft]
        sights = [m.shape.sight for m in models]
        self._sight = max(sights) if all(sights) else 0
        self._positions = self._fitting(models, kind, slots, positions)

        def decoder(of: ExactModel) -> Decoder:
            if callable(backend):
                return Decoder(backend(of))
            return Decoder(make_backend(of, backend, threads, pin))

        self._decoder = decoder(model)
        self._gumbel = torch.tensor(model.gumbel, dtype=torch.int64)
        self._sampler = Sampler(self._gumbel, model.logit_fraction)
        self._draft = (decoder(draft), draft.logit_fraction) if draft is not None else None
        self._scheduler = Scheduler(lambda: self.batch(slots, waiting), slots, waiting)

    def _fitting(
        self,
        models: Sequence[ExactModel],
        kind: BackendKind | None,
        slots: int,
        positions: int | None,
    ) -> int:
        """Positions of a cache that fits beside the models' weights, EnvironmentMissing if none
        does; what a factory of the caller's own makes is not known."""
        self.memory: Prediction | None = None
        if kind is None:
            return positions or slots * self._held(slots)
        available, decoding = available_memory(kind), slots * (1 + self._guesses)
        rows = max(self._rows, 2 * decoding)

        def needed(positions: int) -> Prediction:
            parts = [
                predict(m, positions, rows, decoding, kind, torch.get_num_threads()) for m in models
            ]
            return sum(parts, Prediction(0, 0, 0))

        if positions is None:
            each = self._held(slots)
            positions = default_positions(models[0], slots, needed(0), available, kind, each)
        self.memory = needed(positions)
        check_memory(self.model.name, self.memory, positions, available)
        return positions

    def _limits(self, slots: int, waiting: int = 0, pages: int = 0) -> Limits:
        return Limits(slots, waiting, pages, self._rows, self._guesses, self._reuse, self._sight)

    def _held(self, slots: int) -> int:
        """Positions that a request with a full context holds at once, as one of so many; less than
        a context where every layer has a window."""
        return min(self._limits(slots).held(self.shape.context) * PAGE, self.shape.context)

    def _pages(self, slots: int) -> int:
        """Of a batch of so many slots."""
        return pages_for(min(self._positions, slots * self.shape.context))

    @property
    def backend(self) -> Backend:
        return self._decoder.backend

    @property
    def counters(self) -> Counters:
        """What `generate` has done so far."""
        batch = self._scheduler.batch
        return batch.counters if batch is not None else Counters()

    def batch(self, slots: int, waiting: int = 0) -> Batch:
        """A batch of up to `slots` requests, and `waiting` more that queue."""
        pages = self._pages(slots)
        limits = self._limits(slots, waiting, pages)
        draft = None
        if self._draft is not None:
            decoder, fraction = self._draft
            draft = Draft(decoder, Sampler(self._gumbel, fraction), pages)
        return Batch(self.shape, self._decoder, self._sampler, limits, draft)

    def generate(self, prompt: Sequence[int], params: SamplingParams) -> Stream:
        """Output tokens as they are made, an end-of-sequence token included; closing the iterator
        drops the request.

        Raises:
            InputError: the request is invalid, or too many wait (status 503); raised here, before
                the first token.
            AssayError: the engine failed while it computed; raised by the iterator.
        """
        check_request(self.shape, prompt, params)
        limits = self._limits(self._slots, pages=self._pages(self._slots))
        check_fits(limits, len(prompt), params)
        return self._scheduler.stream(tuple(prompt), params)

    def logits(self, tokens: Sequence[int]) -> NDArray[np.int32]:
        """Logits at every position: (n, vocab), `model.logit_fraction` fraction bits."""
        check_tokens(self.shape, tokens)
        parts = [
            logits.to(torch.int32).cpu().numpy()
            for _, hidden in self._prefill(tokens)
            for _, logits in self._logits(hidden)
        ]
        return np.concatenate(parts)

    def last_logits(self, tokens: Sequence[int]) -> NDArray[np.int32]:
        """Logits after the last token: (vocab,), `model.logit_fraction` fraction bits."""
        check_tokens(self.shape, tokens)
        rows = [
            logits.to(torch.int32).cpu().numpy()
            for _, hidden in self._prefill(tokens, len(tokens) - 1)
            for _, logits in self._logits(hidden)
        ]
        last: NDArray[np.int32] = np.concatenate(rows)[-1]
        return last

    def first_wrong_token(
        self, prompt: Sequence[int], output: Sequence[int], params: SamplingParams
    ) -> int | None:
        """Index of the first token of `output` that the model would not have given, None if all
        follow.

        One prefill over prompt and output, in place of a decode. Only tokens are judged: whether
        the output ends where it should is for whoever knows the job. Tokens outside the
        vocabulary are wrong, as is one that lies beyond the context.

        Raises:
            InputError: prompt or sampling parameters are invalid.
        """
        check_tokens(self.shape, prompt)
        check_sampling(params)
        known = self._judgeable(len(prompt), output)
        if known:
            wrong = self._first_mismatch(prompt, known, params)
            if wrong is not None:
                return wrong
        return None if len(known) == len(output) else len(known)

    def _judgeable(self, start: int, output: Sequence[int]) -> Sequence[int]:
        """Output up to the first token that has no place in context or vocabulary, without it.

        A token outside the vocabulary is no argmax: it needs no computation to be wrong.
        """
        room = self.shape.context - start + 1
        for index, token in enumerate(output[:room]):
            if not 0 <= token < self.shape.vocab:
                return output[:index]
        return output[:room]

    def _first_mismatch(
        self, prompt: Sequence[int], output: Sequence[int], params: SamplingParams
    ) -> int | None:
        offset = len(prompt) - 1  # output token t follows from the row at offset + t
        for start, hidden in self._prefill([*prompt, *output[:-1]], offset):
            for row, logits in self._logits(hidden):
                first = start + row - offset
                draws = [Draw(params, first + i) for i in range(len(logits))]
                chosen = self._sampler.choose(logits, draws)
                for index, token in enumerate(chosen, first):
                    if token != output[index]:
                        return index
        return None

    def _prefill(self, tokens: Sequence[int], wanted: int = 0) -> Iterator[tuple[int, Tensor]]:
        """(first position, hidden rows) of successive parts of one sequence; only positions from
        `wanted` on have rows."""
        cache = self._decoder.new_cache(pages_for(len(tokens)))
        for start in range(0, len(tokens), PREFILL_ROWS):
            part = tokens[start : start + PREFILL_ROWS]
            skip = min(max(wanted - start, 0), len(part))
            rows = range(skip, len(part)) if skip else None
            segment = Segment(range(cache.pages), start, part)
            yield start + skip, self._decoder.hidden(cache, [segment], rows)

    def _logits(self, hidden: Tensor) -> Iterator[tuple[int, Tensor]]:
        """(first row, logits) in parts of bounded size."""
        step = max(HEAD_ELEMENTS // self.shape.vocab, 1)
        for start in range(0, len(hidden), step):
            yield start, self._decoder.logits(hidden[start : start + step])
