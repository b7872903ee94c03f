# pragma version 0.4.3
"""
@title Withdrawal tickets: amounts that leave after a delay
@license AGPL-3.0-only
@notice Every ticket has its own clock; a new one restarts no other. Ids count per holder
        from 0. The module keeps amounts only: what they are taken from is its owner's.
"""

struct Ticket:
    amount: uint256
    ready_at: uint256


DELAY_SECONDS: immutable(uint256)

tickets: HashMap[address, HashMap[uint256, Ticket]]
next_ticket: HashMap[address, uint256]


@deploy
def __init__(delay_seconds: uint256, max_delay_seconds: uint256):
    assert delay_seconds > 0, "tickets: no delay"
    assert delay_seconds <= max_delay_seconds, "tickets: delay too long"
    DELAY_SECONDS = delay_seconds


@internal
def _issue(holder: address, amount: uint256) -> (uint256, uint256):
    """
    @return The ticket's id and the first second of its withdrawal.
    """
    assert amount > 0, "tickets: nothing to withdraw"
    ticket_id: uint256 = self.next_ticket[holder]
    ready_at: uint256 = block.timestamp + DELAY_SECONDS
    self.next_ticket[holder] = ticket_id + 1
    self.tickets[holder][ticket_id] = Ticket(amount=amount, ready_at=ready_at)
    return ticket_id, ready_at


@internal
def _redeem(holder: address, ticket_id: uint256) -> uint256:
    """
    @return The amount; the ticket is gone.
    """
    ticket: Ticket = self.tickets[holder][ticket_id]
    assert ticket.amount > 0, "tickets: no such ticket"
    assert block.timestamp >= ticket.ready_at, "tickets: not ready"
    self.tickets[holder][ticket_id] = empty(Ticket)
    return ticket.amount
