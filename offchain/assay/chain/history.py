"""All events of one kind since a deployment, filtered by the node.

Public endpoints refuse ranges of blocks by limits of their own, which nobody states: a range
that is refused is halved and asked for again. For a few answers to a person; services follow
the chain with `chain.events`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from web3.exceptions import Web3RPCError

from assay.chain.contract import ContractClient
from assay.chain.node import node_errors, url_of
from assay.core.errors import ChainError

MAX_CALLS = 256


@dataclass(frozen=True)
class Happened:
    """One event: `args` maps its parameters to values, structs to mappings."""

    args: Mapping[str, Any]
    block: int
    transaction: str


def history(
    client: ContractClient, event: str, start_block: int, **filters: object
) -> list[Happened]:
    """Events of a contract, oldest first; `filters` are values of indexed parameters."""
    with node_errors(url_of(client.web3)):
        entries = _entries(client, event, filters, start_block)
    return [
        Happened(
            dict(entry["args"]),
            int(entry["blockNumber"]),
            entry["transactionHash"].to_0x_hex(),
        )
        for entry in entries
    ]


def _entries(
    client: ContractClient, event: str, filters: dict[str, object], first: int
) -> list[Any]:
    source: Any = client.contract.events[event]()
    ranges = [(first, int(client.web3.eth.block_number))]
    found: list[Any] = []
    for _ in range(MAX_CALLS):
        if not ranges:
            return found
        start, stop = ranges.pop(0)
        try:
            found += source.get_logs(argument_filters=filters, from_block=start, to_block=stop)
        except Web3RPCError:
            if start == stop:
                raise
            middle = (start + stop) // 2
            ranges[:0] = [(start, middle), (middle + 1, stop)]
    raise ChainError(
        f"the node at {url_of(client.web3)} answers for too few blocks at a time to read the "
        f"events of {client.name} since block {first}; use another node (ASSAY_RPC_URL)"
    )
