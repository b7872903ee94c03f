# pragma version 0.4.3
# pragma nonreentrancy on
# pragma evm-version cancun
"""
@title Emissions: a staged yearly schedule, divided between stakers and providers
@license AGPL-3.0-only
@notice The only minter of ASSAY. Every second emits rate / year; utilisation divides it. At the
        first call of a UTC day the stakers' share of that day is fixed from the work of the
        seven days before it: no burst moves the day that it happens on. Stakers draw their
        part through the staking contract. Providers divide the rest of a day by the credit
        that their finalised claims really spent that day.
        What nobody can draw is never minted: emission while nothing is staked, days without
        work, and what the least denominator of a quiet day leaves.
        The owner lowers rates, and sets capacity and split from the next day on, within bounds.
@dev Amounts along the schedule are numerators: rate x seconds, times basis points for a share.
     The one division, by SCALE, is made when tokens are minted, so sums over any division of
     time meet exactly. Widths: rates are below 2^87, times below 2^36, shares below 2^14.
@custom:kill Nothing stops emission. The owner may lower every rate to zero.
"""

from snekmate.auth import ownable

from ..interfaces import IAssayToken
from ..interfaces import IEmissionController
from ..modules import capacity
from ..modules import emission_book
from ..modules import one_shot
from ..modules import schedule
from ..modules import split

implements: IEmissionController
initializes: capacity
initializes: emission_book[capacity := capacity, schedule := schedule, split := split]
initializes: one_shot
initializes: ownable
initializes: schedule
initializes: split

# The owner's hand-over; nothing of ownable is withheld.
exports: (
    ownable.owner,
    ownable.renounce_ownership,
    ownable.transfer_ownership,
)


# ------------------------------------------------------------------
#                             CONSTANTS
# ------------------------------------------------------------------

DAY: constant(uint256) = 86_400
BPS: constant(uint256) = 10_000
SECONDS_PER_YEAR: constant(uint256) = 365 * DAY
SCALE: constant(uint256) = SECONDS_PER_YEAR * BPS

# A day's pool is divided by no less work than this part of the day's capacity: one micro-dollar
# of work on a quiet day must not take all of it.
MIN_USED_BPS: constant(uint256) = 100

MAX_DAYS: constant(uint256) = 64


# ------------------------------------------------------------------
#                             IMMUTABLES
# ------------------------------------------------------------------

token: public(immutable(address))


# ------------------------------------------------------------------
#                              STORAGE
# ------------------------------------------------------------------

# INVARIANT: (minted_to_stakers + minted_to_providers) x SCALE <= all emission until now x BPS.
minted_to_stakers: public(uint256)
minted_to_providers: public(uint256)

# Work recorded and not yet rewarded, in micro-USD.
work_of: public(HashMap[address, HashMap[uint256, uint256]])

ledger: public(address)


# ------------------------------------------------------------------
#                            CONSTRUCTOR
# ------------------------------------------------------------------


@deploy
def __init__(
    token_: address,
    owner_: address,
    stages_: DynArray[IEmissionController.Stage, schedule.MAX_STAGES],
    corners_: DynArray[IEmissionController.Corner, split.MAX_CORNERS],
    daily_capacity_usd_micro_: uint256,
):
    """
    @param token_ ASSAY, which will name this contract its minter.
    @param owner_ The timelock.
    @param stages_ Starts rise; what lies before the deployment is not emitted.
    @param corners_ The split, from the first day on.
    @param daily_capacity_usd_micro_ From the first day on.
    """
    assert token_.is_contract, "emissions: token is not a contract"
    assert owner_ != empty(address), "emissions: no owner"
    ownable.__init__()
    ownable._transfer_ownership(owner_)
    one_shot.__init__()
    schedule.__init__(stages_)
    capacity.__init__(daily_capacity_usd_micro_)
    split._set(corners_)
    emission_book.__init__()
    token = token_


