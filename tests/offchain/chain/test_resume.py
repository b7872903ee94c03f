"""A deployment that is cut off at any moment goes on where it stopped, and sends nothing twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from web3 import Web3

from assay.chain import deploy as module
from assay.chain.airdrop import AirdropTree
from assay.chain.anvil import Anvil, dev_account
from assay.chain.audit import audit
from assay.chain.deploy import deploy, local_setup, locked
from assay.chain.deployment import NETWORK_FILE, Deployment, PendingStep
from assay.chain.network import Network
from assay.chain.node import connect
from assay.chain.parameters import DEMO, Parameters, Setup
from assay.chain.plan import Create, plan
from assay.chain.powers import powers
from assay.chain.sender import Mined, Pending, Sender
from assay.chain.tokens import AssayToken
from assay.core.errors import ConfigError, ContractReverted, DeploymentMismatch
from tests.offchain.chain.economy import FAST

STEPS = 29


class Killed(BaseException):
    """The process is gone."""


class DyingSender(Sender):
    """Dies at a point of one call's life: "signed" and not sent, "sent", or "mined"."""

    def __init__(self, web3: Web3, point: str, call: str) -> None:
        super().__init__(web3, dev_account(), FAST)
        self._death = (point, call)

    def _pass(self, point: str, pending: Pending) -> None:
        if (point, pending.call) == self._death:
            raise Killed(point)

    def _broadcast(self, pending: Pending) -> None:
        journal = pending.journal

        def write(bid: Pending) -> None:
            assert journal is not None
            journal(bid)
            self._pass("signed", bid)

        pending.journal = write
        try:
            super()._broadcast(pending)
        finally:
            pending.journal = journal

    def wait(self, pending: Pending) -> Mined:
        self._pass("sent", pending)
        mined = super().wait(pending)
        self._pass("mined", pending)
        return mined


@pytest.fixture(scope="module")
def node() -> Iterator[Anvil]:
    with Anvil() as anvil:
        yield anvil


@pytest.fixture
def sender(node: Anvil) -> Iterator[Sender]:
    """On a chain that is put back after each test."""
    snapshot = node.rpc("evm_snapshot")
    yield Sender(connect(node.url), dev_account(), FAST)
    node.rpc("evm_revert", snapshot)


@pytest.fixture
def setup(sender: Sender) -> Setup:
    return local_setup(DEMO, sender.address)


def run(
    sender: Sender, setup: Setup, folder: Path, parameters: Parameters = DEMO, **options: Any
) -> Deployment:
    return deploy(sender.web3, sender, parameters, setup, "test", folder, **options)


def cut(sender: Sender, setup: Setup, folder: Path, point: str, call: str) -> Deployment:
    """Begin or go on with a deployment that dies; what it left on disk."""
    with pytest.raises(Killed):
        run(DyingSender(sender.web3, point, call), setup, folder)
    left = Deployment.read(folder)
    assert left is not None and not left.complete
    return left


def sent(sender: Sender) -> int:
    return sender.web3.eth.get_transaction_count(dev_account().address)


def test_default_behavior_killed_at_every_step(
    sender: Sender, setup: Setup, tmp_path: Path
) -> None:
    """In turn signed and not sent, sent and not awaited, mined and not recorded."""
    steps = plan(DEMO, setup, sender.address)
    for step, point in zip(steps, cycle(("signed", "sent", "mined")), strict=False):
        call = f"{step.name}.__init__" if isinstance(step, Create) else step.name
        left = cut(sender, setup, tmp_path, point, call)
        assert left.pending is not None and left.pending.step == step.name
    deployment = run(sender, setup, tmp_path)
    assert sent(sender) == STEPS == len(steps)
    assert Deployment.load(tmp_path) == deployment
    assert all(check.passes for check in audit(sender.web3, deployment, tmp_path))
    assert not any(power.wrong for power in powers(Network(sender.web3, deployment)))


