# pragma version 0.4.3
# pragma nonreentrancy on
# pragma evm-version cancun
"""
@title Escrow: consumers' prepaid funds, out of which finalised claims are paid
@license AGPL-3.0-only
@notice A consumer deposits, the settlement pays finalised claims out of the deposit, what is
        left leaves by ticket. A ticket is a notice, not a removal: until it is collected its
        amount still pays claims. What is under notice counts as unavailable from the first
        second on, so a provider that checks `available` before it serves can count on that
        much for `withdrawal_seconds`, longer than a challenge window and the longest game.
        A claim above the balance is paid as far as it goes; the rest is logged as a
        shortfall, and owed by nobody.
@custom:kill Nothing stops the escrow. The deployer names the settlement once.
"""

from ..interfaces import IBurnableERC20
from ..interfaces import IEscrow
from ..interfaces import IPayment
from ..modules import one_shot
from ..modules import tickets

implements: IEscrow
implements: IPayment
initializes: one_shot
initializes: tickets


# ------------------------------------------------------------------
#                             CONSTANTS
# ------------------------------------------------------------------

MAX_WITHDRAWAL_SECONDS: constant(uint256) = 365 * 86_400


# ------------------------------------------------------------------
#                             IMMUTABLES
# ------------------------------------------------------------------

payment_token: public(immutable(address))


# ------------------------------------------------------------------
#                              STORAGE
# ------------------------------------------------------------------

# INVARIANT: the contract holds sum(balance_of).
balance_of: public(HashMap[address, uint256])

# Sum of a consumer's open tickets.
noticed: HashMap[address, uint256]


# ------------------------------------------------------------------
#                            CONSTRUCTOR
# ------------------------------------------------------------------


@deploy
def __init__(payment_token_: address, withdrawal_seconds_: uint256):
    """
    @param payment_token_ A plain ERC-20 of 6 decimals: no fee on transfer, no hooks.
    @param withdrawal_seconds_ Delay of a ticket, at most a year; the settlement checks that
           it outlasts window and longest game.
    """
    assert payment_token_.is_contract, "escrow: token is not a contract"
    one_shot.__init__()
    tickets.__init__(withdrawal_seconds_, MAX_WITHDRAWAL_SECONDS)
    payment_token = payment_token_


@external
def set_settlement(settlement: address):
    """
    @notice Deployer, once: name the settlement that may pay.
    """
    one_shot._set(settlement)
    log IEscrow.SettlementSet(settlement=settlement)


# ------------------------------------------------------------------
#                             CONSUMERS
# ------------------------------------------------------------------


@external
def deposit(amount: uint256):
    """
    @notice Add to the caller's balance (approve it first).
    """
    self._deposit(msg.sender, amount)


@external
def deposit_for(consumer: address, amount: uint256):
    """
    @notice Add to someone's balance from the caller's tokens.
    """
    self._deposit(consumer, amount)


@external
def request_withdrawal(amount: uint256) -> uint256:
    """
    @notice Give notice of a withdrawal. Until it is collected the amount still pays
            claims, but counts as unavailable to providers.
    @return The ticket's id, counted per consumer from 0.
    """
    # Without this, a notice given in advance for more than there is would make later
    # deposits leave without one.
    assert amount <= self._available(msg.sender), "escrow: balance too small"
    self.noticed[msg.sender] += amount
    ticket_id: uint256 = 0
    ready_at: uint256 = 0
    ticket_id, ready_at = tickets._issue(msg.sender, amount)
    log IEscrow.WithdrawalRequested(
        consumer=msg.sender, ticket_id=ticket_id, amount=amount, ready_at=ready_at
    )
    return ticket_id


@external
def withdraw(ticket_id: uint256) -> uint256:
    """
    @notice Collect one of the caller's tickets after its delay, as far as claims left it.
    @return The amount.
    """
    noticed: uint256 = tickets._redeem(msg.sender, ticket_id)
    self.noticed[msg.sender] -= noticed
    amount: uint256 = min(noticed, self.balance_of[msg.sender])
    self.balance_of[msg.sender] -= amount
    self._send(msg.sender, amount)
    log IEscrow.Withdrawn(consumer=msg.sender, ticket_id=ticket_id, amount=amount)
    return amount


# ------------------------------------------------------------------
#                             SETTLEMENT
# ------------------------------------------------------------------


@external
def pay(job_id: bytes32, consumer: address, provider: address, amount: uint256) -> uint256:
    """
    @notice Settlement only: pay a finalised claim, as far as there are funds.
    @return What was paid, in payment-token units.
    """
    assert msg.sender == one_shot.target, "escrow: caller is not the settlement"
    paid: uint256 = min(amount, self.balance_of[consumer])
    self.balance_of[consumer] -= paid
    self._send(provider, paid)
    log IEscrow.Paid(
        job_id=job_id,
        consumer=consumer,
        provider=provider,
        amount=paid,
        shortfall=amount - paid,
    )
    return paid


# ------------------------------------------------------------------
#                               VIEWS
# ------------------------------------------------------------------


@view
@external
def available(consumer: address) -> uint256:
    """
    @notice Balance that is under no notice: what a provider may count on.
    """
    return self._available(consumer)


@view
@external
def ticket(consumer: address, ticket_id: uint256) -> (uint256, uint256):
    """
    @notice Amount and first second of withdrawal; (0, 0) for none.
    """
    ticket: tickets.Ticket = tickets.tickets[consumer][ticket_id]
    return ticket.amount, ticket.ready_at


@view
@external
def withdrawal_seconds() -> uint256:
    return tickets.DELAY_SECONDS


@view
@external
def settlement() -> address:
    return one_shot.target


# ------------------------------------------------------------------
#                              INTERNAL
# ------------------------------------------------------------------


@internal
def _deposit(consumer: address, amount: uint256):
    assert consumer != empty(address), "escrow: no consumer"
    assert amount > 0, "escrow: nothing to deposit"
    self.balance_of[consumer] += amount
    assert extcall IBurnableERC20(payment_token).transferFrom(msg.sender, self, amount), (
        "escrow: transfer failed"
    )
    log IEscrow.Deposited(consumer=consumer, payer=msg.sender, amount=amount)


@view
@internal
def _available(consumer: address) -> uint256:
    """
    @dev Claims may have eaten into what is under notice; then nothing is available.
    """
    balance: uint256 = self.balance_of[consumer]
    return balance - min(balance, self.noticed[consumer])


@internal
def _send(to: address, amount: uint256):
    if amount > 0:
        assert extcall IBurnableERC20(payment_token).transfer(to, amount), (
            "escrow: transfer failed"
        )
