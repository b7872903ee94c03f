# pragma version 0.4.3
"""
@title The books of a staking pool: stakes, rewards, openings, in few words of storage
@license AGPL-3.0-only
@notice A pool and a holder are loaded, accrued and settled in memory, changed, and written
        back by their caller; nothing here moves a token.
        Rewards follow one accumulator. That of locked stake is four fifths of it at any time,
        so it is not kept: locked stake is weighed instead.
"""

from . import openings

# ------------------------------------------------------------------
#                             CONSTANTS
# ------------------------------------------------------------------

DAY: constant(uint256) = 86_400
BPS: constant(uint256) = 10_000
SECONDS_PER_YEAR: constant(uint256) = 365 * DAY

LOCKED_BPS: constant(uint256) = 8_000

# Less stake than one ASSAY shares as if it were one: a lone wei does not take everything.
MIN_TOTAL: constant(uint256) = 10**18

# The accumulator counts numerators of the schedule (wei x seconds / year x bps) for a wei of
# stake, times 2^60. A wei of reward is this much of accumulator x wei x bps.
PRECISION_BITS: constant(uint256) = 60
REWARD_SCALE: constant(uint256) = 2**60 * SECONDS_PER_YEAR * BPS * BPS

# Fields of the packed words. No stake reaches 2^96 wei, 79 billion ASSAY: checked.
# The schedule's numerators stay below 2^137 (schedule.vy), so the accumulator, numerators x 2^60
# over at least 10^18, stays below 2^138.
STAKE_BITS: constant(uint256) = 96
STAKE_MASK: constant(uint256) = 2**96 - 1
SUM_BITS: constant(uint256) = 140
SUM_MASK: constant(uint256) = 2**140 - 1


struct Pool:
    accumulator: uint256
    total: uint256
    # Of the last change of `total`.
    day: uint256
    # The schedule's numerator that the accumulator has seen.
    numerator: uint256
    tickets: uint256


struct Holder:
    free: uint256
    # The accumulator up to which `owed` is counted.
    paid: uint256
    # Of the last change of free + locked.
    day: uint256
    locked: uint256
    owed: uint256


# ------------------------------------------------------------------
#                              STORAGE
# ------------------------------------------------------------------

# accumulator 140 bits, total 96, day 20 | numerator 140, tickets 96.
pool_stake: uint256
pool_books: uint256

# paid 140 bits, free + locked 96, day 20 | locked 96, owed 160. A new staker writes the first word
# only, and an opening is read from it alone.
holder_stake: HashMap[address, uint256]
holder_books: HashMap[address, uint256]

# Words of openings.vy: free + locked of an account, and the total.
holder_opening: HashMap[address, uint256]
pool_opening: uint256


# ------------------------------------------------------------------
#                              REWARDS
# ------------------------------------------------------------------


@pure
@internal
def _accrue(pool: Pool, numerator: uint256) -> Pool:
    accrued: Pool = pool
    accrued.numerator = numerator
    # INVARIANT: rounded down here and when rewarded, rewards add up to no more than the emission.
    # Here all stakers together lose less than a wei, for total < 2^96 is less than
    # 2^60 x SECONDS_PER_YEAR x BPS. While nothing is staked, what moves is nobody's.
    emitted: uint256 = numerator - pool.numerator
    accrued.accumulator += (emitted << PRECISION_BITS) // max(pool.total, MIN_TOTAL)
    return accrued


@view
@internal
def _settled(account: address, accumulator: uint256) -> Holder:
    """
    @return The holder with its rewards until now, not written yet.
    """
    holder: Holder = self._load_holder(account)
    # weight < 2^96 x 2^14, accumulator < 2^138.
    weight: uint256 = holder.free * BPS + holder.locked * LOCKED_BPS
    holder.owed += weight * (accumulator - holder.paid) // REWARD_SCALE
    holder.paid = accumulator
    return holder


@internal
def _change(account: address, pool: Pool, holder: Holder, added: uint256, removed: uint256):
    """
    @notice Write an accrued pool and a settled holder with another free stake.
    """
    today: uint256 = block.timestamp // DAY
    if pool.day != today:
        self.pool_opening = openings._rolled(self.pool_opening, pool.day, pool.total)
    if holder.day != today:
        self.holder_opening[account] = openings._rolled(
            self.holder_opening[account], holder.day, holder.free + holder.locked
        )
    changed_pool: Pool = pool
    changed_pool.total = pool.total + added - removed
    changed_pool.day = today
    self._store_pool(changed_pool)
    changed: Holder = holder
    changed.free = holder.free + added - removed
    changed.day = today
    self._store_holder(account, changed)


@view
@internal
def _opening(account: address, day: uint256) -> (uint256, uint256):
    """
    @return The account's stake and the whole stake as the day began. Vouchers are collected by
            it: of an account that has not moved since, it reads one word.
    """
    openings._check(day)
    word: uint256 = self.holder_stake[account]
    changed: uint256 = word >> (SUM_BITS + STAKE_BITS)
    staked: uint256 = 0
    if changed < day:
        staked = (word >> SUM_BITS) & STAKE_MASK
    else:
        staked = openings._kept(self.holder_opening[account], changed, day)
    word = self.pool_stake
    changed = word >> (SUM_BITS + STAKE_BITS)
    if changed < day:
        return staked, (word >> SUM_BITS) & STAKE_MASK
    return staked, openings._kept(self.pool_opening, changed, day)


# ------------------------------------------------------------------
#                               WORDS
# ------------------------------------------------------------------


@view
@internal
def _load_pool() -> Pool:
    word: uint256 = self.pool_stake
    books: uint256 = self.pool_books
    return Pool(
        accumulator=word & SUM_MASK,
        total=(word >> SUM_BITS) & STAKE_MASK,
        day=word >> (SUM_BITS + STAKE_BITS),
        numerator=books & SUM_MASK,
        tickets=books >> SUM_BITS,
    )


@internal
def _store_pool(pool: Pool):
    # No holder's stake, and no ticket once staked, exceeds the total: one check for all.
    assert pool.total <= STAKE_MASK, "staking: too much stake"
    self.pool_stake = (
        pool.accumulator | (pool.total << SUM_BITS) | (pool.day << (SUM_BITS + STAKE_BITS))
    )
    self.pool_books = pool.numerator | (pool.tickets << SUM_BITS)


@view
@internal
def _load_holder(account: address) -> Holder:
    word: uint256 = self.holder_stake[account]
    books: uint256 = self.holder_books[account]
    locked: uint256 = books & STAKE_MASK
    return Holder(
        free=((word >> SUM_BITS) & STAKE_MASK) - locked,
        paid=word & SUM_MASK,
        day=word >> (SUM_BITS + STAKE_BITS),
        locked=locked,
        owed=books >> STAKE_BITS,
    )


@internal
def _store_holder(account: address, holder: Holder):
    staked: uint256 = holder.free + holder.locked
    self.holder_stake[account] = (
        holder.paid | (staked << SUM_BITS) | (holder.day << (SUM_BITS + STAKE_BITS))
    )
    self.holder_books[account] = holder.locked | (holder.owed << STAKE_BITS)