def test_finished_deployment_sends_nothing(sender: Sender, setup: Setup, tmp_path: Path) -> None:
    first = run(sender, setup, tmp_path)
    before = sent(sender)
    assert run(sender, setup, tmp_path) == first
    assert sent(sender) == before


def test_unfinished_deployment_is_of_no_use(sender: Sender, setup: Setup, tmp_path: Path) -> None:
    cut(sender, setup, tmp_path, "mined", "MerkleAirdrop.__init__")
    with pytest.raises(ConfigError, match=r"is not finished; run `assay deploy --network test`"):
        Deployment.load(tmp_path)


def test_transaction_in_the_pool_is_waited_for(
    node: Anvil, sender: Sender, setup: Setup, tmp_path: Path
) -> None:
    node.rpc("evm_setAutomine", False)
    left = cut(sender, setup, tmp_path, "sent", "AssayToken.__init__")
    node.rpc("evm_setAutomine", True)
    node.rpc("evm_mine")
    assert left.pending is not None
    (waiting,) = left.pending.hashes
    left = cut(sender, setup, tmp_path, "signed", "Timelock.__init__")
    assert left.contract("AssayToken").transaction == waiting
    assert sent(sender) == 1


def test_transaction_that_lost_its_nonce_is_sent_anew(
    sender: Sender, setup: Setup, tmp_path: Path
) -> None:
    left = cut(sender, setup, tmp_path, "signed", "EmissionController.__init__")
    assert left.pending is not None and left.pending.nonce == sent(sender)
    sender.transfer(dev_account(1).address, 1)
    deployment = run(sender, setup, tmp_path)
    assert sent(sender) == STEPS + 1
    assert all(check.passes for check in audit(sender.web3, deployment, tmp_path))


def test_transaction_that_failed_is_sent_again_by_the_next_run(
    sender: Sender, setup: Setup, tmp_path: Path
) -> None:
    left = cut(sender, setup, tmp_path, "signed", "EmissionController.__init__")
    pending = left.pending
    assert pending is not None
    failed = dev_account().sign_transaction(
        {
            "data": "0xfe",
            "gas": 60_000,
            "nonce": pending.nonce,
            "chainId": left.chain_id,
            "maxFeePerGas": 10**10,
            "maxPriorityFeePerGas": 10**9,
            "type": 2,
            "value": 0,
        }
    )
    sender.web3.eth.send_raw_transaction(failed.raw_transaction)
    hashes = [*pending.hashes, failed.hash.to_0x_hex()]
    replace(left, pending=replace(pending, hashes=hashes)).save_network(tmp_path)
    with pytest.raises(ContractReverted, match="EmissionController"):
        run(sender, setup, tmp_path)
    assert run(sender, setup, tmp_path).complete


# What is refused


def test_revert_other_values(sender: Sender, setup: Setup, tmp_path: Path) -> None:
    cut(sender, setup, tmp_path, "mined", "USDC.__init__")
    other = replace(setup, proposers=(dev_account(5).address,))
    stranger = Sender(sender.web3, dev_account(2), FAST)
    for reason, attempt in {
        "fee_bps was 500, now 300": lambda: run(
            sender, setup, tmp_path, replace(DEMO, fee_bps=300)
        ),
        "proposers was": lambda: run(sender, other, tmp_path),
        "deployer was '0xf39Fd6": lambda: run(stranger, setup, tmp_path),
        "airdrop was": lambda: run(
            sender, replace(setup, airdrop=AirdropTree([(stranger.address, 5)])), tmp_path
        ),
        "network was 'test', now 'elsewhere'": lambda: deploy(
            sender.web3, sender, DEMO, setup, "elsewhere", tmp_path
        ),
    }.items():
        with pytest.raises(ConfigError, match=reason):
            attempt()
    assert sent(sender) == 3


