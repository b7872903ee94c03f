"""Carries out a plan: deploys, links and distributes, and can go on after any interruption.

Every bid of a transaction is written to the deployment's folder before it is broadcast, and its
result as soon as it is mined. So a run that was killed at any moment is resumed by running it
again: what was sent is found by its hash, what was not sent is sent on the same nonce. A link is
read from the chain before it is set. A run that began with other sources, parameters or accounts
is refused.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from hexbytes import HexBytes
from web3 import Web3

from assay.chain.airdrop import AirdropTree
from assay.chain.anvil import dev_account
from assay.chain.artifacts import compiled, encoded_arguments, sources_hash
from assay.chain.contract import ContractClient
from assay.chain.deployment import (
    AIRDROP_FILE,
    NETWORK_FILE,
    DeployedContract,
    Deployment,
    DoneCall,
    PendingStep,
    code_hash,
    data_hash,
    json_form,
    write_json,
)
from assay.chain.node import node_errors, url_of
from assay.chain.parameters import ZERO_ADDRESS, Parameters, Setup, differences
from assay.chain.plan import Adopt, Create, Distribute, Link, Ref, Step, plan
from assay.chain.sender import Mined, Pending, Sender
from assay.core.errors import (
    CompileError,
    ConfigError,
    ContractReverted,
    DeploymentMismatch,
)
from assay.core.settings import LOCAL_CHAIN_ID

DEV_ACCOUNTS = 10
ERC20_NAMES = (
    *("name", "symbol", "decimals", "totalSupply", "balanceOf", "allowance", "approve"),
    *("transfer", "transferFrom", "permit", "nonces", "DOMAIN_SEPARATOR", "Transfer", "Approval"),
    *("transferWithAuthorization", "authorizationState", "AuthorizationUsed"),
)
USDC_DECIMALS = 6

Progress = Callable[[str], None]


def local_setup(parameters: Parameters, deployer: str) -> Setup:
    """For local chains: the airdrop goes to Anvil's accounts in equal parts, the deployer
    proposes, anybody executes."""
    accounts = [str(dev_account(index).address) for index in range(DEV_ACCOUNTS)]
    part = parameters.airdrop_supply // DEV_ACCOUNTS
    return Setup(
        airdrop=AirdropTree((account, part) for account in accounts), proposers=(deployer,)
    )


def deploy(
    web3: Web3,
    sender: Sender,
    parameters: Parameters,
    setup: Setup,
    network: str,
    folder: Path,
    progress: Progress = lambda message: None,
    fresh: bool = False,
) -> Deployment:
    """Deploy a network into `folder`, or finish what an interrupted run began there.

    With `fresh`, what the folder holds is moved aside first. Raises ConfigError if the folder
    holds a deployment that this call would not have begun.
    """
    with locked(folder):
        record = Deployment.read(folder)
        if record is not None and (fresh or _is_of_a_dead_chain(web3, record)):
            progress(f"moved the earlier deployment to {_set_aside(folder)}")
            record = None
        if record is None:
            record = _begin(web3, sender, parameters, setup, network)
            setup.airdrop.save(folder / AIRDROP_FILE)
            record.save_network(folder)
        else:
            _check_same(record, sender, parameters, setup, network)
        if not record.complete:
            record = Deployer(web3, sender, record, folder, progress).run(parameters, setup)
        record.verify(web3)
        return record


class Deployer:
    """One run. `record` says what is done; it is on disk before anything depends on it."""

    def __init__(
        self, web3: Web3, sender: Sender, record: Deployment, folder: Path, progress: Progress
    ) -> None:
        self._web3 = web3
        self._sender = sender
        self._folder = folder
        self._tell = progress
        self.record = record

    def run(self, parameters: Parameters, setup: Setup) -> Deployment:
        """Every step that is not done yet."""
        with node_errors(url_of(self._web3)):
            self._check_code()
            started = parameters.begun(int(self.record.parameters["start"]))
            for step in plan(started, setup, self._sender.address):
                self._do(step)
            self._write(replace(self.record, complete=True))
        return self.record

    def _do(self, step: Step) -> None:
        if isinstance(step, Create):
            if step.role not in self.record.contracts:
                self._create(step)
        elif isinstance(step, Adopt):
            if step.role not in self.record.contracts:
                self._adopt(step)
        elif step.name not in {done.call for done in self.record.calls}:
            self._link(step) if isinstance(step, Link) else self._distribute(step)

    def _create(self, step: Create) -> None:
        artifact = compiled(step.source)
        values = {name: self._resolve(value) for name, value in step.arguments.items()}
        data = artifact.bytecode + encoded_arguments(artifact.name, artifact.abi, values).hex()
        mined = self._send(step.name, f"{step.role}.__init__", {"data": data, "value": 0})
        if mined.contract_address is None:
            raise CompileError(f"{step.role}: transaction {mined.hash} created no contract")
        contract = DeployedContract(
            address=mined.contract_address,
            abi=artifact.abi,
            source=step.source,
            transaction=mined.hash,
            block=mined.block_number,
            constructor=json_form(values),
            creation_hash=data_hash(bytes(HexBytes(data))),
            code_hash=code_hash(self._web3, mined.contract_address),
        )
        self._add(step.role, contract)

    def _adopt(self, step: Adopt) -> None:
        self._tell(f"taking {step.role} at {step.address}")
        address = self._web3.to_checksum_address(step.address)
        abi = [entry for entry in compiled("TestUSD").abi if entry.get("name") in ERC20_NAMES]
        contract = DeployedContract(address, abi, code_hash=code_hash(self._web3, address))
        if not self._web3.eth.get_code(address):
            raise ConfigError(f"there is no contract at {address}, which is to be {step.role}")
        decimals = ContractClient(self._web3, step.role, contract, None).read("decimals")
        if decimals != USDC_DECIMALS:
            raise ConfigError(
                f"{step.role} at {address} has {decimals} decimals; amounts are micro-USD, so it "
                f"must have {USDC_DECIMALS}"
            )
        self._add(step.role, contract)

    def _link(self, link: Link) -> None:
        client = self._client(link.role)
        wanted = {name: self._resolve(target) for name, target in link.targets.items()}
        if self.record.pending is None and self._is_closed(client, link, wanted):
            self._done(link.name, list(wanted.values()), "", 0)
            return
        self._call(link.name, client, link.function, list(wanted.values()))

    def _is_closed(self, client: ContractClient, link: Link, wanted: dict[str, Any]) -> bool:
        """Whether the link is set; refuses one that points elsewhere."""
        found = {name: client.read(name) for name in wanted}
        if found == wanted:
            return True
        if any(address != ZERO_ADDRESS for address in found.values()):
            raise DeploymentMismatch(
                f"{link.name} was called with other addresses ({found} instead of {wanted}); "
                "this deployment cannot be finished: deploy again with --fresh"
            )
        return False

    def _distribute(self, step: Distribute) -> None:
        arguments = [self._resolve(step.to), step.amount]
        self._call(step.name, self._client("AssayToken"), "transfer", arguments)

    def _call(self, name: str, client: ContractClient, function: str, arguments: list[Any]) -> None:
        call = client.contract.functions[function](*arguments)
        fields = {"to": call.address, "data": call._encode_transaction_data(), "value": 0}
        mined = self._send(name, name, fields)
        self._done(name, arguments, mined.hash, mined.block_number)

    def _send(self, step: str, call: str, fields: dict[str, Any]) -> Mined:
        """Send a step's transaction, or finish the one that an earlier run sent."""
        digest = data_hash(bytes(HexBytes(fields["data"])))

        def journal(bid: Pending) -> None:
            pending = PendingStep(step, digest, bid.nonce, list(bid.hashes))
            self._write(replace(self.record, pending=pending))

        try:
            left = self._left_over(step, digest)
            if left is not None:
                self._tell(f"{call}: looking for the transaction of an earlier run")
                mined = self._sender.take_up(call, fields, left.nonce, left.hashes, journal)
                if mined is not None:
                    return mined
            self._tell(call)
            return self._sender.send(call, fields, journal)
        except ContractReverted as error:
            if error.transaction is not None:  # mined and failed: there is nothing to look for
                self._write(replace(self.record, pending=None))
            raise

    def _left_over(self, step: str, digest: str) -> PendingStep | None:
        pending = self.record.pending
        if pending is not None and (pending.step, pending.data_hash) != (step, digest):
            raise ConfigError(
                f"an earlier run sent {pending.step} with other contents than {step} has now; "
                "restore the sources and arguments that it had, or deploy again with --fresh"
            )
        return pending

    def _add(self, role: str, contract: DeployedContract) -> None:
        write_json(self._folder / f"{role}.json", asdict(contract))
        contracts = {**self.record.contracts, role: contract}
        blocks = [item.block for item in contracts.values() if item.transaction]
        first = min(blocks, default=self.record.block)
        self._write(replace(self.record, contracts=contracts, block=first, pending=None))

    def _done(self, name: str, arguments: list[Any], transaction: str, block: int) -> None:
        calls = [*self.record.calls, DoneCall(name, json_form(arguments), transaction, block)]
        self._write(replace(self.record, calls=calls, pending=None))

    def _write(self, record: Deployment) -> None:
        record.save_network(self._folder)
        self.record = record

    def _check_code(self) -> None:
        """What is recorded as deployed must be there."""
        for role, contract in self.record.contracts.items():
            if code_hash(self._web3, contract.address) != contract.code_hash:
                raise DeploymentMismatch(
                    f"{self._folder} says that {role} is at {contract.address}, where this chain "
                    "has other code or none; fix ASSAY_RPC_URL, or deploy again with --fresh"
                )

    def _client(self, role: str) -> ContractClient:
        return ContractClient(self._web3, role, self.record.contract(role), self._sender)

    def _resolve(self, value: Any) -> Any:
        return self.record.contract(value.role).address if isinstance(value, Ref) else value


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One deployment at a time in a folder; the lock goes with the process that holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise ConfigError(f"another process is deploying into {folder}; wait for it") from error
    finally:
        os.close(handle)


