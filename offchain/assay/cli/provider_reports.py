"""`assay provider doctor`, `earnings`, `exit`: how a provider stands, for people and as JSON."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from assay.cli import output
from assay.core.errors import InputError
from assay.core.settings import ProviderSettings, load_settings

if TYPE_CHECKING:
    from assay.chain.sender import Mined
    from assay.provider.departure import Action, Remainder
    from assay.provider.doctor import Check
    from assay.provider.earnings import Statement, Tally

STYLES = {"pass": "green", "warn": "yellow", "fail": "bold red", "skip": "dim"}
DOLLAR = 10**6
ETHER = 10**18


class By(StrEnum):
    """What a line of the earnings stands for."""

    day = "day"
    model = "model"


def doctor(as_json: output.JsonFlag = False) -> None:
    """Check node, account, bond, models, memory, network and disk; exit code 1 if one fails."""
    from assay.provider.doctor import LOOKS, Subject, examine, passes

    subject = Subject(load_settings(ProviderSettings))
    checks = []
    for check in examine(subject, LOOKS):
        checks.append(check)
        if not as_json:
            _show_check(check)
    good = passes(checks)
    if as_json:
        output.print_json({"passes": good, "checks": checks})
    else:
        output.stdout.print("PASS" if good else "FAIL: see the remedies above")
    if not good:
        raise typer.Exit(output.REFUTED)


def _show_check(check: Check) -> None:
    style = STYLES[check.verdict.value]
    line = Text.assemble((f"{check.verdict.value:<5}", style), f"{check.name:<18} ", check.found)
    output.stdout.print(line, soft_wrap=True)
    if check.remedy:
        output.stdout.print(Text(f"{'':23} → {check.remedy}", style=style), soft_wrap=True)


def earnings(
    by: Annotated[By, typer.Option(help="A line for each day (UTC) or each model.")] = By.day,
    ether_usd: Annotated[
        float | None, typer.Option(min=0, help="Dollars for one ether, to subtract the gas.")
    ] = None,
    as_json: output.JsonFlag = False,
) -> None:
    """What was claimed, paid and spent; exit code 1 if journal and chain do not agree."""
    from assay.provider.earnings import statement
    from assay.provider.view import View

    found = statement(View.of(load_settings(ProviderSettings)), by.value)
    net = None if ether_usd is None else found.net(round(ether_usd * DOLLAR))
    if as_json:
        output.print_json(_document(found, net))
    else:
        _show_statement(found, by, net)
    if not found.reconciles:
        raise typer.Exit(output.REFUTED)


def _document(found: Statement, net: int | None) -> dict[str, Any]:
    plain: dict[str, Any] = output.plain(found)
    return plain | {
        "earned": found.total.earned,
        "difference": found.difference,
        "reconciles": found.reconciles,
        "net": net,
        "unit": "micro-USD; work and slashed: ASSAY wei; spent: ether wei",
    }


def _show_statement(found: Statement, by: By, net: int | None) -> None:
    header = (by.value, "claims", "claimed", "credit", "dollars", "fees", "pending", "lost")
    lines = [*found.lines.items(), ("all", found.total)]
    output.print_table("earnings in dollars", header, [_row(*line) for line in lines])
    spent = found.spent
    facts: dict[str, object] = {
        "earned": dollars(found.total.earned),
        "not paid by consumers": dollars(found.total.short),
        "withdrawn before": dollars(found.withdrawn),
        "can be withdrawn now": dollars(found.balance),
        "gas": f"{spent.wei / ETHER:.6f} ether, {spent.transactions:,} transactions",
        "emission to collect": f"{found.work / ETHER:,.4f} ASSAY",
        "slashed": f"{found.slashed / ETHER:,.2f} ASSAY",
    }
    if net is not None:
        facts["net of gas"] = dollars(net)
    output.print_fields(f"provider {found.provider}", facts)
    if found.due:
        rows = [(dollars(due.amount), f"{due.claims} claims, {when(due.at)}") for due in found.due]
        output.print_rows("can be withdrawn later, at most", rows)
    for fault in found.faults:
        output.stdout.print(f"FAULT {fault}", soft_wrap=True)
    verdict = "to the micro-dollar" if found.reconciles else f"NOT: {found.difference} micro-USD"
    output.stdout.print(f"journal, payments and balance agree {verdict}")


def _row(name: str, tally: Tally) -> tuple[object, ...]:
    amounts = (tally.claimed, tally.credit, tally.dollars, tally.fees, tally.pending, tally.lost)
    return (name, tally.claims, *(dollars(amount) for amount in amounts))


def leave(
    to: Annotated[
        str | None, typer.Option(help="Who gets the dollars; default: the provider's account.")
    ] = None,
    wait: Annotated[
        bool, typer.Option(help="Stay until all is withdrawn, or do what can be done now.")
    ] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change and send nothing.")] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Take jobs again.")] = False,
    as_json: output.JsonFlag = False,
) -> None:
    """Leave: take no more jobs, see the last claims paid, withdraw earnings and bond.

    It can be interrupted and run again at any point. With --json one document a line.
    """
    from assay.provider.departure import Departure, remainder
    from assay.provider.view import View

    view = View.of(load_settings(ProviderSettings))
    if to is not None and not view.network.web3.is_address(to):
        raise InputError(f"{to!r} is no address; write 0x and 40 hex digits", code="bad_address")
    recipient = str(view.network.web3.to_checksum_address(to or view.address))
    told = Told(recipient, as_json)
    if cancel:
        view.home.stay()
        output.stderr.print("jobs are taken again; bond that was asked back stays on its way")
    elif dry_run:
        told.remains(remainder(view))
    else:
        told.end(Departure(view, recipient, wait, told.remains, told.sent).run())


class Told:
    """Says what changed since it last said something."""

    def __init__(self, to: str, as_json: bool) -> None:
        self._to = to
        self._json = as_json
        self._last: object = None

    def remains(self, left: Remainder) -> None:
        from assay.provider.departure import actions

        steps = [action.purpose for action in actions(left, self._to)]
        said = (left.stage, left.running, left.pending, left.windows, left.games, left.tickets)
        if said == self._last:
            return
        self._last = said
        if self._json:
            more = {"stage": left.stage.value, "next_at": left.next_at, "actions": steps}
            output.print_line(output.plain(left) | more)
            return
        output.print_fields(left.stage.value, _remains(left))
        for step in steps:
            output.stdout.print(f"  next: {step}", soft_wrap=True)

    def sent(self, action: Action, mined: Mined) -> None:
        if self._json:
            output.print_line({"sent": action.purpose, "hash": mined.hash, "gas": mined.gas_used})
        else:
            output.stdout.print(f"  sent: {action.purpose}, {mined.hash}", soft_wrap=True)

    def end(self, left: Remainder) -> None:
        if self._json:
            return
        if left.locked:
            output.stdout.print(
                f"{left.locked / ETHER:,.2f} ASSAY stay locked by claims that this journal does "
                "not have",
                soft_wrap=True,
            )
        if left.next_at:
            output.stdout.print(f"run this again {when(left.next_at)}")


def _remains(left: Remainder) -> dict[str, object]:
    fields: dict[str, object] = {
        "jobs under way": left.running,
        "claims to be posted": left.pending,
        "games": left.games,
        "earnings": dollars(left.earnings),
        "bond free, locked": f"{left.free / ETHER:,.2f}, {left.locked / ETHER:,.2f} ASSAY",
    }
    for window in left.windows:
        fields[f"window of 0x{window.batch_id.hex()[:8]}…"] = (
            f"{window.claims} claims, ends {when(window.until)}"
        )
    for ticket in left.tickets:
        fields[f"ticket {ticket.id}"] = (
            f"{ticket.amount / ETHER:,.2f} ASSAY, {when(ticket.ready_at)}"
        )
    return fields


def when(at: int) -> str:
    """A Unix time, and how far off it is."""
    away = at - int(time.time())
    stamp = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))
    if away <= 0:
        return f"{stamp} (now)"
    days, rest = divmod(away, 86_400)
    text = f"{days} d {rest // 3600} h" if days else f"{rest // 3600} h {rest % 3600 // 60} min"
    return f"{stamp} (in {text})" if away >= 60 else f"{stamp} (in {away} s)"


def dollars(micro: int) -> str:
    return f"${micro / DOLLAR:,.6f}"
