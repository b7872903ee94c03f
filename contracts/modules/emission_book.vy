# pragma version 0.4.3
"""
@title The books of the emission: a head that moves with time, and a record per day of work
@license AGPL-3.0-only
@notice The head knows all emission, and the stakers' part of it, up to a moment. At the first
        call of a UTC day it is rolled to that day's beginning: days that are over are closed at
        their shares, and the day's own share is fixed. Within a day nothing is written: what
        was emitted since is one integral away.
"""

from ..interfaces import IEmissionController
from . import capacity
from . import schedule
from . import split

uses: capacity
uses: schedule
uses: split

# ------------------------------------------------------------------
#                             CONSTANTS
# ------------------------------------------------------------------

DAY: constant(uint256) = 86_400
BPS: constant(uint256) = 10_000

# Fields of the packed words.
MAX_WORK: constant(uint256) = 2**64 - 1
MASK_14: constant(uint256) = 2**14 - 1
MASK_36: constant(uint256) = 2**36 - 1
MASK_50: constant(uint256) = 2**50 - 1
MASK_98: constant(uint256) = 2**98 - 1


# The books up to `time`, which lies on the day whose share is `stakers_bps`.
struct Head:
    time: uint256
    stage: uint256
    stakers_bps: uint256
    # Stakers' part of all emission, and all emission: sums of rate x seconds (x bps).
    staker_numerator: uint256
    total: uint256
    # Utilisation of the seven days before the head's day.
    window: uint256


struct Day:
    work: uint256
    # Set when the day is over, if it has work: capacity, the utilisation that set its split,
    # the stakers' share, and rate x seconds of the day. Of a day in progress, rate x seconds
    # before the last change of rate only.
    capacity: uint256
    used_bps: uint256
    stakers_bps: uint256
    emission: uint256


# ------------------------------------------------------------------
#                              STORAGE
# ------------------------------------------------------------------

# Head, in two words: what every call of a day needs, and what only its first call needs.
head: uint256
history: uint256

days: HashMap[uint256, uint256]


@deploy
def __init__():
    """
    @dev After schedule and split. Nothing is emitted before.
    """
    head: Head = empty(Head)
    head.time = block.timestamp
    head.stakers_bps = split._share(0)
    self._store(head)


# ------------------------------------------------------------------
#                               TIME
# ------------------------------------------------------------------


@view
@internal
def _staker_numerator() -> uint256:
    word: uint256 = self.head
    if self._is_today(word & MASK_36):
        # The common case, from two words: head and stage.
        amount: uint256 = 0
        stage: uint256 = 0
        amount, stage = schedule._integral(
            (word >> 36) & MASK_14, word & MASK_36, block.timestamp
        )
        return (word >> 64) + amount * ((word >> 50) & MASK_14)
    return self._closed(self._rolled(), block.timestamp).staker_numerator