def _begin(
    web3: Web3, sender: Sender, parameters: Parameters, setup: Setup, network: str
) -> Deployment:
    parameters.check()
    if setup.airdrop.total > parameters.airdrop_supply:
        raise ConfigError(
            f"the airdrop's list sums to {setup.airdrop.total / 10**18:,.2f} ASSAY, more than the "
            f"{parameters.airdrop_supply / 10**18:,.2f} that are to be given away; shorten it"
        )
    with node_errors(url_of(web3)):
        now = int(web3.eth.get_block("latest")["timestamp"])
        return Deployment(
            network=network,
            chain_id=web3.eth.chain_id,
            block=web3.eth.block_number,
            deployer=sender.address,
            sources=sources_hash(),
            parameters=json_form(parameters.begun(now).content()),
            setup=json_form(setup.facts()),
            contracts={},
        )


def _check_same(
    record: Deployment, sender: Sender, parameters: Parameters, setup: Setup, network: str
) -> None:
    """The folder's deployment must be the one that this call asks for."""
    begun = json_form(parameters.begun(int(record.parameters["start"])).content())
    facts = {"network": network, "deployer": sender.address}
    known = {"network": record.network, "deployer": record.deployer}
    changed = differences(known, facts)
    changed += differences(record.parameters, begun)
    changed += differences(record.setup, json_form(setup.facts()))
    if not record.complete:
        changed += differences({"sources": record.sources}, {"sources": sources_hash()})
    if changed:
        state = "is finished" if record.complete else "was begun"
        raise ConfigError(
            f"the deployment of {record.network} {state} with other values: "
            f"{'; '.join(changed)}. Restore them, choose another --network, or give --fresh"
        )


def _is_of_a_dead_chain(web3: Web3, record: Deployment) -> bool:
    """A local chain dies with its node; nothing of such a deployment is left."""
    if web3.eth.chain_id != LOCAL_CHAIN_ID or record.chain_id != LOCAL_CHAIN_ID:
        return False
    addresses = [contract.address for contract in record.contracts.values()]
    found = [web3.eth.get_code(web3.to_checksum_address(address)) for address in addresses]
    return bool(found) and not any(found)


def _set_aside(folder: Path) -> Path:
    """Move a deployment's files into a numbered folder within; returns that."""
    number = 1
    while (old := folder / f"replaced-{number}").exists():
        number += 1
    old.mkdir()
    # network.json first: without it the rest is no deployment.
    for path in [folder / NETWORK_FILE, *sorted(folder.glob("*.json"))]:
        if path.exists():
            path.rename(old / path.name)
    return old
