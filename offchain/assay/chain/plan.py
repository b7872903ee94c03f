"""What a deployment consists of: the contracts in order, the links that close the circles, and
where the genesis supply goes. Nothing here touches a chain.

The timelock owns everything that has an owner from that contract's constructor on. Whoever
deploys keeps no power: every link can be set once, and is set here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from assay.chain.parameters import Parameters, Setup
from assay.core.types import SPEC_VERSION

OWNED = (
    "ModelRegistry",
    "EmissionController",
    "CreditMinter",
    "CreditLedger",
    "FeeRouter",
    "BurnAuction",
)
"""Contracts with an owner; it is the timelock."""


@dataclass(frozen=True)
class Ref:
    """The address of another contract of the plan."""

    role: str


@dataclass(frozen=True)
class Create:
    """Deploy `source`, the contract of a role, with its constructor's arguments by name."""

    role: str
    source: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.role


@dataclass(frozen=True)
class Adopt:
    """Take a contract that others deployed."""

    role: str
    address: str

    @property
    def name(self) -> str:
        return self.role


@dataclass(frozen=True)
class Link:
    """A link that the deployer sets once; `targets` maps getters to what they return then.

    The function takes the targets in their order.
    """

    role: str
    function: str
    targets: Mapping[str, Ref]

    @property
    def name(self) -> str:
        return f"{self.role}.{self.function}"


@dataclass(frozen=True)
class Distribute:
    """Send part of the genesis supply away from the deployer."""

    name: str
    to: Ref | str
    amount: int


Step = Create | Adopt | Link | Distribute

LINKS = (
    Link("AssayToken", "set_minter", {"minter": Ref("EmissionController")}),
    Link(
        "EmissionController",
        "set_links",
        {"staking": Ref("Staking"), "ledger": Ref("CreditLedger")},
    ),
    Link("Staking", "set_minter", {"minter": Ref("CreditMinter")}),
    Link("KaratToken", "set_links", {"minter": Ref("CreditMinter"), "ledger": Ref("CreditLedger")}),
    Link("ProviderRegistry", "set_settlement", {"settlement": Ref("Settlement")}),
    Link("CreditLedger", "set_settlement", {"settlement": Ref("Settlement")}),
    Link("FeeRouter", "set_audits", {"audits": Ref("Audits")}),
    Link("Settlement", "set_audits", {"audits": Ref("Audits")}),
    Link("Settlement", "set_game", {"game": Ref("DisputeGame")}),
)


def plan(parameters: Parameters, setup: Setup, deployer: str) -> list[Step]:
    """Every step, in order. `parameters` have their start."""
    dollar: Step = Adopt("USDC", setup.usdc) if setup.usdc else Create("USDC", "TestUSD")
    return [
        Create(
            "AssayToken",
            "AssayToken",
            {"genesis_holder": deployer, "genesis_supply": parameters.genesis_supply},
        ),
        Create(
            "Timelock",
            "Timelock",
            {
                "minimum_delay": parameters.timelock_seconds,
                "proposers": list(setup.proposers),
                "executors": list(setup.executors),
            },
        ),
        dollar,
        *_economy(parameters, setup),
        *_network(parameters),
        *LINKS,
        *_distribution(parameters, setup, deployer),
    ]


def _distribution(parameters: Parameters, setup: Setup, deployer: str) -> list[Step]:
    steps: list[Step] = [
        Distribute(
            "AssayToken.transfer to the airdrop", Ref("MerkleAirdrop"), parameters.airdrop_supply
        )
    ]
    if setup.treasury != deployer:
        rest = parameters.genesis_supply - parameters.airdrop_supply
        to = setup.treasury or Ref("Timelock")
        steps.append(Distribute("AssayToken.transfer to the treasury", to, rest))
    return steps


