"""Signatures of wallets: of keys, and of contracts that speak ERC-1271."""

from __future__ import annotations

from typing import cast

from eth_abi.abi import encode
from web3 import Web3
from web3.exceptions import ContractLogicError, Web3RPCError
from web3.types import TxParams

from assay.chain.node import node_errors, url_of
from assay.core.types import Hash

MAGIC = bytes.fromhex("1626ba7e")
"""Selector of `isValidSignature(bytes32,bytes)`, and its answer where the signature is valid."""


def accepts(web3: Web3, wallet: str, digest: Hash, signature: bytes) -> bool:
    """Whether the contract at `wallet` says that the signature is its own (ERC-1271)."""
    data = MAGIC + encode(["bytes32", "bytes"], [digest, signature])
    try:
        with node_errors(url_of(web3)):
            answer = web3.eth.call(cast(TxParams, {"to": wallet, "data": data}))
    except (ContractLogicError, Web3RPCError):
        return False
    return bytes(answer) == MAGIC + bytes(28)
