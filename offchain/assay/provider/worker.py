"""Decodes admitted jobs together: one thread, which hands them to an engine and takes their tokens.

Knows no HTTP and no chain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from assay.core import logs
from assay.core.errors import AssayError, InputError
from assay.core.hashes import OUTPUT_SIDE
from assay.core.tokens import TokenList
from assay.core.types import Hash, Receipt, SamplingParams
from assay.core.wire import hexed
from assay.engine.batch import Emitted
from assay.engine.process import EngineLost, Refused
from assay.exact.model import DecoderShape
from assay.provider.cheat import Honest
from assay.provider.jobs import JobQueue, Run, failed, repeats
from assay.provider.journal import Journal

AGAIN_SECONDS, MOST_AGAIN_SECONDS = 5.0, 120.0
"""After an engine could not be started, at first and at most."""


class Together(Protocol):
    """Requests that are computed together: a `Batch`, here or in another process."""

    def __len__(self) -> int: ...

    def add(
        self, prompt: Sequence[int], params: SamplingParams, output: Sequence[int] = ()
    ) -> int: ...

    def step(self) -> Sequence[Emitted | Refused]: ...


class Decoding(Protocol):
    """An `Engine`, here or in another process. `ahead`: requests beyond its slots that it takes, so
    that one which ends is followed at once."""

    shape: DecoderShape
    ahead: int

    def batch(self, slots: int) -> Together: ...


class Worker(JobQueue):
    """Decodes up to `max_running` jobs at once and queues `max_waiting` more."""

    def __init__(
        self,
        engine: Decoding,
        journal: Journal,
        sign: Callable[[Receipt], bytes],
        cheat: Honest,
        max_running: int,
        max_waiting: int,
    ) -> None:
        self._engine = engine
        super().__init__(journal, sign, cheat, max_running, max_waiting)

    def _work(self) -> None:
        under_way: dict[int, Run] = {}
        while (batch := self._new_batch()) is not None:
            try:
                while self._wait_for_work(batch):
                    self._admit(batch, under_way)
                    self._step(batch, under_way)
                return
            except EngineLost as error:
                logs.warning("engine_lost", error=error.message)
                self._line_up_again(under_way.values())
                under_way.clear()
            except Exception:
                logs.LOGGER.exception("decode_crashed")
                for run in under_way.values():
                    self._drop(run, failed())
                under_way.clear()

    def _new_batch(self) -> Together | None:
        """None if the queue closes before there is one; no job waits for it then."""
        pause = AGAIN_SECONDS
        while True:
            try:
                batch = self._engine.batch(self._slots)
                self.able = True
                return batch
            except Exception:
                logs.LOGGER.exception("no_engine")
            with self._changed:
                self.able = False  # no more jobs come
                given_up = [*self._waiting]
                self._waiting.clear()
            for run in given_up:
                self._drop(run, failed())
            with self._changed:
                if self._changed.wait_for(lambda: self._closing, pause):
                    return None
            pause = min(2 * pause, MOST_AGAIN_SECONDS)

    def _wait_for_work(self, batch: Together) -> bool:
        """False once there is nothing left to do and no more will come."""
        with self._changed:
            while not (len(batch) or self._waiting or self._closing):
                self._changed.wait()
            return bool(len(batch) or self._waiting)

    def _admit(self, batch: Together, under_way: dict[int, Run]) -> None:
        """Give waiting jobs to the engine as long as it has room for them."""
        while (run := self._next(len(batch))) is not None:
            job = run.admitted.job
            params = SamplingParams(job.max_output_tokens, job.inv_temperature, job.seed)
            prompt = self._cheat.prompt(run.admitted.prompt, self._engine.shape.vocab)
            try:
                under_way[batch.add(prompt, params, run.output[:-1])] = run
            except InputError as error:
                self._drop(run, error)
            except EngineLost:
                self._line_up_again([run])
                raise
            except Exception:
                self._drop(run, failed())
                raise

    def _next(self, running: int) -> Run | None:
        """Work that can wait takes a slot, and no place before those that are free next."""
        with self._changed:
            if not self._waiting:
                return None
            ahead = 0 if self._waiting[0].admitted.can_wait else self._engine.ahead
            return self._waiting.popleft() if running < self._slots + ahead else None

    def _step(self, batch: Together, under_way: dict[int, Run]) -> None:
        for item in batch.step():
            if isinstance(item, Refused):
                self._drop(under_way.pop(item.request), item.error)
                continue
            run = under_way[item.request]
            if run.resumed:
                self._check_resumed(run, item.token)
                continue
            self._take(run, item.token)
            if item.finished:
                del under_way[item.request]
                self._end(run)

    @staticmethod
    def _check_resumed(run: Run, token: int) -> None:
        """Of two engines that disagree, one is wrong, and all that it computes may be."""
        if not repeats(run, token):
            raise AssayError(f"job {hexed(run.admitted.job_id)} went on with another token")

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
