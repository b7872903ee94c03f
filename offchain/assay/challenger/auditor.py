"""Watches batches and opens a game against every wrong claim while the window is open."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from time import monotonic, time

from assay.chain.events import Event, EventReader
from assay.chain.network import Head, Network
from assay.chain.settlement import ClaimStatus
from assay.challenger.audit import Finding, check_data, check_prompt
from assay.challenger.certainty import Case, Grounds, Place, establish
from assay.challenger.evidence import Evidence
from assay.challenger.opening import open_case
from assay.challenger.truths import Truths
from assay.core import logs, metrics
from assay.core.errors import (
    AssayError,
    DeepReorganisation,
    IncompleteData,
    ProofError,
)
from assay.core.hashes import job_id
from assay.core.types import Hash
from assay.core.wire import ClaimData
from assay.trace.commitment import Commitment

RETRY_SECONDS = 2.0
RETRY_LIMIT_SECONDS = 60.0

CLAIMS = metrics.counter(
    "assay_claims_audited_total",
    "Claims by what came of them: right, wrong, withdrawn, other_model, missed (the window ended).",
    "result",
)
FAILURES = metrics.counter(
    "assay_audit_failures_total", "Audits that failed and are tried again, by the error.", "code"
)
INCOMPLETE = metrics.counter(
    "assay_incomplete_data_total", "Challenges that were not made on a doubt, by the doubt.", "kind"
)
WAITING = metrics.gauge("assay_claims_waiting", "Claims in their window without a verdict.")

Examine = Callable[[ClaimData], Finding | None]
"""What is wrong with a claim of one model: `audit` or `audit_embedding`."""


@dataclass(frozen=True)
class Subject:
    """A model whose claims are checked, and how."""

    commitment: Commitment
    examine: Examine


@dataclass(frozen=True)
class Found:
    """A claim that our engine rejects; not yet a case."""

    data: ClaimData
    finding: Finding


@dataclass
class Task:
    """One claim to audit; `attempts` failed so far, the next one not before `due`.

    What is `found` wrong with it waits until its provider cannot take it back. A claim that was
    found wrong stays a task with its `case` until its window is over: a reorganisation may undo the
    opening of its game. It may undo the window's end, too, so a task stays for `reorg_depth` blocks
    more, from the one on at which its window was found `over`.
    """

    place: Place
    attempts: int = 0
    due: float = 0.0
    found: Found | None = None
    case: Case | None = None
    over: int | None = None


class Auditor:
    """A loop's turn: learn of new batches, then audit what is due, nearest end of window first.

    `hold_fire`: open no game while the provider could still take the claim back; it would do so at
    the sight of the game, for a twentieth of what a conviction costs it. `check_all`: audit every
    claim of every batch, besides those that it is told to `watch`.
    """

    def __init__(
        self,
        network: Network,
        evidence: Evidence,
        subjects: Sequence[Subject],
        address: str,
        start_block: int | None,
        stopping: threading.Event,
        truths: Truths | None = None,
        head_seconds: float | None = None,
        hold_fire: bool = True,
        check_all: bool = True,
    ) -> None:
        self._network = network
        self._start = start_block
        self._reader: EventReader = network.reader(start_block)
        self._evidence = evidence
        self._subjects: dict[bytes, Subject] = {
            subject.commitment.model_root: subject for subject in subjects
        }
        self._address = address
        self._stopping = stopping
        self._hold_fire = hold_fire
        self._check_all = check_all
        self._watched: SimpleQueue[Place] = SimpleQueue()
        self._tasks: dict[tuple[bytes, int], Task] = {}
        truths = truths or Truths([subject.commitment for subject in subjects])
        self._grounds = Grounds(network, truths, address, head_seconds)

    def watch(self, place: Place) -> None:
        """Audit a claim, from the next turn on; harmless if that is done already."""
        self._watched.put(place)

    def known(self) -> int:
        """How many claims it looks at: without a verdict, or wrong."""
        return len(self._tasks)

    def turn(self) -> None:
        while not self._watched.empty():
            place = self._watched.get()
            self._tasks.setdefault((place.batch_id, place.index), Task(place))
        if self._check_all:
            self._learn()
        newest = self._network.newest()
        for key, task in sorted(self._tasks.items(), key=lambda item: item[1].place.until):
            if self._stopping.is_set():
                return
            if newest.timestamp > task.place.until:
                over = self._is_over_for_good(task, newest.number)
            else:
                task.over = None
                over = monotonic() >= task.due and self._done(task)
            if over:
                del self._tasks[key]
            waiting = (task for task in self._tasks.values() if task.over is None)
            WAITING.set(sum(task.case is None for task in waiting))

    def _is_over_for_good(self, task: Task, block: int) -> bool:
        """Whether a task's window has been over for so long that no reorganisation opens it."""
        if task.over is None:
            task.over = block
            if task.case is None:
                CLAIMS.add(result="missed")
                logs.warning("window_over", batch=task.place.batch_id, index=task.place.index)
        return block >= task.over + self._network.reorg_depth

    def _learn(self) -> None:
        try:
            update = self._reader.poll()
        except DeepReorganisation:
            # Everything from the start.
            self._reader = self._network.reader(self._start)
            self._tasks.clear()
            raise
        for event in update.removed:
            if event.name == "BatchPosted":
                for index in range(event.args["count"]):
                    self._tasks.pop((event.args["batch_id"], index), None)
        posted = [event for event in update.added if event.name == "BatchPosted"]
        if posted:
            newest = self._network.newest()
            oldest = max(newest.number - self._network.reorg_depth, 0)
            since = min(self._network.time_of(oldest), newest.timestamp)
            for event in posted:
                if event.args["challenge_until"] >= since:
                    self._add(event, newest)

    def _add(self, event: Event, newest: Head) -> None:
        """Windows that ended of late may open again, but were not missed by this run."""
        args = event.args
        over = newest.number if args["challenge_until"] < newest.timestamp else None
        for index in range(args["count"]):
            place = Place(
                provider=args["provider"],
                batch_id=args["batch_id"],
                index=index,
                root=args["root"],
                until=args["challenge_until"],
            )
            self._tasks[place.batch_id, index] = Task(place, over=over)

    def _done(self, task: Task) -> bool:
        """Audit one claim; False if it must be looked at again later."""
        try:
            if task.case is None:
                task.found = task.found or self._audit(task.place)
                if task.found is None or self._is_withdrawn(task.place):
                    return True
                if self._hold_fire and self._can_be_withdrawn(task.place):
                    task.due = monotonic() + RETRY_SECONDS
                    return False
                task.case = self._establish(task.place, task.found)
            self._open(task.case)
        except AssayError as error:
            task.found = None
            self._put_off(task, error)
        return False

    def _put_off(self, task: Task, error: AssayError) -> None:
        task.attempts += 1
        task.due = monotonic() + min(RETRY_SECONDS * 2**task.attempts, RETRY_LIMIT_SECONDS)
        FAILURES.add(code=error.code)
        name = "audit_failed"
        if isinstance(error, IncompleteData):
            name = "challenge_withheld"
            INCOMPLETE.add(kind=error.kind)
        elif isinstance(error, ProofError):
            name = "data_unproven"
            INCOMPLETE.add(kind="unproven")
        place = task.place
        logs.warning(name, batch=place.batch_id, index=place.index, error=error.message)

    def _audit(self, place: Place) -> Found | None:
        """What is wrong with a claim; None if it is right, or of another model."""
        data = self._evidence.get(place.provider, place.batch_id, place.index)
        check_data(data, place.root, place.provider, self._job_id(data))
        subject = self._subjects.get(data.job.model_root)
        if subject is None:
            CLAIMS.add(result="other_model")
            logs.event("not_our_model", job=data.receipt.job_id)
            return None
        check_prompt(data, subject.commitment.header)
        finding = subject.examine(data)
        job = data.receipt.job_id
        if finding is None:
            CLAIMS.add(result="right")
            logs.event("claim_right", job=job, tokens=data.receipt.output_tokens)
            return None
        logs.event("claim_suspected", job=job, batch=place.batch_id, index=place.index)
        self._evidence.keep(data)
        return Found(data, finding)

    def _establish(self, place: Place, found: Found) -> Case:
        case = establish(self._grounds, place, found.data, found.finding)
        CLAIMS.add(result="wrong")
        job, wrong = found.data.receipt.job_id, found.finding
        logs.warning("claim_wrong", job=job, token=wrong.token_index, reason=wrong.reason)
        return case

    def _is_withdrawn(self, place: Place) -> bool:
        status = self._network.settlement.status(place.batch_id, place.index)
        if status is not ClaimStatus.WITHDRAWN:
            return False
        CLAIMS.add(result="withdrawn")
        logs.event("claim_withdrawn", batch=place.batch_id, index=place.index)
        return True

    def _can_be_withdrawn(self, place: Place) -> bool:
        now = max(self._network.now(), int(time()))  # an idle chain's newest block may be old
        return now <= self._network.settlement.withdrawal_until(place.batch_id)

    def _job_id(self, data: ClaimData) -> Hash:
        return job_id(data.job, self._network.chain_id, self._network.settlement.address)

    def _open(self, case: Case) -> None:
        header = self._subjects[case.data.job.model_root].commitment.header
        open_case(self._network, self._evidence, header, case, self._address)
