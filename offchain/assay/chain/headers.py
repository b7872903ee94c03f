"""A block's header in RLP, as the audits' seeds want to see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import rlp
from eth_utils.crypto import keccak
from web3 import Web3
from web3.exceptions import BlockNotFound

from assay.chain.node import node_errors, url_of
from assay.core.errors import ChainError

# In the order of the Yellow Paper, then of the forks that added to it; a chain has the first so
# many of them.
FIELDS = (
    *("parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot"),
    *("logsBloom", "difficulty", "number", "gasLimit", "gasUsed", "timestamp", "extraData"),
    *("mixHash", "nonce", "baseFeePerGas", "withdrawalsRoot", "blobGasUsed", "excessBlobGas"),
    *("parentBeaconBlockRoot", "requestsHash"),
)


def header_of(web3: Web3, number: int) -> bytes:
    """The header whose Keccak is the hash of block `number`.

    Raises:
        ChainError: there is no such block, or its header has fields that are not known here.
    """
    try:
        with node_errors(url_of(web3)):
            block = cast(Mapping[str, Any], web3.eth.get_block(number))
    except BlockNotFound as error:
        raise ChainError(f"block {number} is not there yet; try again later") from error
    known = [_plain(block[name]) for name in FIELDS if name in block]
    header = bytes(rlp.encode(known))
    if keccak(header) != bytes(block["hash"]):
        raise ChainError(
            f"the header of block {number} has fields other than {', '.join(FIELDS)}; "
            "a fork added some: add them to chain/headers.py"
        )
    return header


def _plain(value: object) -> bytes | int:
    if isinstance(value, str):
        return bytes.fromhex(value[2:])
    return value if isinstance(value, int) else bytes(cast(bytes, value))
