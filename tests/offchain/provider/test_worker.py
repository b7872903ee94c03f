"""Jobs run together, are journalled before they are answered, and end whatever consumers do."""

from __future__ import annotations

import os
import queue
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from assay.core.errors import AssayError, EnvironmentMissing, InputError
from assay.core.hashes import OUTPUT_SIDE
from assay.core.tokens import TokenList
from assay.core.types import TEMPERATURE_ONE, Job, Receipt, SamplingParams
from assay.engine.batch import Emitted
from assay.engine.engine import Engine
from assay.engine.importer import import_checkpoint
from assay.engine.order import Order, fingerprint
from assay.engine.process import EngineLost, EngineProcess, Refused, RemoteBatch
from assay.provider import worker as provider_worker
from assay.provider.cheat import Honest, make_cheat
from assay.provider.jobs import MOVED, Admitted, Item, JobQueue, Run
from assay.provider.journal import Entry, Journal
from assay.provider.worker import Decoding, Together, Worker
from tests.offchain.engine.checkpoints import write_checkpoint
from tests.support.models import random_model

SALT = bytes([5]) * 32
PROMPT = (4, 700, 12)
CONFIG = {"eos_token_id": None, "max_position_embeddings": 1024}


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(random_model())


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "journal.sqlite")
    yield opened
    opened.close()


