"""Prompts are embedded, journalled before their receipt is given out, and fail alone."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assay.core.errors import AssayError, InputError
from assay.core.hashes import keccak
from assay.core.outputs import output_root
from assay.core.types import Job, Receipt
from assay.engine.encoder import Encoder
from assay.provider.cheat import Honest, make_cheat
from assay.provider.embedder import Embedder
from assay.provider.jobs import Admitted, Item
from assay.provider.journal import Entry, Journal
from assay.trace.commitment import EncoderCommitment
from tests.support.models import random_encoder

SALT = bytes([5]) * 32
PROMPT = (4, 700, 12)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder.ready(random_encoder())


@pytest.fixture(scope="module")
def commitment(encoder: Encoder) -> EncoderCommitment:
    return EncoderCommitment(encoder.model)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "journal.sqlite")
    yield opened
    opened.close()


def admitted(number: int, prompt: tuple[int, ...] = PROMPT) -> Admitted:
    job_id = number.to_bytes(32, "big")
    job = Job(
        bytes(32), "0x" + "11" * 20, "0x" + "22" * 20, bytes(32), len(prompt), 1,
        0, bytes(32), 10**6, 0, 10**9, 2**40, 0, job_id,
    )  # fmt: skip
    return Admitted(job_id, job, b"signature", prompt, SALT)


class Desk:
    """An embedder, and what comes out of each job."""

    def __init__(
        self,
        encoder: Encoder,
        commitment: EncoderCommitment,
        journal: Journal,
        cheat: Honest | None = None,
        waiting: int = 7,
    ) -> None:
        def sign(receipt: Receipt) -> bytes:
            return b"by " + receipt.job_id

        cheat = cheat or Honest()
        self.embedder = Embedder(encoder, commitment, journal, sign, cheat, 1, waiting)

    def start(self, item: Admitted) -> queue.SimpleQueue[Item]:
        items: queue.SimpleQueue[Item] = queue.SimpleQueue()
        self.embedder.start(item, items.put)
        return items


def test_default_behavior(
    encoder: Encoder, commitment: EncoderCommitment, journal: Journal
) -> None:
    desk = Desk(encoder, commitment, journal)
    items = [admitted(n, (n, *PROMPT)) for n in range(1, 6)]
    for item, found in zip(items, [desk.start(item) for item in items], strict=True):
        row, entry = found.get(timeout=60), found.get(timeout=60)
        assert isinstance(row, tuple)
        assert row == tuple(encoder.embed(item.prompt).tolist())
        assert isinstance(entry, Entry)
        assert entry == journal.claim(item.job_id)
        root = output_root(commitment.header, row, SALT)
        assert entry.receipt == Receipt(item.job_id, root, 1, len(item.prompt))
        assert entry.output == row
    assert desk.embedder.running() == []
    desk.embedder.close()


def test_a_job_that_cannot_be_embedded_fails_alone(
    encoder: Encoder, commitment: EncoderCommitment, journal: Journal
) -> None:
    desk = Desk(encoder, commitment, journal)
    refused, served = desk.start(admitted(1, (5000,))), desk.start(admitted(2))
    assert isinstance(refused.get(timeout=60), AssayError)
    assert isinstance(served.get(timeout=60), tuple)
    assert isinstance(served.get(timeout=60), Entry)
    assert journal.claim(admitted(1).job_id) is None
    desk.embedder.close()


def test_a_crash_fails_one_job(
    encoder: Encoder, commitment: EncoderCommitment, journal: Journal
) -> None:
    class Broken(Honest):
        def prompt(self, prompt: Any, vocab: int) -> list[int]:
            if len(prompt) == 1:
                raise RuntimeError("out of luck")
            return list(prompt)

    desk = Desk(encoder, commitment, journal, Broken())
    crashed, served = desk.start(admitted(1, (3,))), desk.start(admitted(2))
    error = crashed.get(timeout=60)
    assert isinstance(error, AssayError)
    assert "the worker failed" in error.message
    assert isinstance(served.get(timeout=60), tuple)
    desk.embedder.close()


def test_a_closed_embedder_finishes_what_it_has(
    encoder: Encoder, commitment: EncoderCommitment, journal: Journal
) -> None:
    desk = Desk(encoder, commitment, journal)
    for number in range(1, 5):
        desk.start(admitted(number))
    desk.embedder.close()
    assert journal.counts()["pending"] == 4
    with pytest.raises(InputError):
        desk.start(admitted(9))


@pytest.mark.parametrize(
    "cheat",
    [
        {"kind": "wrong_element", "column": 2, "delta": -3},
        {"kind": "tamper", "step": "unit.output", "column": 1, "delta": 7},
        {"kind": "wrong_root"},
        {"kind": "wrong_prompt", "index": 1},
    ],
    ids=str,
)
def test_a_cheat_claims_what_it_shows(
    encoder: Encoder, commitment: EncoderCommitment, journal: Journal, cheat: dict[str, object]
) -> None:
    desk = Desk(encoder, commitment, journal, make_cheat(cheat))
    found = desk.start(admitted(1))
    row, entry = found.get(timeout=60), found.get(timeout=60)
    desk.embedder.close()
    assert isinstance(row, tuple) and isinstance(entry, Entry)
    right = list(encoder.embed(PROMPT).tolist())
    root = output_root(commitment.header, row, SALT)
    if cheat["kind"] == "wrong_root":
        assert list(row) == right
        assert entry.receipt.output_root == keccak(root)
        return
    assert entry.receipt.output_root == root
    if cheat["kind"] == "wrong_element":
        right[2] -= 3
    elif cheat["kind"] == "tamper":
        right[1] += 7
    else:
        right = encoder.embed((4, 701, 12)).tolist()
    assert list(row) == right
