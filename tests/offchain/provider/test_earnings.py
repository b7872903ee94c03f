"""Every claim is counted once, by what the chain says became of it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from assay.chain.spending import Spent
from assay.provider.earnings import (
    UNKNOWN,
    Payment,
    Statement,
    Tally,
    faults,
    tallies,
)
from assay.provider.journal import Journal
from assay.provider.records import ClaimRecord, Records, Stage
from tests.offchain.provider.test_journal import batch, entry

FULL = Payment(credit=0, dollars=10, fee=1, short=0)


def claim(number: int, stage: Stage = "posted", price: int = 10) -> ClaimRecord:
    return ClaimRecord(bytes([number]) * 32, f"model {number % 2}", price, 3, 2, 0.0, stage, None)


def paid(*payments: tuple[int, Payment]) -> dict[bytes, Payment]:
    return {bytes([number]) * 32: payment for number, payment in payments}


def test_every_claim_is_counted_once() -> None:
    claims = [claim(1, "final"), claim(2), claim(3, "dead"), claim(4, "pending"), claim(5)]
    # The chain has paid 2 already, which the journal has not noticed, and 9, which it lost.
    payments = paid((1, FULL), (2, Payment(4, 5, 1, 1)), (9, FULL))
    lines, total = tallies(claims, payments, lambda each: each.model_root)
    assert total == Tally(
        claims=6, input_tokens=15, output_tokens=10, claimed=60, credit=4, dollars=25, fees=3,
        short=1, pending=20, lost=10,
    )  # fmt: skip
    assert total.claimed == total.credit + total.dollars + total.short + total.pending + total.lost
    assert total.earned == 22
    assert lines[UNKNOWN] == Tally(claims=1, claimed=10, dollars=10, fees=1)
    assert {name: line.claims for name, line in lines.items()} == {
        "model 0": 2, "model 1": 3, UNKNOWN: 1,
    }  # fmt: skip


def test_where_journal_and_chain_disagree() -> None:
    claims = [claim(1, "final"), claim(2, "posted", price=11), claim(3, "final")]
    found = faults(claims, paid((1, FULL), (2, FULL)))
    assert [text.partition(": ")[2] for text in found] == [
        "price 11, paid as 10",
        "final in the journal, not paid on chain",
    ]


def test_a_micro_dollar_that_is_missing_is_seen() -> None:
    def found(balance: int, faults: tuple[str, ...] = ()) -> Statement:
        total = Tally(dollars=25, fees=3)
        spent = Spent(2, 1_000, 3 * 10**12)
        return Statement("0x", {}, total, 2, balance, 0, 0, [], spent, list(faults))

    assert found(20).reconciles
    assert not found(20, ("one",)).reconciles
    assert (found(19).reconciles, found(19).difference) == (False, -1)
    assert found(20).net(2_000 * 10**6) == 22 - 6_000


def test_records_are_the_journal_s(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    records = Records(path)
    assert (records.claims(), records.open_batches(), records.faults()) == ([], [], [])
    journal = Journal(path)
    entries = [entry(number, price=number) for number in range(1, 5)]
    for item in entries:
        journal.add(item)
    journal.write_batch(batch(0, entries[:2]), [item.job_id for item in entries[:2]])
    journal.write_batch(batch(1, entries[2:3]), [entries[2].job_id])
    journal.mark_posted(0, None)
    journal.set_state(entries[0].job_id, "final")
    assert [item.stage for item in records.claims()] == ["final", "posted", "pending", "pending"]
    assert [item.price for item in records.claims(since=3)] == [3, 4]
    assert [(b.posted, b.open, b.price) for b in records.open_batches()] == [
        (True, 1, 2), (False, 1, 3),
    ]  # fmt: skip
    assert records.faults() == []
    journal.close()
    with sqlite3.connect(path) as database:
        database.execute(
            "UPDATE claims SET receipt = replace(receipt, '\"price\": 1', '\"price\": 7')"
        )
    database.close()
    assert records.faults() == ["batch 0: 2 claims do not give its root"]
