"""What a provider reads from the chain before it takes a job; a contract may be the consumer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from vyper import compile_code

from assay.chain.sender import Sender
from assay.core.hashes import job_id
from assay.core.signing import sign_job
from assay.core.types import Job
from assay.provider import standing as provider_standing
from assay.provider.cheat import Honest
from assay.provider.journal import Journal
from assay.provider.standing import StandingReader
from assay.provider.worker import Worker
from tests.integration.arena import Arena, greedy
from tests.integration.conftest import Shipped

WALLET = """
# pragma version 0.4.3
accepted: bytes32

@deploy
def __init__(accepted: bytes32):
    self.accepted = accepted

@view
@external
def isValidSignature(hash_: bytes32, signature: Bytes[65]) -> bytes4:
    assert signature == b"open sesame", "wallet: wrong word"
    return 0x1626ba7e if hash_ == self.accepted else 0xffffffff
"""
SALT = bytes(32)


@pytest.fixture
def standing(arena: Arena, shipped: Shipped, tmp_path: Path) -> Iterator[StandingReader]:
    journal = Journal(tmp_path / "journal.sqlite")
    worker = Worker(shipped.engine, journal, lambda receipt: b"", Honest(), 1, 0)
    yield StandingReader(arena.network, journal, [worker], arena.address("honest provider"))
    worker.close()
    journal.close()


def signature(arena: Arena, job: Job) -> bytes:
    account = arena.parties["consumer"].account
    return sign_job(account, job, arena.network.chain_id, arena.network.settlement.address)


def wallet(arena: Arena, accepted: bytes) -> str:
    """A contract that signs one job with a word."""
    code = compile_code(WALLET, output_formats=["bytecode"])["bytecode"]
    sender: Sender | None = arena.network.sender
    assert sender is not None
    mined = sender.send("wallet", {"data": code + accepted.hex(), "value": 0})
    assert mined.contract_address is not None
    return mined.contract_address


def test_default_behavior(arena: Arena, standing: StandingReader) -> None:
    job = arena.job([1, 2], greedy(2), SALT)
    found = standing.read(job, signature(arena, job))
    assert found.signer_valid
    assert found.funds == arena.network.ledger.available(job.consumer)
    assert found.unpaid == 0
    assert found.free_bond == 5 * found.slash_per_claim
    assert found.now >= arena.network.now()


def test_what_the_chain_said_keeps_until_the_journal_lets_go(
    arena: Arena, standing: StandingReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a claim that was paid or posted would count neither here nor there."""
    monkeypatch.setattr(provider_standing, "FRESH_SECONDS", 3600.0)
    job = arena.job([1, 2], greedy(2), SALT)
    before = standing.read(job, signature(arena, job)).funds
    network = arena.networks["consumer"]
    arena.network.usdc.mint(job.consumer, 5)
    network.usdc.approve(network.ledger.address, 5)
    network.ledger.deposit(5)
    assert standing.read(job, signature(arena, job)).funds == before
    assert standing.read(job, signature(arena, job), fresh=True).funds == before + 5
    network.ledger.request_withdrawal(5)
    standing._journal.set_state(bytes(32), "final")
    assert standing.read(job, signature(arena, job)).funds == before


def test_a_key_cannot_sign_for_another(arena: Arena, standing: StandingReader) -> None:
    job = arena.job([1, 2], greedy(2), SALT, consumer=arena.address("challenger"))
    assert not standing.read(job, signature(arena, job)).signer_valid


def test_a_contract_signs_by_its_own_rule(arena: Arena, standing: StandingReader) -> None:
    """Its address is part of the job that it accepts, so it learns the job after deployment."""
    network = arena.network
    probe = wallet(arena, bytes(32))
    job = arena.job([1, 2], greedy(2), SALT, consumer=probe)
    assert not standing.read(job, b"open sesame").signer_valid
    assert not standing.read(job, b"abracadabra").signer_valid
    digest = job_id(job, network.chain_id, network.settlement.address)
    arena.anvil.rpc("anvil_setStorageAt", probe, "0x0", "0x" + digest.hex())
    assert standing.read(job, b"open sesame").signer_valid
    assert not standing.read(job, b"abracadabra").signer_valid
