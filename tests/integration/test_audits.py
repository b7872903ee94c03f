"""Audits with services as processes on an Anvil: honest auditors are paid, lazy ones lose their
seat, providers that withhold data or do not answer lose the claim.

The chain's clock is moved past each eighth of the window, and blocks are mined for the seed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from assay.chain.anvil import Anvil
from assay.chain.audits import EntryState, Place
from assay.chain.headers import header_of
from assay.chain.network import Network
from assay.chain.settlement import ClaimStatus
from assay.core.boxes import private_key, public_key
from assay.core.hashes import job_id, keccak
from assay.core.signing import sign_job
from assay.core.types import AUDITOR_DATA, PRIVATE_DATA, PUBLIC_DATA
from assay.core.wire import hexed, to_json
from tests.integration.arena import RULES, Arena, greedy
from tests.integration.conftest import Shipped
from tests.integration.front import Front
from tests.integration.services import Running, running, wait_for

PROMPT = (5, 6, 7, 8)
SALT = b"\x31" * 32
GUESS = keccak(b"a guess")
RULES_OF_AUDITS = replace(RULES, audit_rate_bps=10_000, audit_pay_bps=1_000, seed_delay_blocks=2)
HONEST, SILENT, AUDITOR = "honest provider", "cheating provider", "challenger"
"""Roles of the arena; the auditor sits in the only seat, so that every slot falls to it."""
WINDOW = 8
PRICE_OUTPUT = 10**9
"""A thousandth of a dollar a token, so that a twentieth of it is something."""
SECONDS = 60.0


@dataclass(frozen=True)
class Posted:
    """A claim on chain, and the place that it is drawn for."""

    job_id: bytes
    batch_id: bytes
    index: int
    claim_id: bytes
    place: Place


class Court:
    """A chain, an honest provider, one that answers nothing, and an auditor's account."""

    def __init__(self, arena: Arena, folder: Path, honest: Running, silent: Running) -> None:
        self.arena = arena
        self.folder = folder
        self.urls = {HONEST: honest.url, SILENT: silent.url}
        self.honest, self.silent = honest, silent
        self.network: Network = arena.networks[AUDITOR]
        self.address = arena.address(AUDITOR)
        self.key = private_key(bytes(arena.parties[AUDITOR].account.key))
        self._runs = 0

    def sit(self) -> None:
        """Take the seat, if it is not ours."""
        audits = self.network.audits
        if audits.seat_count() and audits.seat(0).auditor == self.address:
            return
        deposit = audits.seat_deposit()
        self.arena.network.bond_token.transfer(self.address, 2 * deposit)
        self.network.bond_token.ensure_allowance(self.address, audits.address, deposit)
        audits.take_seat(public_key(self.key))

    def auditor(self, *providers: str) -> Running:
        """The auditor's process, which knows these providers' URLs."""
        self._runs += 1
        place = self.folder / f"auditor-{self._runs}"
        place.mkdir()
        urls = ",".join(self.urls[role] for role in providers)
        return Running(
            self.arena, place, ["auditor", "run"], AUDITOR, provider_urls=urls, patience_seconds=0
        )

    def ask(self, role: str, mode: int = PUBLIC_DATA) -> Posted:
        """Have a provider answer a job; the claim once it is posted."""
        arena, network = self.arena, self.arena.network
        job = arena.job(
            PROMPT,
            greedy(6),
            SALT,
            provider=arena.address(role),
            data_mode=mode,
            price_output=PRICE_OUTPUT,
        )
        signature = sign_job(
            arena.parties["consumer"].account, job, network.chain_id, network.settlement.address
        )
        body = {
            "job": to_json(job),
            "signature": hexed(signature),
            "tokens": PROMPT,
            "salt": hexed(SALT),
        }
        answer = httpx.post(f"{self.urls[role]}/v1/jobs", json=body, timeout=30)
        assert answer.status_code == 200, answer.text
        assert "receipt" in json.loads(answer.text.splitlines()[-1])
        digest = job_id(job, network.chain_id, network.settlement.address)

        def posted() -> dict[str, Any] | None:
            found: dict[str, Any] = httpx.get(
                f"{self.urls[role]}/v1/jobs/{hexed(digest)}", timeout=10
            ).json()
            batch: dict[str, Any] | None = found["batch"]
            return batch if batch and batch["posted"] else None

        batch = wait_for(posted, SECONDS, "the batch")
        batch_id, index = bytes.fromhex(batch["batch_id"][2:]), int(batch["index"])
        claim = network.settlement.claim_id(batch_id, index)
        return Posted(digest, batch_id, index, claim, Place(0, batch_id, index, 0))

    def after(self, claim: Posted, eighths: int) -> None:
        self.arena.pass_time(self.network.audits.deadline(claim.batch_id, eighths))

    def draw(self, claim: Posted) -> Posted:
        """Begin and fix a round by hand, where no auditor's process does."""
        audits = self.network.audits
        self.after(claim, 1)
        audits.begin_round()
        number = audits.round_count()
        self.arena.anvil.rpc("anvil_mine", "0x3")
        audits.fix_seed(header_of(self.network.web3, audits.round(number).seed_block))
        assert audits.covers(number, claim.batch_id)
        return replace(claim, place=replace(claim.place, round=number))

    def be_drawn(self, auditor: Running, claim: Posted) -> None:
        """Let time and blocks pass until the process has found the claim drawn."""
        self.after(claim, 1)
        wait_for(lambda: "round_begun" in auditor.names() or None, SECONDS, "the round")
        self.arena.anvil.rpc("anvil_mine", "0x3")
        wait_for(lambda: "drawn" in auditor.names() or None, SECONDS, "the draw")

    def entry(self, claim: Posted, slot: int = 0) -> EntryState:
        return self.network.audits.entry(claim.claim_id, slot).state

    def when(self, claim: Posted, state: EntryState) -> None:
        """Wait for both slots' entries to be in a state."""
        for slot in (0, 1):
            wait_for(
                lambda slot=slot: self.entry(claim, slot) is state or None,  # type: ignore[misc]
                SECONDS,
                f"{state.name} in slot {slot}",
            )

    def status(self, claim: Posted) -> ClaimStatus:
        return self.network.settlement.status(claim.batch_id, claim.index)


