"""Decodes admitted jobs together: one thread, a token of each running job per step.

Knows no HTTP and no chain.
"""

from __future__ import annotations

from collections.abc import Callable

from assay.core import logs
from assay.core.errors import InputError
from assay.core.hashes import OUTPUT_SIDE
from assay.core.tokens import TokenList
from assay.core.types import Hash, Receipt, SamplingParams
from assay.engine.batch import Batch
from assay.engine.engine import Engine
from assay.provider.cheat import Honest
from assay.provider.jobs import JobQueue, Run, failed
from assay.provider.journal import Journal


class Worker(JobQueue):
    """Decodes up to `max_running` jobs at once and queues `max_waiting` more."""

    def __init__(
        self,
        engine: Engine,
        journal: Journal,
        sign: Callable[[Receipt], bytes],
        cheat: Honest,
        max_running: int,
        max_waiting: int,
    ) -> None:
        self._engine = engine
        super().__init__(journal, sign, cheat, max_running, max_waiting)

    def _work(self) -> None:
        batch = self._engine.batch(self._slots)
        under_way: dict[int, Run] = {}
        while self._wait_for_work(batch):
            try:
                self._admit(batch, under_way)
                self._step(batch, under_way)
            except Exception:
                logs.LOGGER.exception("decode_crashed")
                for run in under_way.values():
                    self._drop(run, failed())
                under_way.clear()
                batch = self._engine.batch(self._slots)

    def _wait_for_work(self, batch: Batch) -> bool:
        """False once there is nothing left to do and no more will come."""
        with self._changed:
            while not (batch or self._waiting or self._closing):
                self._changed.wait()
            return bool(batch or self._waiting)

    def _admit(self, batch: Batch, under_way: dict[int, Run]) -> None:
        """Give free slots to waiting jobs."""
        while len(batch) < self._slots:
            with self._changed:
                if not self._waiting:
                    return
                run = self._waiting.popleft()
            job = run.admitted.job
            params = SamplingParams(job.max_output_tokens, job.inv_temperature, job.seed)
            prompt = self._cheat.prompt(run.admitted.prompt, self._engine.shape.vocab)
            try:
                under_way[batch.add(prompt, params)] = run
            except InputError as error:
                self._drop(run, error)

    def _step(self, batch: Batch, under_way: dict[int, Run]) -> None:
        for emitted in batch.step():
            run = under_way[emitted.request]
            self._take(run, emitted.token)
            if emitted.finished:
                del under_way[emitted.request]
                self._end(run)

    def _take(self, run: Run, token: int) -> None:
        """Pass a token on; the first one always, later ones once `held_back` more are there."""
        index = len(run.output) + len(run.held)
        run.held.append(self._cheat.token(index, token, self._engine.shape.vocab))
        if not run.output or len(run.held) > self._cheat.held_back:
            run.output.append(run.held[0])
            self.meter.add()
            run.outlet(run.held.popleft())

    def _commitment(self, run: Run) -> tuple[Hash, int]:
        return token_commitment(run)


def token_commitment(run: Run) -> tuple[Hash, int]:
    """Output root and number of tokens."""
    return TokenList(run.output, run.admitted.salt, OUTPUT_SIDE).root, len(run.output)
