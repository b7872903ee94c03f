"""Compares a deployment's folder with the chain, field by field.

Of every contract: the transaction that created it (its block, its sender, its contents), the
code, and each constructor argument as the contract's getters tell it now. Of every link: the call
and both ends. What the timelock may change since is reported as changed, not as wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, cast

from web3 import Web3
from web3.exceptions import TransactionNotFound

from assay.chain.airdrop import AirdropTree
from assay.chain.artifacts import (
    aligned,
    compiled,
    constructor_inputs,
    encoded_arguments,
    sources_hash,
)
from assay.chain.contract import ContractClient
from assay.chain.deployment import (
    AIRDROP_FILE,
    DeployedContract,
    Deployment,
    DoneCall,
    code_hash,
    data_hash,
    json_form,
)
from assay.chain.node import node_errors, url_of
from assay.chain.parameters import Parameters, Setup
from assay.chain.plan import LINKS, Create, Ref, plan
from assay.core.errors import CompileError, ContractReverted, DeploymentMismatch
from assay.core.vouchers import day_of


class Verdict(StrEnum):
    """Of one comparison. `changed`: another value, which the timelock may have set."""

    same = "same"
    changed = "changed"
    different = "DIFFERENT"


@dataclass(frozen=True)
class Check:
    """One comparison: what was recorded and what the chain says."""

    contract: str
    what: str
    recorded: Any
    found: Any
    verdict: Verdict

    @property
    def passes(self) -> bool:
        return self.verdict is not Verdict.different


Reader = Callable[[ContractClient, Any], Any]

# Arguments whose getter has another name or takes arguments.
READERS: dict[tuple[str, str], Reader] = {
    ("Timelock", "minimum_delay"): lambda at, _: at.read("get_minimum_delay"),
    ("Timelock", "proposers"): lambda at, value: _holders(at, "PROPOSER_ROLE", value),
    ("Timelock", "executors"): lambda at, value: _holders(at, "EXECUTOR_ROLE", value),
    ("EmissionController", "stages"): lambda at, _: [
        at.read("stage", index) for index in range(at.read("stage_count"))
    ],
    ("EmissionController", "daily_capacity_usd_micro"): lambda at, _: at.read(
        "daily_capacity", day_of(int(at.web3.eth.get_block("latest")["timestamp"]))
    ),
    ("ModelRegistry", "verifier"): lambda at, _: at.read(
        "verifier_of_spec", at.deployed.constructor["spec_version"]
    ),
    ("BurnTaker", "uniswap_router"): lambda at, _: at.read("router"),
}

# No getter: the creating transaction's contents alone tell.
UNREADABLE = {
    ("AssayToken", "genesis_holder"),
    ("AssayToken", "genesis_supply"),
    ("ModelRegistry", "spec_version"),
}

SETTABLE = {
    ("Timelock", "minimum_delay"),
    ("Timelock", "proposers"),
    ("Timelock", "executors"),
    ("EmissionController", "stages"),
    ("EmissionController", "corners"),
    ("EmissionController", "daily_capacity_usd_micro"),
    ("CreditMinter", "curve"),
    ("BurnAuction", "parameters"),
    ("CreditLedger", "fee_bps"),
}


def audit(web3: Web3, deployment: Deployment, folder: Path) -> list[Check]:
    """Every comparison, in the order of the deployment."""
    with node_errors(url_of(web3)):
        checks = [*_network(web3, deployment, folder)]
        for role, contract in deployment.contracts.items():
            checks += _contract(web3, deployment, role, contract)
        for link in LINKS:
            client = _client(web3, deployment, link.role)
            for getter, target in link.targets.items():
                wanted = deployment.contract(target.role).address
                found = _answer(partial(client.read, getter))
                checks.append(compare(link.role, getter, wanted, found))
        for call in deployment.calls:
            checks += _call(web3, deployment, call)
    return checks


def compare(contract: str, what: str, recorded: Any, found: Any, settable: bool = False) -> Check:
    same = json_form(recorded) == json_form(found)
    other = Verdict.changed if settable else Verdict.different
    return Check(contract, what, recorded, found, Verdict.same if same else other)


def _network(web3: Web3, deployment: Deployment, folder: Path) -> Iterator[Check]:
    airdrop = AirdropTree.load(folder / AIRDROP_FILE)
    first = min((item.block for item in deployment.contracts.values() if item.block), default=0)
    yield compare("network", "chain id", deployment.chain_id, web3.eth.chain_id)
    yield compare("network", "first block", deployment.block, first)
    yield compare("network", "finished", True, deployment.complete)
    yield compare("network", "airdrop", deployment.setup["airdrop"], airdrop.root)
    steps = plan(
        Parameters.of(deployment.parameters),
        Setup.of(deployment.setup, airdrop),
        deployment.deployer,
    )
    for step in steps:
        if isinstance(step, Create):
            planned = {
                name: deployment.contract(value.role).address if isinstance(value, Ref) else value
                for name, value in step.arguments.items()
            }
            recorded = deployment.contract(step.role).constructor
            yield compare(step.role, "arguments of the parameters", recorded, planned)


def _contract(
    web3: Web3, deployment: Deployment, role: str, contract: DeployedContract
) -> Iterator[Check]:
    found = code_hash(web3, contract.address)
    yield compare(role, "code hash", contract.code_hash, found)
    if not contract.transaction:
        return  # others deployed it
    yield from _transaction(web3, deployment, role, contract)
    client = _client(web3, deployment, role)
    for name, entry in constructor_inputs(contract.abi).items():
        if (role, name) in UNREADABLE:
            continue
        recorded = aligned(entry, contract.constructor[name])
        reader = READERS.get((role, name))
        ask = partial(reader, client, recorded) if reader else partial(client.read, name)
        found = _answer(ask)
        yield compare(role, name, recorded, found, (role, name) in SETTABLE)


def _transaction(
    web3: Web3, deployment: Deployment, role: str, contract: DeployedContract
) -> Iterator[Check]:
    receipt, data = _mined(web3, contract.transaction)
    yield compare(role, "address", contract.address, receipt.get("contractAddress"))
    yield compare(role, "block", contract.block, receipt.get("blockNumber"))
    yield compare(role, "deployer", deployment.deployer, receipt.get("from"))
    yield compare(role, "creation hash", contract.creation_hash, data_hash(data))
    arguments = encoded_arguments(role, contract.abi, contract.constructor)
    yield compare(role, "encoded arguments", arguments, data[len(data) - len(arguments) :])
    if _sources() == deployment.sources:
        code = bytes.fromhex(compiled(contract.source).bytecode[2:])
        yield compare(role, "compiled here", data_hash(code + arguments), contract.creation_hash)


def _call(web3: Web3, deployment: Deployment, done: DoneCall) -> Iterator[Check]:
    if not done.transaction:
        return  # a link that was found closed; both ends are compared above
    role, _, function = done.call.split(" ")[0].partition(".")
    client = _client(web3, deployment, role)
    receipt, data = _mined(web3, done.transaction)
    wanted = client.contract.functions[function](*done.arguments)._encode_transaction_data()
    yield compare(done.call, "succeeded", 1, receipt.get("status"))
    yield compare(done.call, "block", done.block, receipt.get("blockNumber"))
    yield compare(done.call, "contract", client.address, receipt.get("to"))
    yield compare(done.call, "arguments", wanted, data)


def _mined(web3: Web3, transaction: str) -> tuple[dict[str, Any], bytes]:
    """Receipt and contents; nothing for a transaction that the node does not know."""
    try:
        receipt = web3.eth.get_transaction_receipt(cast(Any, transaction))
        sent = web3.eth.get_transaction(cast(Any, transaction))
    except TransactionNotFound:
        return {}, b""
    return cast(dict[str, Any], receipt), bytes(sent["input"])


def _answer(read: Callable[[], Any]) -> Any:
    """What a getter says, or why it says nothing."""
    try:
        return read()
    except (ContractReverted, DeploymentMismatch) as error:
        return error.message


def _client(web3: Web3, deployment: Deployment, role: str) -> ContractClient:
    return ContractClient(web3, role, deployment.contract(role), None)


def _holders(timelock: ContractClient, role: str, accounts: list[str]) -> list[str]:
    """Those of the accounts that still have the role."""
    word = timelock.read(role)
    return [account for account in accounts if timelock.read("hasRole", word, account)]


def _sources() -> str | None:
    """Hash of the sources here; None without a checkout or a compiler."""
    try:
        return sources_hash()
    except CompileError:
        return None


def as_rows(checks: list[Check]) -> list[dict[str, Any]]:
    """For `--json`."""
    return [json_form(asdict(check)) for check in checks]
