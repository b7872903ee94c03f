"""Admitted jobs on their way to a receipt, whatever computes them: a queue, and how jobs end.

A job runs to its end even when its consumer goes away, so that nobody reads an answer and escapes
its receipt: the claim is in the journal before the receipt is handed out.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from assay.core import logs, metrics
from assay.core.discounts import KEPT_FREE, has_room
from assay.core.errors import AssayError, InputError
from assay.core.types import Hash, Job, Receipt
from assay.provider.cheat import Honest
from assay.provider.journal import Entry, Journal
from assay.provider.meter import Meter

RETRY_AFTER_SECONDS = 2
MOVES = 3
"""A job that has lost more engines is given up: it may be what they die of."""
MOVED = metrics.counter("assay_jobs_moved_total", "Jobs taken over from an engine that was lost.")


@dataclass(frozen=True)
class Admitted:
    """A job that passed every check. `can_wait`: it is to run behind those that cannot."""

    job_id: bytes
    job: Job
    signature: bytes
    prompt: tuple[int, ...]
    salt: bytes
    can_wait: bool = False


Item = int | tuple[int, ...] | Entry | AssayError
"""What a job yields: tokens or the integers of an embedding, and at the end the journalled claim
or an error."""

Outlet = Callable[[Item], None]
"""Takes the items of one job, from the queue's threads; must not block."""


@dataclass
class Run:
    """A job under way.

    `output`: tokens given out so far, or the embedding. `held` tokens are decoded but not given
    out yet (a cheat's doing; honestly none). `moves` counts the engines that it has lost; `resumed`
    until the next one has repeated its last token.
    """

    admitted: Admitted
    outlet: Outlet
    output: list[int] = field(default_factory=list)
    held: deque[int] = field(default_factory=deque)
    moves: int = 0
    resumed: bool = False


