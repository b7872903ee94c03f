"""What all parts of the model share: units, the clock, refusals."""

from __future__ import annotations

from dataclasses import dataclass, field

DAY = 86_400
YEAR = 365 * DAY
BPS = 10_000
WAD = 10**18
DOLLAR = 10**6  # micro-USD


class Refused(Exception):
    """The contract reverts here. The text says why, in the model's words."""


def require(condition: bool, why: str) -> None:
    if not condition:
        raise Refused(why)


def ceil_div(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)


@dataclass
class Clock:
    """Seconds since 1970. The tests move it together with the chain's."""

    now: int

    @property
    def today(self) -> int:
        return self.now // DAY


@dataclass
class Ticket:
    amount: int
    ready_at: int


@dataclass
class Tickets:
    """Amounts that leave after a delay, each with its own clock. Ids count from 0 per holder."""

    clock: Clock
    delay_seconds: int
    issued: dict[str, list[Ticket | None]] = field(default_factory=dict)

    def issue(self, holder: str, amount: int) -> int:
        require(amount > 0, "nothing to withdraw")
        tickets = self.issued.setdefault(holder, [])
        tickets.append(Ticket(amount, self.clock.now + self.delay_seconds))
        return len(tickets) - 1

    def check_ripe(self, holder: str, ticket_id: int) -> int:
        ticket = self.get(holder, ticket_id)
        require(ticket is not None, "no such ticket")
        assert ticket is not None
        require(self.clock.now >= ticket.ready_at, "not ready")
        return ticket.amount

    def take(self, holder: str, ticket_id: int) -> int:
        """Remove a ticket, ripe or not; returns its amount."""
        ticket = self.get(holder, ticket_id)
        require(ticket is not None, "no such ticket")
        assert ticket is not None
        self.issued[holder][ticket_id] = None
        return ticket.amount

    def get(self, holder: str, ticket_id: int) -> Ticket | None:
        tickets = self.issued.get(holder, [])
        return tickets[ticket_id] if ticket_id < len(tickets) else None

    def total(self) -> int:
        open_ = (ticket for tickets in self.issued.values() for ticket in tickets)
        return sum(ticket.amount for ticket in open_ if ticket is not None)


@dataclass
class ByDay:
    """A value that changes at times, remembered for ever: what it was on any UTC day.

    `set` from a day on; `on` gives the value of a day, `initial` before the first change.
    """

    initial: int = 0
    changes: dict[int, int] = field(default_factory=dict)

    def set(self, from_day: int, value: int) -> None:
        self.changes = {day: old for day, old in self.changes.items() if day < from_day}
        self.changes[from_day] = value

    def on(self, day: int) -> int:
        known = [changed for changed in self.changes if changed <= day]
        return self.changes[max(known)] if known else self.initial