@internal
def _roll():
    """
    @notice At the first call of a day: close the days before it, fix its share.
    """
    begun: uint256 = self.head & MASK_36
    if self._is_today(begun):
        return
    last: Day = self._day(begun // DAY)
    if last.work > 0:
        self.days[begun // DAY] = self._pack_day(last)
    head: Head = self._rolled()
    self._store(head)
    log IEmissionController.DayRolled(
        day=head.time // DAY, used_bps=split._mean(head.window), stakers_bps=head.stakers_bps
    )


@view
@internal
def _rolled() -> Head:
    """
    @return The head as today began, or as it is if it lies on today.
    """
    head: Head = self._load()
    today: uint256 = block.timestamp // DAY
    day: uint256 = head.time // DAY
    work: uint256 = self._work(day)
    # Days after the head's have no work, or a call would have rolled. After seven of them
    # the window is empty: all days from then on have one share and are closed in one piece.
    for _: uint256 in range(split.WINDOW_DAYS + 1):
        if day == today:
            break
        head = self._closed(head, (day + 1) * DAY)
        head.window = split._push(head.window, work, capacity._on(day))
        head.stakers_bps = split._share(split._mean(head.window))
        work = 0
        day += 1
    if day == today:
        return head
    return self._closed(head, today * DAY)


@view
@internal
def _closed(head: Head, until: uint256) -> Head:
    """
    @return The head moved on to `until`, all at the share of its day.
    """
    moved: Head = head
    amount: uint256 = 0
    amount, moved.stage = schedule._integral(head.stage, head.time, until)
    moved.time = until
    moved.staker_numerator += amount * head.stakers_bps
    moved.total += amount
    return moved


@internal
def _close_until_now():
    """
    @notice Before a rate changes: put aside what today has emitted. The head lies on today.
    """
    today: uint256 = block.timestamp // DAY
    self.days[today] = self._pack_day(self._day(today))
    self._store(self._closed(self._load(), block.timestamp))


@view
@internal
def _is_today(time: uint256) -> bool:
    return time // DAY == block.timestamp // DAY


# ------------------------------------------------------------------
#                               DAYS
# ------------------------------------------------------------------


@view
@internal
def _day(day: uint256) -> Day:
    """
    @return A day as if it had ended now: today, the head's day, or a past day with work.
    """
    record: Day = self._unpack_day(self.days[day])
    head: Head = self._load()
    if day > head.time // DAY:
        head = self._rolled()
    if day != head.time // DAY:
        return record
    amount: uint256 = 0
    stage: uint256 = 0
    amount, stage = schedule._integral(
        head.stage, head.time, min(block.timestamp, (day + 1) * DAY)
    )
    record.emission += amount
    record.capacity = capacity._on(day)
    record.used_bps = split._mean(head.window)
    record.stakers_bps = head.stakers_bps
    return record


@internal
def _add_work(day: uint256, amount_usd_micro: uint256):
    work: uint256 = self._work(day) + amount_usd_micro
    # A day's allowances, in micro-USD, are far below 2^64.
    assert work <= MAX_WORK, "emissions: too much work"
    # Work is the lowest field.
    self.days[day] += amount_usd_micro


@view
@internal
def _work(day: uint256) -> uint256:
    return self.days[day] & MAX_WORK


@pure
@internal
def _pool(day: Day) -> uint256:
    return day.emission * (BPS - day.stakers_bps)


# ------------------------------------------------------------------
#                               WORDS
# ------------------------------------------------------------------


# Head: time 36 bits, stage 14, share 14, stakers' numerator 192. History: window 98 bits, all
# emission 158. Their sums of rate x seconds x bps stay below 2^(87 + 36 + 14) = 2^137.
@view
@internal
def _load() -> Head:
    word: uint256 = self.head
    history: uint256 = self.history
    return Head(
        time=word & MASK_36,
        stage=(word >> 36) & MASK_14,
        stakers_bps=(word >> 50) & MASK_14,
        staker_numerator=word >> 64,
        total=history >> 98,
        window=history & MASK_98,
    )


@internal
def _store(head: Head):
    self.head = (
        head.time | (head.stage << 36) | (head.stakers_bps << 50) | (head.staker_numerator << 64)
    )
    self.history = head.window | (head.total << 98)


# Day: work 64 bits, capacity 50, utilisation 14, share 14, emission 114 (below 2^(87 + 17)).
@pure
@internal
def _pack_day(day: Day) -> uint256:
    return (
        day.work
        | (day.capacity << 64)
        | (day.used_bps << 114)
        | (day.stakers_bps << 128)
        | (day.emission << 142)
    )


@pure
@internal
def _unpack_day(word: uint256) -> Day:
    return Day(
        work=word & MAX_WORK,
        capacity=(word >> 64) & MASK_50,
        used_bps=(word >> 114) & MASK_14,
        stakers_bps=(word >> 128) & MASK_14,
        emission=word >> 142,
    )
