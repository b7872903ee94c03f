"""The index beside the chain: a life of the network, reorganised, killed, read anew.

On SQLite and on PostgreSQL, with a real Anvil; the process is the real one.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from pydantic import SecretStr
from schemathesis.checks import (
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)
from sqlalchemy import select
from typer.testing import CliRunner, Result

from assay.chain.events import Event
from assay.chain.games import Games
from assay.chain.ranges import Pace, RangeReader
from assay.chain.settlement import ClaimStatus
from assay.cli.main import commands
from assay.core.database import open_database, reading
from assay.core.settings import IndexerSettings
from assay.core.wire import ClaimData, hexed
from assay.indexer import follower as metrics
from assay.indexer import schema
from assay.indexer.app import make_app
from assay.indexer.follower import Follower
from assay.indexer.index import MIGRATIONS, Index
from assay.indexer.service import opened
from tests.integration.services import Running, running, wait_for
from tests.integration.village import DOLLAR, ETHER, PROVIDER, Village
from tests.offchain.chain.limited import limited

REPLACED = 20
ZERO = "0x" + "00" * 20


def begin(village: Village) -> list[ClaimData]:
    """Stake, KARAT, a channel; a batch with a claim of each fate; a burn. The claims."""
    village.stake(500_000 * ETHER)
    village.karat(20_000 * ETHER)
    village.open_channel(50 * DOLLAR, deposit=5 * DOLLAR)
    village.pass_days(1)
    village.collect(53 * DOLLAR)
    claims = village.claims(4)
    village.convict(claims[1])
    village.open(claims[3], 0)
    village.pass_window(claims[0])
    village.finalise([claims[0]])
    village.abandon(claims[2])
    village.fund_auction(10 * DOLLAR)
    network = village.network
    network.ledger.sweep_fees()
    network.router.route()
    network.auction.start()
    network.assay.approve(network.auction.address, 1_000 * ETHER)
    network.auction.take(4 * DOLLAR, 1_000 * ETHER, village.holder)
    return claims


def first_branch(village: Village, claims: list[ClaimData]) -> None:
    """What a reorganisation will undo: another payment, another holder, another stake."""
    village.finalise(after_window(village, village.claims(3)))
    village.networks[PROVIDER].ledger.withdraw_earnings(village.address(PROVIDER))
    village.stake(7 * ETHER)
    village.network.assay.transfer(village.address("consumer"), 3 * ETHER)
    village.mine(REPLACED)


def second_branch(village: Village, claims: list[ClaimData]) -> None:
    """What stays."""
    village.collect(54 * DOLLAR)
    village.network.emissions.checkpoint()
    posted = after_window(village, village.claims(2))
    village.abandon(posted[0])
    village.stake(11 * ETHER)
    village.mine(REPLACED)


def after_window(village: Village, claims: list[ClaimData]) -> list[ClaimData]:
    village.pass_window(claims[0])
    return claims


# What the chain says


def equals_the_chain(get: Callable[[str], Any], village: Village, claims: list[ClaimData]) -> None:
    """Every figure of the read API that a contract knows is the contract's."""
    network = village.network
    for claim in claims:
        row = get(f"/v1/claims/{hexed(village.claim_id(claim))}")
        status = network.settlement.status(claim.batch_id, claim.index)
        assert row["status"] == status.name.lower()
        if status is ClaimStatus.FINALISED:
            assert (row["job_id"], row["price"]) == (
                hexed(claim.receipt.job_id),
                str(claim.receipt.price),
            )
            assert int(row["usdc"]) + int(row["credit"]) + int(row["shortfall"]) == int(
                row["price"]
            )
    stats = get("/v1/stats")
    assert stats["supply"] == str(network.assay.total_supply())
    assert stats["karat_supply"] == str(network.karat.total_supply())
    assert stats["karat_staked"] == str(network.karat.total_staked())
    assert stats["staked"] == str(network.staking.total_stake())
    assert stats["fees_held"] == str(network.ledger.fees())
    emitted = network.emissions.minted_to_stakers() + network.emissions.minted_to_providers()
    genesis = network.assay.total_supply() + int(stats["burned"]) - emitted
    assert int(stats["minted"]) - emitted == genesis
    _providers_equal(get, village)
    _accounts_equal(get, village)
    _games_equal(get, village)
    auction = network.auction.auction()
    row = get("/v1/auctions")[0]
    assert int(row["sold_usd_micro"]) == auction.lot_usd_micro - auction.left_usd_micro
    assert int(row["burned"]) == auction.burned


