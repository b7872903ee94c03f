"""The keeper's jobs on a real chain: each does its work, twice is once, two at once do no harm."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import uvicorn
from typer.testing import CliRunner

from assay.chain.anvil import dev_account, free_port
from assay.chain.events import Event, EventReader
from assay.chain.games import Games
from assay.chain.network import Network
from assay.chain.rehearse import Call
from assay.chain.sender import Sender
from assay.chain.settlement import ClaimStatus
from assay.cli.main import commands
from assay.core.claim_source import ClaimSource
from assay.core.errors import ContractReverted
from assay.core.settings import KeeperSettings
from assay.core.wire import ClaimData
from assay.keeper import runner as counters
from assay.keeper.job import Action, Job, Report
from assay.keeper.jobs import JOBS
from assay.keeper.runner import DEAR, LOST, REFUSED, Runner
from assay.keeper.site import ABSENT_SECONDS, Site
from assay.keeper.watch import Watch
from assay.provider.http import make_app
from assay.provider.journal import Entry, Journal
from assay.provider.poster import Poster
from tests.integration.arena import FAST, greedy
from tests.integration.services import Running, running, wait_for
from tests.integration.village import DOLLAR, ETHER, PROVIDER, Village

LOT = 20 * DOLLAR
ROUND = {
    "checkpoint": ["EmissionController.checkpoint"],
    "reward_work": ["EmissionController.reward_work"],
    "time_out_games": ["DisputeGame.timeout"],
    "close_games": ["DisputeGame.close"],
    "finalise": ["Settlement.finalise_many"] * 3,  # one of the batch cannot be paid, so by ones
    "close_channels": ["CreditLedger.close_channel"],
    "sweep_fees": ["CreditLedger.sweep_fees"],
    "route_fees": ["FeeRouter.route"],
    "start_auction": ["BurnAuction.start"],
}
"""What a round sends in `Chores`; the auction is filled later."""


@dataclass(frozen=True)
class Chores:
    """A chain on which every job has something to do."""

    village: Village
    url: str
    payable: list[ClaimData]
    unsigned: ClaimData
    disputed: ClaimData
    games: list[bytes]
    sources: list[ClaimSource] = field(default_factory=list)

    def settings(self, **given: Any) -> KeeperSettings:
        return KeeperSettings(
            **{
                "rpc_url": self.village.anvil.url,
                "deployment": self.village.saved,
                "provider_urls": [self.url],
                "grace_seconds": 0,
                "least_sweep_usd_micro": 1,
                "least_profit": 1,
                **given,
            }
        )

    def runner(self, account: int, dry: bool = False, **given: Any) -> Runner:
        """A keeper that signs as one of Anvil's own accounts."""
        web3 = self.village.network.web3
        sender = None if dry else Sender(web3, dev_account(account), FAST)
        network = Network(web3, self.village.deployment, sender)
        settings = self.settings(**given)
        self.sources.append(ClaimSource([self.url]))
        site = Site(network, Watch(network, None), self.sources[-1], settings)
        return Runner(site, dry, threading.Event())

    def events(self) -> list[Event]:
        network = self.village.network
        names = [name for name in network.own_contracts() if name != "BurnTaker"]
        reader = EventReader(network.web3, network.sources(names), network.deployment.block)
        return reader.poll().added


