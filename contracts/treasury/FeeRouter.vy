# pragma version 0.4.3
# pragma nonreentrancy on
# pragma evm-version cancun
"""
@title Fee router: where the protocol's dollars arrive, on their way to the burn auction
@license AGPL-3.0-only
@notice Fees of the credit ledger are sent here, subscriptions are paid here. Anyone forwards
        it: a fifth to the audits, where the deployer has named them, the rest to the burn
        auction. There is no other way out.
        A subscription is a plan's name, an account and a date. What a plan grants is the
        gateway's business: this contract only sells it, in periods of 30 days that are added
        to what is left.
@custom:kill Nothing stops it. The deployer names the audits once. The owner (the timelock) sets the prices of plans; a price of 0
        ends the sale of a plan, never what is paid.
"""

from ethereum.ercs import IERC20
from snekmate.auth import ownable

from ..interfaces import IAudits
from ..interfaces import IBurnAuction
from ..interfaces import IFeeRouter
from ..modules import one_shot

implements: IFeeRouter
initializes: one_shot
initializes: ownable

exports: (ownable.owner, ownable.transfer_ownership, ownable.renounce_ownership)


# ------------------------------------------------------------------
#                             CONSTANTS
# ------------------------------------------------------------------

PERIOD_SECONDS: constant(uint256) = 30 * 86_400
MAX_PERIODS: constant(uint256) = 36
MAX_PRICE_USD_MICRO: constant(uint256) = 10**6 * 10**6

AUDIT_SHARE_BPS: constant(uint256) = 2_000
BPS: constant(uint256) = 10_000


# ------------------------------------------------------------------
#                             IMMUTABLES
# ------------------------------------------------------------------

payment_token: public(immutable(address))
auction: public(immutable(address))


# ------------------------------------------------------------------
#                              STORAGE
# ------------------------------------------------------------------

# Micro-USD for 30 days; 0: not sold.
plan_price: public(HashMap[uint256, uint256])

# First second in which an account is not subscribed to a plan any more.
subscribed_until: public(HashMap[address, HashMap[uint256, uint256]])


# ------------------------------------------------------------------
#                            CONSTRUCTOR
# ------------------------------------------------------------------


@deploy
def __init__(payment_token_: address, auction_: address, owner_: address):
    """
    @param payment_token_ Dollars, 6 decimals.
    @param auction_ The burn auction, which must sell these dollars.
    @param owner_ Sets the prices of plans: the timelock.
    """
    assert payment_token_.is_contract, "fee_router: token is not a contract"
    assert auction_.is_contract, "fee_router: auction is not a contract"
    assert staticcall IBurnAuction(auction_).payment_token() == payment_token_, (
        "fee_router: auction sells another token"
    )
    assert owner_ != empty(address), "fee_router: no owner"
    one_shot.__init__()
    ownable.__init__()
    ownable._transfer_ownership(owner_)
    payment_token = payment_token_
    auction = auction_


@external
def set_audits(audits: address):
    """
    @notice Deployer, once: name the audits, which a fifth of the dollars goes to.
    """
    one_shot._set(audits)
    assert staticcall IAudits(audits).payment_token() == payment_token, (
        "fee_router: audits pay another token"
    )
    log IFeeRouter.AuditsSet(audits=audits)


# ------------------------------------------------------------------
#                               OWNER
# ------------------------------------------------------------------


@external
def set_plan(plan: uint256, price_usd_micro: uint256):
    """
    @notice Owner: the price of 30 days; 0 sells no more of it. What is paid stays paid.
    """
    ownable._check_owner()
    assert price_usd_micro <= MAX_PRICE_USD_MICRO, "fee_router: price too high"
    self.plan_price[plan] = price_usd_micro
    log IFeeRouter.PlanSet(plan=plan, price_usd_micro=price_usd_micro)


# ------------------------------------------------------------------
#                              DOLLARS
# ------------------------------------------------------------------


@external
def route() -> uint256:
    """
    @notice Anyone: send all dollars held here on their way; nothing happens with none.
    @return What went to the burn auction.
    """
    held: uint256 = staticcall IERC20(payment_token).balanceOf(self)
    share: uint256 = 0
    if one_shot.target != empty(address):
        share = held * AUDIT_SHARE_BPS // BPS
    if share > 0:
        self._send(one_shot.target, share)
        log IFeeRouter.AuditsFunded(amount=share)
    amount: uint256 = held - share
    if amount > 0:
        self._send(auction, amount)
        log IFeeRouter.Routed(amount=amount)
    return amount


@external
def subscribe(account: address, plan: uint256, periods: uint256) -> uint256:
    """
    @notice Anyone: pay 1 to 36 times 30 days of a plan for an account (approve first).
    @return Until when the account is subscribed.
    """
    # SAFETY: no limit on the price beside the allowance. Prices change by the timelock only,
    # announced long before; approve exactly what you mean to pay.
    price: uint256 = self.plan_price[plan]
    assert account != empty(address), "fee_router: no account"
    assert price > 0, "fee_router: plan is not sold"
    assert 0 < periods, "fee_router: no periods"
    assert periods <= MAX_PERIODS, "fee_router: too many periods"
    until: uint256 = max(block.timestamp, self.subscribed_until[account][plan])
    until += periods * PERIOD_SECONDS
    self.subscribed_until[account][plan] = until
    self._collect(price * periods)
    log IFeeRouter.Subscribed(
        account=account, plan=plan, payer=msg.sender, amount=price * periods, until=until
    )
    return until


# ------------------------------------------------------------------
#                               VIEWS
# ------------------------------------------------------------------


@view
@external
def audits() -> address:
    return one_shot.target


# ------------------------------------------------------------------
#                              INTERNAL
# ------------------------------------------------------------------


@internal
def _send(to: address, amount: uint256):
    assert extcall IERC20(payment_token).transfer(to, amount, default_return_value=True), (
        "fee_router: transfer failed"
    )


@internal
def _collect(amount: uint256):
    """
    @notice Take dollars of the caller; all of them must arrive.
    """
    before: uint256 = staticcall IERC20(payment_token).balanceOf(self)
    assert extcall IERC20(payment_token).transferFrom(
        msg.sender, self, amount, default_return_value=True
    ), "fee_router: transfer failed"
    held: uint256 = staticcall IERC20(payment_token).balanceOf(self)
    assert held - before == amount, "fee_router: token took a fee"