class JobQueue:
    """Takes jobs for `slots` at once and `waiting` more; a subclass computes them in `_work`, on a
    thread of its own, and hands each to `_end` or `_drop`.

    `sign` makes the provider's signature over a receipt; `meter` counts what was given out; `able`:
    there is something to compute with.
    """

    def __init__(
        self,
        journal: Journal,
        sign: Callable[[Receipt], bytes],
        cheat: Honest,
        slots: int,
        waiting: int,
    ) -> None:
        self._journal = journal
        self._sign = sign
        self._cheat = cheat
        self._slots = slots
        self.capacity = slots + waiting
        self.meter = Meter()
        self.able = True
        self._changed = threading.Condition()
        self._runs: dict[bytes, Run] = {}
        self._waiting: deque[Run] = deque()
        self._ended: deque[Run] = deque()
        self._closing = False
        self._finishers = ThreadPoolExecutor(2, thread_name_prefix="finish")
        self._thread = threading.Thread(target=self._work, name="compute", daemon=True)
        self._thread.start()

    def start(self, admitted: Admitted, outlet: Outlet) -> None:
        """Queue a job; InputError if it is a duplicate or there is no room.

        The journal is asked without the lock, which decoding needs, as it may be at a flush of the
        disk. The job has its place by then: another one of its nonce is refused, and one that ended
        before is in the journal.
        """
        job, run = admitted.job, Run(admitted, outlet)
        with self._changed:
            self._check_room(admitted)
            if self._runs_nonce(job):
                raise duplicate(job)
            self._runs[admitted.job_id] = run
        try:
            if self._journal.knows(job.consumer, job.nonce):
                raise duplicate(job)
            with self._changed:
                self._check_open()
                self._line_up(run)
                self._changed.notify_all()
        except BaseException:
            with self._changed:
                del self._runs[admitted.job_id]
                self._changed.notify_all()  # a queue that closes may wait for it
            raise

    def _check_open(self) -> None:
        if self._closing:
            raise overloaded(len(self._runs), self.capacity)
        if not self.able:
            raise InputError(
                "what computes this model is not there now; try again later or choose another "
                "provider",
                code="no_engine",
                status=503,
            )

    def _check_room(self, admitted: Admitted) -> None:
        under_way = len(self._runs)
        self._check_open()
        if under_way >= self.capacity:
            raise overloaded(under_way, self.capacity)
        if admitted.can_wait and not has_room(under_way, self._slots):
            raise overloaded(under_way, self._slots - self._slots // KEPT_FREE)

    def _line_up(self, run: Run) -> None:
        """Before the work that can wait, unless it is such work."""
        end = len(self._waiting)
        while end and not run.admitted.can_wait and self._waiting[end - 1].admitted.can_wait:
            end -= 1
        self._waiting.insert(end, run)

    def _runs_nonce(self, job: Job) -> bool:
        """Whether a job of this consumer's and nonce, of which one can be paid, is under way."""
        others = (run.admitted.job for run in self._runs.values())
        return any((o.consumer, o.nonce) == (job.consumer, job.nonce) for o in others)

    def running(self) -> list[Admitted]:
        with self._changed:
            return [run.admitted for run in self._runs.values()]

    def workers(self) -> list[dict[str, Any]]:
        """Those on other machines, for a look from outside."""
        return []

    def close(self) -> None:
        """Take no more jobs and finish those under way."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        self._finishers.shutdown(wait=True)

    def _work(self) -> None:
        """Compute jobs until the queue is closed and empty."""
        raise NotImplementedError

    def _commitment(self, run: Run) -> tuple[Hash, int]:
        """Output root and number of outputs of a job that is done."""
        raise NotImplementedError

    def _end(self, run: Run) -> None:
        """Sign, journal and hand out, on another thread. Jobs that end in one step, or while others
        are written, share a flush of the disk."""
        self._ended.append(run)
        self._finishers.submit(self._finish_ended)

    def _finish_ended(self) -> None:
        runs: list[Run] = []
        with suppress(IndexError):  # the other finisher takes them, too
            while True:
                runs.append(self._ended.popleft())
        if runs:
            self._finish(runs)

    def _finish(self, runs: Sequence[Run]) -> None:
        try:
            entries = [self._entry(run) for run in runs]
            self._journal.add(*entries)
        except Exception:
            if len(runs) > 1:  # one that cannot be written spoils no other
                for run in runs:
                    self._finish([run])
                return
            logs.LOGGER.exception("receipt_failed")
            self._drop(runs[0], AssayError("the receipt could not be written"))
            return
        with self._changed:
            for entry in entries:
                del self._runs[entry.job_id]
        for run, entry in zip(runs, entries, strict=True):
            run.outlet(entry)
            logs.event("served", job=entry.job_id, tokens=entry.receipt.output_tokens)

    def _line_up_again(self, runs: Iterable[Run]) -> None:
        """Jobs whose engine is lost, in front of the others; what was given out of them stays."""
        given_up: list[Run] = []
        with self._changed:
            for run in reversed([*runs]):
                run.moves += 1
                run.resumed = bool(run.output)
                if run.moves > MOVES:
                    given_up.append(run)
                else:
                    self._waiting.appendleft(run)
                    MOVED.add()
        for run in given_up:
            self._drop(run, failed())

    def _drop(self, run: Run, error: AssayError) -> None:
        with self._changed:
            self._runs.pop(run.admitted.job_id, None)
        run.outlet(error)
        logs.warning("job_failed", job=run.admitted.job_id, code=error.code)

    def _entry(self, run: Run) -> Entry:
        admitted = run.admitted
        root, count = self._commitment(run)
        receipt = self._cheat.receipt(
            Receipt(
                job_id=admitted.job_id,
                output_root=root,
                output_tokens=count,
                price=admitted.job.price(count),
            )
        )
        return Entry(
            job_id=admitted.job_id,
            job=admitted.job,
            signature=admitted.signature,
            salt=admitted.salt,
            prompt=admitted.prompt,
            output=tuple(run.output),
            receipt=receipt,
            receipt_signature=self._sign(receipt),
            created=time.time(),
        )


def repeats(run: Run, token: int) -> bool:
    """Whether a job that goes on with another engine begins there with its last token."""
    run.resumed = False
    return token == run.output[-1]


def duplicate(job: Job) -> InputError:
    return InputError(
        f"{job.consumer} has signed a job with nonce 0x{job.nonce.hex()} before, and one is paid; "
        "sign another nonce",
        code="duplicate_job",
        status=409,
        param="job.nonce",
    )


def overloaded(waiting: int, capacity: int) -> InputError:
    return InputError(
        f"{waiting} jobs are running or waiting and the limit is {capacity}; try again in "
        f"{RETRY_AFTER_SECONDS} s or choose another provider",
        code="overloaded",
        status=503,
    )


def failed() -> AssayError:
    """What a consumer learns of a bug of ours."""
    return AssayError("the worker failed; the provider's log says why")
