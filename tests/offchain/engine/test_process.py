"""An engine in a process of its own: the same tokens, and an owner that outlives it."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assay.core.errors import InputError, ModelError
from assay.core.types import TEMPERATURE_ONE, SamplingParams
from assay.engine import process as engine_process
from assay.engine.batch import Emitted
from assay.engine.engine import Engine
from assay.engine.importer import import_checkpoint
from assay.engine.order import Order, fingerprint
from assay.engine.process import AHEAD, EngineLost, EngineProcess, Refused, RemoteBatch
from tests.offchain.engine.checkpoints import write_checkpoint

SLOTS = 3
CONFIG = {"eos_token_id": None, "max_position_embeddings": 1024}
LONG = 900


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("models") / "small", CONFIG)


@pytest.fixture(scope="module")
def alone(checkpoint: Path) -> Engine:
    return Engine(import_checkpoint(checkpoint), threads=1, backend="torch")


@pytest.fixture(scope="module")
def order(checkpoint: Path, alone: Engine) -> Order:
    return Order(checkpoint, fingerprint(alone.model), SLOTS, None, 1, "torch", False, None, 4)


@pytest.fixture
def process(order: Order, alone: Engine) -> Iterator[EngineProcess]:
    made = EngineProcess(order, alone.shape)
    yield made
    made.close()


def request(number: int) -> tuple[list[int], SamplingParams]:
    prompt = [number, *range(4, 4 + 7 * number)]
    return prompt, SamplingParams(5 + number, TEMPERATURE_ONE, bytes([number]) * 32)


def drained(batch: RemoteBatch) -> dict[int, list[int]]:
    """All tokens, by request."""
    found: dict[int, list[int]] = {}
    while len(batch):
        for item in batch.step():
            assert not isinstance(item, Refused)
            found.setdefault(item.request, []).append(item.token)
    return found


def until_gone(pid: int, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline, f"{pid} is still there"
        time.sleep(0.05)


def test_tokens_are_those_of_an_engine_alone(process: EngineProcess, alone: Engine) -> None:
    """Of more requests than there are slots, which come while others run."""
    batch = process.batch(SLOTS)
    assert batch.step() == []
    asked = [request(number) for number in range(1, SLOTS + AHEAD + 1)]
    ids = [batch.add(*one) for one in asked[:2]]
    first = batch.step()
    ids += [batch.add(*one) for one in asked[2:]]
    found = drained(batch)
    for item in reversed(first):
        assert not isinstance(item, Refused)
        found.setdefault(item.request, []).insert(0, item.token)
    expected = [list(alone.generate(*one)) for one in asked]
    assert [found[one] for one in ids] == expected


def test_a_refusal_comes_with_the_tokens(process: EngineProcess) -> None:
    batch = process.batch(SLOTS)
    bad = batch.add([1, 2, 10**6], SamplingParams(3))
    (refused,) = batch.step()
    assert isinstance(refused, Refused)
    assert (refused.request, refused.error.code) == (bad, "unknown_token")
    assert isinstance(refused.error, InputError)
    good = batch.add([1, 2], SamplingParams(3))
    assert [len(tokens) for tokens in drained(batch).values()] == [3]
    assert good != bad


@pytest.mark.parametrize("busy", [True, False])
def test_an_engine_that_is_killed_is_told_of_and_replaced(
    process: EngineProcess, alone: Engine, busy: bool
) -> None:
    batch = process.batch(SLOTS)
    if busy:
        batch.add([1, 2], SamplingParams(LONG))
        batch.step()
    os.kill(batch.process, signal.SIGKILL)
    with pytest.raises(EngineLost, match="ended with code -9"):
        for _ in range(1000):
            batch.add([1, 2], SamplingParams(LONG))
            batch.step()
    another = process.batch(SLOTS)
    assert another.process != batch.process
    another.add(*request(1))
    assert list(drained(another).values()) == [list(alone.generate(*request(1)))]


def test_an_engine_that_hangs_is_lost(
    process: EngineProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_process, "STEP_SECONDS", 0.5)
    batch = process.batch(SLOTS)
    os.kill(batch.process, signal.SIGSTOP)  # before it can be done
    batch.add([1, 2], SamplingParams(LONG))
    with pytest.raises(EngineLost, match="ended with code -9"):
        batch.step()


def test_neither_waits_for_the_other_to_read(process: EngineProcess) -> None:
    """More is asked, and refused, than fits on the way."""
    batch, asked = process.batch(SLOTS), 3_000

    def ask() -> int:
        for _ in range(asked):
            batch.add(range(4, 900), SamplingParams(100))
        return asked

    asking = ThreadPoolExecutor(1).submit(ask)
    try:
        assert asking.result(60) == asked
    except TimeoutError:
        os.kill(batch.process, signal.SIGKILL)
        raise
    ended: list[Emitted | Refused] = []
    while len(batch):
        ended += [item for item in batch.step() if isinstance(item, Refused) or item.finished]
    refused = [item for item in ended if isinstance(item, Refused)]
    assert len(ended) == asked
    assert {item.error.status for item in refused} == {503}
    assert len(refused) >= asked - 100


def test_a_signal_to_the_group_does_not_end_it(process: EngineProcess) -> None:
    """Its owner finishes its answers first."""
    batch = process.batch(SLOTS)
    batch.add([1, 2], SamplingParams(20))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(batch.process, number)
    assert [len(tokens) for tokens in drained(batch).values()] == [20]


def test_a_signal_while_it_starts_does_not_end_it(
    order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = subprocess.Popen

    def signalled(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        child = start(*arguments, **options)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(child.pid, number)
        return child

    monkeypatch.setattr(subprocess, "Popen", signalled)
    batch = RemoteBatch(order)
    batch.add([1, 2], SamplingParams(3))
    assert [len(tokens) for tokens in drained(batch).values()] == [3]
    batch.close()
    masked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    assert masked.isdisjoint((signal.SIGINT, signal.SIGTERM, signal.SIGHUP))


def test_it_ends_with_its_owner(order: Order) -> None:
    """However its owner ends."""
    script = (
        "import pickle, sys, time\n"
        "from assay.engine.process import RemoteBatch\n"
        "batch = RemoteBatch(pickle.loads(bytes.fromhex(sys.argv[1])))\n"
        "print(batch.process, flush=True)\n"
        "time.sleep(600)\n"
    )
    command = [sys.executable, "-c", script, pickle.dumps(order).hex()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        engine = int(owner.stdout.readline())
        assert Path(f"/proc/{engine}").exists()
        owner.kill()
    until_gone(engine)


def test_closing_ends_it_whatever_it_computes(order: Order) -> None:
    batch = RemoteBatch(order)
    batch.add([1, 2], SamplingParams(LONG))
    batch.close()
    assert not Path(f"/proc/{batch.process}").exists()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda order: replace(order, fingerprint=bytes(32)), "gives the integers"),
        (lambda order: replace(order, path=order.path / "elsewhere"), "elsewhere"),
    ],
)
def test_revert_another_checkpoint(
    order: Order, change: Callable[[Order], Order], says: str
) -> None:
    with pytest.raises(ModelError, match=says):
        RemoteBatch(change(order))
