"""Rehearses calls without sending them: the second sees what the first would have done.

`eth_simulateV1` runs them one after the other on the newest state. A node without it is asked
for the first call only: what follows needs a state that such a node cannot imagine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from web3 import Web3
from web3.exceptions import ContractLogicError, MethodUnavailable, Web3RPCError, Web3ValueError
from web3.types import TxParams

from assay.chain.contract import ContractClient
from assay.chain.fees import suggest
from assay.chain.node import node_errors, url_of
from assay.chain.reverts import decode_revert, reason_of, reverted
from assay.chain.sender import Mined
from assay.core.errors import ContractReverted

NO_LIMIT = 2**128  # wei per gas: a rehearsal asks for the market's price, whatever it is


@dataclass(frozen=True)
class Call:
    """A call of a contract's function, not sent yet."""

    client: ContractClient
    function: str
    arguments: tuple[Any, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.client.name}.{self.function}"

    @property
    def data(self) -> str:
        """Calldata, 0x-hex."""
        return str(self._bound()._encode_transaction_data())

    def send(self) -> Mined:
        """Send it from the client's account and wait."""
        return self.client.write(self.function, *self.arguments)

    def fields(self, sender: str) -> dict[str, Any]:
        to = self.client.web3.to_checksum_address(self.client.address)
        return {"from": sender, "to": to, "data": self.data, "value": 0}

    def _bound(self) -> Any:
        return self.client.contract.functions[self.function](*self.arguments)


@dataclass(frozen=True)
class Rehearsal:
    """What a call would do: `gas` is None where the node could not be asked, `error` a refusal."""

    call: Call
    gas: int | None
    error: ContractReverted | None = None
    output: bytes = b""


def rehearse(web3: Web3, sender: str, calls: Sequence[Call]) -> list[Rehearsal]:
    """Run the calls in order, as if `sender` sent them now."""
    if not calls:
        return []
    block = {"calls": [_simulated(call.fields(sender)) for call in calls]}
    with node_errors(url_of(web3)):
        try:
            blocks = web3.eth.simulate_v1(cast(Any, {"blockStateCalls": [block]}), "latest")
        except (MethodUnavailable, Web3RPCError, Web3ValueError):
            return _first_only(web3, sender, calls)
    return [_of(call, result) for call, result in zip(calls, blocks[0]["calls"], strict=True)]


def gas_price(web3: Web3) -> int:
    """Wei per gas that a transaction would cost now: the base fee and the node's tip."""
    with node_errors(url_of(web3)):
        base = int(web3.eth.get_block("latest").get("baseFeePerGas", 0))
        return base + suggest(web3, NO_LIMIT).tip


def balance(web3: Web3, account: str) -> int:
    """Ether of an account, in wei."""
    with node_errors(url_of(web3)):
        return int(web3.eth.get_balance(web3.to_checksum_address(account)))


def _simulated(fields: dict[str, Any]) -> dict[str, Any]:
    return {**fields, "value": "0x0"}


def _of(call: Call, result: Any) -> Rehearsal:
    gas = int(result["gasUsed"])
    if int(result["status"]) == 1:
        return Rehearsal(call, gas, output=bytes(result["returnData"]))
    reason = decode_revert(bytes(result["returnData"]))
    return Rehearsal(call, gas, reverted(call.name, reason))


def _first_only(web3: Web3, sender: str, calls: Sequence[Call]) -> list[Rehearsal]:
    rest = [Rehearsal(call, None) for call in calls[1:]]
    fields = cast(TxParams, calls[0].fields(sender))
    try:
        gas, output = int(web3.eth.estimate_gas(fields)), bytes(web3.eth.call(fields))
    except (ContractLogicError, Web3RPCError) as error:
        refusal = reverted(calls[0].name, reason_of(error))
        return [Rehearsal(calls[0], None, refusal), *rest]
    return [Rehearsal(calls[0], gas, output=output), *rest]
