# pragma version 0.4.3
"""
@title Chess clock of a two-sided game
@license AGPL-3.0-only
@notice Each side starts with the same total. Only the side to move is charged, by the time
        since its turn began, whatever kind of move it makes, a winning one included. When a
        turn begins, its side is topped up to at least `extension_seconds`: a move made at
        the last second never leaves the other side without time to answer.
        A side in time at second `deadline` is out of time at `deadline + 1`, so at any
        second exactly one of the move and the timeout is possible.
@dev A side of n turns uses at most start + n * extension_seconds: the bound that
     `longest` adds up over both sides.
"""

# ------------------------------------------------------------------
#                             CONSTANTS
# ------------------------------------------------------------------

LANE: constant(uint256) = 2**64 - 1


# All in seconds; `turn_started` is a block timestamp.
struct Clock:
    provider_left: uint256
    challenger_left: uint256
    turn_started: uint256


# ------------------------------------------------------------------
#                               TURNS
# ------------------------------------------------------------------


@internal
@pure
def start(clock_seconds: uint256, now: uint256) -> Clock:
    """
    @notice A new clock; the provider's turn begins.
    """
    return Clock(provider_left=clock_seconds, challenger_left=clock_seconds, turn_started=now)


@internal
@pure
def deadline(clock: Clock, challenger_moves: bool) -> uint256:
    """
    @notice The last second in which the side to move may move.
    """
    if challenger_moves:
        return clock.turn_started + clock.challenger_left
    return clock.turn_started + clock.provider_left


@internal
@pure
def charge(clock: Clock, challenger_moves: bool, now: uint256) -> Clock:
    """
    @notice Take the time since the turn began from the side to move, down to nothing.
    """
    used: uint256 = now - clock.turn_started
    charged: Clock = clock
    charged.turn_started = now
    if challenger_moves:
        charged.challenger_left -= min(used, clock.challenger_left)
    else:
        charged.provider_left -= min(used, clock.provider_left)
    return charged


@internal
@pure
def begin_turn(clock: Clock, challenger_moves: bool, extension_seconds: uint256) -> Clock:
    """
    @notice Top up the side whose turn begins.
    """
    topped: Clock = clock
    if challenger_moves:
        topped.challenger_left = max(clock.challenger_left, extension_seconds)
    else:
        topped.provider_left = max(clock.provider_left, extension_seconds)
    return topped


@internal
@pure
def longest(clock_seconds: uint256, extension_seconds: uint256, turns: uint256) -> uint256:
    """
    @notice Bound on the length of a game of at most `turns` turns a side.
    """
    return 2 * (clock_seconds + turns * extension_seconds)


# ------------------------------------------------------------------
#                          ONE STORAGE WORD
# ------------------------------------------------------------------


@internal
@pure
def pack(clock: Clock) -> uint256:
    """
    @notice Three lanes of 64 bits; the word's upper 64 bits are free for its owner.
    @dev The owner bounds its seconds; timestamps fit 64 bits for longer than the sun shines.
    """
    return clock.provider_left | (clock.challenger_left << 64) | (clock.turn_started << 128)


@internal
@pure
def unpack(word: uint256) -> Clock:
    return Clock(
        provider_left=word & LANE,
        challenger_left=(word >> 64) & LANE,
        turn_started=(word >> 128) & LANE,
    )
