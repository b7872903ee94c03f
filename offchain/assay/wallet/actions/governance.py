"""Governance: proposals to the timelock, from the file to the call."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from assay.chain.history import history
from assay.chain.rehearse import Call, rehearse
from assay.chain.timelock import OperationState
from assay.core.errors import InputError
from assay.wallet.account import NOBODY, Wallet
from assay.wallet.amounts import span
from assay.wallet.plan import Fact, Plan, Report, Table
from assay.wallet.proposal import (
    ZERO_WORD,
    Proposal,
    decoded,
    load,
    named_arguments,
    parse_call,
    parse_operation,
    save,
)

CALLS = ("contract", "function", "arguments")


def propose(
    wallet: Wallet,
    path: Path,
    description: str,
    calls: Sequence[str],
    delay: int | None = None,
    after: str | None = None,
) -> Report:
    """Write a proposal's file. Sends nothing; says whether its calls would pass today."""
    network = wallet.network
    if not description.strip() or not calls:
        raise InputError(
            "a proposal needs --description and at least one --call", code="bad_proposal"
        )
    minimum = network.timelock.minimum_delay()
    seconds = minimum if delay is None else delay
    if seconds < minimum:
        raise InputError(
            f"the delay of {span(seconds)} is below the timelock's minimum of {span(minimum)}",
            code="bad_proposal",
        )
    parsed = tuple(parse_call(network, text) for text in calls)
    proposal = Proposal(description, parsed, seconds, parse_operation(after))
    save(proposal, network, path)
    return Report(
        title=f"Proposal written to {path}",
        facts=_facts(wallet, proposal),
        tables=[_calls(proposal)],
        warnings=_doubts(wallet, proposal),
    )


def queue(wallet: Wallet, path: Path) -> Plan:
    """Schedule a proposal: it can be executed after its delay."""
    timelock = wallet.network.timelock
    proposal = load(wallet.network, path)
    _require(wallet, proposal, OperationState.UNSET)
    _require_role(wallet, "proposer", "queue")
    step = wallet.step(
        "schedule", timelock, "schedule_batch", *proposal.batch(), proposal.delay_seconds
    )
    return Plan(
        title=f"Queue: {proposal.description}",
        steps=[step],
        facts=_facts(wallet, proposal)
        | {"can be executed": wallet.moment(wallet.now + proposal.delay_seconds)},
        tables=[_calls(proposal)],
        warnings=_doubts(wallet, proposal),
        tip="the minimum delay may have been raised: propose it anew",
    )


def execute(wallet: Wallet, path: Path) -> Plan:
    """Make the calls of a proposal whose delay is over."""
    timelock = wallet.network.timelock
    proposal = load(wallet.network, path)
    _require(wallet, proposal, OperationState.READY)
    if not timelock.has_role("executor", NOBODY):
        _require_role(wallet, "executor", "execute")
    before = proposal.predecessor
    if before != ZERO_WORD and timelock.state(before) != OperationState.DONE:
        raise InputError(f"operation 0x{before.hex()} must be executed first", code="not_ready")
    return Plan(
        title=f"Execute: {proposal.description}",
        steps=[wallet.step("execute", timelock, "execute_batch", *proposal.batch())],
        facts=_facts(wallet, proposal),
        tables=[_calls(proposal)],
        tip="a call that the contract refuses today may pass another day; nothing is lost",
    )


def cancel(wallet: Wallet, path: Path) -> Plan:
    """Take a queued proposal back."""
    timelock = wallet.network.timelock
    proposal = load(wallet.network, path)
    _require(wallet, proposal, OperationState.WAITING, OperationState.READY)
    _require_role(wallet, "canceller", "cancel")
    operation = proposal.operation(wallet.network)
    return Plan(
        title=f"Cancel: {proposal.description}",
        steps=[wallet.step("cancel", timelock, "cancel", operation)],
        facts=_facts(wallet, proposal),
        tables=[_calls(proposal)],
    )


