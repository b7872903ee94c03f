# pragma version 0.4.3
# pragma nonreentrancy on
# pragma evm-version cancun
"""
@title Burn auction: the protocol's dollars for ASSAY, and the ASSAY burned
@license AGPL-3.0-only
@notice Dollars that arrive here leave only in auctions. Anyone starts one when the last is
        `min_interval_seconds` old; it offers what is held, up to a cap. A dollar's price in
        ASSAY falls from a multiple of what the last auction brought to a floor, and anyone
        takes any part at the price of the moment. What is paid is burned in the same call.
        There is no AMM in here, so there is nothing to sandwich: a taker that fills from a
        pool brings its own limits (BurnTaker). A taker may receive the dollars first and pay
        at the end of the call.
        The next start price is a multiple of the mean over the whole lot, what was not sold
        counted at the floor. So a micro-dollar taken at an absurd price, or left over for the
        last second, moves it by nothing.
        SAFETY: the first auction has no last one and starts at a multiple of the floor; so does
        one after an auction without a take. The owner keeps the floor near the market, so that
        its multiple is above it; a floor above the market sells nothing until it is lowered.
@custom:kill Nothing stops an auction or takes its dollars elsewhere. The owner (the timelock)
        sets bounded parameters while none is live; so nobody's price changes under way.
"""

from ethereum.ercs import IERC20
from snekmate.auth import ownable
from snekmate.utils import math

from ..interfaces import IAuctionTaker
from ..interfaces import IBurnAuction
from ..modules import price_decay

implements: IBurnAuction
initializes: ownable

exports: (ownable.owner, ownable.transfer_ownership, ownable.renounce_ownership)


# The one function of ASSAY that is used: it takes from an allowance and reduces totalSupply.
interface IBurnFrom:
    def burn_from(owner: address, amount: uint256): nonpayable


# ------------------------------------------------------------------
#                             CONSTANTS
# ------------------------------------------------------------------

DOLLAR: constant(uint256) = 10**6
BPS: constant(uint256) = 10_000

MAX_MULTIPLE_BPS: constant(uint256) = 100_000
MAX_CAP_USD_MICRO: constant(uint256) = 10**7 * DOLLAR
MAX_INTERVAL_SECONDS: constant(uint256) = 30 * 86_400

CONSENT: constant(bytes4) = method_id(
    "auction_taken(address,uint256,uint256,bytes)", output_type=bytes4
)


# ------------------------------------------------------------------
#                             IMMUTABLES
# ------------------------------------------------------------------

payment_token: public(immutable(address))
assay: public(immutable(address))


# ------------------------------------------------------------------
#                              STORAGE
# ------------------------------------------------------------------

# Plain words: an auction is taken from a few times a day, packing would not pay for its text.
parameters: public(IBurnAuction.Parameters)

# INVARIANT: left_usd_micro <= balance of dollars, while live.
auction: public(IBurnAuction.Auction)
auction_count: public(uint256)

# First second in which the last auction is over: other parameters do not bring it back.
ends_at: uint256


# ------------------------------------------------------------------
#                            CONSTRUCTOR
# ------------------------------------------------------------------


@deploy
def __init__(
    payment_token_: address, assay_: address, owner_: address, parameters_: IBurnAuction.Parameters
):
    """
    @param payment_token_ What is sold, 6 decimals.
    @param assay_ What is paid and burned, 18 decimals; supply below 2**96.
    @param owner_ Sets the parameters: the timelock.
    """
    assert payment_token_.is_contract, "burn_auction: payment token is not a contract"
    assert assay_.is_contract, "burn_auction: ASSAY is not a contract"
    assert owner_ != empty(address), "burn_auction: no owner"
    ownable.__init__()
    ownable._transfer_ownership(owner_)
    payment_token = payment_token_
    assay = assay_
    self._set_parameters(parameters_)


# ------------------------------------------------------------------
#                               OWNER
# ------------------------------------------------------------------


@external
def set_parameters(parameters: IBurnAuction.Parameters):
    """
    @notice Owner, while no auction is live.
    """
    ownable._check_owner()
    assert not self._is_live(), "burn_auction: an auction is live"
    self._set_parameters(parameters)


# ------------------------------------------------------------------
#                              AUCTION
# ------------------------------------------------------------------


@external
def start() -> uint256:
    """
    @notice Anyone: begin an auction of what is held here, up to the cap.
    @return The lot in micro-USD.
    """
    parameters: IBurnAuction.Parameters = self.parameters
    assert block.timestamp >= self._next_start(), "burn_auction: too early"
    held: uint256 = staticcall IERC20(payment_token).balanceOf(self)
    lot: uint256 = min(held, parameters.cap_usd_micro)
    assert lot >= parameters.min_lot_usd_micro, "burn_auction: lot too small"
    # No overflow, and within price_decay's bounds: a lot is at least a dollar, all ASSAY that
    # can be burned is far below 2**100, so a mean is too, and the multiple is below 2**4.
    price: uint256 = self._last_price() * parameters.start_multiple_bps // BPS
    self.auction_count += 1
    self.auction = IBurnAuction.Auction(
        started_at=block.timestamp,
        start_price=price,
        lot_usd_micro=lot,
        left_usd_micro=lot,
        burned=0,
    )
    self.ends_at = block.timestamp + parameters.duration_seconds
    log IBurnAuction.AuctionStarted(
        number=self.auction_count,
        lot_usd_micro=lot,
        start_price=price,
        ends_at=self.ends_at,
    )
    return lot


