"""A whole economy on an Anvil of its own, and holders who use it by the wallet's commands.

The accounts are Anvil's own, each with a part of the airdrop. Time is the chain's: it is moved
for cooldowns, delays and days.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from assay.chain.anvil import Anvil, dev_account
from assay.chain.deploy import deploy, local_setup
from assay.chain.keys import THROWAWAY_STRENGTH, write_keystore
from assay.chain.network import Network
from assay.chain.node import connect
from assay.chain.parameters import DEMO
from assay.chain.sender import Sender, SendPolicy
from assay.chain.staking import Corner
from assay.chain.treasury import AuctionParameters
from assay.chain.uniswap import UniswapV2
from assay.wallet.commands import wallet

ROLES = ("proposer", "holder", "gateway", "provider", "whale", "stranger")
RULES = replace(
    DEMO,
    corners=(Corner(0, 9_000), Corner(10_000, 3_000)),  # some emission for work from day one
    daily_capacity_usd_micro=10_000 * 10**6,
    auction=AuctionParameters(
        floor_price=10**17,
        start_multiple_bps=20_000,
        duration_seconds=600,
        cap_usd_micro=50_000 * 10**6,
        min_lot_usd_micro=10**6,
        min_interval_seconds=1_200,
    ),
)
FAST = SendPolicy(poll_seconds=0.005)
ETHER = 10**18
DOLLAR = 10**6
DAY = 86_400
PART = 5_000_000 * ETHER
"""Each account's part of the airdrop."""


@dataclass(frozen=True)
class Bank:
    """One deployment; `networks` signs as each role."""

    anvil: Anvil
    folder: Path
    keys: Path
    uniswap: UniswapV2
    networks: dict[str, Network]

    @property
    def network(self) -> Network:
        return self.networks["proposer"]

    def address(self, role: str) -> str:
        sender = self.networks[role].sender
        assert sender is not None
        return sender.address

    def environment(self, role: str | None) -> dict[str, str]:
        """The settings of a role; None has no keystore."""
        chain = {"ASSAY_RPC_URL": self.anvil.url, "ASSAY_DEPLOYMENT": str(self.folder)}
        if role is None:
            return chain
        keystore, password = self.keys / f"{role}.json", self.keys / "password"
        return chain | {"ASSAY_KEYSTORE": str(keystore), "ASSAY_PASSWORD_FILE": str(password)}

    def run(self, role: str | None, *words: str, answer: str | None = None) -> Result:
        """One command as a role, on a terminal that answers as told."""
        runner = CliRunner(mix_stderr=False)
        return runner.invoke(wallet, words, input=answer, env=self.environment(role))

    def send(self, role: str, *words: str) -> dict[str, Any]:
        """A command that must succeed; its document. What it promised must have come true."""
        document = self._document(self.run(role, *words, "--yes", "--json"), 0)
        for promised, real in zip(document["changes"], document["result"], strict=True):
            assert promised["about"] or promised == real, promised
        return document

    def ask(self, role: str | None, *words: str) -> dict[str, Any]:
        """A command that sends nothing; its document."""
        return self._document(self.run(role, *words, "--json"), 0)

    def refused(self, role: str | None, *words: str, code: str) -> str:
        """A command that must be refused before anything is sent; the message."""
        before = self.network.web3.eth.block_number
        document = self._document(self.run(role, *words, "--yes", "--json"), 2)
        assert document["error"]["code"] == code, document["error"]
        assert self.network.web3.eth.block_number == before
        return str(document["error"]["message"])

    def wait(self, seconds: int) -> None:
        self.anvil.rpc("evm_increaseTime", seconds)
        self.anvil.rpc("evm_mine")

    def until(self, timestamp: int) -> None:
        self.wait(max(timestamp - self.network.now(), 0))

    def next_day(self) -> None:
        self.until((self.network.now() // DAY + 1) * DAY + 1)

    @contextmanager
    def undone(self) -> Iterator[None]:
        """Whatever happens inside is undone on the chain."""
        snapshot = self.anvil.rpc("evm_snapshot")
        try:
            yield
        finally:
            self.anvil.rpc("evm_revert", snapshot)

    @staticmethod
    def _document(result: Result, code: int) -> dict[str, Any]:
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        document: dict[str, Any] = json.loads(result.stdout)
        return document


@contextmanager
def found_bank(folder: Path) -> Iterator[Bank]:
    """Deploy with short delays and a Uniswap router; nobody holds anything yet."""
    with Anvil() as anvil:
        web3 = connect(anvil.url)
        deployer = Sender(web3, dev_account(), FAST)
        uniswap = UniswapV2.deploy(web3, deployer)
        setup = replace(local_setup(RULES, deployer.address), uniswap_router=uniswap.router.address)
        deployment = deploy(web3, deployer, RULES, setup, "bank", folder / "bank")
        networks = {
            role: Network(web3, deployment, Sender(web3, dev_account(index), FAST))
            for index, role in enumerate(ROLES)
        }
        keys = folder / "keys"
        _write_keys(keys)
        yield Bank(anvil, folder / "bank", keys, uniswap, networks)


def _write_keys(folder: Path) -> None:
    password = secrets.token_hex(8)
    for index, role in enumerate(ROLES):
        write_keystore(dev_account(index), folder / f"{role}.json", password, THROWAWAY_STRENGTH)
    (folder / "password").write_text(password + "\n")