def _providers_equal(get: Callable[[str], Any], village: Village) -> None:
    providers = village.network.providers
    for role in ("honest provider", "cheating provider"):
        address = village.address(role)
        row = get(f"/v1/providers/{address}")
        assert row["bonded"] == str(providers.bonded(address))
        assert row["locked"] == str(providers.locked(address))
        earned = village.network.ledger.earnings_of(address)
        assert get(f"/v1/accounts/{address}")["earnings"] == str(earned)
        assert row["batches"] == village.network.settlement.next_nonce(address)


def _accounts_equal(get: Callable[[str], Any], village: Village) -> None:
    network = village.network
    for address in (village.holder, *(village.address(role) for role in village.parties)):
        row = get(f"/v1/accounts/{address}")
        assert row["assay"] == str(network.assay.balance_of(address)), address
        assert row["karat"] == str(network.karat.balance_of(address))
        assert row["stake_free"] == str(network.staking.free_of(address))
        assert row["stake_locked"] == str(network.staking.locked_of(address))
        assert row["karat_staked"] == str(network.karat.staked_of(address))
        assert row["karat_minted"] == str(network.minter.position(address).minted)
        assert row["prepaid"] == str(network.ledger.balance_of(address)), address
    holder = get(f"/v1/accounts/{village.holder}")
    payee = village.address("consumer")
    channel = network.ledger.channel(village.holder, payee)
    assert holder["channels"][0]["deposit"] == str(channel.deposit)
    voucher = holder["vouchers"][0]
    state = network.ledger.channel_state(village.holder, payee, voucher["day"])
    assert (int(voucher["credit"]), int(voucher["usdc"])) == (
        state.collected_credit,
        state.collected_usdc,
    )
    assert [row["address"] for row in get("/v1/stakers")] == [village.holder]


def _games_equal(get: Callable[[str], Any], village: Village) -> None:
    rows = get("/v1/games")
    assert len(rows) == 2
    for row in rows:
        view = Games(village.network).view(bytes.fromhex(row["game_id"][2:]))
        outcome = view.outcome.name.lower()
        assert row["outcome"] == ("" if outcome == "none" else outcome)
        assert row["phase"] == view.state.phase.name.lower()
        assert row["reason"] == view.reason
        if not row["outcome"]:
            assert row["deadline"] == view.state.deadline
        detail = get(f"/v1/games/{row['game_id']}")
        told = [
            event["name"] for event in reversed(detail["events"]) if event["name"] != "Standing"
        ]
        assert told == [event.name for event in view.events]


# The process


