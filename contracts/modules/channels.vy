# pragma version 0.4.3
"""
@title Channels: an owner's standing promises to payees, and what payees have collected of them
@license AGPL-3.0-only
@notice A channel promises its payee, per UTC day, a part of the owner's KARAT allowance and of
        its capacity allowance, and behind them dollars of its own. A promise is made once and
        holds until the owner changes it; a change never takes back what a payee may already
        have served for: promises and keys change at midnight, an expiry comes near by a day at
        most, and the day of expiry can be collected whole, until the end of the next.
        The credit that a payee collects belongs to one day and is credited by the ledger.
"""

from ..interfaces import ICreditLedger
from . import allowances
from . import promises
from . import tallies
from . import vouchers

uses: allowances
uses: vouchers


# ------------------------------------------------------------------
#                             CONSTANTS
# ------------------------------------------------------------------

DAY: constant(uint256) = 86_400
BPS: constant(uint256) = 10_000

# Why a voucher is not collected.
NO_FAULT: constant(uint256) = 0
OTHER_PAYEE: constant(uint256) = 1
WRONG_DAY: constant(uint256) = 2
NO_CHANNEL: constant(uint256) = 3
STALE: constant(uint256) = 4
WRONG_SIGNATURE: constant(uint256) = 5
EXHAUSTED: constant(uint256) = 6


# ------------------------------------------------------------------
#                              STORAGE
# ------------------------------------------------------------------

# Words of promises.vy and tallies.vy. `terms[0]` holds from its first day on, `terms[1]` held on
# the day before that, `terms[2]` on the day before that.
# INVARIANT: its first day is tomorrow at the latest, so these know yesterday and today.
struct Record:
    terms: uint256[3]
    tally: uint256


# By channel id.
record: HashMap[bytes32, Record]

# Sums over the terms of an owner's channels.
# INVARIANT: today's and later sums are at most the owner's KARAT allowance, and 10,000 bps. They
# are checked when a promise rises; staked KARAT that is promised cannot be unstaked.
committed: HashMap[address, uint256]


@pure
@internal
def _id(owner: address, payee: address) -> bytes32:
    return keccak256(abi_encode(owner, payee))


# ------------------------------------------------------------------
#                            OWNERS' SIDE
# ------------------------------------------------------------------


@internal
def _set(owner: address, payee: address, wanted: ICreditLedger.Channel) -> ICreditLedger.Channel:
    """
    @param wanted With the dollars that are added for a deposit.
    @return The channel as it is now set.
    """
    assert payee != empty(address), "credit_ledger: no payee"
    today: uint256 = allowances._today()
    id: bytes32 = self._id(owner, payee)
    self._set_terms(owner, id, wanted, today)
    tally: uint256 = tallies._rolled(self.record[id].tally, today)
    self.record[id].tally = tallies._deposited(tally, wanted.deposit)
    return self._channel(id)


@internal
def _set_terms(owner: address, id: bytes32, wanted: ICreditLedger.Channel, today: uint256):
    """
    @dev SAFETY: a lost session key signs until midnight, for no more than the channel's day and
         dollars.
    """
    assert wanted.karat_micro <= promises.MAX_KARAT, "credit_ledger: KARAT promised already"
    assert wanted.capacity_bps <= BPS, "credit_ledger: capacity promised already"
    last_day: uint256 = self._checked_expiry(id, wanted.expires_at, today)
    yesterdays: uint256 = self._terms(id, today - 1)
    old: uint256[2] = [self._terms(id, today), self._terms(id, today + 1)]
    later: uint256 = promises._pack(wanted.karat_micro, wanted.capacity_bps, wanted.session_key)
    todays: uint256 = promises._risen(old[0], later)
    self._commit(owner, old, [todays, later], today)
    if todays == later:
        later = promises._dated(later, today, last_day)
        self.record[id].terms = [later, yesterdays, 0]
    else:
        later = promises._dated(later, today + 1, last_day)
        self.record[id].terms = [later, todays, yesterdays]


