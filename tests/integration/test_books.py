"""`assay audit-books`: a gateway's day, the index and a real chain agree, or the row is named."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Table, delete, insert, select, update
from typer.testing import CliRunner, Result

from assay.books.audit import Audit, audited
from assay.books.entries import Answer, ChannelDay, Claim, Day, Usage, Voucher
from assay.books.gateway import CHANNEL_DAYS, JOBS, METADATA, USAGE
from assay.books.run import audit_books
from assay.cli.main import commands
from assay.core.database import foreign_database, open_database, sqlite_url, writing
from assay.core.errors import ConfigError
from assay.core.settings import BooksSettings, IndexerSettings
from assay.core.vouchers import DAY_SECONDS, day_of
from assay.core.wire import ClaimData, hexed, to_json
from assay.indexer import schema
from assay.indexer.follower import Follower
from assay.indexer.index import MIGRATIONS
from assay.indexer.service import opened
from tests.integration.arena import greedy
from tests.integration.village import DOLLAR, ETHER, Village

PRICE = 5
"""Of each claim: five tokens at a micro-dollar."""
COLLECTED = 7 * PRICE


@dataclass(frozen=True)
class Books:
    """A day of the village in both databases, which may be one."""

    village: Village
    day: int
    gateway: str
    index: str
    claims: list[ClaimData]
    unposted: ClaimData

    def settings(self) -> BooksSettings:
        return BooksSettings(
            rpc_url=self.village.anvil.url,
            deployment=self.village.saved,
            gateway_database_url=SecretStr(self.gateway),
            index_database_url=SecretStr(self.index),
        )

    def audit(self) -> Audit:
        return audit_books(self.settings(), self.day)

    def command(self, *words: str) -> Result:
        settings = {
            "ASSAY_RPC_URL": self.village.anvil.url,
            "ASSAY_DEPLOYMENT": str(self.village.saved),
            "ASSAY_GATEWAY_DATABASE_URL": self.gateway,
            "ASSAY_INDEX_DATABASE_URL": self.index,
        }
        return CliRunner().invoke(commands, ["audit-books", *words], env=settings)

    def copied(self, folder: Path) -> Books:
        """The same in files of their own, to be damaged."""
        urls = []
        for name in ("gateway", "index"):
            path = folder / f"{name}.db"
            shutil.copy(getattr(self, name).removeprefix("sqlite:///"), path)
            urls.append(sqlite_url(path))
        return replace(self, gateway=urls[0], index=urls[1])


def live(village: Village) -> tuple[int, list[ClaimData], ClaimData]:
    """A day with a claim of each fate, and an answer that was never posted."""
    village.set_reference_price(10**9)
    village.stake(500_000 * ETHER)
    village.karat(20_000 * ETHER)
    village.open_channel(20, deposit=DOLLAR)
    village.pass_days(1)
    day = day_of(village.network.now())
    village.collect(COLLECTED)
    claims = village.claims(6)
    unposted = village.draft((1, 2, 3), (4, 5), greedy(2))
    village.convict(claims[4])
    village.pass_window(claims[0])
    village.finalise(claims[:4])
    village.abandon(claims[5])
    claims += village.claims(1)  # open still
    return day, claims, unposted


def keep(books: Books) -> None:
    """What the gateway's database holds of that day, and the index."""
    engine = open_database(books.index, MIGRATIONS)
    engine.dispose()
    gateway = foreign_database(books.gateway)
    METADATA.create_all(gateway)
    owner, at = books.village.holder, float(books.day * DAY_SECONDS + 60)
    with writing(gateway) as connection:
        for claim in (*books.claims, books.unposted):
            connection.execute(insert(JOBS), job_row(claim, owner, at, claim is not books.unposted))
            connection.execute(insert(USAGE), usage_row(claim, owner, books.day))
        metered = PRICE * (len(books.claims) + 1)
        row = {"owner": owner, "day": books.day, "metered": metered, "collected": COLLECTED}
        row |= {"delegated": True, "returned": 0, "repaid": 0}
        connection.execute(insert(CHANNEL_DAYS), row)
    gateway.dispose()
    follow(books)


def job_row(claim: ClaimData, owner: str | None, at: float, posted: bool) -> dict[str, Any]:
    batch = {"batch_id": hexed(claim.batch_id), "index": claim.index}
    return {
        "job_id": claim.receipt.job_id,
        "owner": owner,
        "job": json.dumps(to_json(claim.job)),
        "receipt": json.dumps(to_json(claim.receipt)),
        "batch": json.dumps(batch) if posted else None,
        "created": at,
    }


def usage_row(claim: ClaimData, owner: str, day: int) -> dict[str, Any]:
    price = {"price": PRICE, "from_channel": PRICE, "from_prepaid": 0}
    return {"receipt_id": claim.receipt.job_id, "owner": owner, "day": day, **price}