@pytest.fixture
def chores(village: Village, tmp_path: Path) -> Iterator[Chores]:
    """Two days of the network, then nobody does anything."""
    village.set_reference_price(10**9)
    village.stake(500_000 * ETHER)
    village.karat(20_000 * ETHER)
    village.open_channel(50 * DOLLAR, deposit=5 * DOLLAR, days=3)
    village.pass_days(1)
    village.collect(DOLLAR)
    (worked,) = village.claims(1)
    village.pass_window(worked)
    village.finalise([worked])  # on credit: there is work to reward tomorrow
    village.pass_days(5)
    journal = Journal(tmp_path / "journal.sqlite")
    try:
        village.earn_fees()
        drafts = [village.draft((1, 2, 3), (4, 5), greedy(2)) for _ in range(4)]
        drafts[3] = replace(drafts[3], signature=bytes([1]) * 65)
        posted = post(village, journal, drafts)
        (disputed,) = village.claims(1)
        games = [village.open(disputed, index) for index in (0, 1)]
        village.pass_clock(games[1])
        village.pass_window(disputed)
        village.fund_auction(LOT)
        village.open_pool(15_000 * ETHER, 100_000 * DOLLAR)
        with serving(journal, village.address(PROVIDER)) as url:
            found = Chores(village, url, posted[:3], posted[3], disputed, games)
            yield found
            for source in found.sources:
                source.close()
    finally:
        journal.close()


def post(village: Village, journal: Journal, drafts: list[ClaimData]) -> list[ClaimData]:
    """One batch, by the provider's own poster."""
    for draft in drafts:
        journal.add(
            Entry(
                draft.receipt.job_id, draft.job, draft.signature, draft.salt, draft.prompt,
                draft.output, draft.receipt, b"", time.time(),
            )
        )  # fmt: skip
    Poster(village.networks[PROVIDER], journal, village.address(PROVIDER), 100, 0.0).turn()
    (batch,) = journal.open_batches()
    return [
        replace(draft, batch_id=batch.batch_id, index=index) for index, draft in enumerate(drafts)
    ]


