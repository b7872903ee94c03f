"""Moves of a game as they were mined: who, which function, what it cost, what it said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from assay.chain.events import Event
from assay.chain.network import Network
from assay.chain.node import node_errors, url_of
from assay.core.partials import PARTIAL_BYTES
from assay.core.types import Op


@dataclass(frozen=True)
class MinedMove:
    """A mined transaction; `function` is the game's function that it called, "" for another's."""

    hash: str
    block: int
    gas: int
    sender: str
    calldata_bytes: int
    calldata_zeros: int
    function: str


def read_move(network: Network, transaction: str) -> MinedMove:
    """Look a transaction up."""
    with node_errors(url_of(network.web3)):
        receipt = network.web3.eth.get_transaction_receipt(cast(Any, transaction))
        sent = network.web3.eth.get_transaction(cast(Any, transaction))
    data = bytes(sent["input"])
    function = ""
    if sent.get("to") == network.game.contract.address:
        function = str(network.game.contract.decode_function_input(data)[0].fn_name)
    return MinedMove(
        hash=transaction,
        block=int(receipt["blockNumber"]),
        gas=int(receipt["gasUsed"]),
        sender=str(receipt["from"]),
        calldata_bytes=len(data),
        calldata_zeros=data.count(0),
        function=function,
    )


def describe(event: Event) -> str:
    """What a move says, in a few words, from the event that it left."""
    words = _WORDS.get(event.name)
    return words(event.args) if words else ""


def _nodes(args: Any) -> str:
    return f"{len(args['children'])} nodes"


def _picked(args: Any) -> str:
    tree = "steps" if args["in_steps"] else "tiles"
    leaf = ", a leaf" if args["depth_left"] == 0 else f", {args['depth_left']} levels to go"
    return f"node {args['node_index']} of the {tree} tree{leaf}"


def _step(args: Any) -> str:
    opcode = Op(args["step"]["opcode"]).name
    return f"step {args['step_index']} is {opcode}, {args['rows']} × {args['width']}"


def _element(args: Any) -> str:
    stated = len(args["partials"]) // PARTIAL_BYTES
    partials = f", {stated} partials stated" if stated else ""
    return f"row {args['row']}, column {args['column']}, claimed value {args['value']}{partials}"


_WORDS: dict[str, Callable[[Any], str]] = {
    "GameOpened": lambda args: f"output token {args['token_index']} is wrong",
    "Answered": lambda args: f"trace root 0x{args['trace_root'].hex()[:8]}…, {_nodes(args)}",
    "NodePicked": _picked,
    "NodesRevealed": _nodes,
    "StepRevealed": _step,
    "TileRevealed": lambda args: f"row {args['row']} from column {args['first_column']}",
    "ElementPicked": _element,
    "SampleChallenged": lambda args: f"token {args['rival']} scores higher",
    "GameResolved": lambda args: str(args["reason"]),
}