@pytest.fixture(scope="module")
def court(shipped: Shipped, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Court]:
    folder = tmp_path_factory.mktemp("court")
    with Anvil() as anvil:
        arena = Arena(anvil, shipped.commitment, folder, RULES_OF_AUDITS)
        for role in (HONEST, SILENT):
            arena.add_bond(role, claims=20)
        arena.network.usdc.mint(arena.network.audits.address, 10**6)

        def provider(role: str, **settings: object) -> Running:
            place = folder / role.replace(" ", "-")
            place.mkdir()
            command = ["provider", "serve"]
            return Running(arena, place, command, role, batch_seconds=0.2, **settings)

        with running(
            lambda: provider(HONEST),
            lambda: provider(SILENT, cheat='{"kind": "silent", "index": 5}'),
        ) as (honest, silent):
            yield Court(arena, folder, honest, silent)


def test_an_honest_auditor_is_paid(court: Court) -> None:
    """Data in a box for its key, commitment, the provider's word, reveal, pay."""
    court.sit()
    claim = court.ask(HONEST, AUDITOR_DATA)
    url = f"{court.urls[HONEST]}/v1/claims/{hexed(claim.batch_id)}/{claim.index}"
    for question in (url, f"{url}?auditor={court.arena.address('consumer')}"):
        refused = httpx.get(question, timeout=10)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "data_withheld")
    before = court.network.usdc.balance_of(court.address)
    with running(lambda: court.auditor(HONEST)) as (auditor,):
        court.be_drawn(auditor, claim)
        court.when(claim, EntryState.COMMITTED)
        assert "data_demanded" not in auditor.names()
        sealed = httpx.get(f"{url}?auditor={court.address}", timeout=10).json()
        assert set(sealed) == {"sealed"}
        court.after(claim, 4)
        court.when(claim, EntryState.AGREES)
        court.after(claim, WINDOW)
        court.when(claim, EntryState.SETTLED)
    assert court.status(claim) is ClaimStatus.FINALISED
    paid = court.network.settlement.paid_for(claim.claim_id)
    assert paid == len(PROMPT) + 6 * 1_000
    pay = paid * 1_000 // (10_000 * 2)
    assert court.network.usdc.balance_of(court.address) - before == 2 * pay


