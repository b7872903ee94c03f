# pragma version 0.4.3
# pragma nonreentrancy on
# pragma evm-version cancun
"""
@title Burn taker: fills the burn auction from a Uniswap V2 pool in one transaction
@license AGPL-3.0-only
@notice Anyone calls `fill` with nothing in hand. The auction hands over its dollars, the pool
        gives ASSAY for them, the auction burns what it is due, and what is left goes to the
        caller. A fill that does not leave `min_profit` reverts as a whole; so a sandwich of
        the swap can take what the caller's limit allows and no more.
        Nothing stays here between calls; what somebody sends here goes to the next caller.
@custom:kill Nothing stops it and nobody owns it. It has no rights in any other contract.
"""

from ethereum.ercs import IERC20

from ..interfaces import IAuctionTaker
from ..interfaces import IBurnAuction

implements: IAuctionTaker


interface IUniswapV2Router:
    def swapExactTokensForTokens(
        amount_in: uint256,
        amount_out_min: uint256,
        path: DynArray[address, 2],
        to: address,
        deadline: uint256,
    ) -> DynArray[uint256, 2]: nonpayable


event Filled:
    caller: indexed(address)
    burned: uint256
    profit: uint256


# ------------------------------------------------------------------
#                             CONSTANTS
# ------------------------------------------------------------------

CONSENT: constant(bytes4) = method_id(
    "auction_taken(address,uint256,uint256,bytes)", output_type=bytes4
)


# ------------------------------------------------------------------
#                            IMMUTABLES
# ------------------------------------------------------------------

auction: public(immutable(address))
router: public(immutable(address))
payment_token: public(immutable(address))
assay: public(immutable(address))


# ------------------------------------------------------------------
#                            CONSTRUCTOR
# ------------------------------------------------------------------


@deploy
def __init__(auction_: address, uniswap_router_: address):
    """
    @param auction_ The burn auction; it names both tokens.
    @param uniswap_router_ UniswapV2Router02, or what swaps as it does.
    """
    assert auction_.is_contract, "burn_taker: auction is not a contract"
    assert uniswap_router_.is_contract, "burn_taker: router is not a contract"
    auction = auction_
    router = uniswap_router_
    payment_token = staticcall IBurnAuction(auction_).payment_token()
    assay = staticcall IBurnAuction(auction_).assay()
    # SAFETY: without limit, since nothing is here to be taken between calls: the router spends
    # for its caller only, the auction from a recipient that consents, which this one does to
    # none but its own call.
    assert extcall IERC20(payment_token).approve(
        uniswap_router_, max_value(uint256), default_return_value=True
    ), "burn_taker: approval failed"
    assert extcall IERC20(assay).approve(auction_, max_value(uint256)), (
        "burn_taker: approval failed"
    )


# ------------------------------------------------------------------
#                               FILL
# ------------------------------------------------------------------


@external
def fill(usd_micro: uint256, min_profit: uint256) -> uint256:
    """
    @notice Buy dollars of the live auction, all that is left if less, with the ASSAY that a
            pool gives for them.
    @param min_profit Least ASSAY wei that must be left for the caller.
    @return The profit in ASSAY wei.
    """
    # The limit is the swap's: auction_taken asks the pool for what is due and the profit.
    burned: uint256 = extcall IBurnAuction(auction).take(
        usd_micro, max_value(uint256), self, abi_encode(min_profit)
    )
    profit: uint256 = staticcall IERC20(assay).balanceOf(self)
    assert extcall IERC20(assay).transfer(msg.sender, profit), "burn_taker: transfer failed"
    log Filled(caller=msg.sender, burned=burned, profit=profit)
    return profit


@external
@reentrant
def auction_taken(
    caller: address, usd_micro: uint256, assay_due: uint256, data: Bytes[1024]
) -> bytes4:
    """
    @notice The auction only, within `fill`: swap the dollars for what is due and the profit.
    @dev SAFETY: reentrant because `fill` holds the lock. The auction reports this contract as
         the caller only while `fill` runs, and its own lock allows one take at a time.
    """
    assert msg.sender == auction, "burn_taker: caller is not the auction"
    assert caller == self, "burn_taker: take is not ours"
    # All that is held, so that what was sent here does not stay.
    dollars: uint256 = staticcall IERC20(payment_token).balanceOf(self)
    extcall IUniswapV2Router(router).swapExactTokensForTokens(
        dollars,
        assay_due + abi_decode(data, uint256),
        [payment_token, assay],
        self,
        block.timestamp,
    )
    return CONSENT
