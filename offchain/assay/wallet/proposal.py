"""Proposals as files: calls that the timelock shall make, readable, and checked when read back.

    {
      "description": "Publish a capacity of $20,000 a day",
      "chain_id": 31337,
      "timelock": "0x…",
      "operation": "0x…",
      "delay_seconds": 259200,
      "predecessor": "0x00…",
      "salt": "0x…",
      "calls": [
        {
          "contract": "EmissionController",
          "address": "0x…",
          "function": "set_daily_capacity",
          "arguments": {"capacity_usd_micro": "20000000000"},
          "data": "0x…"
        }
      ]
    }

A reader checks `arguments`; what the chain executes is `data`. So both are in the file, and a file
in which they differ is refused. Integers are strings: other tools round large ones. The salt is
the description's hash: the same calls can be proposed again under other words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.chain.contract import ContractClient
from assay.chain.network import Network
from assay.chain.rehearse import Call
from assay.core.errors import InputError
from assay.core.hashes import keccak

ZERO_WORD = bytes(32)
MAX_CALLDATA_BYTES = 1_024  # snekmate's timelock_controller
MAX_CALLS = 255

CALL = re.compile(r"\s*(\w+)\.(\w+)\((.*)\)\s*", re.ASCII | re.DOTALL)
BARE_HEX = re.compile(r'(?<!["\w])0x[0-9a-fA-F]*(?!["\w])')


@dataclass(frozen=True)
class Proposal:
    """One operation of the timelock: calls that are made together, or not at all."""

    description: str
    calls: tuple[Call, ...]
    delay_seconds: int
    predecessor: bytes = ZERO_WORD

    @property
    def salt(self) -> bytes:
        return keccak(self.description.encode())

    def batch(self) -> tuple[Any, ...]:
        """Targets, values, calldata, predecessor, salt: as the timelock takes them."""
        targets = [call.client.address for call in self.calls]
        payloads = [bytes.fromhex(call.data.removeprefix("0x")) for call in self.calls]
        return targets, [0] * len(targets), payloads, self.predecessor, self.salt

    def operation(self, network: Network) -> bytes:
        """The timelock's id of it."""
        return bytes(network.timelock.read("hash_operation_batch", *self.batch()))


def parse_call(network: Network, text: str) -> Call:
    """A call as typed: EmissionController.set_daily_capacity(20000000000)."""
    found = CALL.fullmatch(text)
    if found is None:
        raise _bad(f"{text!r} is no call; write Contract.function(argument, …)")
    quoted = BARE_HEX.sub(lambda word: f'"{word[0]}"', found[3])
    try:
        values = json.loads(f"[{quoted}]")
    except ValueError as error:
        raise _bad(
            f"the arguments of {text!r} are not JSON values ({error}); numbers are whole, "
            'texts are in quotes ("…"), structs are lists [1, 2]'
        ) from error
    return make_call(network, found[1], found[2], values)


def parse_operation(text: str | None) -> bytes:
    """An operation's id, 0x and 64 hex digits; None is no operation."""
    if text is None:
        return ZERO_WORD
    return bytes.fromhex(_hexadecimal(text, 32, "operation").removeprefix("0x"))


def make_call(network: Network, role: str, function: str, values: Any) -> Call:
    """A call with its arguments checked against the ABI; `values` by position or by name."""
    client = client_of(network, role)
    inputs = _inputs(client, function, len(values))
    arguments = tuple(_components(inputs, values, f"{role}.{function}"))
    call = Call(client, function, arguments)
    size = len(call.data) // 2 - 1
    if size > MAX_CALLDATA_BYTES:
        raise _bad(
            f"{call.name} has {size} bytes of calldata, the timelock takes "
            f"{MAX_CALLDATA_BYTES}; split it"
        )
    return call


def client_of(network: Network, role: str) -> ContractClient:
    """Any contract of the deployment, by its role."""
    known = network.deployment.contracts
    if role not in known:
        raise _bad(f"there is no contract {role!r}; there are {', '.join(sorted(known))}")
    return ContractClient(network.web3, role, known[role], None)


def named_arguments(call: Call) -> dict[str, Any]:
    """Arguments by name, in JSON's types: what people read."""
    inputs = _inputs(call.client, call.function, len(call.arguments))
    pairs = zip(inputs, call.arguments, strict=True)
    return {entry["name"]: _shown(value, entry) for entry, value in pairs}


def decoded(network: Network, target: str, payload: bytes) -> tuple[str, str, dict[str, Any]]:
    """Contract, function and arguments of a call that was found on chain."""
    for role, deployed in network.deployment.contracts.items():
        if deployed.address.lower() != target.lower():
            continue
        client = client_of(network, role)
        try:
            function, values = client.contract.decode_function_input(payload)
        except ValueError:
            return role, f"0x{payload[:4].hex()}", {"data": f"0x{payload.hex()}"}
        call = Call(client, function.fn_name, tuple(values.values()))
        return role, function.fn_name, named_arguments(call)
    return target, f"0x{payload[:4].hex()}", {"data": f"0x{payload.hex()}"}


