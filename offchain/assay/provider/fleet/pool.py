"""The front of a fleet: one queue of jobs, workers that come and go.

Each worker has a thread here that hands it jobs and takes its tokens. When one is lost, its jobs go
to the head of the queue with the tokens that they have. Whoever takes such a job computes its last
token again, which must be the same, and goes on: consumers notice a pause.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Protocol

from assay.core import logs, metrics
from assay.core.errors import AssayError
from assay.core.types import Hash, Receipt, SamplingParams
from assay.provider.cheat import Honest
from assay.provider.fleet.worker import Facts, Progress, Task, Token
from assay.provider.jobs import JobQueue, Run, failed, repeats
from assay.provider.journal import Journal
from assay.provider.worker import token_commitment

SCALE_SECONDS = 0.5
HIRE_BACKOFF_SECONDS = 5.0

WORKERS = metrics.gauge("assay_fleet_workers", "Workers of a fleet, by state.", "model", "state")
LOST = metrics.counter("assay_fleet_workers_lost_total", "Workers that were lost.", "model")


class Lost(AssayError):
    """A worker does not answer any more."""

    code = "worker_lost"


class RemoteEngine(Protocol):
    """A worker as the front sees it; every call raises `Lost` once it is gone."""

    def ready(self) -> Facts:
        """Wait until its model is loaded."""
        ...

    def step(self, tasks: tuple[Task, ...]) -> Progress: ...

    def dismiss(self) -> None:
        """Let it go, whatever it does; never raises."""
        ...


@dataclass(frozen=True)
class Size:
    """How many workers: between `least` and `most`; one that had nothing to do for
    `idle_seconds` leaves. Each computes `slots` jobs at once."""

    slots: int
    least: int
    most: int
    idle_seconds: float

    def wanted(self, jobs: int) -> int:
        return min(max(-(-jobs // self.slots), self.least), self.most)


@dataclass(eq=False)
class Member:
    """One worker: `facts` once it is ready."""

    number: int
    engine: RemoteEngine
    runs: dict[bytes, Run] = field(default_factory=dict)
    facts: Facts | None = None
    idle_since: float = field(default_factory=time.monotonic)
    leaving: bool = False
    served: int = 0

    @property
    def state(self) -> str:
        if self.leaving:
            return "leaving"
        return "starting" if self.facts is None else "ready"


class Fleet(JobQueue):
    """Decodes jobs on workers that `hire` starts; `waiting` more are queued.

    `hire` returns at once; the worker may become ready later, or never.
    """

    def __init__(
        self,
        name: str,
        hire: Callable[[], RemoteEngine],
        size: Size,
        journal: Journal,
        sign: Callable[[Receipt], bytes],
        waiting: int,
    ) -> None:
        self._name = name
        self._hire = hire
        self._size = size
        self._members: list[Member] = []
        self._threads: list[threading.Thread] = []
        self._numbers = count(1)
        self._hire_after = 0.0
        super().__init__(journal, sign, Honest(), size.most * size.slots, waiting)

    def workers(self) -> list[dict[str, Any]]:
        """For a look from outside."""
        with self._changed:
            return [
                {
                    "worker": member.number,
                    "model": self._name,
                    "state": member.state,
                    "running": len(member.runs),
                    "slots": self._size.slots,
                    "served": member.served,
                }
                for member in self._members
            ]

    def facts(self) -> list[Facts]:
        """Where the workers run that are ready."""
        with self._changed:
            return [member.facts for member in self._members if member.facts is not None]

    def _work(self) -> None:
        """Keep the number of workers right until the last job is done."""
        while True:
            with self._changed:
                if self._closing and not self._runs:
                    break
            self._scale()
            with self._changed:
                self._changed.wait(SCALE_SECONDS)
        with self._changed:
            for member in self._members:
                _send_away(member)
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _scale(self) -> None:
        with self._changed:
            staying = [member for member in self._members if not member.leaving]
            missing = self._size.wanted(len(self._runs)) - len(staying)
            if missing < 0:
                self._retire(staying, -missing)
            self._report()
        for _ in range(missing if time.monotonic() >= self._hire_after else 0):
            self._add()

    def _retire(self, staying: list[Member], most: int) -> None:
        """Workers that have had nothing to do for long, the newest first."""
        now = time.monotonic()
        for member in reversed(staying):
            idle = not member.runs and now - member.idle_since > self._size.idle_seconds
            if most and idle:
                _send_away(member)
                most -= 1
        self._changed.notify_all()

    def _add(self) -> None:
        try:
            engine = self._hire()
        except Exception:
            logs.LOGGER.exception("worker_not_hired")
            self._hire_after = time.monotonic() + HIRE_BACKOFF_SECONDS
            self._end_without_workers()
            return
        member = Member(next(self._numbers), engine)
        thread = threading.Thread(target=self._drive, args=(member,), daemon=True)
        with self._changed:
            self._members.append(member)
            self._threads = [each for each in self._threads if each.is_alive()] + [thread]
        thread.start()

    def _end_without_workers(self) -> None:
        """A queue that closes waits for no machine that may never come."""
        with self._changed:
            waiting = list(self._waiting) if self._closing and not self._members else []
            if waiting:
                self._waiting.clear()
        for run in waiting:
            self._drop(run, failed())

    def _drive(self, member: Member) -> None:
        """A worker's whole life."""
        try:
            facts = member.engine.ready()
            with self._changed:
                member.facts = facts
            logs.event("worker_joined", worker=member.number, model=self._name)
            while (tasks := self._assigned(member)) is not None:
                self._deliver(member, member.engine.step(tasks))
        except Exception as error:
            if not member.leaving:
                self._lost(member, error)
        else:
            logs.event("worker_left", worker=member.number, model=self._name)
        finally:
            with self._changed:
                self._members.remove(member)
                self._changed.notify_all()
            member.engine.dismiss()

    def _assigned(self, member: Member) -> tuple[Task, ...] | None:
        """New jobs for it, perhaps none while it has some; None once it is to leave."""
        with self._changed:
            while not (member.runs or member.leaving or self._waiting):
                self._changed.wait()
            if not member.runs and member.leaving:
                return None
            taken = []
            while self._waiting and len(member.runs) < self._share() and not member.leaving:
                run = self._waiting.popleft()
                member.runs[run.admitted.job_id] = run
                taken.append(_task(run))
            return tuple(taken)

    def _share(self) -> int:
        """Jobs of one worker, so that all have about as many."""
        ready = sum(each.facts is not None and not each.leaving for each in self._members)
        return min(self._size.slots, -(-len(self._runs) // max(ready, 1)))

    def _deliver(self, member: Member, progress: Progress) -> None:
        for job_id, refusal in progress.refused:
            self._drop(self._released(member, job_id), refusal)
        for token in progress.tokens:
            run = member.runs.get(token.task)
            if run is None:
                continue  # given up a moment ago
            if run.resumed:
                self._check_resumed(member, run, token)
                continue
            run.output.append(token.token)
            self.meter.add()
            run.outlet(token.token)
            if token.finished:
                member.served += 1
                self._end(self._released(member, token.task))

    def _check_resumed(self, member: Member, run: Run, token: Token) -> None:
        """The first token of a job that was taken over is the last one of before."""
        if not repeats(run, token.token):
            logs.warning("workers_disagree", job=token.task, worker=member.number)
            self._drop(self._released(member, token.task), failed())
            raise Lost("it computes other tokens than the worker before it")

    def _released(self, member: Member, job_id: bytes) -> Run:
        with self._changed:
            run = member.runs.pop(job_id)
            member.idle_since = time.monotonic()
            self._changed.notify_all()
        return run

    def _lost(self, member: Member, error: Exception) -> None:
        """Give its jobs to others, those that have waited longest first."""
        LOST.add(model=self._name)
        logs.warning("worker_lost", worker=member.number, model=self._name, error=str(error))
        if not isinstance(error, Lost):
            logs.LOGGER.error("worker_failed", exc_info=error)
        with self._changed:
            if member.facts is None:  # it never was ready: the next one may not be either
                self._hire_after = time.monotonic() + HIRE_BACKOFF_SECONDS
            runs = [*member.runs.values()]
            member.runs.clear()
        self._line_up_again(runs)

    def _report(self) -> None:
        states = [member.state for member in self._members]
        for state in ("starting", "ready", "leaving"):
            WORKERS.set(states.count(state), model=self._name, state=state)

    def _commitment(self, run: Run) -> tuple[Hash, int]:
        return token_commitment(run)


def _send_away(member: Member) -> None:
    """It finishes what it has; one that is not ready yet goes at once."""
    member.leaving = True
    if member.facts is None:
        member.engine.dismiss()


def _task(run: Run) -> Task:
    job = run.admitted.job
    params = SamplingParams(job.max_output_tokens, job.inv_temperature, job.seed)
    return Task(run.admitted.job_id, run.admitted.prompt, params, tuple(run.output[:-1]))