@external
def set_links(staking: address, ledger: address):
    """
    @notice Deployer, once: who draws the stakers' rewards, and who records work.
    """
    one_shot._set(staking)
    assert ledger.is_contract, "emissions: ledger is not a contract"
    self.ledger = ledger
    log IEmissionController.LinksSet(staking=staking, ledger=ledger)


# ------------------------------------------------------------------
#                              STAKERS
# ------------------------------------------------------------------


@external
def checkpoint() -> uint256:
    """
    @notice Anyone: bring the books up to now. Writes at the first call of a day only.
    @return `staker_numerator()`.
    """
    emission_book._roll()
    return emission_book._staker_numerator()


@external
def reward_staker(account: address, amount: uint256):
    """
    @notice Staking only: mint a staker's reward. Reverts above what the stakers' part allows.
    """
    assert msg.sender == one_shot.target, "emissions: caller is not the staking contract"
    minted: uint256 = self.minted_to_stakers + amount
    # INVARIANT: stakers never draw more than their part, whatever the staking contract asks.
    part: uint256 = emission_book._staker_numerator()
    assert minted <= part // SCALE, "emissions: above the stakers' part"
    self.minted_to_stakers = minted
    extcall IAssayToken(token).mint(account, amount)
    log IEmissionController.StakersRewarded(account=account, amount=amount)


# ------------------------------------------------------------------
#                             PROVIDERS
# ------------------------------------------------------------------


@external
def record_work(provider: address, amount_usd_micro: uint256):
    """
    @notice Ledger only: credit that a finalised claim has really spent.
    """
    assert msg.sender == self.ledger, "emissions: caller is not the ledger"
    emission_book._roll()
    today: uint256 = block.timestamp // DAY
    emission_book._add_work(today, amount_usd_micro)
    self.work_of[provider][today] += amount_usd_micro
    log IEmissionController.WorkRecorded(
        provider=provider, day=today, amount_usd_micro=amount_usd_micro
    )


@external
def reward_work(provider: address, days: DynArray[uint256, MAX_DAYS]) -> uint256:
    """
    @notice Anyone, for days that are over: mint a provider its part of each. A day that has
            been rewarded, or without work, yields 0.
    @return The amount.
    """
    emission_book._roll()
    amount: uint256 = 0
    for day: uint256 in days:
        assert day < block.timestamp // DAY, "emissions: day is not over"
        amount += self._take_work_reward(provider, day)
    if amount > 0:
        self._mint_to_provider(provider, amount)
    return amount


@view
@external
def work_reward(provider: address, day: uint256) -> uint256:
    """
    @notice What `reward_work` would mint for one day; while the day lasts, what it would be
            if the day ended now.
    """
    return self._work_reward(provider, day)


# ------------------------------------------------------------------
#                               OWNER
# ------------------------------------------------------------------


@external
def lower_rate(stage: uint256, rate_per_year: uint256):
    """
    @notice Owner: lower the rate of a stage that is not over, from now on.
    """
    ownable._check_owner()
    emission_book._roll()
    emission_book._close_until_now()
    old_rate_per_year: uint256 = schedule._lower(stage, rate_per_year)
    log IEmissionController.RateLowered(
        stage=stage, old_rate_per_year=old_rate_per_year, new_rate_per_year=rate_per_year
    )


@external
def set_daily_capacity(capacity_usd_micro: uint256):
    """
    @notice Owner: what the network can serve in a day, at reference prices; from the next day
            on. At most doubled or halved at a time, once in two days.
    """
    ownable._check_owner()
    emission_book._roll()
    from_day: uint256 = capacity._set(capacity_usd_micro)
    log IEmissionController.DailyCapacitySet(
        from_day=from_day, capacity_usd_micro=capacity_usd_micro
    )