def save(proposal: Proposal, network: Network, path: Path) -> None:
    """Write the file; never over another one."""
    content = {
        "description": proposal.description,
        "chain_id": network.chain_id,
        "timelock": network.timelock.address,
        "operation": "0x" + proposal.operation(network).hex(),
        "delay_seconds": proposal.delay_seconds,
        "predecessor": "0x" + proposal.predecessor.hex(),
        "salt": "0x" + proposal.salt.hex(),
        "calls": [_written(call) for call in proposal.calls],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as output:
            output.write(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    except FileExistsError as error:
        raise _bad(f"{path} exists; choose another name or move it away") from error


def load(network: Network, path: Path) -> Proposal:
    """Read a file and encode its calls anew; InputError if anything in it disagrees."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        calls = tuple(_read(network, entry, path) for entry in content["calls"])
        proposal = Proposal(
            str(content["description"]),
            calls,
            int(content["delay_seconds"]),
            parse_operation(content.get("predecessor")),
        )
    except OSError as error:
        raise _bad(f"cannot read the proposal {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _bad(
            f"{path} is no proposal ({type(error).__name__}: {error}); write one with "
            "`governance propose`"
        ) from error
    _check(network, proposal, content, path)
    return proposal


def _check(network: Network, proposal: Proposal, content: Mapping[str, Any], path: Path) -> None:
    """Everything that is stated beside the calls must be what they give."""
    if not 0 < len(proposal.calls) <= MAX_CALLS:
        raise _bad(f"{path} has {len(proposal.calls)} calls; a proposal has 1 to {MAX_CALLS}")
    facts = {
        "chain_id": network.chain_id,
        "timelock": network.timelock.address,
        "salt": "0x" + proposal.salt.hex(),
        "operation": "0x" + proposal.operation(network).hex(),
    }
    for name, value in facts.items():
        if name in content and str(content[name]).lower() != str(value).lower():
            raise _bad(
                f"{path}: {name} is {content[name]}, this network and its calls give {value}; "
                "propose it again on this network"
            )


def _written(call: Call) -> dict[str, Any]:
    return {
        "contract": call.client.name,
        "address": call.client.address,
        "function": call.function,
        "arguments": named_arguments(call),
        "data": call.data,
    }


def _read(network: Network, entry: Mapping[str, Any], path: Path) -> Call:
    call = make_call(network, str(entry["contract"]), str(entry["function"]), entry["arguments"])
    for name, value in (("address", call.client.address), ("data", call.data)):
        if name in entry and str(entry[name]).lower() != value.lower():
            raise _bad(
                f"{path}: {name} of {call.name} is {entry[name]}, its arguments give {value}; "
                "do not sign it before you know why"
            )
    return call


def _inputs(client: ContractClient, function: str, count: int) -> list[dict[str, Any]]:
    entries = [entry for entry in client.contract.abi if entry.get("name") == function]
    found = [e for e in entries if e["type"] == "function" and len(e.get("inputs", [])) == count]
    if not found:
        counts = sorted({len(e.get("inputs", [])) for e in entries if e["type"] == "function"})
        known = f"takes {counts[0]} arguments, not {count}" if counts else "does not exist"
        raise _bad(f"{client.name}.{function} {known}; look at contracts/interfaces")
    return [dict(entry) for entry in found[0].get("inputs", [])]


def _components(inputs: Sequence[Mapping[str, Any]], values: Any, where: str) -> list[Any]:
    """Values in the ABI's order."""
    if isinstance(values, Mapping):
        names = [entry["name"] for entry in inputs]
        if set(values) != set(names):
            raise _bad(f"{where} takes ({', '.join(names)}), given are ({', '.join(values)})")
        values = [values[name] for name in names]
    if not isinstance(values, list | tuple) or len(values) != len(inputs):
        raise _bad(f"{where}: {values!r} are not {len(inputs)} values")
    return [
        _value(entry, value, f"{where}, {entry['name']}")
        for entry, value in zip(inputs, values, strict=True)
    ]


def _value(entry: Mapping[str, Any], value: Any, where: str) -> Any:
    """One JSON value as the ABI's type."""
    kind = str(entry["type"])
    if kind.endswith("]"):
        item = {**entry, "type": kind[: kind.rindex("[")]}
        if not isinstance(value, list | tuple):
            raise _bad(f"{where}: {value!r} is no list")
        return [_value(item, element, where) for element in value]
    if kind == "tuple":
        return tuple(_components(entry["components"], value, where))
    if kind.startswith(("uint", "int")):
        return _integer(value, where)
    if kind == "bool" and not isinstance(value, bool):
        raise _bad(f"{where}: {value!r} is not true or false")
    if kind == "address" or kind.startswith("bytes"):
        return _hexadecimal(value, 20 if kind == "address" else kind.removeprefix("bytes"), where)
    return value


def _integer(value: Any, where: str) -> int:
    text = value.replace("_", "") if isinstance(value, str) else value
    digits = isinstance(text, str) and text.removeprefix("-").isdigit() and text.isascii()
    if isinstance(text, bool) or not (digits or isinstance(text, int)):
        raise _bad(f"{where}: {value!r} is no whole number of smallest units")
    return int(text)


def _hexadecimal(value: Any, size: int | str, where: str) -> str:
    text = str(value)
    try:
        length = len(bytes.fromhex(text.removeprefix("0x")))
    except ValueError:
        length = -1
    if not text.startswith("0x") or length < 0 or (size and length != int(size)):
        wanted = f"0x and {2 * int(size)} hex digits" if size else "0x and hex digits"
        raise _bad(f"{where}: {value!r} is not {wanted}")
    return text


def _shown(value: Any, entry: Mapping[str, Any]) -> Any:
    kind = str(entry["type"])
    if kind.endswith("]"):
        item = {**entry, "type": kind[: kind.rindex("[")]}
        return [_shown(element, item) for element in value]
    if kind == "tuple":
        parts = entry["components"]
        fields = value.values() if isinstance(value, Mapping) else value
        return {p["name"]: _shown(v, p) for p, v in zip(parts, fields, strict=True)}
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return value if isinstance(value, bool | str) else str(value)


def _bad(message: str) -> InputError:
    return InputError(message, code="bad_proposal")
