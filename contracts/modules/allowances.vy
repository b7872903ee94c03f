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

# Published capacity by day, as far as this transaction has asked for it. That of today and of
# yesterday is fixed: it changes from a next day on only.
published: transient(HashMap[uint256, uint256])


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
def _of_capacity(account: address, day: uint256, bps: uint256) -> uint256:
    """
    @notice Micro-USD that `bps` of the account's capacity allowance are; today or yesterday.
    @dev One division: parts of at most 10,000 bps in all never sum above the whole.
         No overflow: capacity below 2**50, stake below 2**96, bps below 2**14.
    """
    stake: uint256 = 0
    total: uint256 = 0
    stake, total = staticcall IStaking(staking).opening_stake(account, day)
    if stake == 0:
        return 0
    return self._published(day) * stake * bps // (total * BPS)


@view
@internal
def _published(day: uint256) -> uint256:
    known: uint256 = self.published[day]
    if known > 0:
        return known
    return staticcall IEmissionController(emissions).daily_capacity(day)


@internal
def _remember(day: uint256):
    """
    @notice Ask for a day's published capacity once a transaction: bulk collection needs it for
            every channel.
    """
    if self.published[day] == 0:
        self.published[day] = self._published(day)