@external
def set_split(corners: DynArray[IEmissionController.Corner, split.MAX_CORNERS]):
    """
    @notice Owner: the stakers' share over utilisation, piecewise linear, never rising; from the
            next day on. First corner at 0, last at 10,000 bps.
    """
    ownable._check_owner()
    # Today's share is in the head from here on: the new corners set tomorrow's.
    emission_book._roll()
    split._set(corners)
    log IEmissionController.SplitSet(from_day=block.timestamp // DAY + 1, corners=corners)


# ------------------------------------------------------------------
#                               VIEWS
# ------------------------------------------------------------------


@view
@external
def staker_numerator() -> uint256:
    """
    @notice The stakers' part of the schedule from its beginning until now:
            sum of rate_per_year x seconds x stakers_bps. Never falls.
    """
    return emission_book._staker_numerator()


@view
@external
def emitted() -> uint256:
    """
    @notice All emission until now: sum of rate_per_year x seconds, at the rates of their time.
    """
    return emission_book._closed(emission_book._rolled(), block.timestamp).total


@view
@external
def scheduled(begin: uint256, end: uint256) -> uint256:
    """
    @notice Sum of rate_per_year x seconds at the rates of now: of time that is past, before a
            rate was lowered, `emitted` knows better.
    """
    amount: uint256 = 0
    stage: uint256 = 0
    amount, stage = schedule._integral(0, begin, end)
    return amount


@view
@external
def stage(index: uint256) -> IEmissionController.Stage:
    return schedule._stage(index)


@view
@external
def stage_count() -> uint256:
    return schedule.count


@view
@external
def corners() -> DynArray[IEmissionController.Corner, split.MAX_CORNERS]:
    """
    @notice The corners that set the next day's share.
    """
    return split._corners()


@view
@external
def daily_capacity(day: uint256) -> uint256:
    """
    @notice Published capacity of a day in micro-USD: right for yesterday, today and later.
    """
    return capacity._on(day)


@view
@external
def used_bps(day: uint256) -> uint256:
    """
    @notice Utilisation that sets a day's split: the mean over the seven days before it of
            min(work / capacity, 1). Of today, and of days with work.
    """
    return emission_book._day(day).used_bps


@view
@external
def stakers_bps(day: uint256) -> uint256:
    """
    @notice The stakers' share of today's emission, or of a day's with work.
    """
    return emission_book._day(day).stakers_bps


@view
@external
def work(day: uint256) -> uint256:
    return emission_book._work(day)


@view
@external
def pool(day: uint256) -> uint256:
    """
    @notice Numerator of the providers' part of a day's emission until now (or its end); of
            today, and of days with work.
    """
    return emission_book._pool(emission_book._day(day))


@view
@external
def staking() -> address:
    return one_shot.target


# ------------------------------------------------------------------
#                              INTERNAL
# ------------------------------------------------------------------


@view
@internal
def _work_reward(provider: address, day: uint256) -> uint256:
    """
    @dev INVARIANT: the denominator is no less than the day's whole work, so the rewards of a
         day, rounded down, add up to its pool at most. It rounds up, and is not zero: a
         hundredth of the least capacity is 10,000. pool < 2^118, work < 2^64.
    """
    work: uint256 = self.work_of[provider][day]
    if work == 0:
        return 0
    record: emission_book.Day = emission_book._day(day)
    used_bps: uint256 = max(record.used_bps, MIN_USED_BPS)
    least: uint256 = (used_bps * record.capacity + BPS - 1) // BPS
    return emission_book._pool(record) * work // (max(record.work, least) * SCALE)


@internal
def _take_work_reward(provider: address, day: uint256) -> uint256:
    amount: uint256 = self._work_reward(provider, day)
    if amount > 0:
        self.work_of[provider][day] = 0
        log IEmissionController.WorkRewarded(provider=provider, day=day, amount=amount)
    return amount


@internal
def _mint_to_provider(provider: address, amount: uint256):
    minted: uint256 = self.minted_to_providers + amount
    head: emission_book.Head = emission_book._load()
    # INVARIANT: providers never draw more than what stakers do not get.
    part: uint256 = head.total * BPS - head.staker_numerator
    assert minted <= part // SCALE, "emissions: above the providers' part"
    self.minted_to_providers = minted
    extcall IAssayToken(token).mint(provider, amount)