@internal
def _commit(owner: address, old: uint256[2], new: uint256[2], today: uint256):
    """
    @notice Replace the terms of one channel, today's and later, in its owner's sums.
    """
    sums: promises.Sums = promises._sums(self.committed[owner], today)
    sums = promises._replaced(sums, old, new)
    # What does not rise needs no room: who has too little may still promise less. Later sums
    # are at most today's.
    if promises._karat(new[0]) > promises._karat(old[0]):
        assert sums.karat[0] <= allowances._of_karat(owner), (
            "credit_ledger: KARAT promised already"
        )
    assert sums.bps[0] <= BPS, "credit_ledger: capacity promised already"
    self.committed[owner] = promises._pack_sums(sums, today)


@view
@internal
def _checked_expiry(id: bytes32, expires_at: uint256, today: uint256) -> uint256:
    """
    @return The last day that can be collected.
    """
    last_day: uint256 = expires_at // DAY
    assert expires_at > block.timestamp, "credit_ledger: expiry is past"
    assert last_day <= promises.MAX_DAY, "credit_ledger: expiry too far"
    # No channel at all had its last day on day 0.
    assert last_day >= min(promises._last_day(self.record[id].terms[0]), today + 1), (
        "credit_ledger: expiry too near"
    )
    return last_day


@internal
def _close(owner: address, payee: address) -> uint256:
    """
    @notice End a channel of which nothing can be collected any more.
    @return Its dollars.
    @dev Nothing was collected for today or yesterday, which come after the last day: a new
         channel starts from nothing, and takes nothing twice.
    """
    today: uint256 = allowances._today()
    id: bytes32 = self._id(owner, payee)
    terms: uint256 = self.record[id].terms[0]
    assert terms != 0, "credit_ledger: no such channel"
    # The last day is collected until the end of the next.
    assert today > promises._last_day(terms) + 1, "credit_ledger: channel is in use"
    self._commit(owner, [self._terms(id, today), terms], [0, 0], today)
    returned: uint256 = tallies._deposit(self.record[id].tally)
    self.record[id] = empty(Record)
    return returned


# ------------------------------------------------------------------
#                            PAYEES' SIDE
# ------------------------------------------------------------------


@internal
def _collect(
    signed: ICreditLedger.SignedVoucher, payee: address, today: uint256
) -> (uint256, uint256, uint256):
    """
    @notice Collect what a voucher is good for. Never reverts: bulk collection skips faults.
    @return The fault, the credit and the dollars.
    """
    voucher: ICreditLedger.Voucher = signed.voucher
    if voucher.payee != payee:
        return OTHER_PAYEE, 0, 0
    if voucher.day != today and voucher.day != today - 1:
        return WRONG_DAY, 0, 0
    id: bytes32 = self._id(voucher.owner, payee)
    terms: uint256 = self.record[id].terms[0]
    # No channel at all had its last day on day 0.
    if voucher.day > promises._last_day(terms):
        return NO_CHANNEL, 0, 0
    if voucher.day < promises._since(terms):
        terms = self._terms(id, voucher.day)
    tally: uint256 = tallies._rolled(self.record[id].tally, today)
    # INVARIANT: the day is today or yesterday; and below, what is due was just compared.
    place: uint256 = unsafe_sub(unsafe_add(voucher.day, 1), today)
    credit: uint256 = tallies._credit(tally, place)
    usdc: uint256 = tallies._usdc(tally, place)
    if voucher.cumulative <= credit + usdc:
        return STALE, 0, 0
    # Who is owner, payee and caller in one signs nothing.
    if voucher.owner != payee or payee != msg.sender:
        if not vouchers._is_signed(signed, promises._key(terms)):
            return WRONG_SIGNATURE, 0, 0
    # Credit first, then dollars, as far as they go.
    due: uint256 = unsafe_sub(voucher.cumulative, credit + usdc)
    credit = self._credit_for(voucher, terms, credit, due)
    if due == credit:
        usdc = 0
    else:
        usdc = min(due - credit, min(tallies._deposit(tally), tallies.MAX_USDC - usdc))
    if credit + usdc == 0:
        return EXHAUSTED, 0, 0
    self.record[id].tally = tallies._collected(tally, place, credit, usdc)
    log ICreditLedger.Collected(
        owner=voucher.owner, payee=payee, day=voucher.day, credit=credit, usdc=usdc
    )
    return NO_FAULT, credit, usdc


