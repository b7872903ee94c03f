"""Single verifications at the widths of 8B and 70B models, as transactions on a real Anvil.

The cases are those of `scripts.bench.verifier_gas`, which prices them by computation; here a node
under current rules charges for them, calldata floor included.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

from web3 import Web3

from assay.chain.artifacts import compiled
from assay.chain.sender import Sender
from assay.core.hashes import OUTPUT_SIDE, PROMPT_SIDE
from assay.core.tokens import TokenList
from scripts.bench.calldata import Calldata
from scripts.bench.verifier_gas import (
    GAS_LIMIT,
    MODELS,
    POSITIONS,
    Measured,
    Meter,
    cases,
    context_cases,
)


@dataclass
class AnvilMeter(Meter):
    """Sends each verification and reads what was charged. `verifier` is a web3 contract."""

    web3: Web3
    sender: Sender

    def charge(
        self, op: str, verification: str, width: int, function: str, arguments: Sequence[object]
    ) -> Measured:
        call = self.verifier.functions[function](*arguments)
        mined = self.sender.call(f"StepVerifier.{function}", call)
        sent = self.web3.eth.get_transaction(cast(Any, mined.hash))
        return {
            "op": op,
            "verification": verification,
            "width": width,
            "gas": mined.gas_used,
            "limit": GAS_LIMIT,
            **asdict(Calldata.of(bytes(sent["input"]))),
        }


def measure(web3: Web3, sender: Sender) -> list[Measured]:
    """Deploy a verifier and charge for every case at every width."""
    values = sender.send("StepArithmetic.__init__", {"data": compiled("StepArithmetic").bytecode})
    artifact = compiled("StepVerifier")
    contract = web3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode)
    creation = contract.constructor(web3.to_checksum_address(str(values.contract_address)))
    deployed = sender.send("StepVerifier.__init__", {"data": creation.data_in_transaction})
    prompt = TokenList(range(POSITIONS), bytes(32), PROMPT_SIDE)
    output = TokenList([9] * 64, bytes(32), OUTPUT_SIDE)
    address = web3.to_checksum_address(str(deployed.contract_address))
    verifier = web3.eth.contract(address=address, abi=artifact.abi)
    meter = AnvilMeter(verifier, prompt, output, web3, sender)
    measured = [meter.measure(model, case) for model in MODELS for case in cases(model)]
    measured += [meter.measure(MODELS[0], case) for case in context_cases(MODELS[0])]
    return [*measured, meter.sample(MODELS[0])]
