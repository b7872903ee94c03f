# pragma version 0.4.3
"""
@title A staged schedule: a yearly rate from each stage's start until the next one's
@license AGPL-3.0-only
@notice Integrals are sums of rate (wei a year) x seconds, never divided: two of them that meet
        add up to the integral of the whole. Starts are fixed; rates only fall.
@dev A stage is one word: start 36 bits, end 36, rate 96. The last stage ends with the time
     that 36 bits can tell, in the year 4147.
"""

from ..interfaces import IEmissionController

# ------------------------------------------------------------------
#                             CONSTANTS
# ------------------------------------------------------------------

MAX_STAGES: constant(uint256) = 16

# 100 million tokens of 18 decimals a year.
MAX_RATE_PER_YEAR: constant(uint256) = 10**26

TIME_BITS: constant(uint256) = 36
TIME_MASK: constant(uint256) = 2**36 - 1
END_OF_TIME: constant(uint256) = 2**36 - 1

# ------------------------------------------------------------------
#                              STORAGE
# ------------------------------------------------------------------

words: uint256[MAX_STAGES]
count: uint256


@deploy
def __init__(stages: DynArray[IEmissionController.Stage, MAX_STAGES]):
    assert len(stages) > 0, "schedule: no stages"
    for index: uint256 in range(len(stages), bound=MAX_STAGES):
        end: uint256 = END_OF_TIME
        if index + 1 < len(stages):
            end = stages[index + 1].start
        assert stages[index].start < end, "schedule: starts must rise"
        assert end <= END_OF_TIME, "schedule: start too late"
        assert stages[index].rate_per_year <= MAX_RATE_PER_YEAR, "schedule: rate too high"
        self.words[index] = self._pack(stages[index].start, end, stages[index].rate_per_year)
    self.count = len(stages)


@internal
def _lower(index: uint256, rate_per_year: uint256) -> uint256:
    """
    @notice Lower a stage's rate. Its owner has first put aside what is emitted until now.
    @return The old rate.
    """
    assert index < self.count, "schedule: no such stage"
    word: uint256 = self.words[index]
    end: uint256 = (word >> TIME_BITS) & TIME_MASK
    assert block.timestamp < end, "schedule: stage is over"
    old_rate_per_year: uint256 = word >> (2 * TIME_BITS)
    assert rate_per_year < old_rate_per_year, "schedule: rate not lower"
    self.words[index] = self._pack(word & TIME_MASK, end, rate_per_year)
    return old_rate_per_year


@view
@internal
def _integral(stage: uint256, begin: uint256, end: uint256) -> (uint256, uint256):
    """
    @param stage The stage that `begin` lies in, or an earlier one.
    @return Sum of rate x seconds from begin to end, less than 2^87 x 2^36, and the stage that
            `end` lies in. Before the first start and for an empty interval the sum is 0.
    """
    assert end < END_OF_TIME, "schedule: time too late"
    amount: uint256 = 0
    index: uint256 = stage
    for _: uint256 in range(MAX_STAGES):
        # The last stage ends after `end`: the walk stops there at the latest.
        word: uint256 = self.words[index]
        stage_end: uint256 = (word >> TIME_BITS) & TIME_MASK
        since: uint256 = max(begin, word & TIME_MASK)
        until: uint256 = min(end, stage_end)
        if since < until:
            amount += (word >> (2 * TIME_BITS)) * (until - since)
        if end < stage_end:
            break
        index += 1
    return amount, index


@view
@internal
def _stage(index: uint256) -> IEmissionController.Stage:
    assert index < self.count, "schedule: no such stage"
    word: uint256 = self.words[index]
    return IEmissionController.Stage(
        start=word & TIME_MASK, rate_per_year=word >> (2 * TIME_BITS)
    )


@pure
@internal
def _pack(start: uint256, end: uint256, rate_per_year: uint256) -> uint256:
    # Each part has been checked against its width.
    return start | (end << TIME_BITS) | (rate_per_year << (2 * TIME_BITS))
