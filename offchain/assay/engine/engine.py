"""The engine: exact integers in, tokens out. Knows no chain, no files and no text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from assay.core.types import SamplingParams
from assay.engine.admission import check_request, check_sampling, check_tokens
from assay.engine.backends import BackendFactory, BackendName, make_backend
from assay.engine.backends.base import pages_for
from assay.engine.batch import Batch
from assay.engine.forward import Decoder, Segment
from assay.engine.sampler import Draw, Sampler
from assay.engine.scheduler import Scheduler
from assay.exact.model import ExactModel

PREFILL_ROWS = 512
"""Rows per pass of a long prefill: bounds its memory, changes no bit."""
HEAD_ELEMENTS = 1 << 22
"""Logits computed at once."""


class Engine:
    """Runs one exact model on the CPU.

    Args:
        model: the integer model, see `importer.import_checkpoint`.
        threads: compute threads, torch's in this process too; None leaves them as they are.
        backend: "native", "torch", or "auto" for the faster one that this machine and this model
            can have; or a function that makes a `backends.base.Backend` of a model.
        slots: requests that `generate` decodes together; more of them wait.
        pin: whether the native backend's threads each stay on one processor.

    `generate` may be called from several threads at once: their requests share a batch of
    `slots`. A `Batch` from `batch` belongs to one thread.
    """

    def __init__(
        self,
        model: ExactModel,
        threads: int | None = None,
        backend: BackendName | BackendFactory = "auto",
        slots: int = 32,
        pin: bool = False,
    ) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        self.model = model
        self.shape = model.shape
        if callable(backend):
            self.backend = backend(model)
        else:
            self.backend = make_backend(model, backend, threads, pin)
        self._decoder = Decoder(self.backend)
        gumbel = torch.tensor(model.gumbel, dtype=torch.int64)
        self._sampler = Sampler(gumbel, model.logit_fraction)
        self._scheduler = Scheduler(self.batch(slots))

    def batch(self, slots: int) -> Batch:
        """A batch of up to `slots` requests."""
        return Batch(self.shape, self._decoder, self._sampler, slots)

    def generate(self, prompt: Sequence[int], params: SamplingParams) -> Iterator[int]:
        """Output tokens as they are made, an end-of-sequence token included.

        Raises:
            InputError: the request is invalid; raised here, before the first token.
        """
        check_request(self.shape, prompt, params)
        return self._scheduler.stream(tuple(prompt), params)

    def logits(self, tokens: Sequence[int]) -> NDArray[np.int32]:
        """Logits at every position: (n, vocab), `model.logit_fraction` fraction bits."""
        check_tokens(self.shape, tokens)
        parts = [
            logits.to(torch.int32).numpy()
            for _, hidden in self._prefill(tokens)
            for _, logits in self._logits(hidden)
        ]
        return np.concatenate(parts)

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
        for start, hidden in self._prefill([*prompt, *output[:-1]]):
            skip = max(offset - start, 0)
            for row, logits in self._logits(hidden[skip:]):
                first = start + skip + row - offset
                draws = [Draw(params, first + i) for i in range(len(logits))]
                chosen = self._sampler.choose(logits, draws)
                for index, token in enumerate(chosen, first):
                    if token != output[index]:
                        return index
        return None

    def _prefill(self, tokens: Sequence[int]) -> Iterator[tuple[int, Tensor]]:
        """(first position, hidden rows) of successive parts of one sequence."""
        cache = self._decoder.new_cache(pages_for(len(tokens)))
        for start in range(0, len(tokens), PREFILL_ROWS):
            part = tokens[start : start + PREFILL_ROWS]
            yield start, self._decoder.hidden(cache, [Segment(range(cache.pages), start, part)])

    def _logits(self, hidden: Tensor) -> Iterator[tuple[int, Tensor]]:
        """(first row, logits) in parts of bounded size."""
        step = max(HEAD_ELEMENTS // self.shape.vocab, 1)
        for start in range(0, len(hidden), step):
            yield start, self._decoder.logits(hidden[start : start + step])
