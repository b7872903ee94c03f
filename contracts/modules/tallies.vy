# pragma version 0.4.3
"""
@title What has been collected of a channel, and its dollars, packed into one word
@license AGPL-3.0-only
@notice Vouchers are collected for today and for yesterday; what went before no longer matters.
        One word, so that a collection writes storage once.

        bits      0  50   credit collected for yesterday, today
                100 144   dollars collected for yesterday, today
                188       the channel's deposit
                232       the UTC day that "today" means
"""

# ------------------------------------------------------------------
#                             CONSTANTS
# ------------------------------------------------------------------

CREDIT_BITS: constant(uint256) = 50
USDC_AT: constant(uint256) = 100
USDC_BITS: constant(uint256) = 44
DEPOSIT_AT: constant(uint256) = 188
STAMP_AT: constant(uint256) = 232

# $1.1 billion of credit, $17.5 million of dollars: what one channel can move in a day. Collection
# stops there, and a deposit is refused above.
MAX_CREDIT: constant(uint256) = 2**50 - 1
MAX_USDC: constant(uint256) = 2**44 - 1


# Places of the two days.
YESTERDAY: constant(uint256) = 0
TODAY: constant(uint256) = 1


@internal
@pure
def _rolled(word: uint256, today: uint256) -> uint256:
    """
    @notice The word as it reads today, whenever it was written.
    """
    stamp: uint256 = word >> STAMP_AT
    if stamp == today:
        return word
    rolled: uint256 = (self._deposit(word) << DEPOSIT_AT) | (today << STAMP_AT)
    if stamp + 1 == today:
        rolled |= self._credit(word, TODAY) | (self._usdc(word, TODAY) << USDC_AT)
    return rolled


@internal
@pure
def _credit(word: uint256, place: uint256) -> uint256:
    return (word >> (CREDIT_BITS * place)) & MAX_CREDIT


@internal
@pure
def _usdc(word: uint256, place: uint256) -> uint256:
    return (word >> (USDC_AT + USDC_BITS * place)) & MAX_USDC


@internal
@pure
def _deposit(word: uint256) -> uint256:
    return (word >> DEPOSIT_AT) & MAX_USDC


@internal
@pure
def _deposited(word: uint256, amount: uint256) -> uint256:
    assert self._deposit(word) + amount <= MAX_USDC, "credit_ledger: deposit too large"
    return word + (amount << DEPOSIT_AT)


@internal
@pure
def _collected(word: uint256, place: uint256, credit: uint256, usdc: uint256) -> uint256:
    """
    @dev INVARIANT: no field passes its bits: channels.vy adds no more than is left to the
         maxima, and usdc is at most the deposit.
    """
    added: uint256 = (credit << (CREDIT_BITS * place)) | (usdc << (USDC_AT + USDC_BITS * place))
    return word + added - (usdc << DEPOSIT_AT)
