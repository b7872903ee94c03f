"""Lines of a batch cost what a provider asks of work that can wait, in every book."""

from __future__ import annotations

import json
import threading
from functools import partial
from pathlib import Path
from typing import Any, Literal

import httpx
from openai.types import Batch
from pydantic import SecretStr

from assay.books.audit import Audit
from assay.books.run import audit_books
from assay.core.database import sqlite_url
from assay.core.settings import BooksSettings, IndexerSettings
from assay.core.vouchers import day_of
from assay.indexer.follower import Follower
from assay.indexer.service import opened
from tests.integration.branch import Branch, Customer, bearer
from tests.integration.services import wait_for
from tests.integration.town import MODEL, PROMPT

URL: Literal["/v1/completions"] = "/v1/completions"
LINES = 3
HALF = 5_000
"""The provider's discount by default."""
PRICES = {None: (50_000, 200_000), HALF: (25_000, 100_000)}


def cost(answer: dict[str, Any]) -> int:
    """Micro-USD of an answer's tokens, with the discount that it says."""
    price_input, price_output = PRICES[answer["assay"].get("discount_bps")]
    usage: dict[str, int] = answer["usage"]
    total = usage["prompt_tokens"] * price_input + usage["completion_tokens"] * price_output
    return -(-total // 10**6)


def batch_of(branch: Branch, key: str) -> list[dict[str, Any]]:
    """The answers of a batch's lines."""
    client = branch.client(key)
    body = {"model": MODEL, "max_tokens": 40, "temperature": 0, **branch.town.honest()}
    bodies = [body | {"prompt": f"{PROMPT} {number}"} for number in range(LINES)]
    lines = [
        {"custom_id": str(number), "method": "POST", "url": URL, "body": each}
        for number, each in enumerate(bodies)
    ]
    content = "\n".join(map(json.dumps, lines)).encode()
    file = client.files.create(file=("in.jsonl", content), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint=URL, completion_window="24h")

    def ended() -> Batch | None:
        found = client.batches.retrieve(batch.id)
        return found if found.status == "completed" else None

    output = wait_for(ended, 60, "the batch").output_file_id
    assert output is not None
    written = client.files.content(output).text.splitlines()
    return [json.loads(line)["response"]["body"] for line in written]


def audit(branch: Branch, folder: Path) -> Audit:
    """The replicas' books of today beside an index of the whole chain."""
    place = branch.replicas[0].folder / "deployment"
    chain: dict[str, Any] = {"rpc_url": branch.town.arena.anvil.url, "deployment": place}
    url = SecretStr(sqlite_url(folder / "index.db"))
    reader, index = opened(IndexerSettings(database_url=url, calls_per_second=0, **chain))
    Follower(index, reader, threading.Event()).turn()
    index.close()
    books = BooksSettings(
        gateway_database_url=SecretStr(branch.database_url), index_database_url=url, **chain
    )
    return audit_books(books, day_of(branch.town.arena.network.now()))


def receipt_of(branch: Branch, receipt_id: str, key: str) -> dict[str, Any]:
    url = f"{branch.url()}/v1/receipts/{receipt_id}"
    found: dict[str, Any] = httpx.get(url, headers=bearer(key), timeout=60).json()
    return found


def posted(branch: Branch, receipt_id: str, key: str) -> bool | None:
    return receipt_of(branch, receipt_id, key)["status"] == "posted" or None


def metered(customer: Customer, amount: int) -> bool | None:
    """Once the channel has been collected as far as that."""
    channel = customer.balance()["channel"]
    assert channel["metered"] == amount
    return channel["collected"] == amount or None


def test_a_batch_is_billed_and_paid_at_its_discount(branch: Branch, tmp_path: Path) -> None:
    customer = branch.customer(micro_usd=1_000)
    customer.open_channel(1_000)
    key = customer.make_key()["key"]
    usual = branch.ask(bearer(key), tokens=40, temperature=0).json()
    answers = batch_of(branch, key)
    assert len(answers) == LINES and "discount_bps" not in usual["assay"]
    prices = {
        answer["assay"]["receipt_id"]: answer["assay"]["price_micro_usd"]
        for answer in (usual, *answers)
    }
    for answer in (usual, *answers):
        assert prices[answer["assay"]["receipt_id"]] == cost(answer) > 0
    for answer in answers:
        assert answer["assay"]["discount_bps"] == HALF
        receipt = receipt_of(branch, answer["assay"]["receipt_id"], key)
        assert (receipt["job"]["price_input"], receipt["job"]["price_output"]) == PRICES[HALF]

    url = f"{branch.url(1)}/v1/billing/usage?by=discount"
    bill = httpx.get(url, headers=bearer(key), timeout=60).json()["data"]
    total = sum(prices.values())
    assert {row["discount"]: (row["requests"], row["price"]) for row in bill} == {
        None: (1, cost(usual)),
        HALF: (LINES, total - cost(usual)),
    }
    wait_for(lambda: metered(customer, total), 30, "the collection")
    for receipt_id in prices:
        wait_for(partial(posted, branch, receipt_id, key), 30, "the claim")
    found = audit(branch, tmp_path)
    ours = {*prices, customer.address}
    assert [f for f in found.findings if any(name in f.subject for name in ours)] == []
    unpaid = {each.job_id: each.amount for each in found.unpaid if each.reason == "pending"}
    assert {job_id: unpaid[job_id] for job_id in prices} == prices
