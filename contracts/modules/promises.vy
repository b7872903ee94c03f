# pragma version 0.4.3
"""
@title What a channel promises a day, and what an owner's channels promise together, in words
@license AGPL-3.0-only
@notice The terms of a channel: session key, parts of KARAT and of capacity, in one word, with the
        first day on which they hold and the last day that can be collected. Terms that have
        passed, or that hold for today only, are kept in words of the same form.

        bits   0  session key          160   capacity, bps
             174  KARAT, micro-USD     220   last day
             238  since

        The sums over an owner's channels: today's, and those from tomorrow on.

        bits   0   64  KARAT of today, later
             128  144  capacity of today, later
             160       the UTC day that "today" means
"""

# ------------------------------------------------------------------
#                             CONSTANTS
# ------------------------------------------------------------------

MAX_KEY: constant(uint256) = 2**160 - 1

BPS_AT: constant(uint256) = 160
MAX_BPS: constant(uint256) = 2**14 - 1

# $70 million a day.
KARAT_AT: constant(uint256) = 174
MAX_KARAT: constant(uint256) = 2**46 - 1

# Until the year 2687.
LAST_DAY_AT: constant(uint256) = 220
SINCE_AT: constant(uint256) = 238
MAX_DAY: constant(uint256) = 2**18 - 1

# What is promised, without the days.
VALUES: constant(uint256) = 2**220 - 1

# An owner's sums: those of KARAT are bounded by its stake, those of capacity by 10,000.
SUM_BITS: constant(uint256) = 64
MAX_SUM: constant(uint256) = 2**64 - 1
BPS_SUM_AT: constant(uint256) = 128
BPS_SUM_BITS: constant(uint256) = 16
MAX_BPS_SUM: constant(uint256) = 2**16 - 1
SUMS_DAY_AT: constant(uint256) = 160


# Of today, and from tomorrow on.
struct Sums:
    karat: uint256[2]
    bps: uint256[2]


# ------------------------------------------------------------------
#                               TERMS
# ------------------------------------------------------------------


@internal
@pure
def _pack(karat_micro: uint256, capacity_bps: uint256, key: address) -> uint256:
    """
    @dev The caller has checked that karat_micro <= MAX_KARAT, capacity_bps <= 10,000.
    """
    return (karat_micro << KARAT_AT) | (capacity_bps << BPS_AT) | convert(key, uint256)


@internal
@pure
def _dated(terms: uint256, since: uint256, last_day: uint256) -> uint256:
    return terms | (since << SINCE_AT) | (last_day << LAST_DAY_AT)


@internal
@pure
def _key(terms: uint256) -> address:
    return convert(terms & MAX_KEY, address)


@internal
@pure
def _bps(terms: uint256) -> uint256:
    return (terms >> BPS_AT) & MAX_BPS


@internal
@pure
def _karat(terms: uint256) -> uint256:
    return (terms >> KARAT_AT) & MAX_KARAT


@internal
@pure
def _last_day(terms: uint256) -> uint256:
    return (terms >> LAST_DAY_AT) & MAX_DAY


@internal
@pure
def _since(terms: uint256) -> uint256:
    return terms >> SINCE_AT


@internal
@pure
def _risen(todays: uint256, new: uint256) -> uint256:
    """
    @notice Today's terms after a change: what rises, and a first key, hold at once.
    """
    key: address = self._key(todays)
    if key == empty(address):
        key = self._key(new)
    return self._pack(
        max(self._karat(todays), self._karat(new)), max(self._bps(todays), self._bps(new)), key
    )


# ------------------------------------------------------------------
#                               SUMS
# ------------------------------------------------------------------


@internal
@pure
def _sums(word: uint256, today: uint256) -> Sums:
    later: uint256 = (word >> SUM_BITS) & MAX_SUM
    bps_later: uint256 = (word >> (BPS_SUM_AT + BPS_SUM_BITS)) & MAX_BPS_SUM
    if today > word >> SUMS_DAY_AT:
        return Sums(karat=[later, later], bps=[bps_later, bps_later])
    return Sums(
        karat=[word & MAX_SUM, later], bps=[(word >> BPS_SUM_AT) & MAX_BPS_SUM, bps_later]
    )


@internal
@pure
def _pack_sums(sums: Sums, today: uint256) -> uint256:
    """
    @dev INVARIANT: a sum of KARAT is at most what is staked, 10**6 / 10**18 of a token amount;
         no more is ever minted than the curve can price, and 2**64 micro-USD are far above.
    """
    assert max(sums.karat[0], sums.karat[1]) <= MAX_SUM, "credit_ledger: promises too large"
    return (
        sums.karat[0]
        | (sums.karat[1] << SUM_BITS)
        | (sums.bps[0] << BPS_SUM_AT)
        | (sums.bps[1] << (BPS_SUM_AT + BPS_SUM_BITS))
        | (today << SUMS_DAY_AT)
    )


@internal
@pure
def _replaced(sums: Sums, old: uint256[2], new: uint256[2]) -> Sums:
    """
    @notice An owner's sums with the terms of one channel, today's and later, replaced.
    """
    result: Sums = sums
    for index: uint256 in range(2):
        result.karat[index] += self._karat(new[index])
        result.karat[index] -= self._karat(old[index])
        result.bps[index] += self._bps(new[index])
        result.bps[index] -= self._bps(old[index])
    return result