def _economy(parameters: Parameters, setup: Setup) -> list[Step]:
    timelock, assay, dollar = Ref("Timelock"), Ref("AssayToken"), Ref("USDC")
    steps: list[Step] = [
        Create(
            "MerkleAirdrop",
            "MerkleAirdrop",
            {"token": assay, "root": setup.airdrop.root, "deadline": parameters.airdrop_deadline},
        ),
        Create(
            "EmissionController",
            "EmissionController",
            {
                "token": assay,
                "owner": timelock,
                "stages": parameters.stages(),
                "corners": [asdict(corner) for corner in parameters.corners],
                "daily_capacity_usd_micro": parameters.daily_capacity_usd_micro,
            },
        ),
        Create(
            "Staking",
            "Staking",
            {
                "token": assay,
                "emissions": Ref("EmissionController"),
                "cooldown_seconds": parameters.stake_cooldown_seconds,
            },
        ),
        Create("KaratToken", "KaratToken", {"cooldown_seconds": parameters.karat_cooldown_seconds}),
        Create(
            "CreditMinter",
            "CreditMinter",
            {
                "staking": Ref("Staking"),
                "karat": Ref("KaratToken"),
                "owner": timelock,
                "curve": asdict(parameters.curve),
            },
        ),
        Create(
            "BurnAuction",
            "BurnAuction",
            {
                "payment_token": dollar,
                "assay": assay,
                "owner": timelock,
                "parameters": asdict(parameters.auction),
            },
        ),
        Create(
            "FeeRouter",
            "FeeRouter",
            {"payment_token": dollar, "auction": Ref("BurnAuction"), "owner": timelock},
        ),
        Create(
            "CreditLedger",
            "CreditLedger",
            {
                "payment_token": dollar,
                "karat": Ref("KaratToken"),
                "staking": Ref("Staking"),
                "emissions": Ref("EmissionController"),
                "router": Ref("FeeRouter"),
                "owner": timelock,
                "fee_bps": parameters.fee_bps,
                "withdrawal_seconds": parameters.withdrawal_seconds,
            },
        ),
    ]
    if setup.uniswap_router:
        fill = {"auction": Ref("BurnAuction"), "uniswap_router": setup.uniswap_router}
        steps.append(Create("BurnTaker", "BurnTaker", fill))
    return steps


def _network(parameters: Parameters) -> list[Step]:
    return [
        Create("StepArithmetic", "StepArithmetic"),
        Create("StepVerifier", "StepVerifier", {"arithmetic": Ref("StepArithmetic")}),
        Create(
            "ModelRegistry",
            "ModelRegistry",
            {
                "spec_version": SPEC_VERSION,
                "verifier": Ref("StepVerifier"),
                "owner": Ref("Timelock"),
            },
        ),
        Create(
            "ProviderRegistry",
            "ProviderRegistry",
            {
                "bond_token": Ref("AssayToken"),
                "unbonding_seconds": parameters.unbonding_seconds,
            },
        ),
        Create(
            "Settlement",
            "Settlement",
            {
                "models": Ref("ModelRegistry"),
                "providers": Ref("ProviderRegistry"),
                "payment": Ref("CreditLedger"),
                "window_seconds": parameters.window_seconds,
                "slash_per_claim": parameters.slash_per_claim,
                "reward_bps": parameters.reward_bps,
            },
        ),
        Create(
            "DisputeGame",
            "DisputeGame",
            {
                "settlement": Ref("Settlement"),
                "bond_token": Ref("AssayToken"),
                "challenger_bond": parameters.challenger_bond,
                "clock_seconds": parameters.clock_seconds,
                "extension_seconds": parameters.extension_seconds,
            },
        ),
        Create(
            "Audits",
            "Audits",
            {
                "settlement": Ref("Settlement"),
                "bond_token": Ref("AssayToken"),
                "payment_token": Ref("USDC"),
                "rate_bps": parameters.audit_rate_bps,
                "slots": parameters.audit_slots,
                "pay_bps": parameters.audit_pay_bps,
                "seat_deposit": parameters.seat_deposit,
                "request_bond": parameters.request_bond,
                "seed_delay_blocks": parameters.seed_delay_blocks,
            },
        ),
    ]