@external
def take(usd_micro: uint256, max_assay: uint256, recipient: address, data: Bytes[1024]) -> uint256:
    """
    @notice Buy dollars of the live auction, all that is left if less.
    @param max_assay The most that the payer pays; a price that fell since is the payer's gain.
    @param recipient Gets the dollars; with `data` it is called, and pays.
    @return ASSAY paid.
    """
    assert self._is_live(), "burn_auction: no auction is live"
    taken: uint256 = min(usd_micro, self.auction.left_usd_micro)
    assert taken > 0, "burn_auction: nothing to take"
    price: uint256 = self._price()
    due: uint256 = self._due(taken, price)
    assert due <= max_assay, "burn_auction: price above the limit"
    # Effects before any call: the lot is sold and counted before the dollars move. The lock
    # covers views too, so nobody can read a state in which the ASSAY is still owed.
    self.auction.left_usd_micro -= taken
    self.auction.burned += due
    assert extcall IERC20(payment_token).transfer(recipient, taken, default_return_value=True), (
        "burn_auction: transfer failed"
    )
    payer: address = self._ask(taken, due, recipient, data)
    # INVARIANT: totalSupply falls by exactly what is due; nothing of it passes through here.
    extcall IBurnFrom(assay).burn_from(payer, due)
    log IBurnAuction.Taken(
        number=self.auction_count,
        taker=msg.sender,
        recipient=recipient,
        usd_micro=taken,
        burned=due,
        price=price,
    )
    return due


# ------------------------------------------------------------------
#                               VIEWS
# ------------------------------------------------------------------


@view
@external
def is_live() -> bool:
    return self._is_live()


@view
@external
def price() -> uint256:
    """
    @notice ASSAY wei per dollar of the live auction now; 0 when none is.
    """
    return self._price() if self._is_live() else 0


@view
@external
def quote(usd_micro: uint256) -> uint256:
    """
    @notice ASSAY due now for that many dollars, rounded up; reverts when no auction is live.
    """
    assert self._is_live(), "burn_auction: no auction is live"
    return self._due(usd_micro, self._price())


@view
@external
def next_start() -> uint256:
    """
    @notice The first second in which an auction may start; funds permitting.
    """
    return self._next_start()


@view
@external
def last_price() -> uint256:
    """
    @notice What the last auction brought per dollar of its lot, dollars that it did not sell
            counted at the floor; the floor itself before the first one.
    """
    return self._last_price()


# ------------------------------------------------------------------
#                              INTERNAL
# ------------------------------------------------------------------


@internal
def _set_parameters(parameters: IBurnAuction.Parameters):
    """
    @dev An auction takes at most half of the interval, so that nobody can keep the owner out by
         starting one after another.
    """
    floor_price: uint256 = parameters.floor_price
    assert price_decay.MIN_FLOOR <= floor_price, "burn_auction: floor too low"
    assert floor_price <= price_decay.MAX_FLOOR, "burn_auction: floor too high"
    multiple: uint256 = parameters.start_multiple_bps
    assert price_decay.MIN_MULTIPLE_BPS <= multiple, "burn_auction: multiple too small"
    assert multiple <= MAX_MULTIPLE_BPS, "burn_auction: multiple too large"
    duration: uint256 = parameters.duration_seconds
    assert price_decay.MIN_DURATION_SECONDS <= duration, "burn_auction: duration too short"
    assert duration <= price_decay.MAX_DURATION_SECONDS, "burn_auction: duration too long"
    assert DOLLAR <= parameters.min_lot_usd_micro, "burn_auction: least lot too small"
    assert parameters.min_lot_usd_micro <= parameters.cap_usd_micro, "burn_auction: cap too small"
    assert parameters.cap_usd_micro <= MAX_CAP_USD_MICRO, "burn_auction: cap too large"
    interval: uint256 = parameters.min_interval_seconds
    assert 2 * duration <= interval, "burn_auction: interval too short"
    assert interval <= MAX_INTERVAL_SECONDS, "burn_auction: interval too long"
    self.parameters = parameters
    log IBurnAuction.ParametersSet(parameters=parameters)


@internal
def _ask(taken: uint256, due: uint256, recipient: address, data: Bytes[1024]) -> address:
    """
    @notice Call the recipient if the taker asked for it.
    @return Who pays. A recipient that did not consent never does: anyone can name it.
    """
    if len(data) == 0:
        return msg.sender
    answer: bytes4 = extcall IAuctionTaker(recipient).auction_taken(msg.sender, taken, due, data)
    assert answer == CONSENT, "burn_auction: recipient did not consent"
    return recipient


@view
@internal
def _is_live() -> bool:
    """
    @dev Over when all is sold, and from the second on in which the floor would be reached.
    """
    return self.auction.left_usd_micro > 0 and block.timestamp < self.ends_at


@view
@internal
def _price() -> uint256:
    return price_decay._price(
        self.auction.start_price,
        self.parameters.floor_price,
        self.parameters.duration_seconds,
        block.timestamp - self.auction.started_at,
    )


@pure
@internal
def _due(usd_micro: uint256, price: uint256) -> uint256:
    # Rounded up: one micro-dollar costs at least one wei of ASSAY.
    return math._ceil_div(usd_micro * price, DOLLAR)


@view
@internal
def _last_price() -> uint256:
    """
    @dev One take of a whole lot gives exactly its price: rounding `burned` up added less than
         lot / DOLLAR >= 1, which the division takes away again.
    """
    floor_price: uint256 = self.parameters.floor_price
    lot: uint256 = self.auction.lot_usd_micro
    if lot == 0:
        return floor_price
    unsold: uint256 = self.auction.left_usd_micro * floor_price
    # The floor may have been raised since.
    return max(floor_price, (self.auction.burned * DOLLAR + unsold) // lot)


@view
@internal
def _next_start() -> uint256:
    # Zero before the first auction. Later than its end: the interval is twice the duration.
    started_at: uint256 = self.auction.started_at
    return started_at + self.parameters.min_interval_seconds if started_at > 0 else 0
