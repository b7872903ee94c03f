"""Deploys and wires all contracts of a network, and writes what it did to a deployment file.

Order: tokens, verifier, registries and escrow, settlement, game; then the one-shot links that
close the circles. Whoever deploys has no power left afterwards but to name verifiers for new
spec versions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from web3 import Web3

from assay.chain.artifacts import Artifact, compiled, sources_hash
from assay.chain.deployment import DeployedContract, Deployment, code_hash
from assay.chain.network import Network
from assay.chain.sender import Sender
from assay.core.errors import CompileError
from assay.core.types import SPEC_VERSION

ETHER = 10**18

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Parameters:
    """Constants of a network, fixed at deployment.

    Seconds: `window` in which claims can be challenged; `clock` and `extension` of a game (per
    side); `unbonding` and `withdrawal` delays, which must outlast window and longest game.
    Bond-token units: `slash_per_claim`, `challenger_bond`. `reward_bps` of a slash goes to the
    winner, the rest is burned.
    """

    window_seconds: int = 24 * 3600
    clock_seconds: int = 6 * 3600
    extension_seconds: int = 1800
    unbonding_seconds: int = 7 * 24 * 3600
    withdrawal_seconds: int = 7 * 24 * 3600
    slash_per_claim: int = 1_000 * ETHER
    challenger_bond: int = 100 * ETHER
    reward_bps: int = 5_000


DEMO = Parameters(
    window_seconds=24,
    clock_seconds=60,
    extension_seconds=15,
    unbonding_seconds=3_600,
    withdrawal_seconds=3_600,
)
"""Short enough to watch; on a local chain only."""


@dataclass(frozen=True)
class Plan:
    """One contract: its role, its source, and its constructor's arguments by name.

    A value that is the name of another role stands for that contract's address.
    """

    role: str
    source: str
    arguments: dict[str, Any] = field(default_factory=dict)


def plans(parameters: Parameters) -> list[Plan]:
    """What is deployed, in order."""
    values = asdict(parameters)

    def pick(*names: str) -> dict[str, Any]:
        return {name: values[name] for name in names}

    return [
        Plan("BondToken", "TestToken", {"name": "Assay test bond", "symbol": "ASSAY"}),
        Plan("PaymentToken", "TestUSD"),
        Plan("StepVerifier", "StepVerifier"),
        Plan(
            "ModelRegistry",
            "ModelRegistry",
            {"spec_version": SPEC_VERSION, "verifier": "StepVerifier"},
        ),
        Plan(
            "ProviderRegistry",
            "ProviderRegistry",
            {"bond_token": "BondToken", **pick("unbonding_seconds")},
        ),
        Plan("Escrow", "Escrow", {"payment_token": "PaymentToken", **pick("withdrawal_seconds")}),
        Plan(
            "Settlement",
            "Settlement",
            {
                "models": "ModelRegistry",
                "providers": "ProviderRegistry",
                "payment": "Escrow",
                **pick("window_seconds", "slash_per_claim", "reward_bps"),
            },
        ),
        Plan(
            "DisputeGame",
            "DisputeGame",
            {
                "settlement": "Settlement",
                "bond_token": "BondToken",
                **pick("challenger_bond", "clock_seconds", "extension_seconds"),
            },
        ),
    ]


def deploy(
    web3: Web3,
    sender: Sender,
    parameters: Parameters,
    network: str,
    progress: Progress = lambda message: None,
) -> Deployment:
    """Deploy, wire, reread and verify; the caller saves the result."""
    contracts: dict[str, DeployedContract] = {}
    for plan in plans(parameters):
        progress(f"deploying {plan.role}")
        contracts[plan.role] = _deploy_one(web3, sender, plan, contracts)
    deployment = Deployment(
        network=network,
        chain_id=web3.eth.chain_id,
        block=min(contract.block for contract in contracts.values()),
        sources=sources_hash(),
        contracts=contracts,
    )
    progress("wiring")
    _wire(Network(web3, deployment, sender))
    deployment.verify(web3)
    return deployment


def _wire(network: Network) -> None:
    settlement = network.settlement
    network.providers.set_settlement(settlement.address)
    network.escrow.set_settlement(settlement.address)
    settlement.set_game(network.game.address)


def _deploy_one(
    web3: Web3, sender: Sender, plan: Plan, known: dict[str, DeployedContract]
) -> DeployedContract:
    artifact = compiled(plan.source)
    values = {name: _resolve(value, known) for name, value in plan.arguments.items()}
    code = _creation_code(web3, artifact, values)
    mined = sender.send(f"{plan.role}.__init__", {"data": code, "value": 0})
    if mined.contract_address is None:
        raise CompileError(f"{plan.role}: transaction {mined.hash} created no contract")
    return DeployedContract(
        address=mined.contract_address,
        block=mined.block_number,
        transaction=mined.hash,
        constructor=values,
        code_hash=code_hash(web3, mined.contract_address),
        abi=artifact.abi,
    )


def _resolve(value: Any, known: dict[str, DeployedContract]) -> Any:
    return known[value].address if isinstance(value, str) and value in known else value


def _creation_code(web3: Web3, artifact: Artifact, values: dict[str, Any]) -> str:
    """Code and arguments, by the names in the ABI; a name with no value is never guessed."""
    constructor = next((e for e in artifact.abi if e.get("type") == "constructor"), {})
    names = [str(entry["name"]).rstrip("_") for entry in constructor.get("inputs", [])]
    if set(names) != set(values):
        raise CompileError(
            f"{artifact.name}'s constructor takes ({', '.join(names)}), the plan gives "
            f"({', '.join(values)}); bring assay.chain.deploy in line with the contract"
        )
    contract = web3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode)
    return str(contract.constructor(*(values[name] for name in names)).data_in_transaction)
