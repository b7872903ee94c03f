"""All contracts of a deployment, behind one connection and one account."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from eth_account.signers.local import LocalAccount
from web3 import Web3

from assay.chain.audits import Audits
from assay.chain.contract import ContractClient
from assay.chain.deployment import Deployment
from assay.chain.dispute import DisputeGame
from assay.chain.events import EventReader, Source
from assay.chain.keys import load_account
from assay.chain.ledger import CreditLedger
from assay.chain.node import connect, node_errors, url_of
from assay.chain.providers import ProviderRegistry
from assay.chain.sender import Sender, SendPolicy
from assay.chain.settlement import ModelRegistry, Settlement
from assay.chain.staking import CreditMinter, EmissionController, Staking
from assay.chain.timelock import Timelock
from assay.chain.tokens import AssayToken, Dollar, KaratToken, MerkleAirdrop
from assay.chain.treasury import BurnAuction, BurnTaker, FeeRouter
from assay.chain.urgency import Urgency
from assay.chain.verifier import StepVerifier
from assay.core.settings import ChainSettings

# What the services follow.
EVENT_CONTRACTS = ("ModelRegistry", "ProviderRegistry", "Settlement", "CreditLedger", "DisputeGame")

REORG_DEPTH = 64  # blocks that an event reader reads again, unless the settings say otherwise

C = TypeVar("C", bound=ContractClient)


@dataclass(frozen=True)
class Head:
    """A block: its number, its hash, and its time in Unix seconds."""

    number: int
    hash: bytes
    timestamp: int


class Network:
    """Typed clients of one deployment; without an account, read-only.

    Claims and disputes: `models`, `providers`, `settlement`, `game`, `verifier`, `audits`.
    Tokens: `assay` (also `bond_token`), `usdc` (also `payment_token`), `karat`, `airdrop`.
    Economy: `emissions`, `staking`, `minter`, `ledger`, `router`, `auction`, `timelock`; `taker`
    where there is one.
    """

    def __init__(
        self,
        web3: Web3,
        deployment: Deployment,
        sender: Sender | None = None,
        reorg_depth: int = REORG_DEPTH,
    ) -> None:
        self.web3 = web3
        self.reorg_depth = reorg_depth
        self.deployment = deployment
        self.chain_id = deployment.chain_id
        self.sender = sender
        self.models = self._client(ModelRegistry, "ModelRegistry")
        self.providers = self._client(ProviderRegistry, "ProviderRegistry")
        self.settlement = self._client(Settlement, "Settlement")
        self.game = self._client(DisputeGame, "DisputeGame")
        self.audits = self._client(Audits, "Audits")
        self.verifier = self._client(StepVerifier, "StepVerifier")
        self.assay = self.bond_token = self._client(AssayToken, "AssayToken")
        self.usdc = self.payment_token = self._client(Dollar, "USDC")
        self.karat = self._client(KaratToken, "KaratToken")
        self.airdrop = self._client(MerkleAirdrop, "MerkleAirdrop")
        self.emissions = self._client(EmissionController, "EmissionController")
        self.staking = self._client(Staking, "Staking")
        self.minter = self._client(CreditMinter, "CreditMinter")
        self.ledger = self._client(CreditLedger, "CreditLedger")
        self.router = self._client(FeeRouter, "FeeRouter")
        self.auction = self._client(BurnAuction, "BurnAuction")
        self.timelock = self._client(Timelock, "Timelock")
        has_taker = "BurnTaker" in deployment.contracts
        self.taker = self._client(BurnTaker, "BurnTaker") if has_taker else None

    @classmethod
    def connect(
        cls,
        settings: ChainSettings,
        account: LocalAccount | None = None,
        outbox: Path | None = None,
    ) -> Network:
        """Connect and verify the deployment's code.

        `account` signs; None takes the settings' keystore, or none if that is not set. `outbox`
        is the file that keeps what it sends across a kill.
        """
        web3 = connect(settings.rpc_url, settings.rpc_timeout_seconds)
        deployment = Deployment.load(settings.deployment)
        deployment.verify(web3)
        if account is None and settings.keystore is not None:
            account = load_account(settings)
        policy = SendPolicy.of(settings)
        sender = Sender(web3, account, policy, outbox=outbox) if account else None
        return cls(web3, deployment, sender, settings.reorg_depth)

    def now(self) -> int:
        """Timestamp of the newest block: the time that contracts go by."""
        return self.newest().timestamp

    def newest(self) -> Head:
        """The newest block. As long as its hash stays, nothing on the chain has changed."""
        with node_errors(url_of(self.web3)):
            block = self.web3.eth.get_block("latest")
            number, time = int(block["number"]), int(block["timestamp"])
            return Head(number, bytes(block["hash"]), time)

    def time_of(self, number: int) -> int:
        """Timestamp of a block that the node has."""
        with node_errors(url_of(self.web3)):
            return int(self.web3.eth.get_block(number)["timestamp"])

    def head(self) -> int:
        """Number of the newest block."""
        with node_errors(url_of(self.web3)):
            return int(self.web3.eth.block_number)

    def syncing(self) -> bool:
        """Whether the node itself says that it has not caught up."""
        with node_errors(url_of(self.web3)):
            return bool(self.web3.eth.syncing)

    def urgency(self, stake: int, token_wei: int | None) -> Urgency:
        """How moves of a game with so much at stake (units of ASSAY) are sent."""
        return Urgency(stake, token_wei, self.game.clock_seconds())

    def sources(self, names: Iterable[str] = EVENT_CONTRACTS) -> list[Source]:
        """Contracts to read events of; unless named, those that the services follow."""
        deployed = [(name, self.deployment.contract(name)) for name in names]
        return [Source(name, contract.address, contract.abi) for name, contract in deployed]

    def own_contracts(self) -> list[str]:
        """Every contract of the deployment that logs; the dollar has a life of its own."""
        return [
            name
            for name, contract in self.deployment.contracts.items()
            if name != "USDC" and any(entry.get("type") == "event" for entry in contract.abi)
        ]

    def reader(
        self, start_block: int | None = None, contracts: Iterable[str] = EVENT_CONTRACTS
    ) -> EventReader:
        """An event reader over these contracts; None starts at the deployment."""
        start = self.deployment.block if start_block is None else start_block
        return EventReader(self.web3, self.sources(contracts), start, self.reorg_depth)

    def _client(self, kind: type[C], name: str) -> C:
        return kind(self.web3, name, self.deployment.contract(name), self.sender)