def follow(books: Books) -> None:
    settings = IndexerSettings(
        rpc_url=books.village.anvil.url,
        deployment=books.village.saved,
        database_url=SecretStr(books.index),
        calls_per_second=0,
    )
    reader, index = opened(settings)
    Follower(index, reader, threading.Event()).turn()
    index.close()


@pytest.fixture
def books(village: Village, database_url: str) -> Books:
    day, claims, unposted = live(village)
    found = Books(village, day, database_url, database_url, claims, unposted)
    keep(found)
    return found


@pytest.fixture
def files(village: Village, tmp_path: Path) -> Books:
    day, claims, unposted = live(village)
    url = sqlite_url(tmp_path / "books.db")
    found = Books(village, day, url, url, claims, unposted)
    keep(found)
    return found


def test_a_day_adds_up(books: Books) -> None:
    """Every micro-dollar is paid or listed with its reason; table and document say the same."""
    audit = books.audit()
    assert audit.findings == []
    assert (audit.answers, audit.charged, audit.receipts) == (8, 8 * PRICE, 8 * PRICE)
    assert (audit.claimed, audit.paid, audit.collected) == (7 * PRICE, 4 * PRICE, COLLECTED)
    assert dict(audit.by_reason()) == {
        "abandoned": (1, PRICE),
        "convicted": (1, PRICE),
        "not posted, as far as is known": (1, PRICE),
        "pending": (1, PRICE),
    }
    document = books.command("--day", str(books.day), "--json")
    assert document.exit_code == 0, document.output
    assert json.loads(document.stdout)["paid"] == 4 * PRICE
    table = books.command("--day", str(books.day))
    assert table.exit_code == 0 and "The books agree." in table.stdout
    wrong = books.command("--day", "yesterday")
    assert "is no day; write YYYY-MM-DD" in str(wrong.exception)


def test_a_day_that_the_index_has_not_reached(files: Books) -> None:
    with pytest.raises(ConfigError, match="start the indexer"):
        audit_books(files.settings(), files.day + 30)


def test_a_database_of_something_else(files: Books, tmp_path: Path) -> None:
    other = sqlite_url(tmp_path / "other.db")
    open_database(other, MIGRATIONS).dispose()
    with pytest.raises(ConfigError, match="not the tables of a gateway"):
        replace(files, gateway=other).audit()
    with pytest.raises(ConfigError, match="there is no database"):
        replace(files, gateway=sqlite_url(tmp_path / "none.db")).audit()


def seeds(books: Books) -> Iterator[tuple[str, str, Table, dict[str, Any], Any]]:
    """(what is to be found, whose database, table, what is changed, where)."""
    job = books.claims[0].receipt.job_id
    usage, job_is = USAGE.c.receipt_id == job, JOBS.c.job_id == job
    paid = schema.claims.c.job_id == hexed(job)
    other = schema.claims.c.job_id == hexed(books.claims[1].receipt.job_id)
    receipt = json.dumps(to_json(replace(books.claims[0].receipt, price=PRICE + 1)))
    yield "charged_otherwise", "gateway", USAGE, {"price": 6, "from_channel": 6}, usage
    yield "sources_differ", "gateway", USAGE, {"from_prepaid": 1}, usage
    yield "claimed_otherwise", "gateway", JOBS, {"receipt": receipt}, job_is
    yield "metered_differs", "gateway", CHANNEL_DAYS, {"metered": 1_000}, True
    yield "collected_above_metered", "gateway", CHANNEL_DAYS, {"metered": COLLECTED - 1}, True
    yield "collected_differs", "gateway", CHANNEL_DAYS, {"collected": COLLECTED + 1}, True
    yield "returned_differs", "gateway", CHANNEL_DAYS, {"returned": 1}, True
    unpaid = JOBS.c.job_id == books.claims[5].receipt.job_id
    yield "usage_without_receipt", "gateway", JOBS, {"receipt": None}, unpaid
    yield "metered_differs", "gateway", CHANNEL_DAYS, {"repaid": 1}, True
    yield "paid_twice", "index", schema.claims, {"job_id": hexed(job)}, other
    yield "other_job", "index", schema.claims, {"job_id": hexed(job)}, other
    yield "unknown_claim", "index", schema.claims, {"job_id": "0x" + "ab" * 32}, other
    yield "consumer_differs", "index", schema.claims, {"consumer": books.village.holder}, paid
    yield "paid_otherwise", "index", schema.claims, {"credit": PRICE + 1}, paid
    yield "fee_differs", "index", schema.claims, {"fee": 3}, paid
    yield "status_differs", "index", schema.claims, {"status": "convicted"}, paid
    yield "voucher_differs", "index", schema.vouchers, {"credit": 1}, True
    yield "fees_differ", "index", schema.totals, {"fees_held": 12_345}, True


