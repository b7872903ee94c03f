"""The deployment file: which contracts a network consists of, and how to trust it.

One JSON file holds everything that a service needs (addresses, ABIs), so that services need no
compiler, and everything that a reader checks (constructor arguments, code hashes, chain, block).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from eth_utils.crypto import keccak
from web3 import Web3

from assay.chain.node import node_errors, url_of
from assay.core.errors import ConfigError, DeploymentMismatch


@dataclass(frozen=True)
class DeployedContract:
    """One contract: `code_hash` is the Keccak hash of its runtime code, 0x-hex."""

    address: str
    block: int
    transaction: str
    constructor: dict[str, Any]
    code_hash: str
    abi: list[dict[str, Any]] = field(repr=False)


@dataclass(frozen=True)
class Deployment:
    """A network's contracts by role; `block` is the first that holds any of them."""

    network: str
    chain_id: int
    block: int
    sources: str
    contracts: dict[str, DeployedContract]

    def contract(self, name: str) -> DeployedContract:
        if name not in self.contracts:
            raise ConfigError(
                f"the deployment of {self.network} has no {name}, only "
                f"{', '.join(sorted(self.contracts))}; deploy again"
            )
        return self.contracts[name]

    def save(self, path: Path) -> None:
        """Write the file (folders included)."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> Deployment:
        """Read a file; ConfigError says what is wrong with it."""
        try:
            content = json.loads(path.read_text())
            contracts = {
                name: DeployedContract(**entry) for name, entry in content.pop("contracts").items()
            }
            return cls(contracts=contracts, **content)
        except OSError as error:
            raise ConfigError(
                f"cannot read the deployment file {path}: {error.strerror}; run `assay deploy` "
                "or set ASSAY_DEPLOYMENT"
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(
                f"{path} is no deployment file ({type(error).__name__}: {error}); "
                "run `assay deploy` again"
            ) from error

    def verify(self, web3: Web3) -> None:
        """Check chain id and every contract's code; raises DeploymentMismatch."""
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
                        f"{name} at {deployed.address} has code {found}, the deployment file "
                        f"says {deployed.code_hash}; deploy again or fix ASSAY_DEPLOYMENT"
                    )


def code_hash(web3: Web3, address: str) -> str:
    """Keccak hash of the runtime code at an address, 0x-hex."""
    code = web3.eth.get_code(web3.to_checksum_address(address))
    return "0x" + keccak(bytes(code)).hex()
