"""Workers on a real Ray cluster die and join while jobs run; no answer differs or is lost."""

from __future__ import annotations

import gc
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from assay.core.errors import AssayError, InputError
from assay.core.settings import ProviderSettings, load_settings
from assay.core.types import TEMPERATURE_ONE, Job, Receipt, SamplingParams
from assay.engine.engine import Engine
from assay.engine.importer import import_checkpoint
from assay.engine.order import Order, fingerprint
from assay.provider.cheat import Honest
from assay.provider.doctor import LOOKS, Subject, examine
from assay.provider.fleet.pool import Fleet, Lost, RemoteEngine, Size
from assay.provider.fleet.worker import Facts, FleetWorker, Progress, Task, Token
from assay.provider.jobs import MOVED, MOVES, Admitted, Item
from assay.provider.journal import Entry, Journal
from assay.provider.shops import Works, connect_fleet, load_models
from tests.offchain.engine.checkpoints import write_checkpoint

PROMPT = (4, 700, 12)
TOKENS = 60
SLOTS = 3
RAY_SECONDS = 180.0


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("models") / "small", {"eos_token_id": None})


@pytest.fixture(scope="module")
def engine(checkpoint: Path) -> Engine:
    return Engine(import_checkpoint(checkpoint), threads=1, backend="torch")


@pytest.fixture(scope="module")
def order(checkpoint: Path) -> Order:
    known = fingerprint(import_checkpoint(checkpoint))
    return Order(checkpoint, known, SLOTS, None, 1, "torch", False, None, 4)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "journal.sqlite")
    yield opened
    opened.close()


def admitted(number: int, tokens: int = TOKENS) -> Admitted:
    job_id = number.to_bytes(32, "big")
    prompt = (number, *PROMPT)
    job = Job(
        bytes(32), "0x" + "11" * 20, "0x" + "22" * 20, bytes(32), len(prompt), tokens,
        TEMPERATURE_ONE, bytes([number]) * 32, 10**6, 10**6, 10**9, 2**40, 0, job_id,
    )  # fmt: skip
    return Admitted(job_id, job, b"signature", prompt, bytes(32))


def params(item: Admitted) -> SamplingParams:
    job = item.job
    return SamplingParams(job.max_output_tokens, job.inv_temperature, job.seed)


def fleet(
    journal: Journal, hire: Callable[[], RemoteEngine], least: int = 1, most: int = 1
) -> Fleet:
    size = Size(SLOTS, least, most, idle_seconds=0.5)
    return Fleet("small", hire, size, journal, lambda receipt: b"by " + receipt.job_id, 64)


class Answers:
    """What comes out of jobs; `seen` is called with every item."""

    def __init__(self, fleet: Fleet, items: list[Admitted]) -> None:
        self._queues: list[queue.SimpleQueue[Item]] = [queue.SimpleQueue() for _ in items]
        for item, found in zip(items, self._queues, strict=True):
            fleet.start(item, found.put)

    def first(self, index: int) -> Item:
        return self._queues[index].get(timeout=60)

    def all(self) -> list[list[Item]]:
        return [self._drained(found) for found in self._queues]

    @staticmethod
    def _drained(found: queue.SimpleQueue[Item]) -> list[Item]:
        items: list[Item] = []
        while not items or isinstance(items[-1], int):
            items.append(found.get(timeout=60))
        return items