@internal
def _credit_for(
    voucher: ICreditLedger.Voucher, terms: uint256, collected: uint256, due: uint256
) -> uint256:
    """
    @notice The part of `due` that credit pays: KARAT first, then capacity.
    """
    limit: uint256 = promises._karat(terms)
    # Capacity is asked for only when KARAT does not reach: it costs a call.
    if collected + due > limit and promises._bps(terms) > 0:
        published: uint256 = allowances._remembered(voucher.day)
        limit = self._limit(voucher.owner, terms, voucher.day, published)
    return min(due, limit - min(limit, collected))


@view
@internal
def _limit(
    owner: address, terms: uint256, day: uint256, published: uint256
) -> uint256:
    """
    @notice Credit that a channel may pay on a day, today or yesterday.
    @dev Never falls for a given day: promises only rise within it, and capacity is what it was
         when the day began.
    """
    limit: uint256 = promises._karat(terms)
    bps: uint256 = promises._bps(terms)
    if bps > 0:
        limit += allowances._of_capacity(owner, day, bps, published)
    return min(limit, tallies.MAX_CREDIT)


@pure
@internal
def _reason(fault: uint256) -> String[48]:
    if fault == OTHER_PAYEE:
        return "credit_ledger: voucher of another payee"
    if fault == WRONG_DAY:
        return "credit_ledger: voucher of another day"
    if fault == NO_CHANNEL:
        return "credit_ledger: no channel on that day"
    if fault == STALE:
        return "credit_ledger: stale voucher"
    if fault == WRONG_SIGNATURE:
        return "credit_ledger: wrong signature"
    return "credit_ledger: channel is exhausted"


# ------------------------------------------------------------------
#                              READING
# ------------------------------------------------------------------


@view
@internal
def _terms(id: bytes32, day: uint256) -> uint256:
    """
    @notice The terms in force on a day: yesterday or later.
    """
    terms: uint256 = self.record[id].terms[0]
    since: uint256 = promises._since(terms)
    if day < since:
        terms = self.record[id].terms[since - day]
    return terms & promises.VALUES


@view
@internal
def _expires_at(id: bytes32) -> uint256:
    """
    @notice The last second of the last day; 0 for no channel.
    """
    terms: uint256 = self.record[id].terms[0]
    return 0 if terms == 0 else (promises._last_day(terms) + 1) * DAY - 1


@view
@internal
def _channel(id: bytes32) -> ICreditLedger.Channel:
    terms: uint256 = self.record[id].terms[0]
    return ICreditLedger.Channel(
        karat_micro=promises._karat(terms),
        capacity_bps=promises._bps(terms),
        deposit=tallies._deposit(self.record[id].tally),
        session_key=promises._key(terms),
        expires_at=self._expires_at(id),
    )


@view
@internal
def _state(owner: address, payee: address, day: uint256) -> ICreditLedger.ChannelState:
    """
    @param day Today or yesterday.
    """
    today: uint256 = allowances._today()
    id: bytes32 = self._id(owner, payee)
    tally: uint256 = tallies._rolled(self.record[id].tally, today)
    place: uint256 = day + 1 - today
    return ICreditLedger.ChannelState(
        day=day,
        collected_credit=tallies._credit(tally, place),
        collected_usdc=tallies._usdc(tally, place),
        credit_limit=self._limit(
            owner, self._terms(id, day), day, allowances._published(day)
        ),
        deposit=tallies._deposit(tally),
        expires_at=self._expires_at(id),
    )


@view
@internal
def _committed(owner: address) -> (uint256, uint256):
    """
    @notice What the owner's channels promise today: micro-USD of KARAT, bps of capacity.
    """
    sums: promises.Sums = promises._sums(self.committed[owner], allowances._today())
    return sums.karat[0], sums.bps[0]
