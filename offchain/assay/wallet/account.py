"""An account on a network: what actions ask of it, and the checks that they share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from assay.chain.contract import ContractClient
from assay.chain.network import Network
from assay.chain.rehearse import Call
from assay.chain.tokens import Token
from assay.core.errors import InputError
from assay.core.vouchers import day_of
from assay.wallet.amounts import Amount, Moment, Unit, is_everything, parse_amount
from assay.wallet.plan import Change, Step

NOBODY = "0x" + 40 * "0"


class TicketOffice(Protocol):
    """A contract that pays out through tickets."""

    @property
    def name(self) -> str: ...

    def ticket(self, account: str, ticket_id: int) -> tuple[int, int]: ...

    def ticket_count(self, account: str) -> int: ...


@dataclass(frozen=True)
class Ticket:
    """An open ticket; `ready_at` is its first second of withdrawal."""

    id: int
    amount: int
    ready_at: int


class Wallet:
    """One account on one network, at the second `now` of the newest block.

    Parameters: `folder` holds the files of the deployment, the airdrop's list among them.
    """

    def __init__(self, network: Network, account: str, folder: Path | None = None) -> None:
        self.network = network
        self.account = str(network.web3.to_checksum_address(account))
        self.folder = folder
        self.now = network.now()

    @property
    def day(self) -> int:
        """Today, as allowances count it."""
        return day_of(self.now)

    def moment(self, at: int) -> Moment:
        return Moment(at, self.now)

    def address(self, text: str | None, what: str) -> str:
        """A checksummed address; None is the account itself."""
        if text is None:
            return self.account
        if not self.network.web3.is_address(text):
            raise InputError(
                f"{text!r} is no address for the {what}; write 0x and 40 hex digits, with the "
                "capitals of its checksum or without any",
                code="bad_address",
            )
        return str(self.network.web3.to_checksum_address(text))

    def step(self, purpose: str, client: ContractClient, function: str, *arguments: Any) -> Step:
        return Step(Call(client, function, arguments), purpose)

    def approval(
        self, token: Token, unit: Unit, spender: ContractClient, amount: int
    ) -> list[Step]:
        """The approval of exactly `amount` that must come first, if there is none yet."""
        if token.allowance(self.account, spender.address) >= amount:
            return []
        purpose = f"let {spender.name} take {Amount(amount, unit)}, once"
        return [self.step(purpose, token, "approve", spender.address, amount)]

    def tickets(self, office: TicketOffice) -> list[Ticket]:
        """The account's open tickets, oldest first."""
        found = []
        for ticket_id in range(office.ticket_count(self.account)):
            amount, ready_at = office.ticket(self.account, ticket_id)
            if amount:
                found.append(Ticket(ticket_id, amount, ready_at))
        return found


def change(
    what: str, unit: Unit, read: Callable[[], int], difference: int, about: bool = False
) -> Change:
    """A balance, read now, that the plan moves by `difference`."""
    before = read()
    return Change(what, unit, before, before + difference, read, about)


def chosen(text: str, unit: Unit, available: int, where: str, remedy: str) -> int:
    """The amount asked for, "max" being all there is; InputError says how much is missing."""
    amount = available if is_everything(text) else parse_amount(text, unit)
    if amount == 0 or amount > available:
        missing = f", {Amount(amount - available, unit)} missing" if amount else ""
        raise InputError(
            f"{where}: {Amount(available, unit)}{_asked(amount, unit)}{missing}; {remedy}",
            code="too_little",
        )
    return amount


def _asked(amount: int, unit: Unit) -> str:
    return f", {Amount(amount, unit)} asked for" if amount else ""


def named(tickets: Sequence[Ticket], ticket_id: int, unit: Unit, now: int) -> Ticket:
    """The open ticket of that id."""
    for ticket in tickets:
        if ticket.id == ticket_id:
            return ticket
    raise InputError(
        f"there is no open ticket {ticket_id}; {listed(tickets, unit, now)}", code="no_ticket"
    )


def ripe(tickets: Sequence[Ticket], ids: Sequence[int], unit: Unit, now: int) -> list[Ticket]:
    """The tickets named, or all ripe ones; InputError if one is not ripe, or none is."""
    if not ids:
        ready = [ticket for ticket in tickets if ticket.ready_at <= now]
        if ready:
            return ready
        raise InputError(f"no ticket is ripe; {listed(tickets, unit, now)}", code="not_ripe")
    wanted = [named(tickets, ticket_id, unit, now) for ticket_id in dict.fromkeys(ids)]
    for ticket in wanted:
        if ticket.ready_at > now:
            raise InputError(
                f"ticket {ticket.id} ({Amount(ticket.amount, unit)}) is not ripe; withdraw it "
                f"from {Moment(ticket.ready_at, now)} on",
                code="not_ripe",
            )
    return wanted


def listed(tickets: Sequence[Ticket], unit: Unit, now: int) -> str:
    """The open tickets in one line."""
    if not tickets:
        return "no ticket is open: ask for one first"
    each = (f"{t.id} ({Amount(t.amount, unit)}, ripe {Moment(t.ready_at, now)})" for t in tickets)
    return "open tickets: " + ", ".join(each)