def until(ready: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for a condition."""
    waiter = threading.Event()
    for _ in range(int(seconds / 0.05)):
        if ready():
            return
        waiter.wait(0.05)
    raise AssertionError("it did not happen")


@pytest.fixture
def machines() -> Iterator[Any]:
    """A cluster of one machine with two processors, as Ray counts them."""
    from ray.cluster_utils import Cluster as Machines

    started = Machines(initialize_head=True, head_node_args={"num_cpus": 2})
    yield started
    started.shutdown()
    gc.collect()  # Ray leaves files open


# What Ray leaves open, and what it says of its own future.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_workers_die_and_join_under_load(
    machines: Any, checkpoint: Path, engine: Engine, journal: Journal
) -> None:
    """Two workers; one is killed with streams under way, then a machine with a third joins. As
    `assay provider serve --fleet ADDRESS` does it."""
    settings = load_settings(
        ProviderSettings, models=[{"path": checkpoint}], fleet=machines.address, threads=1,
        max_running=SLOTS, fleet_least=2, fleet_most=3, fleet_idle_seconds=0.5, backend="torch",
    )  # fmt: skip
    (check,) = examine(Subject(settings), [look for look in LOOKS if look.name == "fleet"])
    assert (check.verdict, check.found[:24]) == ("pass", "2 processors and 0 GPUs "), check
    (loaded,) = load_models(settings, Honest())
    assert loaded.engine is None
    cluster = connect_fleet(settings)
    assert cluster is not None
    try:
        works = Works(settings, journal, lambda receipt: b"by " + receipt.job_id, Honest(), cluster)
        work = works.queue(loaded)
        assert isinstance(work, Fleet)
        until(lambda: len(work.facts()) == 2, RAY_SECONDS)
        items = [admitted(number) for number in range(1, 31)]
        moved = MOVED.value()
        answers = Answers(work, items)
        first = answers.first(0)
        os.kill(work.facts()[0].process, signal.SIGKILL)
        machines.add_node(num_cpus=1)
        found = answers.all()
        found[0].insert(0, first)
        assert MOVED.value() > moved
        for item, (*tokens, entry) in zip(items, found, strict=True):
            assert tokens == list(engine.generate(list(item.prompt), params(item)))
            assert isinstance(entry, Entry)
            assert entry == journal.claim(item.job_id)
        until(lambda: len(work.facts()) >= 2, RAY_SECONDS)  # there was too much to do for one
        late = Answers(work, [admitted(99)])
        assert isinstance(late.all()[0][-1], Entry)
        work.close()
        assert work.workers() == []
    finally:
        cluster.close()


# Beside Ray: what no real machine does on demand.


@dataclass
class Machine:
    """A worker in this process; `script` is called before every step and may raise `Lost`."""

    worker: FleetWorker
    script: Callable[[int], None]
    steps: int = 0
    gone: threading.Event = field(default_factory=threading.Event)

    def ready(self) -> Facts:
        return self.worker.facts()

    def step(self, tasks: tuple[Task, ...]) -> Progress:
        self.script(self.steps)
        self.steps += 1
        return self.worker.step(tasks)

    def dismiss(self) -> None:
        self.gone.set()


def never(step: int) -> None:
    """A worker that is not lost."""


def dies_at(number: int) -> Callable[[int], None]:
    def script(step: int) -> None:
        if step == number:
            raise Lost("killed")

    return script


def test_a_job_goes_on_after_each_token(order: Order, engine: Engine, journal: Journal) -> None:
    """Workers that are lost after a step each, with one that stays as the last resort."""
    scripts = iter([dies_at(0), dies_at(1), dies_at(2), never])
    work = fleet(journal, lambda: Machine(FleetWorker(order), next(scripts)))
    item = admitted(1)
    *tokens, entry = Answers(work, [item]).all()[0]
    assert tokens == list(engine.generate(list(item.prompt), params(item)))
    assert isinstance(entry, Entry) and entry.output == tuple(tokens)
    work.close()


def test_a_job_that_workers_die_of_is_given_up(order: Order, journal: Journal) -> None:
    hired = []

    def hire() -> RemoteEngine:
        hired.append(Machine(FleetWorker(order), dies_at(0)))
        return hired[-1]

    work = fleet(journal, hire)
    found = Answers(work, [admitted(1)]).all()[0]
    assert isinstance(found[-1], AssayError)
    until(lambda: sum(machine.gone.is_set() for machine in hired) == MOVES + 1)
    assert journal.counts()["pending"] == 0
    work.close()


def test_workers_that_disagree_serve_nobody(order: Order, journal: Journal) -> None:
    """The one that takes a job over must repeat its last token."""

    class Liar(Machine):
        def step(self, tasks: tuple[Task, ...]) -> Progress:
            progress = super().step(tasks)
            changed = tuple(Token(t.task, t.token ^ 1, t.finished) for t in progress.tokens)
            return Progress(changed, progress.refused)

    machines: Iterator[RemoteEngine] = iter(
        [
            Machine(FleetWorker(order), dies_at(1)),
            Liar(FleetWorker(order), never),
            Machine(FleetWorker(order), never),
        ]
    )
    work = fleet(journal, lambda: next(machines))
    found = Answers(work, [admitted(1)]).all()[0]
    assert isinstance(found[-1], AssayError) and len(found) > 1
    assert isinstance(Answers(work, [admitted(2)]).all()[0][-1], Entry)
    work.close()


def test_one_that_has_nothing_to_do_leaves(order: Order, journal: Journal) -> None:
    seen = threading.Event()

    def waits(step: int) -> None:
        assert seen.wait(60)

    work = fleet(journal, lambda: Machine(FleetWorker(order), waits), least=1, most=3)
    answers = Answers(work, [admitted(number) for number in range(1, 10)])
    until(lambda: len(work.workers()) == 3)
    seen.set()
    assert all(isinstance(found[-1], Entry) for found in answers.all())
    until(lambda: len(work.workers()) == 1)
    work.close()


def test_a_job_that_does_not_fit_is_refused_alone(order: Order, journal: Journal) -> None:
    work = fleet(journal, lambda: Machine(FleetWorker(order), never))
    refused, served = Answers(work, [admitted(1, tokens=10_000), admitted(2)]).all()
    assert isinstance(refused[-1], InputError)
    assert isinstance(served[-1], Entry)
    work.close()


def test_a_checkpoint_that_differs_is_not_served(order: Order, tmp_path: Path) -> None:
    from assay.core.errors import ModelError
    from tests.offchain.engine.checkpoints import CONFIG, random_tensors

    config: dict[str, Any] = CONFIG | {"eos_token_id": None}
    other = write_checkpoint(tmp_path / "small", config, random_tensors(config, seed=1))
    changed = Order(other, order.fingerprint, SLOTS, None, 1, "torch", False, None, 4)
    with pytest.raises(ModelError, match="copy the provider's folder"):
        FleetWorker(changed)


def test_a_receipt_is_made_at_the_front(order: Order, journal: Journal) -> None:
    work = fleet(journal, lambda: Machine(FleetWorker(order), never))
    entry = Answers(work, [admitted(1)]).all()[0][-1]
    assert isinstance(entry, Entry)
    assert entry.receipt == Receipt(
        entry.job_id, entry.receipt.output_root, TOKENS, entry.job.price(TOKENS)
    )
    assert entry.receipt_signature == b"by " + entry.job_id
    work.close()
