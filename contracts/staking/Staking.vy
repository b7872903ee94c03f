# pragma version 0.4.3
# pragma nonreentrancy on
# pragma evm-version cancun
"""
@title Staking of ASSAY: free and locked stake, cooldown tickets, rewards, capacity share
@license AGPL-3.0-only
@notice Stake earns the stakers' part of the emission, pro rata to the whole stake. Free stake
        leaves by ticket: it earns nothing from then on and ripens after the cooldown, each
        ticket by its own clock; a ticket can be staked again at any time. The credit minter
        locks stake behind KARAT: locked stake cannot leave and earns 80 %; the other 20 % is
        never minted, as is what is emitted while nothing is staked.
        Stake as a UTC day begins gives the same part of the network's capacity on that day, so
        that stake which comes and goes within a day gives none.
@dev Rewards are minted when they are drawn, so this contract holds stakes and tickets only. It
     looks at no balance: a donation changes nothing and is lost.
     INVARIANT: balance >= total stake + total tickets; total stake = sum of free + locked.
@custom:kill Nothing stops staking. The deployer names the credit minter once.
"""

from ethereum.ercs import IERC20

from ..interfaces import IEmissionController
from ..interfaces import IStaking
from ..modules import one_shot
from ..modules import stake_book
from ..modules import tickets

implements: IStaking
initializes: one_shot
initializes: stake_book
initializes: tickets


# ------------------------------------------------------------------
#                             CONSTANTS
# ------------------------------------------------------------------

MAX_COOLDOWN_SECONDS: constant(uint256) = 90 * 86_400


# ------------------------------------------------------------------
#                             IMMUTABLES
# ------------------------------------------------------------------

token: public(immutable(address))
emissions: public(immutable(address))


# ------------------------------------------------------------------
#                            CONSTRUCTOR
# ------------------------------------------------------------------


@deploy
def __init__(token_: address, emissions_: address, cooldown_seconds_: uint256):
    """
    @param token_ ASSAY.
    @param emissions_ Its minter; names this contract in turn.
    @param cooldown_seconds_ Delay of a ticket, at most 90 days.
    """
    assert staticcall IEmissionController(emissions_).token() == token_, "staking: other token"
    one_shot.__init__()
    tickets.__init__(cooldown_seconds_, MAX_COOLDOWN_SECONDS)
    token = token_
    emissions = emissions_


@external
def set_minter(minter: address):
    """
    @notice Deployer, once: the credit minter, which locks stake.
    """
    one_shot._set(minter)
    log IStaking.MinterSet(minter=minter)


# ------------------------------------------------------------------
#                              STAKERS
# ------------------------------------------------------------------


@external
def stake(amount: uint256):
    """
    @notice Stake the caller's tokens (approve them first).
    """
    self._stake(msg.sender, amount)


@external
def stake_for(account: address, amount: uint256):
    """
    @notice Stake the caller's tokens in someone's name.
    """
    assert account != empty(address), "staking: no account"
    self._stake(account, amount)


@external
def request_unstake(amount: uint256) -> uint256:
    """
    @notice Take free stake out, at once; the ticket earns nothing and ripens after the cooldown.
    @return The ticket's id, counted per account from 0.
    """
    pool: stake_book.Pool = self._accrued()
    holder: stake_book.Holder = stake_book._settled(msg.sender, pool.accumulator)
    assert amount <= holder.free, "staking: more than the free stake"
    pool.tickets += amount
    stake_book._change(msg.sender, pool, holder, 0, amount)
    ticket_id: uint256 = 0
    ready_at: uint256 = 0
    ticket_id, ready_at = tickets._issue(msg.sender, amount)
    log IStaking.UnstakeRequested(
        account=msg.sender, ticket_id=ticket_id, amount=amount, ready_at=ready_at
    )
    return ticket_id


@external
def cancel_ticket(ticket_id: uint256) -> uint256:
    """
    @notice Stake a ticket's amount again, ripe or not.
    @return The amount.
    """
    amount: uint256 = tickets._cancel(msg.sender, ticket_id)
    pool: stake_book.Pool = self._accrued()
    holder: stake_book.Holder = stake_book._settled(msg.sender, pool.accumulator)
    pool.tickets -= amount
    stake_book._change(msg.sender, pool, holder, amount, 0)
    log IStaking.TicketCancelled(account=msg.sender, ticket_id=ticket_id, amount=amount)
    return amount


@external
def withdraw(ticket_id: uint256) -> uint256:
    """
    @notice Collect a ripe ticket of the caller's.
    @return The amount.
    """
    amount: uint256 = tickets._redeem(msg.sender, ticket_id)
    # The tickets' sum is the upper field, and no smaller than any one of them.
    stake_book.pool_books -= amount << stake_book.SUM_BITS
    assert extcall IERC20(token).transfer(msg.sender, amount), "staking: transfer failed"
    log IStaking.Withdrawn(account=msg.sender, ticket_id=ticket_id, amount=amount)
    return amount


