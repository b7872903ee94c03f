"""A provider that withholds receipts, or refuses jobs that it answers, and is paid by the chain."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import select

from assay.books.audit import Audit
from assay.books.run import audit_books
from assay.chain.anvil import Anvil
from assay.core.database import foreign_database, reading, sqlite_url
from assay.core.hashes import job_id
from assay.core.settings import BooksSettings, IndexerSettings
from assay.core.vouchers import day_of
from assay.core.wire import hexed, parse_job
from assay.gateway.tables import positions
from assay.indexer.follower import Follower
from assay.indexer.service import opened
from tests.integration.arena import Arena
from tests.integration.branch import Customer, bearer, new_customer
from tests.integration.conftest import Shipped
from tests.integration.services import Running, running, wait_for
from tests.integration.town import MODEL, PROMPT
from tests.support.veil import Veil

CHANNEL = 500
DEPTH = 2
"""Blocks that the gateway reads again."""


@dataclass(frozen=True)
class Backstreet:
    """A gateway that knows one provider, behind its veil."""

    arena: Arena
    provider: Running
    veil: Veil
    gateway: Running

    def ask(self, key: str) -> httpx.Response:
        body = {"model": MODEL, "prompt": PROMPT, "max_tokens": 4}
        url = f"{self.gateway.url}/v1/completions"
        return httpx.post(url, json=body, headers=bearer(key), timeout=60)

    def models(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = httpx.get(f"{self.gateway.url}/v1/models").json()["data"]
        return found

    def price(self, job: dict[str, Any]) -> int:
        """Of a job that the provider has answered and posted."""
        network = self.arena.network
        place = network.chain_id, network.settlement.address
        asked = hexed(job_id(parse_job(job["job"]), *place))

        def posted() -> int | None:
            answer = httpx.get(f"{self.provider.url}/v1/jobs/{asked}").json()
            return int(answer["receipt"]["price"]) if answer.get("batch") else None

        return wait_for(posted, 30, "the claim's batch")

    def lapse(self) -> None:
        """Go beyond every job's deadline, and the time that the gateway gives it."""
        deadline = max(parse_job(job["job"]).deadline for job in self.veil.jobs)
        self.arena.pass_time(deadline + 60)

    def pass_window(self) -> None:
        network = self.arena.network
        self.arena.pass_time(network.now() + network.settlement.window_seconds())

    def paid(self) -> bool:
        """Whether the chain has paid for every job."""
        settlement = self.arena.network.settlement
        return all(settlement.paid(parse_job(job["job"])) for job in self.veil.jobs)

    def position(self) -> int:
        """The block up to which the gateway will not look for payments again."""
        engine = foreign_database(self._books)
        try:
            with reading(engine) as connection:
                return connection.execute(select(positions.c.block)).scalar() or 0
        finally:
            engine.dispose()

    @property
    def _books(self) -> str:
        return sqlite_url(self.gateway.folder / "data" / "gateway.db")

    def audit(self, folder: Path) -> Audit:
        index = SecretStr(sqlite_url(folder / "index.db"))
        network = {"rpc_url": self.arena.anvil.url, "deployment": folder / "deployment"}
        self.arena.deployment.save(folder / "deployment")
        settings = IndexerSettings(**network, database_url=index, calls_per_second=0)
        reader, opened_index = opened(settings)
        Follower(opened_index, reader, threading.Event()).turn()
        opened_index.close()
        gateway = SecretStr(self._books)
        books = BooksSettings(**network, gateway_database_url=gateway, index_database_url=index)
        return audit_books(books, day_of(self.arena.network.now()))


@pytest.fixture
def backstreet(shipped: Shipped, tmp_path: Path) -> Iterator[Backstreet]:
    with Anvil() as anvil:
        arena = Arena(anvil, shipped.commitment, tmp_path)
        arena.add_bond("honest provider", 10)

        def service(command: list[str], role: str, **settings: object) -> Running:
            place = tmp_path / command[0]
            place.mkdir()
            return Running(arena, place, command, role, **settings)

        serve = ["provider", "serve"]
        with running(lambda: service(serve, "honest provider", batch_seconds=0.3)) as (provider,):
            veil = Veil(provider.url)
            settings = {"provider_urls": veil.url, "access": "keys", "reorg_depth": DEPTH}
            settings |= {"public_url": "http://gateway.test"}
            with running(lambda: service(["gateway", "serve"], "consumer", **settings)) as (
                gateway,
            ):
                yield Backstreet(arena, provider, veil, gateway)
            veil.close()


def test_who_asked_pays_what_the_provider_hid(backstreet: Backstreet, tmp_path: Path) -> None:
    """One answer is withheld, one refused. Both are released on the provider's word, not before it,
    and both are paid by the chain: the owner is charged, and the provider shunned. It is charged
    once, though the payments are undone and made again, and the gateway is killed."""
    customer = new_customer(backstreet.arena, [backstreet.gateway.url], CHANNEL)
    customer.open_channel(CHANNEL)
    key = customer.make_key()["key"]
    cut = backstreet.ask(key)
    assert (cut.status_code, cut.json()["error"]["code"]) == (502, "upstream")
    backstreet.veil.mode = "refuses"
    refused = backstreet.ask(key)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "no_provider")
    owed = sum(backstreet.price(job) for job in backstreet.veil.jobs)
    assert len(backstreet.veil.jobs) == 2 and owed > 0
    backstreet.veil.away = True
    backstreet.lapse()
    wait_for(lambda: backstreet.veil.asked > 1 or None, 30, "the second question")
    assert customer.balance()["reserved"]["channel"] > 0
    backstreet.veil.away = False
    wait_for(lambda: _all_left(customer), 30, "the release")
    before = backstreet.arena.anvil.rpc("evm_snapshot")
    backstreet.pass_window()

    def charged() -> dict[str, Any] | None:
        found = customer.balance()
        return found if found["channel"]["metered"] == owed else None

    balance = wait_for(charged, 60, "the charge")
    assert balance["balances"] == {"channel": CHANNEL - owed, "prepaid": 0}
    assert (balance["owed"], balance["canConsume"]) == (0, True)
    counted = f"assay_charged_late_micro_usd_total {owed}"
    wait_for(lambda: counted in metrics(backstreet) or None, 30, "the counter")
    wait_for(lambda: not backstreet.models() or None, 10, "the shunning")
    audit = backstreet.audit(tmp_path)
    assert (audit.findings, audit.charged, audit.paid) == ([], owed, owed)
    backstreet.arena.anvil.rpc("evm_revert", before)
    backstreet.pass_window()
    wait_for(lambda: backstreet.paid() or None, 60, "the payments that were undone")
    head = backstreet.arena.network.head()
    backstreet.arena.anvil.rpc("anvil_mine", hex(DEPTH))
    wait_for(lambda: backstreet.position() >= head or None, 30, "a look at them")
    backstreet.gateway.kill()
    backstreet.gateway.start()
    backstreet.gateway.wait_ready()
    assert backstreet.models() == []
    assert backstreet.ask(key).json()["error"]["code"] == "no_provider"
    assert len(backstreet.veil.jobs) == 2
    assert customer.balance()["channel"]["metered"] == owed


def _all_left(customer: Customer) -> bool | None:
    return customer.balance()["balances"]["channel"] == CHANNEL or None


def metrics(backstreet: Backstreet) -> str:
    return httpx.get(f"{backstreet.gateway.url}/metrics", timeout=10).text