def test_each_kind_of_difference_is_found(files: Books, tmp_path: Path) -> None:
    for number, (kind, side, table, values, where) in enumerate(seeds(files)):
        folder = tmp_path / str(number)
        folder.mkdir()
        damaged = files.copied(folder)
        engine = foreign_database(getattr(damaged, side))
        with writing(engine) as connection:
            statement = update(table).values(values)
            changed = connection.execute(statement if where is True else statement.where(where))
            assert changed.rowcount > 0, kind
        engine.dispose()
        assert kind in {finding.kind for finding in damaged.audit().findings}, kind
        if number == 0:
            result = damaged.command("--day", str(files.day))
            assert result.exit_code == 1 and kind in result.stdout


def test_an_owner_that_was_not_charged(files: Books) -> None:
    """An answer to an owner without usage is found; the gateway's own answer is its own cost."""
    job = files.claims[0].receipt.job_id
    engine = foreign_database(files.gateway)
    with writing(engine) as connection:
        connection.execute(delete(USAGE).where(USAGE.c.receipt_id == job))
        connection.execute(update(CHANNEL_DAYS).values(metered=7 * PRICE))
    assert [finding.kind for finding in files.audit().findings] == ["not_charged"]
    with writing(engine) as connection:
        connection.execute(update(JOBS).where(JOBS.c.job_id == job).values(owner=None))
        assert connection.execute(select(JOBS.c.owner).where(JOBS.c.job_id == job)).scalar() is None
    engine.dispose()
    audit = files.audit()
    assert (audit.findings, audit.own_cost) == ([], PRICE)


def test_a_claim_that_was_paid_and_not_shown(files: Books) -> None:
    """Its owner is charged what was paid, on the day that it was seen; else it is found."""
    job = files.claims[0].receipt.job_id
    engine = foreign_database(files.gateway)
    with writing(engine) as connection:
        at = USAGE.c.receipt_id == job
        connection.execute(update(JOBS).where(JOBS.c.job_id == job).values(receipt=None))
        connection.execute(update(USAGE).where(at).values(from_channel=0, from_prepaid=PRICE))
        connection.execute(update(CHANNEL_DAYS).values(repaid=PRICE))
    audit = files.audit()
    assert (audit.findings, audit.charged, audit.paid) == ([], 8 * PRICE, 4 * PRICE)
    assert audit.receipts == 7 * PRICE
    with writing(engine) as connection:
        connection.execute(update(USAGE).where(at).values(day=files.day + 1))
        connection.execute(update(CHANNEL_DAYS).values(metered=7 * PRICE, repaid=0))
    assert files.audit().findings == []
    with writing(engine) as connection:
        connection.execute(delete(USAGE).where(at))
    engine.dispose()
    assert [finding.kind for finding in files.audit().findings] == ["unknown_claim"]


def test_what_an_owners_voucher_brought_too_much_is_returned() -> None:
    """Dollars at most: credit is the day's. A gateway that signs for itself takes nothing more."""
    voucher = Voucher("0xaa", "0xbb", collected=50, usdc=8)
    own = ChannelDay("0xaa", metered=40, collected=50, delegated=False, returned=8)
    usage = Usage("0x01", "0xaa", 40, 40, 0)
    answer = Answer("0x01", "0xaa", "0xbb", 40, None)
    day = Day(1, {"0x01": answer}, {"0x01": usage}, {}, [], frozenset(), [voucher], (0, 0))

    def kinds(channel: ChannelDay) -> list[str]:
        found = audited(replace(day, channels={"0xaa": channel})).findings
        return [finding.kind for finding in found]

    assert kinds(own) == []
    assert kinds(replace(own, returned=7)) == ["returned_differs"]
    assert kinds(replace(own, delegated=True)) == ["collected_above_metered"]
    assert kinds(replace(own, metered=45)) == ["metered_differs", "returned_differs"]


def test_an_underfunded_claim_is_listed_by_what_is_missing() -> None:
    """The consumer's funds paid a part; the fee is of that part, rounded up."""
    answer = Answer("0x01", None, "0xaa", 100, None)
    claim = Claim("0xc1", "0xb1", 0, "0x01", "0xaa", "finalised", 100, 20, 50, 3, 30, 500)
    day = Day(1, {"0x01": answer}, {}, {}, [claim], frozenset({"0x01"}), [], (3, 3))
    audit = audited(day)
    assert audit.findings == []
    assert (audit.paid, dict(audit.by_reason())) == (70, {"underfunded": (1, 30)})
    short = audited(replace(day, claims=[replace(claim, shortfall=29)]))
    assert [finding.kind for finding in short.findings] == ["paid_otherwise"]
