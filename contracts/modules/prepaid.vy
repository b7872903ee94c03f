# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Prepaid dollars: balances, notices, earnings, fees
@license AGPL-3.0-only
@notice All that the credit ledger does with its payment token, and the only file of it that
        calls the token. A ticket is a notice, not a removal: until it is collected its amount
        still pays claims, but counts as unavailable from the first second on.
        Providers and the protocol fetch what they are owed: an account that the token refuses
        to pay blocks nobody else.
"""

from ethereum.ercs import IERC20
from ethereum.ercs import IERC20Detailed

from ..interfaces import ICreditLedger
from . import tickets

initializes: tickets


# ------------------------------------------------------------------
#                             CONSTANTS
# ------------------------------------------------------------------

# Prices are micro-USD.
DECIMALS: constant(uint8) = 6

MAX_WITHDRAWAL_SECONDS: constant(uint256) = 365 * 86_400

MAX_FEE_BPS: constant(uint256) = 2_000
BPS: constant(uint256) = 10_000


# ------------------------------------------------------------------
#                             IMMUTABLES
# ------------------------------------------------------------------

payment_token: public(immutable(address))
router: public(immutable(address))


# ------------------------------------------------------------------
#                              STORAGE
# ------------------------------------------------------------------

# INVARIANT: the contract holds sum(balance_of) + sum(deposits of channels) + sum(earnings_of)
# + fees, and what others have sent it unasked, which is never counted.
balance_of: public(HashMap[address, uint256])
earnings_of: public(HashMap[address, uint256])
fees: public(uint256)

# Sum of an account's open tickets.
noticed: HashMap[address, uint256]

fee_bps: public(uint256)


# ------------------------------------------------------------------
#                            CONSTRUCTOR
# ------------------------------------------------------------------


@deploy
def __init__(
    payment_token_: address, router_: address, fee_bps_: uint256, withdrawal_seconds_: uint256
):
    assert payment_token_.is_contract, "credit_ledger: token is not a contract"
    assert staticcall IERC20Detailed(payment_token_).decimals() == DECIMALS, (
        "credit_ledger: token has not 6 decimals"
    )
    assert router_.is_contract, "credit_ledger: router is not a contract"
    tickets.__init__(withdrawal_seconds_, MAX_WITHDRAWAL_SECONDS)
    payment_token = payment_token_
    router = router_
    self._set_fee(fee_bps_)


# ------------------------------------------------------------------
#                             ACCOUNTS
# ------------------------------------------------------------------


@external
def deposit(amount: uint256):
    """
    @notice Add to the caller's dollars (approve them first).
    """
    self._deposit(msg.sender, amount)


@external
def deposit_for(account: address, amount: uint256):
    """
    @notice Add to someone's dollars from the caller's tokens.
    """
    self._deposit(account, amount)


@external
def request_withdrawal(amount: uint256) -> uint256:
    """
    @notice Give notice of a withdrawal. Until it is collected the amount still pays claims,
            but counts as unavailable to providers.
    @return The ticket's id, counted per account from 0.
    """
    # Without this, a notice given in advance for more than there is would make later
    # deposits leave without one.
    assert amount <= self._available(msg.sender), "credit_ledger: balance too small"
    self.noticed[msg.sender] += amount
    ticket_id: uint256 = 0
    ready_at: uint256 = 0
    ticket_id, ready_at = tickets._issue(msg.sender, amount)
    log ICreditLedger.WithdrawalRequested(
        account=msg.sender, ticket_id=ticket_id, amount=amount, ready_at=ready_at
    )
    return ticket_id


@external
def withdraw(ticket_id: uint256, to: address) -> uint256:
    """
    @notice Collect one of the caller's tickets after its delay, as far as claims left it.
    @return The amount.
    """
    noticed: uint256 = tickets._redeem(msg.sender, ticket_id)
    self.noticed[msg.sender] -= noticed
    amount: uint256 = min(noticed, self.balance_of[msg.sender])
    self.balance_of[msg.sender] -= amount
    self._send(to, amount)
    log ICreditLedger.Withdrawn(account=msg.sender, ticket_id=ticket_id, to=to, amount=amount)
    return amount


@external
def withdraw_earnings(to: address) -> uint256:
    """
    @notice Provider: collect all that finalised claims have paid.
    @return The amount.
    """
    amount: uint256 = self.earnings_of[msg.sender]
    self.earnings_of[msg.sender] = 0
    self._send(to, amount)
    log ICreditLedger.EarningsWithdrawn(provider=msg.sender, to=to, amount=amount)
    return amount


# ------------------------------------------------------------------
#                             PROTOCOL
# ------------------------------------------------------------------


@external
def sweep_fees() -> uint256:
    """
    @notice Anyone: send the protocol's fees to the fee router.
    @return The amount.
    """
    amount: uint256 = self.fees
    self.fees = 0
    self._send(router, amount)
    log ICreditLedger.FeesSwept(router=router, amount=amount)
    return amount


# ------------------------------------------------------------------
#                               VIEWS
# ------------------------------------------------------------------


@view
@external
def ticket(account: address, ticket_id: uint256) -> (uint256, uint256):
    """
    @notice Amount and first second of withdrawal; (0, 0) for none.
    """
    return tickets._ticket(account, ticket_id)


@view
@external
def ticket_count(account: address) -> uint256:
    """
    @notice How many tickets the account was ever given.
    """
    return tickets.next_ticket[account]


@view
@external
def withdrawal_seconds() -> uint256:
    return tickets.DELAY_SECONDS


# ------------------------------------------------------------------
#                              INTERNAL
# ------------------------------------------------------------------


@internal
def _deposit(account: address, amount: uint256):
    assert account != empty(address), "credit_ledger: no account"
    assert amount > 0, "credit_ledger: nothing to deposit"
    self.balance_of[account] += amount
    self._receive(amount)
    log ICreditLedger.Deposited(account=account, payer=msg.sender, amount=amount)


@internal
def _pay(consumer: address, provider: address, due: uint256) -> (uint256, uint256):
    """
    @notice Pay from a consumer's dollars, as far as they go, less the fee, rounded up.
    @return What was paid, and the protocol's part of it.
    @dev SAFETY: the fee is that of the day of payment, not of the claim: providers rely on the
         owner's delay, and on the bound.
    """
    paid: uint256 = min(due, self.balance_of[consumer])
    if paid == 0:
        return 0, 0
    # INVARIANT: fee <= paid, as fee_bps < BPS and paid > 0.
    fee: uint256 = (paid * self.fee_bps + BPS - 1) // BPS
    self.balance_of[consumer] -= paid
    self.earnings_of[provider] += paid - fee
    self.fees += fee
    return paid, fee


@internal
def _set_fee(fee_bps: uint256):
    assert fee_bps <= MAX_FEE_BPS, "credit_ledger: fee too large"
    self.fee_bps = fee_bps
    log ICreditLedger.FeeSet(fee_bps=fee_bps)


@view
@internal
def _available(account: address) -> uint256:
    """
    @notice Dollars under no notice.
    @dev Claims may have eaten into what is under notice; then nothing is available.
    """
    balance: uint256 = self.balance_of[account]
    return balance - min(balance, self.noticed[account])


@internal
def _receive(amount: uint256):
    """
    @notice Take the caller's tokens; all of them arrive, or nothing happens.
    """
    before: uint256 = staticcall IERC20(payment_token).balanceOf(self)
    assert extcall IERC20(payment_token).transferFrom(
        msg.sender, self, amount, default_return_value=True
    ), "credit_ledger: transfer failed"
    arrived: uint256 = staticcall IERC20(payment_token).balanceOf(self) - before
    assert arrived == amount, "credit_ledger: token took a fee"


@internal
def _send(to: address, amount: uint256):
    assert to != empty(address) and to != self, "credit_ledger: no recipient"
    if amount > 0:
        assert extcall IERC20(payment_token).transfer(to, amount, default_return_value=True), (
            "credit_ledger: transfer failed"
        )
