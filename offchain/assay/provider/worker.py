"""Runs admitted jobs: decodes them together, signs the receipts, journals, and only then answers.

One thread decodes all running jobs, a token of each per step. A job runs to its end even when
its consumer goes away, so that nobody reads an answer and escapes its receipt. Knows no HTTP and
no chain.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from assay.core import logs
from assay.core.errors import AssayError, InputError
from assay.core.hashes import OUTPUT_SIDE
from assay.core.tokens import TokenList
from assay.core.types import Job, Receipt, SamplingParams
from assay.engine.batch import Batch
from assay.engine.engine import Engine
from assay.provider.cheat import Honest
from assay.provider.journal import Entry, Journal

RETRY_AFTER_SECONDS = 2


@dataclass(frozen=True)
class Admitted:
    """A job that passed every check."""

    job_id: bytes
    job: Job
    signature: bytes
    prompt: tuple[int, ...]
    salt: bytes


Item = int | Entry | AssayError
"""What a job yields: tokens, and at the end the journalled claim or an error."""

Outlet = Callable[[Item], None]
"""Takes the items of one job, from the worker's threads; must not block."""


@dataclass
class Run:
    """A job under way.

    `held` tokens are decoded but not given out yet (a cheat's doing; honestly none).
    """

    admitted: Admitted
    outlet: Outlet
    output: list[int] = field(default_factory=list)
    held: deque[int] = field(default_factory=deque)


class Worker:
    """Decodes up to `max_running` jobs at once and queues `max_waiting` more.

    `sign` makes the provider's signature over a receipt.
    """

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
        self._journal = journal
        self._sign = sign
        self._cheat = cheat
        self._slots = max_running
        self._capacity = max_running + max_waiting
        self._changed = threading.Condition()
        self._runs: dict[bytes, Run] = {}
        self._waiting: deque[Run] = deque()
        self._closing = False
        self._finishers = ThreadPoolExecutor(2, thread_name_prefix="finish")
        self._thread = threading.Thread(target=self._decode, name="decode", daemon=True)
        self._thread.start()

    def start(self, admitted: Admitted, outlet: Outlet) -> None:
        """Queue a job; InputError if it is a duplicate or there is no room."""
        with self._changed:
            if self._closing or len(self._runs) >= self._capacity:
                raise overloaded(len(self._runs), self._capacity)
            if admitted.job_id in self._runs or self._journal.claim(admitted.job_id):
                raise InputError(
                    f"job 0x{admitted.job_id.hex()} is known; sign another nonce",
                    code="duplicate_job",
                    status=409,
                    param="job.nonce",
                )
            run = self._runs[admitted.job_id] = Run(admitted, outlet)
            self._waiting.append(run)
            self._changed.notify_all()

    def running(self) -> list[Admitted]:
        with self._changed:
            return [run.admitted for run in self._runs.values()]

    def close(self) -> None:
        """Take no more jobs and finish those under way."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        self._finishers.shutdown(wait=True)

    def _decode(self) -> None:
        batch = self._engine.batch(self._slots)
        under_way: dict[int, Run] = {}
        while self._wait_for_work(batch):
            try:
                self._admit(batch, under_way)
                self._step(batch, under_way)
            except Exception:
                logs.LOGGER.exception("decode_crashed")
                failure = AssayError("the worker failed; the provider's log says why")
                for run in under_way.values():
                    self._drop(run, failure)
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
                self._finishers.submit(self._finish, run)

    def _take(self, run: Run, token: int) -> None:
        """Pass a token on; the first one always, later ones once `held_back` more are there."""
        index = len(run.output) + len(run.held)
        run.held.append(self._cheat.token(index, token, self._engine.shape.vocab))
        if not run.output or len(run.held) > self._cheat.held_back:
            run.output.append(run.held[0])
            run.outlet(run.held.popleft())

    def _finish(self, run: Run) -> None:
        try:
            entry = self._entry(run)
            self._journal.add(entry)
        except Exception:
            logs.LOGGER.exception("receipt_failed")
            self._drop(run, AssayError("the receipt could not be written"))
            return
        with self._changed:
            del self._runs[entry.job_id]
        run.outlet(entry)
        logs.event("served", job=entry.job_id, tokens=len(entry.output))

    def _drop(self, run: Run, error: AssayError) -> None:
        with self._changed:
            self._runs.pop(run.admitted.job_id, None)
        run.outlet(error)
        logs.warning("job_failed", job=run.admitted.job_id, code=error.code)

    def _entry(self, run: Run) -> Entry:
        admitted, output = run.admitted, run.output
        receipt = self._cheat.receipt(
            Receipt(
                job_id=admitted.job_id,
                output_root=TokenList(output, admitted.salt, OUTPUT_SIDE).root,
                output_tokens=len(output),
                price=admitted.job.price(len(output)),
            )
        )
        return Entry(
            job_id=admitted.job_id,
            job=admitted.job,
            signature=admitted.signature,
            salt=admitted.salt,
            prompt=admitted.prompt,
            output=tuple(output),
            receipt=receipt,
            receipt_signature=self._sign(receipt),
            created=time.time(),
        )


def overloaded(waiting: int, capacity: int) -> InputError:
    return InputError(
        f"{waiting} jobs are running or waiting and the limit is {capacity}; try again in "
        f"{RETRY_AFTER_SECONDS} s or choose another provider",
        code="overloaded",
        status=503,
    )