def until(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def admitted(number: int, tokens: int = 6) -> Admitted:
    job_id = number.to_bytes(32, "big")
    job = Job(
        bytes(32), "0x" + "11" * 20, "0x" + "22" * 20, bytes(32), len(PROMPT), tokens,
        TEMPERATURE_ONE, bytes([number]) * 32, 10**6, 10**6, 10**9, 2**40, 0, job_id,
    )  # fmt: skip
    return Admitted(job_id, job, b"signature", PROMPT, SALT)


def worker(engine: Decoding, journal: Journal, cheat: Honest | None = None, **sizes: int) -> Worker:
    return Worker(
        engine,
        journal,
        sign=lambda receipt: b"by " + receipt.job_id,
        cheat=cheat or Honest(),
        max_running=sizes.get("running", 4),
        max_waiting=sizes.get("waiting", 8),
    )


class Results:
    """What comes out of a job."""

    def __init__(self, work: Worker, item: Admitted) -> None:
        self._items: queue.SimpleQueue[Item] = queue.SimpleQueue()
        work.start(item, self._items.put)

    def all(self) -> list[Item]:
        """Everything up to the claim or the error."""
        found: list[Item] = []
        while not found or isinstance(found[-1], int):
            found.append(self._items.get(timeout=60))
        return found


def truth(engine: Engine, item: Admitted) -> list[int]:
    job = item.job
    params = SamplingParams(job.max_output_tokens, job.inv_temperature, job.seed)
    return list(engine.generate(list(item.prompt), params))


def test_jobs_decoded_together_answer_as_if_alone(engine: Engine, journal: Journal) -> None:
    work = worker(engine, journal)
    items = [admitted(n, tokens=3 + n) for n in range(1, 8)]
    runs = [Results(work, item) for item in items]
    for item, run in zip(items, runs, strict=True):
        *tokens, entry = run.all()
        assert tokens == truth(engine, item)
        assert isinstance(entry, Entry)
        assert entry == journal.claim(item.job_id)
        assert entry.receipt == Receipt(
            item.job_id,
            TokenList([int(str(t)) for t in tokens], SALT, OUTPUT_SIDE).root,
            len(tokens),
            len(PROMPT) + len(tokens),
        )
    assert work.running() == []
    work.close()


def test_a_job_ends_without_its_consumer(engine: Engine, journal: Journal) -> None:
    work = worker(engine, journal)
    Results(work, admitted(1))
    work.close()
    assert journal.claim(admitted(1).job_id) is not None


def test_revert_duplicate(engine: Engine, journal: Journal) -> None:
    work = worker(engine, journal)
    Results(work, admitted(1)).all()
    with pytest.raises(InputError) as caught:
        Results(work, admitted(1))
    assert (caught.value.code, caught.value.status) == ("duplicate_job", 409)
    work.close()


@pytest.mark.parametrize("finished", [True, False])
def test_revert_another_job_of_the_same_nonce(
    engine: Engine, journal: Journal, finished: bool
) -> None:
    """Only one of them could be paid; another consumer's nonce is another."""
    work = worker(engine, journal)
    first = Results(work, admitted(1, tokens=6 if finished else 200))
    if finished:
        first.all()
    other = replace(admitted(2), job=replace(admitted(2).job, nonce=admitted(1).job.nonce))
    with pytest.raises(InputError, match="sign another nonce") as caught:
        Results(work, other)
    assert caught.value.code == "duplicate_job"
    stranger = replace(other, job=replace(other.job, consumer="0x" + "33" * 20))
    assert isinstance(Results(work, stranger).all()[-1], Entry)
    work.close()


class Watched:
    """A batch that does more than compute."""

    def __init__(self, batch: Together) -> None:
        self._batch = batch

    def __len__(self) -> int:
        return len(self._batch)

    def add(self, prompt: Sequence[int], params: SamplingParams, output: Sequence[int] = ()) -> int:
        return self._batch.add(prompt, params, output)

    def step(self) -> Sequence[Emitted | Refused]:
        return self._batch.step()


class Paused:
    """An engine that takes jobs, and computes them once it is let `go`."""

    def __init__(self, engine: Engine) -> None:
        self.shape, self.ahead = engine.shape, engine.ahead
        self.go = threading.Event()
        self._engine = engine

    def batch(self, slots: int) -> Together:
        go = self.go

        class Waiting(Watched):
            def step(self) -> Sequence[Emitted | Refused]:
                assert go.wait(60)
                return super().step()

        return Waiting(self._engine.batch(slots))


def test_revert_overloaded(engine: Engine, journal: Journal) -> None:
    paused = Paused(engine)
    work = worker(paused, journal, running=1, waiting=1)
    Results(work, admitted(1))
    Results(work, admitted(2))
    with pytest.raises(InputError) as caught:
        Results(work, admitted(3))
    assert (caught.value.code, caught.value.status) == ("overloaded", 503)
    paused.go.set()
    work.close()
    assert journal.counts()["pending"] == 2


class Held(JobQueue):
    """Computes nothing until it is closed; then `order` has the jobs as they are taken."""

    order: list[int]

    def _work(self) -> None:
        with self._changed:
            while not self._closing:
                self._changed.wait()
        self.order = [run.admitted.job_id[-1] for run in self._waiting]


def test_work_that_can_wait_is_taken_where_there_is_room_and_runs_last(journal: Journal) -> None:
    held = Held(journal, lambda receipt: b"", Honest(), slots=4, waiting=2)

    def start(number: int, can_wait: bool) -> None:
        held.start(replace(admitted(number), can_wait=can_wait), lambda item: None)

    for number, can_wait in ((1, False), (2, True), (3, True), (4, False), (5, False)):
        start(number, can_wait)
    with pytest.raises(InputError, match="5 jobs are running or waiting and the limit is 3") as no:
        start(6, can_wait=True)
    assert (no.value.code, no.value.status) == ("overloaded", 503)
    start(7, can_wait=False)
    held.close()
    assert held.order == [1, 4, 5, 7, 2, 3]


def test_revert_closed(engine: Engine, journal: Journal) -> None:
    work = worker(engine, journal)
    work.close()
    with pytest.raises(InputError):
        Results(work, admitted(1))


class SlowJournal(Journal):
    """Is at the disk when it is asked, until `done`."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.asked, self.done = threading.Event(), threading.Event()

    def knows(self, consumer: str, nonce: bytes) -> bool:
        self.asked.set()
        assert self.done.wait(60)
        return super().knows(consumer, nonce)


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[SlowJournal]:
    opened = SlowJournal(tmp_path / "slow.sqlite")
    yield opened
    opened.close()


def test_a_journal_at_the_disk_delays_no_token(engine: Engine, slow: SlowJournal) -> None:
    work = worker(engine, slow)
    slow.done.set()
    running = Results(work, admitted(1, tokens=40))
    slow.asked.clear()
    slow.done.clear()
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(Results, work, admitted(2))
        assert slow.asked.wait(60)
        assert isinstance(running.all()[-1], Entry)
        with pytest.raises(InputError, match="sign another nonce"):
            Results(work, admitted(2))
        slow.done.set()
        assert isinstance(starting.result(60).all()[-1], Entry)
    work.close()


class FlushedJournal(Journal):
    """Counts what each commit holds; one job cannot be written."""

    def __init__(self, path: Path, bad: bytes) -> None:
        super().__init__(path)
        self.commits: list[int] = []
        self._bad = bad

    def add(self, *entries: Entry) -> None:
        if any(entry.job_id == self._bad for entry in entries):
            raise OSError("no space left")
        super().add(*entries)
        self.commits.append(len(entries))


@pytest.mark.parametrize("bad", [0, 3])
def test_jobs_that_end_together_share_a_flush(engine: Engine, tmp_path: Path, bad: int) -> None:
    """Unless one of them cannot be written, which ends alone in an error."""
    flushed = FlushedJournal(tmp_path / "flushed.sqlite", bad.to_bytes(32, "big"))
    work = worker(engine, flushed, running=6)
    held = [admitted(n) for n in range(1, 6)]
    got: dict[bytes, list[Item]] = {item.job_id: [] for item in held}
    runs = [Run(item, got[item.job_id].append, list(PROMPT)) for item in held]
    work._runs |= {run.admitted.job_id: run for run in runs}
    work._ended.extend(runs)
    work._finish_ended()
    for number, item in enumerate(held, 1):
        (last,) = got[item.job_id]
        assert isinstance(last, AssayError if number == bad else Entry)
        assert (flushed.claim(item.job_id) is None) == (number == bad)
    assert flushed.commits == ([5] if not bad else [1] * 4)
    assert work.running() == []
    work.close()
    flushed.close()


def test_revert_closed_while_the_journal_is_asked(engine: Engine, slow: SlowJournal) -> None:
    work = worker(engine, slow)
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(Results, work, admitted(1))
        assert slow.asked.wait(60)
        work.close()
        slow.done.set()
        with pytest.raises(InputError) as caught:
            starting.result(60)
    assert caught.value.code == "overloaded"
    assert work.running() == []


def test_a_job_that_the_engine_refuses_fails_alone(engine: Engine, journal: Journal) -> None:
    work = worker(engine, journal)
    bad = replace(admitted(1), prompt=(1, 2, 5000))
    refused, served = Results(work, bad), Results(work, admitted(2))
    (error,) = refused.all()
    assert isinstance(error, AssayError)
    assert isinstance(served.all()[-1], Entry)
    assert journal.claim(bad.job_id) is None
    work.close()


def test_slots_are_given_on(engine: Engine, journal: Journal) -> None:
    work = worker(engine, journal, running=2, waiting=10)
    runs = [Results(work, admitted(n)) for n in range(1, 8)]
    deadline = time.monotonic() + 20
    assert all(isinstance(run.all()[-1], Entry) for run in runs)
    assert time.monotonic() < deadline
    work.close()


@pytest.mark.parametrize(
    "cheat",
    [
        {"kind": "wrong_token", "index": 2},
        {"kind": "truncate", "drop": 2},
        {"kind": "truncate", "drop": 100},
        {"kind": "wrong_count", "delta": 1},
        {"kind": "wrong_prompt", "index": 1},
    ],
    ids=str,
)
def test_a_cheat_claims_what_it_streams(
    engine: Engine, journal: Journal, cheat: dict[str, object]
) -> None:
    work = worker(engine, journal, make_cheat(cheat))
    *tokens, entry = Results(work, admitted(1)).all()
    work.close()
    assert isinstance(entry, Entry)
    assert list(entry.output) == tokens
    right = truth(engine, admitted(1))
    if cheat["kind"] == "truncate":
        assert tokens == right[: max(len(right) - int(str(cheat["drop"])), 1)]
    if cheat["kind"] == "wrong_token":
        assert [i for i, (a, b) in enumerate(zip(tokens, right, strict=True)) if a != b] == [2]
    if cheat["kind"] == "wrong_count":
        assert entry.receipt.output_tokens == len(tokens) + 1
    if cheat["kind"] == "wrong_prompt":
        assert tokens != right


class Doomed(Watched):
    """A process's batch: it is killed once it has begun so many requests, together."""

    def __init__(self, batch: RemoteBatch, requests: int) -> None:
        super().__init__(batch)
        self._process, self._requests = batch.process, requests
        self._begun: set[int] = set()
        os.kill(self._process, signal.SIGSTOP)  # else one may end before the next comes

    def add(self, prompt: Sequence[int], params: SamplingParams, output: Sequence[int] = ()) -> int:
        request = super().add(prompt, params, output)
        if len(self) == self._requests:
            os.kill(self._process, signal.SIGCONT)
        return request

    def step(self) -> Sequence[Emitted | Refused]:
        if len(self) < self._requests:
            time.sleep(0.01)
            return []
        if len(self._begun) < self._requests:
            found = super().step()
            self._begun |= {item.request for item in found}
            return found
        os.kill(self._process, signal.SIGKILL)
        while len(self):
            super().step()  # what was on its way is lost, too
        raise EngineLost("it had sent everything")


class Mortal:
    """An engine in processes: `fails` batches cannot be had, then the first is doomed with so many
    requests, if any."""

    def __init__(self, process: EngineProcess, fails: int = 0, doomed: int = 0) -> None:
        self.shape, self.ahead = process.shape, process.ahead
        self.batches: list[int] = []
        self._process, self._fails, self._doomed = process, fails, doomed

    def batch(self, slots: int) -> Together:
        if self._fails:
            self._fails -= 1
            raise EnvironmentMissing("no memory")
        batch = self._process.batch(slots)
        self.batches.append(batch.process)
        requests, self._doomed = self._doomed, 0
        return Doomed(batch, requests) if requests else batch


@pytest.fixture
def process(tmp_path: Path) -> Iterator[EngineProcess]:
    path = write_checkpoint(tmp_path / "small", CONFIG)
    model = import_checkpoint(path)
    order = Order(path, fingerprint(model), 2, None, 1, "torch", False, None, 4)
    made = EngineProcess(order, model.shape)
    yield made
    made.close()


def test_jobs_go_on_with_another_engine(process: EngineProcess, journal: Journal) -> None:
    """Their consumers notice a pause."""
    mortal, moved = Mortal(process, doomed=2), MOVED.value()
    work = worker(mortal, journal, running=2)
    items = [admitted(number, tokens=900) for number in (1, 2)]
    running = [Results(work, item) for item in items]
    alone = Engine(import_checkpoint(process._order.path))
    for each, item in zip(running, items, strict=True):
        *tokens, entry = each.all()
        assert tokens == truth(alone, item)
        assert isinstance(entry, Entry)
        assert entry == journal.claim(item.job_id)
    before, after = mortal.batches
    assert before != after
    assert MOVED.value() == moved + 2
    work.close()


class Scripted:
    """An engine of which each batch gives one job some tokens, then is lost."""

    ahead = 0

    def __init__(self, engine: Engine, *batches: Sequence[int]) -> None:
        self.shape = engine.shape
        self.asked: list[tuple[int, ...]] = []
        self._batches, self._tokens = deque(batches), deque[int]()
        self._running = 0

    def batch(self, slots: int) -> Scripted:
        self._tokens, self._running = deque(self._batches.popleft()), 0
        return self

    def __len__(self) -> int:
        return self._running

    def add(self, prompt: Sequence[int], params: SamplingParams, output: Sequence[int] = ()) -> int:
        self.asked.append(tuple(output))
        self._running = 1
        return 0

    def step(self) -> list[Emitted]:
        if not self._tokens:
            raise EngineLost("the process ended")
        return [Emitted(0, self._tokens.popleft(), False)]


def test_a_job_that_engines_die_of_is_given_up(engine: Engine, journal: Journal) -> None:
    """Each begins with the last token of before, which is given out once."""
    scripted = Scripted(engine, [5, 6], [6, 7], [7], [7], [])
    work = worker(scripted, journal)
    *tokens, error = Results(work, admitted(1)).all()
    assert tokens == [5, 6, 7]
    assert isinstance(error, AssayError)
    assert scripted.asked == [(), (5,), (5, 6), (5, 6)]
    work.close()


def test_engines_that_disagree_answer_nothing(engine: Engine, journal: Journal) -> None:
    scripted = Scripted(engine, [5], [6, 7], [])
    work = worker(scripted, journal)
    *tokens, error = Results(work, admitted(1)).all()
    assert tokens == [5]
    assert isinstance(error, AssayError)
    work.close()
    assert journal.claim(admitted(1).job_id) is None


def test_an_engine_that_cannot_be_had_is_tried_again(
    process: EngineProcess, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for it meanwhile: consumers may go elsewhere."""
    monkeypatch.setattr(provider_worker, "AGAIN_SECONDS", 0.2)
    failing = Mortal(process, fails=1000)
    work = worker(failing, journal, running=2)
    until(lambda: not work.able)
    with pytest.raises(InputError, match="what computes this model is not there") as refused:
        Results(work, admitted(1))
    assert (refused.value.code, refused.value.status) == ("no_engine", 503)
    failing._fails = 0
    until(lambda: work.able)
    assert isinstance(Results(work, admitted(2)).all()[-1], Entry)
    work.close()


def test_jobs_that_wait_when_no_engine_can_be_had_end(engine: Engine, journal: Journal) -> None:
    scripted = Scripted(engine, [])
    work = worker(scripted, journal, running=1)
    (error,) = Results(work, admitted(1)).all()
    assert isinstance(error, AssayError)
    with pytest.raises(InputError, match="try again later"):
        Results(work, admitted(2))
    work.close()
    assert work.running() == []


def test_a_queue_closes_without_an_engine(process: EngineProcess, journal: Journal) -> None:
    work = worker(Mortal(process, fails=1000), journal)
    work.close()
    assert work.running() == []


class Crashing:
    """An engine that takes nothing."""

    ahead = 0

    def __init__(self, engine: Engine) -> None:
        self.shape = engine.shape

    def batch(self, slots: int) -> Crashing:
        return self

    def __len__(self) -> int:
        return 0

    def add(self, prompt: Sequence[int], params: SamplingParams, output: Sequence[int] = ()) -> int:
        raise RuntimeError("out of memory")

    def step(self) -> list[Emitted]:
        return []


def test_a_job_that_the_engine_fails_to_take_ends(engine: Engine, journal: Journal) -> None:
    work = worker(Crashing(engine), journal)
    (error,) = Results(work, admitted(1)).all()
    assert isinstance(error, AssayError)
    work.close()
    assert work.running() == []
