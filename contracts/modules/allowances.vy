# pragma version 0.4.3
"""
@title Daily allowances: what an account may spend of the network on one UTC day
@license AGPL-3.0-only
@notice KARAT: a dollar for each one staked. Capacity: of the network's published capacity the
        share that the account had of the whole stake when the day began, so stake that comes
        and goes within a day gives none. Both round down.
"""

from ..interfaces import IEmissionController
from ..interfaces import IKaratToken
from ..interfaces import IStaking

# ------------------------------------------------------------------
#                             CONSTANTS
# ------------------------------------------------------------------

DAY: constant(uint256) = 86_400
BPS: constant(uint256) = 10_000

# 10**18 KARAT wei make 10**6 micro-USD.
KARAT_WEI_PER_MICRO: constant(uint256) = 10**12


# ------------------------------------------------------------------
#                             IMMUTABLES
# ------------------------------------------------------------------

karat: public(immutable(address))
staking: public(immutable(address))
emissions: public(immutable(address))


# ------------------------------------------------------------------
#                              STORAGE
# ------------------------------------------------------------------

# Published capacity of today and yesterday, by the day's parity, as far as this transaction has
# asked for it. It is fixed: it changes from a next day on only.
published: transient(uint256[2])


# ------------------------------------------------------------------
#                            CONSTRUCTOR
# ------------------------------------------------------------------


@deploy
def __init__(karat_: address, staking_: address, emissions_: address):
    assert karat_.is_contract, "credit_ledger: KARAT is not a contract"
    assert staking_.is_contract, "credit_ledger: staking is not a contract"
    assert emissions_.is_contract, "credit_ledger: emissions is not a contract"
    karat = karat_
    staking = staking_
    emissions = emissions_


# ------------------------------------------------------------------
#                              INTERNAL
# ------------------------------------------------------------------


@view
@internal
def _today() -> uint256:
    return block.timestamp // DAY


@view
@internal
def _of_karat(account: address) -> uint256:
    """
    @notice Micro-USD a day for what the account has staked now.
    """
    return staticcall IKaratToken(karat).staked_of(account) // KARAT_WEI_PER_MICRO


@view
@internal
def _of_capacity(
    account: address, day: uint256, bps: uint256, published: uint256
) -> uint256:
    """
    @notice Micro-USD that `bps` of the account's capacity allowance are; today or yesterday.
    @param published The whole network's capacity of that day.
    @dev One division: parts of at most 10,000 bps in all never sum above the whole.
         No overflow: capacity below 2**50, stake below 2**96, bps below 2**14.
    """
    stake: uint256 = 0
    total: uint256 = 0
    stake, total = staticcall IStaking(staking).opening_stake(account, day)
    if stake == 0:
        return 0
    return published * stake * bps // (total * BPS)


@view
@internal
def _published(day: uint256) -> uint256:
    return staticcall IEmissionController(emissions).daily_capacity(day)


@internal
def _remembered(day: uint256) -> uint256:
    """
    @notice Today's or yesterday's published capacity, asked for once a transaction: bulk
            collection needs it for every channel.
    """
    known: uint256 = self.published[day % 2]
    if known == 0:
        known = self._published(day)
        self.published[day % 2] = known
    return known
