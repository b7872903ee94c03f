"""A deployment's folder: which contracts a network consists of, and how to trust it.

`deployments/<network>/` holds one `<Role>.json` per contract and `network.json`. They have
everything that a service needs (addresses, ABIs), so that services need no compiler, and
everything that a reader checks (arguments, transactions, code hashes, chain, blocks). A file is
written whole or not at all, as each transaction is mined, so that a deployment can be resumed.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from eth_utils.crypto import keccak
from web3 import Web3

from assay.chain.node import node_errors, url_of
from assay.core.errors import ConfigError, DeploymentMismatch

NETWORK_FILE = "network.json"
AIRDROP_FILE = "airdrop.json"  # `chain.airdrop`: who may claim what, with proofs


@dataclass(frozen=True)
class DeployedContract:
    """One contract.

    `source` is its name in contracts/, "" for one that others deployed (it has no transaction,
    block 0). `creation_hash` is the Keccak hash of creation code and encoded arguments,
    `code_hash` that of the runtime code, both 0x-hex.
    """

    address: str
    abi: list[dict[str, Any]] = field(repr=False)
    source: str = ""
    transaction: str = ""
    block: int = 0
    constructor: dict[str, Any] = field(default_factory=dict)
    creation_hash: str = ""
    code_hash: str = ""


@dataclass(frozen=True)
class DoneCall:
    """A call that belonged to the deployment; `call` is "Role.function".

    A link that was found closed already has no transaction.
    """

    call: str
    arguments: list[Any]
    transaction: str
    block: int


@dataclass(frozen=True)
class PendingStep:
    """A transaction that may have been sent: its bids on one nonce, and the hash of its data."""

    step: str
    data_hash: str
    nonce: int
    hashes: list[str]


@dataclass(frozen=True)
class Deployment:
    """A network's contracts by role; `block` is the first that holds any of them.

    `sources` is the hash of all sources that it was compiled from, `parameters` and `setup` are
    as in `chain.parameters`. While `complete` is False a deployment is under way.
    """

    network: str
    chain_id: int
    block: int
    deployer: str
    sources: str
    parameters: dict[str, Any]
    setup: dict[str, Any]
    contracts: dict[str, DeployedContract]
    calls: list[DoneCall] = field(default_factory=list)
    pending: PendingStep | None = None
    complete: bool = False

    def contract(self, name: str) -> DeployedContract:
        if name not in self.contracts:
            raise ConfigError(
                f"the deployment of {self.network} has no {name}, only "
                f"{', '.join(sorted(self.contracts))}; deploy again"
            )
        return self.contracts[name]

    def save(self, folder: Path) -> None:
        """Write all files (folders included); network.json last, it lists the others."""
        for name, contract in self.contracts.items():
            write_json(folder / f"{name}.json", asdict(contract))
        self.save_network(folder)

    def save_network(self, folder: Path) -> None:
        """Write network.json alone."""
        write_json(folder / NETWORK_FILE, {**asdict(self), "contracts": list(self.contracts)})

    @classmethod
    def load(cls, folder: Path) -> Deployment:
        """Read a finished deployment; ConfigError says what is wrong with it."""
        if folder.is_file():
            raise ConfigError(
                f"{folder} is a file; a deployment is a folder since contracts have a file "
                "each: run `assay deploy` again and set ASSAY_DEPLOYMENT to the folder"
            )
        found = cls.read(folder)
        if found is None:
            raise ConfigError(
                f"there is no {folder / NETWORK_FILE}; run `assay deploy` or set "
                "ASSAY_DEPLOYMENT to a deployment's folder"
            )
        if not found.complete:
            raise ConfigError(
                f"the deployment in {folder} is not finished; run `assay deploy --network "
                f"{found.network}` again, it goes on where it stopped"
            )
        return found

    @classmethod
    def read(cls, folder: Path) -> Deployment | None:
        """Read a deployment, finished or not; None if there is none."""
        path = folder / NETWORK_FILE
        try:
            if not path.exists():
                return None
            content = json.loads(path.read_text())
            contracts = {}
            for name in content.pop("contracts"):
                path = folder / f"{name}.json"
                contracts[name] = DeployedContract(**json.loads(path.read_text()))
            path = folder / NETWORK_FILE
            calls = [DoneCall(**entry) for entry in content.pop("calls")]
            pending = content.pop("pending")
            step = PendingStep(**pending) if pending else None
            return cls(contracts=contracts, calls=calls, pending=step, **content)
        except OSError as error:
            raise ConfigError(
                f"cannot read the deployment's {path}: {error.strerror}; restore it or deploy "
                "again with --fresh"
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(
                f"{path} belongs to no deployment ({type(error).__name__}: {error}); "
                "restore it or deploy again with --fresh"
            ) from error

    def verify(self, web3: Web3) -> None:
        """Check chain id and every contract's code; raises DeploymentMismatch.

        What services do at their start; `chain.audit` compares everything.
        """
        with node_errors(url_of(web3)):
            chain_id = web3.eth.chain_id
            if chain_id != self.chain_id:
                raise DeploymentMismatch(
                    f"the node at {url_of(web3)} is chain {chain_id}, the deployment of "
                    f"{self.network} is on chain {self.chain_id}; fix ASSAY_RPC_URL or "
                    "ASSAY_DEPLOYMENT"
                )
            for name, deployed in self.contracts.items():
                found = code_hash(web3, deployed.address)
                if found != deployed.code_hash:
                    raise DeploymentMismatch(
                        f"{name} at {deployed.address} has code {found}, the deployment's file "
                        f"says {deployed.code_hash}; deploy again or fix ASSAY_DEPLOYMENT"
                    )


def code_hash(web3: Web3, address: str) -> str:
    """Keccak hash of the runtime code at an address, 0x-hex."""
    return data_hash(bytes(web3.eth.get_code(web3.to_checksum_address(address))))


def data_hash(data: bytes) -> str:
    return "0x" + keccak(data).hex()


def json_form(value: Any) -> Any:
    """The value as a file gives it back: tuples as lists, words as 0x-hex."""
    return json.loads(json.dumps(value, default=lambda data: "0x" + bytes(data).hex()))


def write_json(path: Path, content: object) -> None:
    """Replace a file by this document, whole, even if the machine stops now."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    try:
        with os.fdopen(handle, "w") as output:
            json.dump(content, output, indent=1)
            output.write("\n")
            output.flush()
            os.fsync(output.fileno())
        os.chmod(temporary, 0o644)  # mkstemp's 0600 is for secrets; this is read by services
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