@contextmanager
def serving(journal: Journal, address: str) -> Iterator[str]:
    """The provider's own HTTP interface over its journal."""
    desk: Any = SimpleNamespace(
        journal=journal,
        health=lambda: {"address": address},
        disclose=lambda data, auditor: data.to_json(),
    )
    port = free_port()
    config = uvicorn.Config(make_app(desk), port=port, log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_for(lambda: True if server.started else None, 10, "the provider's server")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def round_of(runner: Runner) -> dict[str, list[str]]:
    """What each job sent; none may fail."""
    reports = [runner.run(job) for job in JOBS.values()]
    assert [report.failed for report in reports] == [None] * len(reports)
    return {report.job: report.sent for report in reports if report.sent}


def is_done(chores: Chores) -> None:
    """Everything that the jobs are for has happened on the chain."""
    village, network = chores.village, chores.village.network
    for claim in chores.payable:
        assert network.settlement.status(claim.batch_id, claim.index) is ClaimStatus.FINALISED
    bad = chores.unsigned
    assert network.settlement.status(bad.batch_id, bad.index) is ClaimStatus.OPEN
    outcomes = {Games(network).view(game).outcome.name for game in chores.games}
    assert outcomes == {"CHALLENGER_WON", "CLOSED"}
    assert network.ledger.channel(village.holder, village.address("consumer")).expires_at == 0
    assert network.ledger.fees() == network.usdc.balance_of(network.router.address) == 0
    assert network.emissions.minted_to_providers() > 0
    assert network.auction.auction_count() == 1


# What a job's work may show up as at most once.
ONCE = {
    "ClaimFinalised": "claim_id",
    "GameResolved": "game_id",
    "GameClosed": "game_id",
    "ChannelClosed": "owner",
    "DayRolled": "day",
    "AuctionStarted": "number",
}


def each_effect_once(chores: Chores) -> None:
    counted = Counter(
        (event.name, event.args[ONCE[event.name]])
        for event in chores.events()
        if event.name in ONCE
    )
    assert counted and set(counted.values()) == {1}
    assert [event.name for event in chores.events()].count("WorkRewarded") == 1


def test_a_round_does_everything_once(chores: Chores) -> None:
    """Every job does its work; a second round, of this keeper or another, sends nothing; after a
    reorganisation that undid all of it, it is done again."""
    village, one, other = chores.village, chores.runner(5), chores.runner(6)
    before = village.anvil.rpc("evm_snapshot")
    assert round_of(one) == ROUND
    is_done(chores)
    each_effect_once(chores)
    head = village.network.web3.eth.block_number
    assert round_of(one) == {} == round_of(other)
    assert village.network.web3.eth.block_number == head
    village.anvil.rpc("evm_revert", before)
    # What it was refused before, it leaves alone: the others of the batch go together.
    assert round_of(one) == {**ROUND, "finalise": ["Settlement.finalise_many"]}
    is_done(chores)
    each_effect_once(chores)


def test_a_claim_that_cannot_be_paid_is_left_alone(chores: Chores) -> None:
    """It holds up no other claim of its batch, and is not asked about at every run."""
    runner = chores.runner(5)
    first, second = runner.run(JOBS["finalise"]), runner.run(JOBS["finalise"])
    assert (first.sent, first.skipped) == (["Settlement.finalise_many"] * 3, {REFUSED: 1})
    assert (second.sent, second.skipped) == ([], {})


def test_a_provider_that_does_not_answer_is_left_alone_for_a_while(chores: Chores) -> None:
    """Its claims are not asked for one by one; others' go on, and later so do its own."""
    runner = chores.runner(5)
    site = runner.site
    site.claims, served = ClaimSource(["http://127.0.0.1:9"]), site.claims
    assert runner.run(JOBS["finalise"]).sent == []
    site.claims.close()
    site.claims = served
    assert runner.run(JOBS["finalise"]).sent == []  # not yet
    passed = time.monotonic() + ABSENT_SECONDS + 1
    site.clock = lambda: passed
    assert runner.run(JOBS["finalise"]).sent == ["Settlement.finalise_many"] * 3


def test_the_auction_is_filled_when_it_pays_and_within_the_slippage(chores: Chores) -> None:
    village, runner = chores.village, chores.runner(5, slippage_bps=100)
    network, keeper = village.network, dev_account(5).address
    fill = JOBS["fill_auction"]
    for job in ("route_fees", "start_auction"):
        assert runner.run(JOBS[job]).sent
    ends_at = network.auction.auction().started_at + network.auction.parameters().duration_seconds
    dear = chores.runner(6, least_profit=10**9 * ETHER)
    cheap_token = chores.runner(6, token_wei=1)
    held = network.assay.balance_of(keeper)
    sent = 0
    while not sent and network.now() < ends_at - 60:
        village.pass_time(network.now() + 50)
        profitable = bool(chores.runner(7, dry=True).run(fill).planned)
        assert dear.run(fill).sent == [] == cheap_token.run(fill).sent
        sent = len(runner.run(fill).sent)
        assert bool(sent) == profitable
    assert sent == 1
    profit = network.assay.balance_of(keeper) - held
    assert profit > 0
    taken = [event.args for event in chores.events() if event.name == "Taken"]
    assert [args["burned"] for args in taken] == [network.auction.auction().burned]


def test_two_keepers_at_once_do_no_harm(chores: Chores) -> None:
    """They see the same chain and send into the same blocks: every effect is there once, and
    whoever came second has lost at most one transaction's gas for each."""
    village = chores.village
    lost = Counter[str]()
    runners = [chores.runner(5), chores.runner(6)]
    gate = threading.Barrier(2)
    reports: list[Report] = []

    def rounds(runner: Runner) -> None:
        for job in JOBS.values():
            gate.wait()
            reports.append(runner.run(job))

    village.anvil.rpc("evm_setAutomine", False)
    village.anvil.rpc("evm_setIntervalMining", 1)
    try:
        threads = [threading.Thread(target=rounds, args=[runner]) for runner in runners]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        village.anvil.rpc("evm_setIntervalMining", 0)
        village.anvil.rpc("evm_setAutomine", True)
    assert [report.failed for report in reports] == [None] * len(reports)
    for report in reports:
        lost += Counter({report.job: report.skipped[LOST]})
    assert all(count <= len(ROUND.get(job, [])) for job, count in lost.items())
    is_done(chores)
    each_effect_once(chores)


def test_limits_of_the_operator(chores: Chores) -> None:
    """Nothing is sent while gas is dear, nor by a dry run, nor within the grace."""
    head = chores.village.network.web3.eth.block_number
    dear = [chores.runner(5, max_fee_gwei=1e-9).run(job) for job in JOBS.values()]
    assert all(report.sent == [] for report in dear)
    waiting = {report.job for report in dear if report.skipped[DEAR]}
    assert waiting == set(ROUND) - {"close_games", "start_auction"}  # which others make due
    graceful = chores.runner(5, grace_seconds=10**6)
    for job in ("finalise", "time_out_games"):
        assert graceful.run(JOBS[job]).sent == []
    environment = {
        "ASSAY_RPC_URL": chores.village.anvil.url,
        "ASSAY_DEPLOYMENT": str(chores.village.saved),
        "ASSAY_PROVIDER_URLS": chores.url,
        "ASSAY_GRACE_SECONDS": "0",
        "ASSAY_LEAST_SWEEP_USD_MICRO": "1",
    }
    words = ["keeper", "run", "--once", "--dry-run", "--json"]
    result = CliRunner().invoke(commands, words, env=environment)
    assert result.exit_code == 0, result.output
    planned = {report["job"]: report["planned"] for report in json.loads(result.stdout)}
    assert {job for job, calls in planned.items() if calls} >= {"finalise", "close_channels"}
    only = CliRunner().invoke(commands, [*words, "--jobs", "sweep_fees"], env=environment)
    assert [report["job"] for report in json.loads(only.stdout)] == ["sweep_fees"]
    wrong = CliRunner().invoke(commands, [*words, "--jobs", "sweep"], env=environment)
    assert wrong.exit_code != 0 and "there is no job 'sweep'" in str(wrong.exception)
    assert chores.village.network.web3.eth.block_number == head


def test_a_mined_revert_of_what_is_still_due_is_a_failure(chores: Chores) -> None:
    """It is counted and told, and other jobs go on."""

    class Reverts(Call):
        def send(self) -> Any:
            raise ContractReverted(self.name, "broken", transaction="0x00")

    call = Reverts(chores.village.network.auction, "start")
    job = Job("sweep_fees", lambda site: [Action(call, lambda: True)])
    failures = counters.FAILURES.value(job="sweep_fees")
    report = chores.runner(5).run(job)
    assert report.failed and "broken" in report.failed
    assert counters.FAILURES.value(job="sweep_fees") == failures + 1


def test_as_a_process(chores: Chores, tmp_path: Path) -> None:
    """By its schedule; killed and begun again it sends nothing twice; it ends on SIGTERM."""
    village = chores.village

    def keeper() -> Running:
        return Running(
            village, tmp_path, ["keeper", "run"], "challenger",
            provider_urls=chores.url, grace_seconds=0, least_sweep_usd_micro=1,
            interval_seconds=0.5, jitter_seconds=0.1, jobs="finalise,sweep_fees,close_channels",
        )  # fmt: skip

    with running(keeper) as (process,):
        wait_for(lambda: True if "sent" in process.names() else None, 30, "a transaction")
        process.kill()
        process.start()
        process.wait_ready()
        payable = chores.payable

        def paid() -> bool | None:
            status = village.network.settlement.status
            states = {status(claim.batch_id, claim.index) for claim in payable}
            return True if states == {ClaimStatus.FINALISED} else None

        wait_for(paid, 30, "the payment of all claims")
        success = 'assay_keeper_last_success_timestamp_seconds{job="finalise"}'

        def told() -> bool | None:
            return True if success in httpx.get(f"{process.url}/metrics").text else None

        wait_for(told, 30, "a run of the job")
    finalised = [e.args["claim_id"] for e in chores.events() if e.name == "ClaimFinalised"]
    assert len(finalised) == len(set(finalised))
