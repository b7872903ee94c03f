"""Embeds the prompts of admitted jobs, one after the other. Knows no HTTP and no chain."""

from __future__ import annotations

from collections.abc import Callable

from assay.core import logs
from assay.core.errors import InputError
from assay.core.outputs import output_count, output_root
from assay.core.types import Hash, Receipt
from assay.engine.encoder import Encoder
from assay.provider.cheat import Honest
from assay.provider.jobs import JobQueue, Run, failed
from assay.provider.journal import Journal
from assay.trace.commitment import Commitment


class Embedder(JobQueue):
    """Computes one job at a time on all threads, and queues up to `slots + waiting` in all."""

    def __init__(
        self,
        encoder: Encoder,
        commitment: Commitment,
        journal: Journal,
        sign: Callable[[Receipt], bytes],
        cheat: Honest,
        slots: int,
        waiting: int,
    ) -> None:
        self._encoder = encoder
        self._model = commitment
        super().__init__(journal, sign, cheat, slots, waiting)

    def _work(self) -> None:
        while (run := self._next()) is not None:
            try:
                run.output = self._embed(run)
            except InputError as error:
                self._drop(run, error)
            except Exception:
                logs.LOGGER.exception("embed_crashed")
                self._drop(run, failed())
            else:
                self.meter.add(len(run.admitted.prompt))
                run.outlet(tuple(run.output))
                self._end(run)

    def _next(self) -> Run | None:
        """The job that has waited longest; None once no more will come."""
        with self._changed:
            while not (self._waiting or self._closing):
                self._changed.wait()
            return self._waiting.popleft() if self._waiting else None

    def _embed(self, run: Run) -> list[int]:
        """The integers of the embedding."""
        vocab = self._model.header.vocab_size
        prompt = self._cheat.prompt(run.admitted.prompt, vocab)
        row: list[int] = self._encoder.embed(prompt).tolist()
        return self._cheat.embedding(self._model, run.admitted.prompt, row)

    def _commitment(self, run: Run) -> tuple[Hash, int]:
        header = self._model.header
        root = output_root(header, run.output, run.admitted.salt)
        return root, output_count(header, run.output)