def test_a_lazy_auditor_loses_its_seat(court: Court) -> None:
    """It has not computed, and guesses; the provider's word and the claim's end convict it."""
    court.sit()
    audits, claim = court.network.audits, court.draw(court.ask(HONEST))
    seal = audits.commitment(claim.claim_id, 0, court.address, GUESS, SALT)
    audits.commit(claim.place, seal)
    court.after(claim, 4)
    wait_for(
        lambda: True if any(audits.audit(claim.claim_id).witness) else None, SECONDS, "the word"
    )
    audits.reveal(claim.batch_id, claim.index, 0, GUESS, SALT)
    assert court.entry(claim) is EntryState.DISSENTS
    held, dollars = (
        court.network.bond_token.balance_of(court.address),
        court.network.usdc.balance_of(court.address),
    )
    court.after(claim, WINDOW)
    wait_for(lambda: court.status(claim) is ClaimStatus.FINALISED or None, SECONDS, "payment")
    audits.settle(claim.batch_id, claim.index, 0)
    assert audits.seat(0).auditor == "0x" + "00" * 20
    assert court.network.bond_token.balance_of(court.address) == held
    assert court.network.usdc.balance_of(court.address) == dollars


def test_data_that_is_not_served_is_published(court: Court) -> None:
    """The auditor knows no URL of the provider's: it demands the data, and works from the chain."""
    court.sit()
    claim = court.ask(HONEST)
    with running(lambda: court.auditor()) as (auditor,):
        court.be_drawn(auditor, claim)
        court.when(claim, EntryState.COMMITTED)
        assert "data_demanded" in auditor.names()
    assert "data_published" in court.honest.names()
    assert court.network.audits.audit(claim.claim_id).published == len(PROMPT) + 6


def test_a_private_claim_is_excused(court: Court) -> None:
    court.sit()
    claim = court.ask(HONEST, PRIVATE_DATA)
    held = court.network.bond_token.balance_of(court.address)
    with running(lambda: court.auditor(HONEST)) as (auditor,):
        court.be_drawn(auditor, claim)
        wait_for(
            lambda: court.network.audits.audit(claim.claim_id).excused or None, SECONDS, "excuse"
        )
    assert court.network.bond_token.balance_of(court.address) == held
    assert court.status(claim) is ClaimStatus.OPEN


def test_a_provider_that_withholds_data_is_slashed(court: Court) -> None:
    court.sit()
    claim = court.ask(SILENT)
    bonded = court.network.providers.bonded(court.arena.address(SILENT))
    with running(lambda: court.auditor()) as (auditor,):
        court.be_drawn(auditor, claim)
        wait_for(lambda: "data_demanded" in auditor.names() or None, SECONDS, "the demand")
        court.after(claim, 3)
        wait_for(lambda: "provider_silent" in auditor.names() or None, SECONDS, "the end")
    assert court.status(claim) is ClaimStatus.CONVICTED
    slash = court.network.settlement.slash_per_claim()
    assert court.network.providers.bonded(court.arena.address(SILENT)) == bonded - slash


def test_an_auditor_challenges_a_wrong_claim(court: Court) -> None:
    """The last token is wrong: it opens a game, which the silent provider loses by its clock."""
    court.sit()
    claim = court.ask(SILENT)
    with running(lambda: court.auditor(SILENT)) as (auditor,):
        court.be_drawn(auditor, claim)
        wait_for(lambda: "claim_wrong" in auditor.names() or None, SECONDS, "the game")
        assert court.network.game.open_games(claim.claim_id) == 1
        court.arena.pass_time(court.network.now() + RULES.clock_seconds + 1)
        wait_for(lambda: court.status(claim) is ClaimStatus.CONVICTED or None, SECONDS, "the end")
    assert court.entry(claim) is EntryState.NONE