def show(wallet: Wallet, path: Path | None = None) -> Report:
    """One proposal, or everything that was ever queued, with its calls and the time left."""
    if path is not None:
        proposal = load(wallet.network, path)
        return Report(proposal.description, _facts(wallet, proposal), [_calls(proposal)])
    timelock = wallet.network.timelock
    events = history(timelock, "CallScheduled", wallet.network.deployment.block)
    rows = [_scheduled(wallet, event.args) for event in events]
    header = ("operation", "state", "can be executed", *CALLS)
    return Report(
        title=f"{len({row[0] for row in rows})} operations were queued",
        facts={"minimum delay": span(timelock.minimum_delay())},
        tables=[Table("operations", header, rows)],
    )


def _scheduled(wallet: Wallet, args: Any) -> tuple[Fact, ...]:
    operation = bytes(args["id"])
    state, ready_at = _state(wallet, operation)
    role, function, arguments = decoded(wallet.network, args["target"], bytes(args["payload"]))
    when = wallet.moment(ready_at) if ready_at > 1 else None
    return f"0x{operation.hex()}", state, when, role, function, _line(arguments)


def _facts(wallet: Wallet, proposal: Proposal) -> dict[str, Fact]:
    operation = proposal.operation(wallet.network)
    state, ready_at = _state(wallet, operation)
    facts: dict[str, Fact] = {
        "operation": f"0x{operation.hex()}",
        "state": state,
        "delay": span(proposal.delay_seconds),
    }
    if ready_at > 1:
        facts["can be executed"] = wallet.moment(ready_at)
    return facts


def _state(wallet: Wallet, operation: bytes) -> tuple[str, int]:
    timelock = wallet.network.timelock
    state = timelock.state(operation)
    words = {
        OperationState.UNSET: "not queued",
        OperationState.WAITING: "waiting",
        OperationState.READY: "ready",
        OperationState.DONE: "executed",
    }
    return words[state], timelock.ready_at(operation)


def _require(wallet: Wallet, proposal: Proposal, *wanted: OperationState) -> None:
    """Refuse a step that comes too early, too late or twice."""
    timelock = wallet.network.timelock
    operation = proposal.operation(wallet.network)
    state, ready_at = timelock.state(operation), wallet.moment(timelock.ready_at(operation))
    if state in wanted:
        return
    messages = {
        OperationState.UNSET: "is not queued (or was cancelled): queue it first",
        OperationState.WAITING: f"is queued and can be executed {ready_at}: wait",
        OperationState.READY: f"is queued already and ready since {ready_at}: execute it",
        OperationState.DONE: "is executed; to do it again, propose it under another description",
    }
    code = "not_ready" if state == OperationState.WAITING else "wrong_state"
    raise InputError(f"operation 0x{operation.hex()} {messages[state]}", code=code)


def _require_role(wallet: Wallet, role: str, verb: str) -> None:
    timelock = wallet.network.timelock
    if timelock.has_role(role, wallet.account):
        return
    start = wallet.network.deployment.block
    events = history(timelock, "RoleGranted", start, role=timelock.role(role))
    names = dict.fromkeys(str(event.args["account"]) for event in events)
    holders = [name for name in names if timelock.has_role(role, name)]
    raise InputError(
        f"{wallet.account} may not {verb}: it is no {role}; these are: "
        f"{', '.join(holders) or 'nobody'}. Hand them the file",
        code="no_role",
    )


def _doubts(wallet: Wallet, proposal: Proposal) -> list[str]:
    """Calls that would be refused if they were made now; that may change until they are."""
    network = wallet.network
    tried = rehearse(network.web3, network.timelock.address, proposal.calls)
    return [
        f"{each.call.name} would be refused today: {each.error.reason or 'no reason given'}"
        for each in tried
        if each.error is not None
    ]


def _calls(proposal: Proposal) -> Table:
    return Table("calls", CALLS, [_row(call) for call in proposal.calls])


def _row(call: Call) -> tuple[Fact, ...]:
    return call.client.name, call.function, _line(named_arguments(call))


def _line(arguments: dict[str, Any]) -> str:
    return ", ".join(f"{name}={_text(value)}" for name, value in arguments.items())


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
