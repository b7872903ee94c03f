"""Dollars in the credit ledger: in, out through tickets, and a provider's earnings."""

from __future__ import annotations

from collections.abc import Sequence

from assay.chain.work import DAYS_A_CALL, work_rewards
from assay.core.errors import InputError
from assay.wallet.account import Ticket, Wallet, change, chosen, ripe
from assay.wallet.actions.staking import in_wallet
from assay.wallet.amounts import ASSAY, USDC, Amount
from assay.wallet.plan import Change, Plan, Step

GET_USDC = "buy some, have some sent, or withdraw some from the ledger (`request-usdc`)"
FREEZE_TIP = (
    "the dollar token may have frozen the recipient or all transfers: name another account with "
    "--to, or wait"
)


def deposit(wallet: Wallet, amount: str, beneficiary: str | None = None) -> Plan:
    """Move dollars into the ledger, for this account or another."""
    usdc, ledger = wallet.network.usdc, wallet.network.ledger
    held = usdc.balance_of(wallet.account)
    units = chosen(amount, USDC, held, "USDC in the wallet", GET_USDC)
    owner = wallet.address(beneficiary, "account to deposit for")
    if owner == wallet.account:
        step = wallet.step("deposit", ledger, "deposit", units)
    else:
        step = wallet.step(f"deposit for {owner}", ledger, "deposit_for", owner, units)
    warnings = [] if owner == wallet.account else [f"the dollars will belong to {owner}"]
    return Plan(
        title=f"Deposit {Amount(units, USDC)}",
        steps=[*wallet.approval(usdc, USDC, ledger, units), step],
        changes=[usdc_of(wallet, wallet.account, -units), in_ledger(wallet, owner, units)],
        facts={"notice to get it out": f"{ledger.withdrawal_seconds():,} s"},
        warnings=warnings,
        tip=FREEZE_TIP,
    )


def request(wallet: Wallet, amount: str) -> Plan:
    """Give notice of a withdrawal: a ticket. Until it is collected the dollars still pay."""
    ledger = wallet.network.ledger
    balance, noticed = ledger.balance_of(wallet.account), under_notice(wallet)
    free = max(balance - noticed, 0)
    where = f"dollars in the ledger beside {Amount(noticed, USDC)} under notice"
    units = chosen(amount, USDC, free, where, "deposit some, or withdraw the tickets you have")
    return Plan(
        title=f"Give notice of withdrawing {Amount(units, USDC)}",
        steps=[wallet.step("take a ticket", ledger, "request_withdrawal", units)],
        changes=[change("dollars under notice", USDC, lambda: under_notice(wallet), units)],
        facts={
            "ticket": ledger.ticket_count(wallet.account),
            "ripe": wallet.moment(wallet.now + ledger.withdrawal_seconds()),
        },
        warnings=["until then claims may still use the dollars; the ticket pays what they leave"],
    )


def withdraw(wallet: Wallet, ids: Sequence[int] = (), to: str | None = None) -> Plan:
    """Collect ripe tickets of dollars: those named, or all."""
    ledger = wallet.network.ledger
    recipient = wallet.address(to, "recipient")
    tickets = ripe(wallet.tickets(ledger), ids, USDC, wallet.now)
    noticed = sum(ticket.amount for ticket in tickets)
    total = min(noticed, ledger.balance_of(wallet.account))
    warnings = []
    if total < noticed:
        used = Amount(noticed - total, USDC)
        warnings = [f"claims have used {used} of these tickets in the meantime"]
    return Plan(
        title=f"Withdraw {Amount(total, USDC)} to {recipient}",
        steps=[_collect(wallet, ticket, recipient) for ticket in tickets],
        changes=[in_ledger(wallet, wallet.account, -total), usdc_of(wallet, recipient, total)],
        facts={"tickets": ", ".join(str(ticket.id) for ticket in tickets)},
        warnings=warnings,
        tip=FREEZE_TIP,
    )


def earnings(wallet: Wallet, to: str | None = None) -> Plan:
    """A provider's pay: dollars of finalised claims, and emission for days that are over."""
    ledger, recipient = wallet.network.ledger, wallet.address(to, "recipient")
    dollars = ledger.earnings_of(wallet.account)
    rewards = work_rewards(wallet.network, wallet.account, wallet.day)
    total = sum(rewards.values())
    if not dollars and not total:
        raise InputError(
            "nothing is earned that could be collected: claims pay when they are finalised, "
            "emission for credit work from the next UTC day on",
            code="nothing_to_do",
        )
    steps, changes = _reward_steps(wallet, sorted(rewards)), []
    if dollars:
        steps.append(wallet.step("collect dollars", ledger, "withdraw_earnings", recipient))
        changes.append(usdc_of(wallet, recipient, dollars))
    if total:
        changes.append(in_wallet(wallet, total))
    return Plan(
        title=f"Collect {Amount(dollars, USDC)} and {Amount(total, ASSAY)}",
        steps=steps,
        changes=changes,
        facts={"days of credit work": len(rewards)},
        tip=FREEZE_TIP,
    )


def under_notice(wallet: Wallet) -> int:
    return sum(ticket.amount for ticket in wallet.tickets(wallet.network.ledger))


def usdc_of(wallet: Wallet, account: str, difference: int) -> Change:
    usdc = wallet.network.usdc
    whose = "in the wallet" if account == wallet.account else f"of {account}"
    return change(f"USDC {whose}", USDC, lambda: usdc.balance_of(account), difference)


def in_ledger(wallet: Wallet, account: str, difference: int) -> Change:
    ledger = wallet.network.ledger
    whose = "" if account == wallet.account else f" of {account}"
    what = f"dollars in the ledger{whose}"
    return change(what, USDC, lambda: ledger.balance_of(account), difference)


def _collect(wallet: Wallet, ticket: Ticket, recipient: str) -> Step:
    purpose = f"withdraw ticket {ticket.id}"
    return wallet.step(purpose, wallet.network.ledger, "withdraw", ticket.id, recipient)


def _reward_steps(wallet: Wallet, days: Sequence[int]) -> list[Step]:
    steps = []
    for start in range(0, len(days), DAYS_A_CALL):
        part = list(days[start : start + DAYS_A_CALL])
        purpose = f"emission for {len(part)} days of work"
        emissions = wallet.network.emissions
        steps.append(wallet.step(purpose, emissions, "reward_work", wallet.account, part))
    return steps
