"""A rehearsal of a public deployment: another chain id, a keystore, an airdrop list, two crashes.

`assay deploy` runs as people start it and is killed while a transaction is on its way; then it is
run again without its options. What it handed over is read back, by `assay` and by `ape run`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from assay.chain.airdrop import AirdropTree
from assay.chain.anvil import Anvil, dev_account
from assay.chain.deployment import NETWORK_FILE, Deployment
from assay.chain.keys import THROWAWAY_STRENGTH, new_keystore
from assay.chain.network import Network
from assay.chain.node import connect
from assay.chain.parameters import TESTNET
from assay.chain.sender import Sender
from assay.chain.timelock import Operation

BASE_SEPOLIA = 84_532
STEPS = 29
ETHER = 10**18
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Rehearsal:
    """Everything that a deployer has: a node, a keystore, a folder, a list."""

    anvil: Anvil
    deployer: str
    home: Path
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        kept = {key: v for key, v in os.environ.items() if not key.startswith("ASSAY_")}
        return kept | {
            "ASSAY_RPC_URL": self.anvil.url,
            "ASSAY_KEYSTORE": str(self.home / "deployer.json"),
            "ASSAY_PASSWORD_FILE": str(self.home / "password"),
            "BASE_SEPOLIA_RPC_URL": self.anvil.url,
            "COLUMNS": "200",
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "assay.cli.main", *arguments]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, text=True, env=self.environment, cwd=ROOT, **pipes)

    def run(self, *arguments: str) -> tuple[int, str]:
        """Exit code and all output."""
        out, err = (process := self.start(*arguments)).communicate(timeout=300)
        return process.returncode, out + err

    def ape(self, *arguments: str) -> tuple[int, str]:
        command = [str(Path(sys.executable).with_name("ape")), "run", *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, env=self.environment, cwd=ROOT, timeout=300
        )
        return done.returncode, done.stdout + done.stderr

    def deploy(self, *options: str) -> list[str]:
        words = ["deploy", "--network", "base-sepolia", "--out", str(self.folder), "--yes"]
        return [*words, *options]

    def kill_during(self, step: str, *options: str) -> None:
        """Run until a step's transaction is written down, then end the process at once. No block
        comes by itself; those that the steps before it wait for are mined here."""
        process = self.start(*self.deploy(*options))
        deadline = time.monotonic() + 240
        while (pending := self._pending()).get("step") != step:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline, f"never came to {step}"
            if self._waits(pending.get("hashes", [])):
                self.anvil.rpc("evm_mine")
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()

    def _pending(self) -> dict[str, Any]:
        """The step that is written down, if any."""
        try:
            content = json.loads((self.folder / NETWORK_FILE).read_text())
        except FileNotFoundError:
            return {}
        return content["pending"] or {}

    def _waits(self, hashes: list[str]) -> bool:
        """Whether one of a step's bids is in the pool: no later step's is, then."""
        found = [self.anvil.rpc("eth_getTransactionByHash", each) for each in hashes]
        return any(each is not None and each["blockNumber"] is None for each in found)


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """Deployed with two crashes on the way."""
    home = tmp_path_factory.mktemp("rehearsal")
    (home / "password").write_text("a password\n")
    deployer = new_keystore(home / "deployer.json", "a password", THROWAWAY_STRENGTH).address
    lines = [f"{dev_account(index).address},{(index + 1) * ETHER}" for index in range(5)]
    (home / "list.csv").write_text("\n".join(["address,amount", *lines, ""]))
    with Anvil(chain_id=BASE_SEPOLIA) as anvil:
        Sender(connect(anvil.url), dev_account(9)).transfer(deployer, 10 * ETHER)
        rehearsal = Rehearsal(anvil, deployer, home, home / "base-sepolia")
        proposer = str(dev_account(8).address)
        options = ("--airdrop", str(home / "list.csv"), "--proposer", proposer)
        anvil.rpc("evm_setAutomine", False)
        rehearsal.kill_during("EmissionController", *options)
        rehearsal.kill_during("Staking.set_minter")
        anvil.rpc("evm_setAutomine", True)
        code, text = rehearsal.run(*rehearsal.deploy())
        assert code == 0, text
        assert "every field read back from the chain" in text
        yield rehearsal


@pytest.fixture
def network(rehearsal: Rehearsal) -> Network:
    """As the proposer."""
    web3 = connect(rehearsal.anvil.url)
    return Network(web3, Deployment.load(rehearsal.folder), Sender(web3, dev_account(8)))


def test_nothing_was_sent_twice(rehearsal: Rehearsal, network: Network) -> None:
    assert network.chain_id == BASE_SEPOLIA
    assert network.web3.eth.get_transaction_count(rehearsal.deployer) == STEPS  # type: ignore[arg-type]
    code, text = rehearsal.run(*rehearsal.deploy())
    assert code == 0, text
    assert network.web3.eth.get_transaction_count(rehearsal.deployer) == STEPS  # type: ignore[arg-type]


def test_deployer_has_handed_everything_over(rehearsal: Rehearsal, network: Network) -> None:
    assert network.assay.balance_of(rehearsal.deployer) == 0
    assert network.assay.balance_of(network.timelock.address) == 50_000_000 * ETHER
    assert network.timelock.minimum_delay() == TESTNET.timelock_seconds
    for role in ("proposer", "canceller", "executor", "admin"):
        assert not network.timelock.has_role(role, rehearsal.deployer)
    assert network.usdc.read("owner") == rehearsal.deployer, "test dollars are the deployer's"


def test_deployment_is_verified(rehearsal: Rehearsal) -> None:
    words = ("verify-deployment", "--deployment", str(rehearsal.folder))
    code, text = rehearsal.run(*words)
    assert code == 0 and "PASS" in text, text
    code, text = rehearsal.run(*words, "--json")
    assert json.loads(text)["passes"] is True


def test_verification_finds_another_value(rehearsal: Rehearsal, tmp_path: Path) -> None:
    deployment = Deployment.load(rehearsal.folder)
    ledger = deployment.contract("CreditLedger")
    ledger.constructor["withdrawal_seconds"] += 1
    deployment.save(tmp_path)
    AirdropTree.load(rehearsal.folder / "airdrop.json").save(tmp_path / "airdrop.json")
    code, text = rehearsal.run("verify-deployment", "--deployment", str(tmp_path))
    assert code == 1
    assert "withdrawal_seconds" in text and "FAIL" in text


def test_only_the_timelock_has_powers(rehearsal: Rehearsal) -> None:
    words = ("powers", "--deployment", str(rehearsal.folder))
    code, text = rehearsal.run(*words)
    assert code == 0 and "PASS: only the timelock holds powers" in text, text
    code, text = rehearsal.run(*words, "--json")
    document = json.loads(text)
    assert document["passes"] is True
    holders = {power["guard"]: power["holders"] for power in document["powers"]}
    assert holders["PROPOSER_ROLE"] == [str(dev_account(8).address)]


def test_ape_says_the_same(rehearsal: Rehearsal) -> None:
    place = ("--network", "base:sepolia:node", "--deployment", str(rehearsal.folder))
    for script, verdict in (("verify", "PASS: "), ("powers", "PASS: only the timelock")):
        code, text = rehearsal.ape(script, *place)
        assert code == 0 and verdict in text, text


def test_proposer_governs_after_the_delay(rehearsal: Rehearsal, network: Network) -> None:
    call = network.router.contract.functions["set_plan"](1, 5_000_000)
    operation = Operation(
        network.router.address, bytes.fromhex(call._encode_transaction_data()[2:])
    )
    network.timelock.schedule(operation, TESTNET.timelock_seconds)
    rehearsal.anvil.rpc("evm_increaseTime", TESTNET.timelock_seconds)
    rehearsal.anvil.rpc("evm_mine")
    network.timelock.execute(operation)
    assert network.router.plan_price(1) == 5_000_000


def test_listed_account_claims_its_part(rehearsal: Rehearsal, network: Network) -> None:
    tree = AirdropTree.load(rehearsal.folder / "airdrop.json")
    account = str(dev_account(2).address)
    network.airdrop.claim(account, tree.amounts[account], tree.proof(account))
    assert network.assay.balance_of(account) == 3 * ETHER


def test_ape_deploys_too(rehearsal: Rehearsal, tmp_path: Path) -> None:
    """With one of Ape's test accounts; refused first for what is missing."""
    place = ("deploy", "--network", "base:sepolia:node", "--account", "TEST::0", "--yes")
    code, text = rehearsal.ape(*place, "--out", str(tmp_path / "x"))
    assert code == 2 and "give --airdrop FILE" in text, text
    options = ("--airdrop", str(rehearsal.home / "list.csv"), "--proposer", rehearsal.deployer)
    code, text = rehearsal.ape(*place, "--out", str(tmp_path / "x"), *options)
    assert code == 0, text
    assert Deployment.load(tmp_path / "x").deployer == str(dev_account(0).address)