# ------------------------------------------------------------------
#                              REWARDS
# ------------------------------------------------------------------


@external
def claim() -> uint256:
    """
    @notice Mint the caller's rewards to it.
    @return The amount.
    """
    # The total stays, so the pool need not be written: a longer interval, divided once, never
    # gives less than its parts.
    pool: stake_book.Pool = self._accrued()
    holder: stake_book.Holder = stake_book._settled(msg.sender, pool.accumulator)
    amount: uint256 = holder.owed
    holder.owed = 0
    stake_book._store_holder(msg.sender, holder)
    self._reward(msg.sender, msg.sender, amount, False)
    return amount


@external
def compound() -> uint256:
    """
    @notice Mint the caller's rewards and stake them.
    @return The amount.
    """
    pool: stake_book.Pool = self._accrued()
    holder: stake_book.Holder = stake_book._settled(msg.sender, pool.accumulator)
    amount: uint256 = holder.owed
    holder.owed = 0
    stake_book._change(msg.sender, pool, holder, amount, 0)
    self._reward(msg.sender, self, amount, True)
    return amount


# ------------------------------------------------------------------
#                           CREDIT MINTER
# ------------------------------------------------------------------


@external
def lock(account: address, amount: uint256):
    """
    @notice Minter only: turn free stake into locked stake.
    """
    self._check_minter()
    holder: stake_book.Holder = stake_book._settled(account, self._accrued().accumulator)
    assert amount <= holder.free, "staking: more than the free stake"
    holder.free -= amount
    holder.locked += amount
    stake_book._store_holder(account, holder)
    log IStaking.Locked(account=account, amount=amount)


@external
def unlock(account: address, amount: uint256):
    """
    @notice Minter only: turn locked stake into free stake.
    """
    self._check_minter()
    holder: stake_book.Holder = stake_book._settled(account, self._accrued().accumulator)
    assert amount <= holder.locked, "staking: more than the locked stake"
    holder.locked -= amount
    holder.free += amount
    stake_book._store_holder(account, holder)
    log IStaking.Unlocked(account=account, amount=amount)


# ------------------------------------------------------------------
#                               VIEWS
# ------------------------------------------------------------------


@view
@external
def free_of(account: address) -> uint256:
    return stake_book._load_holder(account).free


@view
@external
def locked_of(account: address) -> uint256:
    return stake_book._load_holder(account).locked


@view
@external
def stake_of(account: address) -> uint256:
    """
    @notice Free and locked stake together.
    """
    holder: stake_book.Holder = stake_book._load_holder(account)
    return holder.free + holder.locked


@view
@external
def total_stake() -> uint256:
    return stake_book._load_pool().total


@view
@external
def total_tickets() -> uint256:
    """
    @notice Sum of all open tickets.
    """
    return stake_book._load_pool().tickets


@view
@external
def claimable(account: address) -> uint256:
    """
    @notice What `claim` would mint now.
    """
    numerator: uint256 = staticcall IEmissionController(emissions).staker_numerator()
    pool: stake_book.Pool = stake_book._accrue(stake_book._load_pool(), numerator)
    return stake_book._settled(account, pool.accumulator).owed


@view
@external
def opening_stake(account: address, day: uint256) -> (uint256, uint256):
    """
    @notice The account's stake and the whole stake as a UTC day began: for today and yesterday.
    """
    return stake_book._opening(account, day)


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
def cooldown_seconds() -> uint256:
    return tickets.DELAY_SECONDS


@view
@external
def minter() -> address:
    return one_shot.target


# ------------------------------------------------------------------
#                              INTERNAL
# ------------------------------------------------------------------


@internal
def _stake(account: address, amount: uint256):
    assert amount > 0, "staking: nothing to stake"
    pool: stake_book.Pool = self._accrued()
    holder: stake_book.Holder = stake_book._settled(account, pool.accumulator)
    stake_book._change(account, pool, holder, amount, 0)
    assert extcall IERC20(token).transferFrom(msg.sender, self, amount), (
        "staking: transfer failed"
    )
    log IStaking.Staked(account=account, payer=msg.sender, amount=amount)


@internal
def _reward(account: address, to: address, amount: uint256, compounded: bool):
    if amount == 0:
        return
    extcall IEmissionController(emissions).reward_staker(to, amount)
    log IStaking.RewardClaimed(account=account, amount=amount, compounded=compounded)


@internal
def _accrued() -> stake_book.Pool:
    """
    @return The pool with the emission until now, not written yet.
    @dev SAFETY: called before effects. The controller is fixed at deployment and calls nobody
         from `checkpoint`.
    """
    numerator: uint256 = extcall IEmissionController(emissions).checkpoint()
    return stake_book._accrue(stake_book._load_pool(), numerator)


@view
@internal
def _check_minter():
    assert msg.sender == one_shot.target, "staking: caller is not the minter"
