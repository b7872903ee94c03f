"""What is on disk survives a kill, and is never posted twice."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from assay.core.hashes import receipt_leaf
from assay.core.merkle import root_from_path
from assay.core.types import Job, Receipt
from assay.provider.journal import Batch, Entry, Journal, batch_tree, claim_data

CONSUMER = "0x" + "11" * 20


def entry(number: int, price: int = 5) -> Entry:
    job_id = number.to_bytes(32, "big")
    job = Job(
        bytes(32), CONSUMER, "0x" + "22" * 20, bytes(32), 2, 4, 0, bytes(32), 1, 1, 9, 99, 0, job_id
    )
    receipt = Receipt(job_id, bytes([number]) * 32, 3, price)
    return Entry(
        job_id=job_id,
        job=job,
        signature=b"consumer",
        salt=bytes(32),
        prompt=(1, 2),
        output=(3, 4, 5),
        receipt=receipt,
        receipt_signature=b"provider",
        created=float(number),
    )


def batch(nonce: int, entries: list[Entry]) -> Batch:
    root = batch_tree(entries).root
    return Batch(nonce, bytes([nonce]) * 32, root, len(entries), posted=False, transaction=None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "journal.sqlite"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    opened = Journal(path)
    yield opened
    opened.close()


def test_what_is_added_comes_back(journal: Journal) -> None:
    journal.add(entry(1))
    assert journal.claim(entry(1).job_id) == entry(1)
    assert journal.pending(10) == [entry(1)]
    assert journal.counts() == {"pending": 1, "posted": 0, "final": 0, "dead": 0}


def test_revert_duplicate(journal: Journal) -> None:
    journal.add(entry(1))
    with pytest.raises(sqlite3.IntegrityError):
        journal.add(entry(1))
    assert len(journal.pending(10)) == 1


def test_a_batch_takes_its_claims_out_of_the_queue(journal: Journal) -> None:
    entries = [entry(n) for n in range(1, 4)]
    for item in entries:
        journal.add(item)
    first = batch(0, entries[:2])
    journal.write_batch(first, [item.job_id for item in entries[:2]])
    assert [item.job_id for item in journal.pending(10)] == [entries[2].job_id]
    assert journal.unposted_batches() == [first]
    journal.mark_posted(0, "0xabc")
    assert journal.unposted_batches() == []
    assert journal.open_batches()[0].transaction == "0xabc"


def test_a_dissolved_batch_gives_its_claims_back(journal: Journal) -> None:
    journal.add(entry(1))
    journal.write_batch(batch(0, [entry(1)]), [entry(1).job_id])
    journal.dissolve(0)
    assert journal.pending(10) == [entry(1)]
    assert journal.unposted_batches() == []


def test_claim_data_proves_its_place(journal: Journal) -> None:
    entries = [entry(n) for n in range(1, 4)]
    for item in entries:
        journal.add(item)
    written = batch(7, entries)
    journal.write_batch(written, [item.job_id for item in entries])
    data = claim_data(journal, written, 2)
    assert data is not None
    assert root_from_path(receipt_leaf(data.receipt), 2, data.proof) == written.root
    assert claim_data(journal, written, 3) is None


def test_a_claim_is_promised_until_its_batch_is_on_chain(journal: Journal) -> None:
    entries = [entry(number) for number in (1, 2, 3)]
    for one in entries:
        journal.add(one)
    journal.write_batch(batch(1, entries[:2]), [one.job_id for one in entries[:2]])
    assert journal.promised() == 3
    before = journal.releases
    journal.mark_posted(1, "0x1")
    assert (journal.promised(), journal.releases) == (1, before + 1)
    journal.mark_unposted(1)
    assert journal.promised() == 3


def test_unpaid_counts_open_claims_only(journal: Journal) -> None:
    for number in (1, 2, 3):
        journal.add(entry(number, price=number))
    journal.set_state(entry(3).job_id, "final")
    assert journal.unpaid(CONSUMER) == 3
    assert journal.unpaid("0x" + "33" * 20) == 0


WRITER = """
import os, sys
from pathlib import Path
from tests.offchain.provider.test_journal import entry
from assay.provider.journal import Journal
journal = Journal(Path(sys.argv[1]))
for number in range(1, 10_000):
    journal.add(entry(number))
    print(number, flush=True)
"""


def test_a_kill_loses_nothing_that_was_acknowledged(path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    acknowledged = 0
    for line in process.stdout:
        acknowledged = int(line)
        if acknowledged == 20:
            os.kill(process.pid, signal.SIGKILL)
            break
    rest = process.stdout.read().split()
    process.wait()
    process.stdout.close()
    acknowledged = int(rest[-1]) if rest else acknowledged
    journal = Journal(path)
    found = journal.pending(100_000)
    journal.close()
    assert len(found) >= acknowledged
    assert [int.from_bytes(item.job_id, "big") for item in found] == list(range(1, len(found) + 1))
