"""Base of the typed clients: reads with typed errors, writes through a `Sender`."""

from __future__ import annotations

from typing import Any

from web3 import Web3
from web3.contract import Contract
from web3.exceptions import BadFunctionCallOutput, ContractLogicError, Web3RPCError

from assay.chain.deployment import DeployedContract
from assay.chain.node import node_errors, url_of
from assay.chain.reverts import reason_of, reverted
from assay.chain.sender import Mined, Sender
from assay.core.errors import ConfigError, DeploymentMismatch, NodeUnavailable

NO_BLOCK = (
    "header not found", "block not found", "unknown block", "blockoutofrange", "out of range",
    "missing trie node",
)  # fmt: skip
"""What nodes say of a block that they do not have, or whose state they have dropped."""


class ContractClient:
    """One deployed contract. Without a sender it can only be read."""

    def __init__(
        self, web3: Web3, name: str, deployed: DeployedContract, sender: Sender | None
    ) -> None:
        self.web3 = web3
        self.name = name
        self.deployed = deployed
        self.address = deployed.address
        self.contract: Contract = web3.eth.contract(
            address=web3.to_checksum_address(deployed.address), abi=deployed.abi
        )
        self._sender = sender

    def read(self, function: str, *args: object, block: int | None = None) -> Any:
        """Call a view, at the newest block or at `block`; `NodeUnavailable` if the node does not
        have that one."""
        call = self.contract.functions[function](*args)
        try:
            with node_errors(url_of(self.web3)):
                return call.call(block_identifier=block if block is not None else "latest")
        except BadFunctionCallOutput as error:
            raise DeploymentMismatch(
                f"{self.name}.{function} at {self.address} answered nothing that fits; "
                "the deployment file belongs to another chain: deploy again or fix "
                "ASSAY_DEPLOYMENT"
            ) from error
        except (ContractLogicError, Web3RPCError) as error:
            if block is not None and any(text in str(error).lower() for text in NO_BLOCK):
                raise NodeUnavailable(
                    f"the node at {url_of(self.web3)} does not know block {block} (yet, or any "
                    "more); repeat the request"
                ) from error
            raise reverted(f"{self.name}.{function}", reason_of(error)) from error

    def write(self, function: str, *args: object) -> Mined:
        """Send a transaction and wait for it."""
        if self._sender is None:
            raise ConfigError(
                f"{self.name}.{function} needs an account; set ASSAY_KEYSTORE and "
                "ASSAY_PASSWORD_FILE"
            )
        return self._sender.call(
            f"{self.name}.{function}", self.contract.functions[function](*args)
        )
