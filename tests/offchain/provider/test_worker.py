"""Jobs run together, are journalled before they are answered, and end whatever consumers do."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from assay.core.errors import AssayError, InputError
from assay.core.hashes import OUTPUT_SIDE
from assay.core.tokens import TokenList
from assay.core.types import TEMPERATURE_ONE, Job, Receipt, SamplingParams
from assay.engine.engine import Engine
from assay.provider.cheat import Honest, make_cheat
from assay.provider.journal import Entry, Journal
from assay.provider.worker import Admitted, Item, Worker
from tests.support.models import random_model

SALT = bytes([5]) * 32
PROMPT = (4, 700, 12)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(random_model())


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "journal.sqlite")
    yield opened
    opened.close()


def admitted(number: int, tokens: int = 6) -> Admitted:
    job_id = number.to_bytes(32, "big")
    job = Job(
        bytes(32), "0x" + "11" * 20, "0x" + "22" * 20, bytes(32), len(PROMPT), tokens,
        TEMPERATURE_ONE, bytes([number]) * 32, 10**6, 10**6, 10**9, 2**40, 0, job_id,
    )  # fmt: skip
    return Admitted(job_id, job, b"signature", PROMPT, SALT)


def worker(engine: Engine, journal: Journal, cheat: Honest | None = None, **sizes: int) -> Worker:
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


def test_revert_overloaded(engine: Engine, journal: Journal) -> None:
    work = worker(engine, journal, running=1, waiting=1)
    Results(work, admitted(1, tokens=200))
    Results(work, admitted(2, tokens=200))
    with pytest.raises(InputError) as caught:
        Results(work, admitted(3))
    assert (caught.value.code, caught.value.status) == ("overloaded", 503)
    work.close()
    assert journal.counts()["pending"] == 2


def test_revert_closed(engine: Engine, journal: Journal) -> None:
    work = worker(engine, journal)
    work.close()
    with pytest.raises(InputError):
        Results(work, admitted(1))


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