def suspected(watcher: Running, claim: Posted) -> bool:
    found = [event for event in watcher.events() if event["event"] == "claim_suspected"]
    return any(event["batch"] == hexed(claim.batch_id) for event in found)


def test_a_challenger_holds_its_fire(court: Court) -> None:
    """It knows that the claim is wrong, and shows it only when the provider cannot leave."""
    claim = court.ask(SILENT)
    place = court.folder / "challenger"
    place.mkdir()

    def challenger() -> Running:
        urls = court.urls[SILENT]
        command = ["challenger", "run"]
        return Running(court.arena, place, command, AUDITOR, provider_urls=urls, hold_fire=True)

    with running(challenger) as (watcher,):
        wait_for(lambda: suspected(watcher, claim) or None, SECONDS, "the finding")
        time.sleep(3.0)
        assert court.network.game.open_games(claim.claim_id) == 0
        court.after(claim, 1)
        wait_for(lambda: court.network.game.open_games(claim.claim_id) or None, SECONDS, "the game")


def test_a_provider_takes_wrong_claims_back(court: Court) -> None:
    """By its job's id or its own, in the first eighth of the window, and for a twentieth."""
    first, second = court.ask(SILENT), court.ask(SILENT)
    provider = court.arena.address(SILENT)
    bonded = court.network.providers.bonded(provider)
    slash = court.network.settlement.slash_per_claim()
    done = court.silent.assay("provider", "withdraw", hexed(first.job_id), "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["bonded"] == bonded - slash // 20
    assert court.status(first) is ClaimStatus.WITHDRAWN
    for name, reason in (
        (first.job_id, "claim is not open"),
        (GUESS, "neither a job of this provider's nor an open claim"),
    ):
        refused = court.silent.assay("provider", "withdraw", hexed(name))
        assert reason in str(refused.exception)
    court.after(second, 1)
    refused = court.silent.assay("provider", "withdraw", hexed(second.claim_id))
    assert "only in the first eighth of its window" in str(refused.exception)
    assert court.status(second) is ClaimStatus.OPEN


def test_a_canary_catches_a_provider_that_shows_its_claims_to_nobody(court: Court) -> None:
    """The challenger knows no provider's URL: it has the data because it bought the answer. A
    gateway that shows another output for it makes it neither accuse nor look away."""
    arena, place = court.arena, court.folder / "canaries"
    place.mkdir()
    prompts = place / "prompts.txt"
    prompts.write_text("Return the number of\n\nRaise an error if\n")

    def gateway() -> Running:
        folder = court.folder / "gateway"
        folder.mkdir()
        command = ["gateway", "serve"]
        return Running(arena, folder, command, "consumer", provider_urls=court.urls[SILENT])

    def challenger(front: Front) -> Running:
        return Running(
            arena,
            place,
            ["challenger", "run"],
            AUDITOR,
            check_all=False,
            canary_url=front.url,
            canary_prompts=prompts,
            canary_seconds=0.5,
            canary_tokens=24,
            canary_budget=20,
        )

    with (
        running(gateway) as (sold,),
        Front(sold.url) as front,
        running(lambda: challenger(front)) as (buyer,),
    ):
        wait_for(lambda: "canary_failed" in buyer.names() or None, SECONDS, "the doubt")
        assert not list((place / "data" / "evidence").iterdir())
        front.lies = False
        opened = wait_for(lambda: logged(buyer, "game_opened"), SECONDS, "the game")
        claim = bytes.fromhex(opened["claim"][2:])
        assert court.network.game.open_games(claim) == 1
        court.arena.pass_time(court.network.now() + RULES.clock_seconds + 1)
        ended = wait_for(lambda: logged(buyer, "canary_ended"), SECONDS, "the end")
        assert ended["result"] == "convicted"
        page = httpx.get(f"{buyer.url}/metrics", timeout=10).text
        assert 'assay_canaries_total{result="convicted"}' in page
        spent = json.loads((place / "data" / "canaries.json").read_text())
        assert 0 < sum(canary["price"] for canary in spent) <= 20


def logged(service: Running, name: str) -> dict[str, Any] | None:
    return next((event for event in service.events() if event["event"] == name), None)