def test_revert_other_sources(
    sender: Sender, setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut(sender, setup, tmp_path, "mined", "USDC.__init__")
    monkeypatch.setattr(module, "sources_hash", lambda: "changed")
    with pytest.raises(ConfigError, match=r"sources was '[0-9a-f]+', now 'changed'"):
        run(sender, setup, tmp_path)
    monkeypatch.undo()
    assert run(sender, setup, tmp_path).complete


def test_revert_pending_transaction_of_other_contents(
    sender: Sender, setup: Setup, tmp_path: Path
) -> None:
    left = cut(sender, setup, tmp_path, "signed", "MerkleAirdrop.__init__")
    assert left.pending is not None
    other = PendingStep("MerkleAirdrop", "0x" + "22" * 32, 3, left.pending.hashes)
    replace(left, pending=other).save_network(tmp_path)
    with pytest.raises(ConfigError, match="sent MerkleAirdrop with other contents"):
        run(sender, setup, tmp_path)


def test_revert_recorded_contract_that_is_not_there(
    node: Anvil, sender: Sender, setup: Setup, tmp_path: Path
) -> None:
    left = cut(sender, setup, tmp_path, "mined", "MerkleAirdrop.__init__")
    node.rpc("anvil_setCode", left.contract("Timelock").address, "0x00")
    with pytest.raises(DeploymentMismatch, match=r"says that Timelock is at 0x\w+, where"):
        run(sender, setup, tmp_path)


def test_closed_link_is_left_alone(sender: Sender, setup: Setup, tmp_path: Path) -> None:
    """Also without a record of who closed it."""
    left = cut(sender, setup, tmp_path, "mined", "AssayToken.set_minter")
    replace(left, pending=None).save_network(tmp_path)
    deployment = run(sender, setup, tmp_path)
    (link,) = (call for call in deployment.calls if call.call == "AssayToken.set_minter")
    assert link.transaction == ""
    assert sent(sender) == STEPS
    assert all(check.passes for check in audit(sender.web3, deployment, tmp_path))


def test_revert_link_that_points_elsewhere(sender: Sender, setup: Setup, tmp_path: Path) -> None:
    left = cut(sender, setup, tmp_path, "signed", "AssayToken.set_minter")
    replace(left, pending=None).save_network(tmp_path)
    token = AssayToken(sender.web3, "AssayToken", left.contract("AssayToken"), sender)
    token.set_minter(left.contract("Staking").address)
    with pytest.raises(DeploymentMismatch, match="set_minter was called with other addresses"):
        run(sender, setup, tmp_path)


def test_two_at_a_time(sender: Sender, setup: Setup, tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(ConfigError, match="another process is deploying"):
        run(sender, setup, tmp_path)
    assert run(sender, setup, tmp_path).complete


# Beginning anew


def test_fresh_moves_the_old_files_aside(sender: Sender, setup: Setup, tmp_path: Path) -> None:
    first = cut(sender, setup, tmp_path, "mined", "USDC.__init__")
    second = run(sender, setup, tmp_path, replace(DEMO, fee_bps=300), fresh=True)
    assert second.complete
    assert Deployment.read(tmp_path / "replaced-1") == first
    assert Deployment.load(tmp_path) == second
    run(sender, setup, tmp_path, fresh=True)
    assert Deployment.load(tmp_path / "replaced-2") == second


def test_local_chain_that_died_is_forgotten(sender: Sender, setup: Setup, tmp_path: Path) -> None:
    run(sender, setup, tmp_path)
    with Anvil() as another:
        reborn = Sender(connect(another.url), dev_account(), FAST)
        told: list[str] = []
        run(reborn, setup, tmp_path, progress=told.append)
    assert (tmp_path / "replaced-1" / NETWORK_FILE).exists()
    assert told[0].startswith("moved the earlier deployment")


def test_journal_is_written_before_the_broadcast(sender: Sender) -> None:
    seen: list[tuple[list[str], int]] = []

    def journal(bid: Pending) -> None:
        seen.append((list(bid.hashes), sender.web3.eth.get_transaction_count(sender.address)))

    before = sent(sender)
    mined = sender.send("gift", {"to": dev_account(1).address, "data": "0x", "value": 1}, journal)
    assert seen == [([mined.hash], before)]
