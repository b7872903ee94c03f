# pragma version 0.4.3
"""
@title Withdrawal tickets: amounts that leave after a delay
@license AGPL-3.0-only
@notice Every ticket has its own clock; a new one restarts no other. Ids count per holder
        from 0. A ticket may be undone at any time before it is redeemed. The module keeps
        amounts only: what they are taken from is its owner's.
"""

# A ticket is one word: amount below, first second of withdrawal above.
AMOUNT_BITS: constant(uint256) = 192
MAX_AMOUNT: constant(uint256) = 2**192 - 1

DELAY_SECONDS: immutable(uint256)

words: HashMap[address, HashMap[uint256, uint256]]
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
    assert amount <= MAX_AMOUNT, "tickets: amount too large"
    ticket_id: uint256 = self.next_ticket[holder]
    ready_at: uint256 = block.timestamp + DELAY_SECONDS
    self.next_ticket[holder] = ticket_id + 1
    self.words[holder][ticket_id] = amount | (ready_at << AMOUNT_BITS)
    return ticket_id, ready_at


@internal
def _redeem(holder: address, ticket_id: uint256) -> uint256:
    """
    @return The amount; the ticket is gone.
    """
    word: uint256 = self.words[holder][ticket_id]
    assert word != 0, "tickets: no such ticket"
    assert block.timestamp >= word >> AMOUNT_BITS, "tickets: not ready"
    self.words[holder][ticket_id] = 0
    return word & MAX_AMOUNT


@internal
def _cancel(holder: address, ticket_id: uint256) -> uint256:
    """
    @notice Undo a ticket, ripe or not.
    @return The amount; the ticket is gone.
    """
    word: uint256 = self.words[holder][ticket_id]
    assert word != 0, "tickets: no such ticket"
    self.words[holder][ticket_id] = 0
    return word & MAX_AMOUNT


@internal
@view
def _ticket(holder: address, ticket_id: uint256) -> (uint256, uint256):
    """
    @return Amount and first second of withdrawal; (0, 0) for none.
    """
    word: uint256 = self.words[holder][ticket_id]
    return word & MAX_AMOUNT, word >> AMOUNT_BITS
