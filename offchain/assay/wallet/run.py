"""Carries a plan out: rehearse, show, ask, send, read again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import click

from assay.chain.rehearse import Rehearsal, balance, gas_price, rehearse
from assay.chain.sender import Mined
from assay.core.errors import AssayError, ContractReverted, InputError, InsufficientFunds
from assay.wallet.account import Wallet
from assay.wallet.amounts import ETHER, Amount
from assay.wallet.plan import Fact, Plan, Report, Step, Table
from assay.wallet.screen import Screen, change_document


@dataclass(frozen=True)
class Mode:
    """How a command was called: `yes` asks nothing, `dry_run` sends nothing."""

    yes: bool = False
    dry_run: bool = False
    as_json: bool = False

    def check(self) -> None:
        """Refuse before anything is read what could not be answered later."""
        if self.as_json and not (self.yes or self.dry_run):
            raise InputError(
                "--json asks nothing: add --yes to send, or --dry-run to look only",
                code="not_confirmed",
            )


def tell(report: Report, screen: Screen) -> None:
    """Show what an action that sends nothing found."""
    screen.document["title"] = report.title
    screen.title(report.title)
    screen.facts(report.facts)
    screen.tables(report.tables)
    screen.warnings(report.warnings)


def carry_out(plan: Plan, wallet: Wallet, mode: Mode, screen: Screen) -> None:
    """Show the plan and, unless it is a dry run, send its steps one after the other.

    Raises ContractReverted before anything is sent if the rehearsal fails.
    """
    network = wallet.network
    tried = rehearse(network.web3, wallet.account, [step.call for step in plan.steps])
    _preview(plan, wallet, tried, screen)
    _check(plan, tried)
    _check_ether(wallet, tried)
    screen.document["dry_run"] = mode.dry_run
    if mode.dry_run:
        screen.line("dry run: nothing was sent")
        return
    if not mode.yes:
        _confirm(len(plan.steps))
    _send(plan.steps, screen)
    _result(plan, screen)


def _preview(plan: Plan, wallet: Wallet, tried: Sequence[Rehearsal], screen: Screen) -> None:
    network = wallet.network
    screen.document |= {
        "title": plan.title,
        "network": network.deployment.network,
        "chain_id": network.chain_id,
        "account": wallet.account,
    }
    screen.title(plan.title)
    screen.line(f"  account {wallet.account} on {network.deployment.network}")
    screen.tables([_steps(plan, tried), *plan.tables])
    screen.document["steps"] = [_step(*pair) for pair in zip(plan.steps, tried, strict=True)]
    screen.changes(plan.changes)
    screen.facts({**plan.facts, **_cost(wallet, tried)})
    screen.warnings(plan.warnings)


def _steps(plan: Plan, tried: Sequence[Rehearsal]) -> Table:
    rows: list[tuple[Fact, ...]] = [
        (step.purpose, step.call.name, _gas(rehearsal))
        for step, rehearsal in zip(plan.steps, tried, strict=True)
    ]
    return Table("steps", ("purpose", "call", "gas"), rows)


def _step(step: Step, rehearsal: Rehearsal) -> dict[str, Any]:
    """All that another signer needs to send the same transaction."""
    call = step.call
    return {
        "purpose": step.purpose,
        "call": call.name,
        "to": call.client.address,
        "data": call.data,
        "gas": rehearsal.gas,
    }


def _gas(rehearsal: Rehearsal) -> Fact:
    if rehearsal.error is not None:
        return "refused"
    return f"{rehearsal.gas:,}" if rehearsal.gas is not None else "known when step 1 is mined"


def _cost(wallet: Wallet, tried: Sequence[Rehearsal]) -> dict[str, Fact]:
    web3 = wallet.network.web3
    known = all(each.gas is not None for each in tried)
    return {
        "fee, about" if known else "fee, more than": Amount(_fee(wallet, tried), ETHER),
        "ether held": Amount(balance(web3, wallet.account), ETHER),
    }


def _fee(wallet: Wallet, tried: Sequence[Rehearsal]) -> int:
    return sum(each.gas or 0 for each in tried) * gas_price(wallet.network.web3)


def _check(plan: Plan, tried: Sequence[Rehearsal]) -> None:
    """Refuse what the chain would refuse, with the action's own advice."""
    for rehearsal in tried:
        error = rehearsal.error
        if error is not None:
            advice = "; ".join(text for text in (error.remedy, plan.tip) if text)
            raise ContractReverted(error.call, error.reason, remedy=advice)


def _check_ether(wallet: Wallet, tried: Sequence[Rehearsal]) -> None:
    held, fee = balance(wallet.network.web3, wallet.account), _fee(wallet, tried)
    if held < fee:
        raise InsufficientFunds(
            f"{wallet.account} holds {Amount(held, ETHER)}, the gas costs about "
            f"{Amount(fee, ETHER)}; send it ether first"
        )


def _confirm(count: int) -> None:
    what = "this transaction" if count == 1 else f"these {count} transactions"
    try:
        agreed = click.confirm(f"Send {what}?", err=True)
    except click.Abort as error:
        raise InputError(
            "nobody answered: add --yes to send, or --dry-run to look only; nothing was sent",
            code="not_confirmed",
        ) from error
    if not agreed:
        raise InputError("not confirmed: nothing was sent", code="not_confirmed")


def _send(steps: Sequence[Step], screen: Screen) -> None:
    """One after the other; what was mined is told even if a later one fails."""
    mined = screen.document["transactions"] = []
    for number, step in enumerate(steps, 1):
        screen.progress(f"{number}/{len(steps)} {step.purpose}: {step.call.name}")
        try:
            mined.append(_mined(step.call.send()))
        except AssayError:
            if mined:
                screen.progress(
                    f"{len(mined)} of {len(steps)} transactions were mined; run the command "
                    "again, it goes on from there"
                )
            raise


def _mined(mined: Mined) -> dict[str, Any]:
    return {
        "call": mined.call,
        "hash": mined.hash,
        "block": mined.block_number,
        "gas_used": mined.gas_used,
        "fee": Amount(mined.fee_wei, ETHER).exact,
    }


def _result(plan: Plan, screen: Screen) -> None:
    """Balances as they really are now."""
    transactions = screen.document["transactions"]
    for sent in transactions:
        screen.line(
            f"mined in block {sent['block']}: {sent['call']}, {sent['gas_used']:,} gas, "
            f"{sent['hash']}"
        )
    final = [replace(change, after=change.read(), about=False) for change in plan.changes]
    screen.document["result"] = [change_document(change) for change in final]
    for change in final:
        screen.line(f"  {change.what}: {Amount(change.after, change.unit)}")
