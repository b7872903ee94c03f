"""A whole network on an Anvil of its own, put back as it was after each test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from web3 import Web3

from assay.chain.anvil import Anvil, dev_account
from assay.chain.deploy import deploy, local_setup
from assay.chain.deployment import Deployment
from assay.chain.network import Network
from assay.chain.node import connect
from assay.chain.parameters import DEMO, Setup
from assay.chain.sender import Sender, SendPolicy

FAST = SendPolicy(poll_seconds=0.005, index_seconds=0.2)
DAY = 86_400


@dataclass(frozen=True)
class Deployed:
    """A deployment of the demo's parameters, and where it lies."""

    anvil: Anvil
    sender: Sender
    setup: Setup
    deployment: Deployment
    folder: Path

    @property
    def web3(self) -> Web3:
        return self.sender.web3

    @property
    def network(self) -> Network:
        """As the deployer, who is Anvil's first account."""
        return Network(self.web3, self.deployment, self.sender)

    def as_account(self, index: int) -> Network:
        """As another of Anvil's accounts."""
        sender = Sender(self.web3, dev_account(index), FAST)
        return Network(self.web3, self.deployment, sender)

    def claim(self, index: int) -> Network:
        """As an account that has claimed its part of the airdrop."""
        network, account = self.as_account(index), str(dev_account(index).address)
        airdrop = self.setup.airdrop
        network.airdrop.claim(account, airdrop.amounts[account], airdrop.proof(account))
        return network

    def pass_time(self, seconds: int) -> None:
        self.anvil.rpc("evm_increaseTime", seconds)
        self.anvil.rpc("evm_mine")


@contextmanager
def deployed(folder: Path) -> Iterator[Deployed]:
    with Anvil() as anvil:
        sender = Sender(connect(anvil.url), dev_account(), FAST)
        setup = local_setup(DEMO, sender.address)
        deployment = deploy(sender.web3, sender, DEMO, setup, "test", folder)
        yield Deployed(anvil, sender, setup, deployment, folder)