def data_of(base: str) -> Callable[[str], Any]:
    def get(path: str) -> Any:
        answer = httpx.get(base + path, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    return get


def stands(indexer: Running, village: Village) -> None:
    """Wait until the index stands at this very chain's head."""
    head = village.network.web3.eth.get_block("latest")

    def same() -> bool | None:
        found = httpx.get(f"{indexer.url}/v1/stats", timeout=5).json()["head"]
        return True if found["hash"] == head["hash"].to_0x_hex() else None

    wait_for(same, 60, f"block {head['number']} in the index")


def tables(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row that is read or follows from what is read, in order."""
    engine = open_database(url, MIGRATIONS)
    try:
        with reading(engine) as connection:
            return {
                table.name: [
                    tuple(row)
                    for row in connection.execute(
                        select(table).order_by(*table.primary_key.columns)
                    )
                ]
                for table in (*schema.READ, *schema.DERIVED)
            }
    finally:
        engine.dispose()


def command(indexer: Running, *words: str) -> Result:
    result = CliRunner().invoke(commands, ["indexer", *words], env=indexer.environment)
    assert result.exit_code == 0, (result.output, result.exception)
    return result


def test_killed_reorganised_and_rebuilt(
    village: Village, database_url: str, tmp_path: Path
) -> None:
    """The index equals the chain after each; a rebuild gives the same tables."""
    claims = begin(village)

    def indexer() -> Running:
        return Running(
            village,
            tmp_path,
            ["indexer", "run"],
            "consumer",
            database_url=database_url,
            blocks_per_call=2,
            calls_per_second=0,
        )

    with running(indexer) as (process,):
        wait_for(lambda: progressed(process, village), 30, "some of the backfill")
        process.kill()
        process.environment["ASSAY_BLOCKS_PER_CALL"] = "2000"
        process.start()
        process.wait_ready()
        stands(process, village)
        get = data_of(process.url)
        equals_the_chain(get, village, claims)
        before = village.anvil.rpc("evm_snapshot")
        first_branch(village, claims)
        stands(process, village)
        assert get("/v1/stats")["claims"] == 7
        village.anvil.rpc("evm_revert", before)
        second_branch(village, claims)
        stands(process, village)
        equals_the_chain(get, village, claims)
        assert get("/v1/stats")["claims"] == 6
        health = httpx.get(f"{process.url}/health").json()
        assert (health["status"], health["lag_blocks"]) == ("following", 0)
        told = httpx.get(f"{process.url}/metrics").text
        assert "assay_index_reorgs_total 1\n" in told and "assay_index_lag_blocks 0\n" in told
    kept = tables(database_url)
    assert len(kept["index_events"]) > 60
    document = json.loads(command(process, "rebuild", "--json").stdout)
    assert document["block"] == village.network.web3.eth.block_number
    assert tables(database_url) == kept
    status = json.loads(command(process, "status", "--json").stdout)
    assert status["lag"] == 0 and status["rows"]["claims"] == 6


def progressed(process: Running, village: Village) -> bool | None:
    """Whether the backfill is under way, or else has just ended."""
    head = village.network.web3.eth.block_number
    block = httpx.get(f"{process.url}/health", timeout=5).json()["block"]
    return True if block > head - 60 else None


# In this process


@contextmanager
def index_of(village: Village, url: str, **given: Any) -> Iterator[tuple[Index, RangeReader]]:
    settings = IndexerSettings(
        rpc_url=village.anvil.url,
        deployment=village.saved,
        database_url=SecretStr(url),
        calls_per_second=0,
        **given,
    )
    reader, index = opened(settings)
    try:
        yield index, reader
    finally:
        index.close()


def follow(index: Index, reader: RangeReader) -> None:
    Follower(index, reader, threading.Event()).turn()


def test_a_reorganisation_deeper_than_what_is_kept_begins_anew(
    village: Village, database_url: str, tmp_path: Path
) -> None:
    claims = begin(village)
    fresh = f"sqlite:///{tmp_path}/fresh.db"
    with index_of(village, database_url, reorg_depth=5) as (index, reader):
        before = village.anvil.rpc("evm_snapshot")
        first_branch(village, claims)
        follow(index, reader)
        village.anvil.rpc("evm_revert", before)
        second_branch(village, claims)
        rebuilds = metrics.REBUILDS.value()
        follow(index, reader)
        assert metrics.REBUILDS.value() == rebuilds + 1
    with index_of(village, fresh) as (index, reader):
        follow(index, reader)
    assert tables(database_url) == tables(fresh)


def test_two_indexers_of_one_database(village: Village, database_url: str, tmp_path: Path) -> None:
    """Both write; each range is worked in once."""
    begin(village)
    alone = f"sqlite:///{tmp_path}/alone.db"
    with index_of(village, alone) as (index, reader):
        follow(index, reader)
    with (
        index_of(village, database_url, blocks_per_call=9) as one,
        index_of(village, database_url, blocks_per_call=11) as other,
    ):
        threads = [threading.Thread(target=follow, args=pair) for pair in (one, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert one[0].stand() == other[0].stand()
    assert tables(database_url) == tables(alone)


def test_a_node_with_limits_is_asked_for_less(village: Village, tmp_path: Path) -> None:
    """Ranges are halved until the node answers; calls keep to their pace."""
    village.mine(100)
    waits: list[float] = []
    clock = [0.0]

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        clock[0] += seconds

    pace = Pace(10, clock=lambda: clock[0], sleep=sleep)
    network = village.network
    sources = network.sources(network.own_contracts())
    reader = RangeReader(limited(village.anvil.url, blocks=7), sources, pace=pace)
    start, head = network.deployment.block, reader.head()
    found: list[Event] = []
    stop = start - 1
    while stop < head.number:
        chunk = reader.read(stop + 1, head.number)
        assert chunk.last.number - stop <= 7
        found += chunk.events
        stop = chunk.last.number
    whole = RangeReader(network.web3, sources).read(start, head.number)
    assert [event.key for event in found] == [event.key for event in whole.events]
    assert reader.calls == len(waits) + 1
    assert sum(waits) == pytest.approx((reader.calls - 1) / 10)


@pytest.fixture
def client(village: Village, tmp_path: Path) -> Iterator[TestClient]:
    """The read API over an index with a bit of everything."""
    begin(village)
    with index_of(village, f"sqlite:///{tmp_path}/index.db") as (index, reader):
        follow(index, reader)
        app = make_app(index.engine, lambda: HEALTH, 5, ("https://page.example",))
        with TestClient(app, raise_server_exceptions=False) as client:
            yield client


HEALTH = {"status": "following", "block": 1, "head": 1, "lag_blocks": 0}


def test_pages_tags_origins_and_refusals(client: TestClient) -> None:
    """Pages give each row once, in order; a tag stands for the block; bad input gets a reason."""
    whole = client.get("/v1/events", params={"limit": 200}).json()["data"]
    pages, cursor = [], None
    while True:
        params = {"limit": 7} | ({"cursor": cursor} if cursor else {})
        page = client.get("/v1/events", params=params).json()
        pages += page["data"]
        cursor = page["next"]
        if cursor is None or len(pages) >= len(whole):
            break
    assert pages[: len(whole)] == whole
    both = client.get("/v1/providers", params={"limit": 1}).json()
    rest = client.get("/v1/providers", params={"limit": 1, "cursor": both["next"]}).json()
    assert len({row["address"] for row in both["data"] + rest["data"]}) == 2
    assert int(both["data"][0]["bonded"]) > int(rest["data"][0]["bonded"])
    answer = client.get("/v1/stats", headers={"Origin": "https://page.example"})
    assert answer.headers["access-control-allow-origin"] == "https://page.example"
    assert answer.headers["cache-control"] == "public, max-age=5"
    again = client.get("/v1/stats", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    for path, status, code in (
        ("/v1/claims/0x12", 400, "malformed"),
        (f"/v1/claims/0x{'ab' * 32}", 404, "unknown_claim"),
        (f"/v1/providers/{ZERO}", 404, "unknown_provider"),
        ("/v1/claims?status=lost", 400, "invalid_request"),
        ("/v1/events?cursor=xyz", 400, "invalid_cursor"),
        ("/v1/events?limit=0", 400, "invalid_request"),
        ("/v1/nothing", 404, "unknown_url"),
    ):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), path
    assert client.post("/v1/stats").status_code == 405


def test_the_api_is_as_its_document_says(client: TestClient) -> None:
    """Schemathesis: no request of any form gets a 5xx, and answers have the documented shape."""
    document = schemathesis.openapi.from_asgi("/openapi.json", client.app)

    for result in document.get_all_operations():
        operation = result.ok()

        @settings(
            max_examples=8,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def check(case: Any) -> None:
            case.call_and_validate(
                checks=[
                    not_a_server_error,
                    status_code_conformance,
                    response_schema_conformance,
                ]
            )

        check()
