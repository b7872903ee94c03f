"""All contracts of a deployment, behind one connection and one account."""

from __future__ import annotations

from typing import TypeVar

from eth_account.signers.local import LocalAccount
from web3 import Web3

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
from assay.chain.tokens import AssayToken, KaratToken, MerkleAirdrop, Token
from assay.chain.treasury import BurnAuction, BurnTaker, FeeRouter
from assay.chain.verifier import StepVerifier
from assay.core.settings import ChainSettings

# What the services follow.
EVENT_CONTRACTS = ("ModelRegistry", "ProviderRegistry", "Settlement", "CreditLedger", "DisputeGame")

REORG_DEPTH = 12  # blocks that an event reader reads again, unless the settings say otherwise

C = TypeVar("C", bound=ContractClient)


class Network:
    """Typed clients of one deployment; without an account, read-only.

    Claims and disputes: `models`, `providers`, `settlement`, `game`, `verifier`. Tokens: `assay`
    (also `bond_token`), `usdc` (also `payment_token`), `karat`, `airdrop`. Economy: `emissions`,
    `staking`, `minter`, `ledger`, `router`, `auction`, `timelock`; `taker` where there is one.
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
        self.verifier = self._client(StepVerifier, "StepVerifier")
        self.assay = self.bond_token = self._client(AssayToken, "AssayToken")
        self.usdc = self.payment_token = self._client(Token, "USDC")
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
    def connect(cls, settings: ChainSettings, account: LocalAccount | None = None) -> Network:
        """Connect and verify the deployment's code.

        `account` signs; None takes the settings' keystore, or none if that is not set.
        """
        web3 = connect(settings.rpc_url, settings.rpc_timeout_seconds)
        deployment = Deployment.load(settings.deployment)
        deployment.verify(web3)
        if account is None and settings.keystore is not None:
            account = load_account(settings)
        sender = Sender(web3, account, SendPolicy.of(settings)) if account else None
        return cls(web3, deployment, sender, settings.reorg_depth)

    def now(self) -> int:
        """Timestamp of the newest block: the time that contracts go by."""
        with node_errors(url_of(self.web3)):
            return int(self.web3.eth.get_block("latest")["timestamp"])

    def sources(self) -> list[Source]:
        """The contracts whose events matter."""
        deployed = [(name, self.deployment.contract(name)) for name in EVENT_CONTRACTS]
        return [Source(name, contract.address, contract.abi) for name, contract in deployed]

    def reader(self, start_block: int | None = None) -> EventReader:
        """An event reader over all contracts; None starts at the deployment."""
        start = self.deployment.block if start_block is None else start_block
        return EventReader(self.web3, self.sources(), start, self.reorg_depth)

    def _client(self, kind: type[C], name: str) -> C:
        return kind(self.web3, name, self.deployment.contract(name), self.sender)
