# pragma version 0.4.3
"""
@title State of all games: what each stands at, whose turn it is, what its clock says
@license AGPL-3.0-only
@notice Every move of a game enters here and leaves here. Entering checks that the game runs,
        that the caller's side is to move, with this kind of move, in time, and charges the
        clock; leaving begins the next turn. Between the two the move compares what it was
        given with what the game stands at.
"""

from ..interfaces import IDisputeGame
from ..interfaces import ISettlement
from ..interfaces import Types
from . import claims
from . import clock
from . import descent

# ------------------------------------------------------------------
#                             CONSTANTS
# ------------------------------------------------------------------

# Phases and outcomes, as IDisputeGame explains them.
UNOPENED: constant(uint256) = 0
ANSWER: constant(uint256) = 1
PICK_NODE: constant(uint256) = 2
REVEAL_NODES: constant(uint256) = 3
REVEAL_STEP: constant(uint256) = 4
REVEAL_TILE: constant(uint256) = 5
PICK_ELEMENT: constant(uint256) = 6
PROVE_ELEMENT: constant(uint256) = 7
PICK_CHUNK: constant(uint256) = 8
PROVE_CHUNK: constant(uint256) = 9
PROVE_SAMPLE: constant(uint256) = 10
RESOLVED: constant(uint256) = 11

UNDECIDED: constant(uint256) = 0
PROVIDER_WON: constant(uint256) = 1
CHALLENGER_WON: constant(uint256) = 2
CLOSED: constant(uint256) = 3

MIN_CLOCK_SECONDS: constant(uint256) = 10
MAX_CLOCK_SECONDS: constant(uint256) = 30 * 86_400

# Most turns of one side. The provider has more: the steps tree (at most 32 levels) takes 6
# reveals, the answer being the first, the tile tree (at most 55) 10, reveal_step being the
# first; then reveal_tile, reveal_partials, prove_chunk.
MAX_TURNS: constant(uint256) = 6 + 10 + 3


# ------------------------------------------------------------------
#                             IMMUTABLES
# ------------------------------------------------------------------

CLOCK_SECONDS: immutable(uint256)
EXTENSION_SECONDS: immutable(uint256)


# ------------------------------------------------------------------
#                              STORAGE
# ------------------------------------------------------------------


# `opener` is the challenger's address | index << 160 | token_index << 192; `turn` the clock
# (clock.vy) | phase << 192 | outcome << 200; `cursor` that of descent.vy. The other fields
# are those of IDisputeGame.Game.
struct Record:
    batch_id: bytes32
    opener: uint256
    provider: address
    verifier: address
    turn: uint256
    terms: bytes32
    trace_root: bytes32
    node: bytes32
    cursor: uint256


# `turn` taken apart.
struct Turn:
    phase: uint256
    outcome: uint256
    clock: clock.Clock


records: HashMap[bytes32, Record]

# By claim id.
open_games: HashMap[bytes32, uint256]
convicted: HashMap[bytes32, bool]


@deploy
def __init__(clock_seconds: uint64, extension_seconds: uint64):
    clock_: uint256 = convert(clock_seconds, uint256)
    extension: uint256 = convert(extension_seconds, uint256)
    assert MIN_CLOCK_SECONDS <= clock_, "dispute_game: clock too short"
    assert clock_ <= MAX_CLOCK_SECONDS, "dispute_game: clock too long"
    assert 0 < extension, "dispute_game: no extension"
    assert extension <= clock_, "dispute_game: extension too long"
    CLOCK_SECONDS = clock_
    EXTENSION_SECONDS = extension


# ------------------------------------------------------------------
#                         BEGIN, TURNS, END
# ------------------------------------------------------------------


@internal
def _begin(
    game_id: bytes32,
    claim_id: bytes32,
    batch_id: bytes32,
    index: uint256,
    token_index: uint32,
    claim: ISettlement.Disputed,
):
    """
    @notice A new game of the caller's; the provider's turn.
    """
    assert not self.convicted[claim_id], "dispute_game: claim is convicted"
    assert self.records[game_id].turn == 0, "dispute_game: game exists"
    # INVARIANT: index < batch.count < 2**32.
    opener: uint256 = convert(msg.sender, uint256) | (index << 160)
    self.records[game_id].batch_id = batch_id
    self.records[game_id].opener = opener | (convert(token_index, uint256) << 192)
    self.records[game_id].provider = claim.provider
    self.records[game_id].verifier = claim.verifier
    self.records[game_id].terms = claim.terms
    self.records[game_id].turn = (
        clock.pack(clock.start(CLOCK_SECONDS, block.timestamp)) | (ANSWER << 192)
    )
    self.open_games[claim_id] += 1


@internal
def _enter(game_id: bytes32, phase: uint256) -> descent.Cursor:
    """
    @notice Check that the caller may make a move of this phase now; charge its clock.
    @return Where the game stands.
    """
    turn: Turn = self._running(game_id)
    assert turn.phase == phase, "dispute_game: not this move"
    challenger_moves: bool = self._challenger_moves(phase)
    mover: address = self.records[game_id].provider
    if challenger_moves:
        mover = self._challenger(game_id)
    assert msg.sender == mover, "dispute_game: not your turn"
    assert block.timestamp <= clock.deadline(turn.clock, challenger_moves), (
        "dispute_game: clock expired"
    )
    self._charge(game_id, turn)
    return self._cursor(game_id)


@internal
def _leave(game_id: bytes32, phase: uint256):
    """
    @notice Begin the turn of whoever moves in `phase`.
    """
    self.records[game_id].turn = (
        clock.pack(
            clock.begin_turn(
                clock.unpack(self.records[game_id].turn),
                self._challenger_moves(phase),
                EXTENSION_SECONDS,
            )
        )
        | (phase << 192)
    )


@internal
def _expire(game_id: bytes32) -> bool:
    """
    @notice Check that the side to move has run out of time; take what it had left.
    @return Whether that is the challenger.
    """
    turn: Turn = self._running(game_id)
    challenger_moves: bool = self._challenger_moves(turn.phase)
    assert block.timestamp > clock.deadline(turn.clock, challenger_moves), (
        "dispute_game: clock is running"
    )
    self._charge(game_id, turn)
    return challenger_moves


@internal
def _end(game_id: bytes32, outcome: uint256) -> bytes32:
    """
    @notice The game is over. The clock stays as it was charged last.
    @return The claim's id.
    """
    claim_id: bytes32 = self._claim_id(game_id)
    word: uint256 = self.records[game_id].turn & (2**192 - 1)
    self.records[game_id].turn = word | (RESOLVED << 192) | (outcome << 200)
    self.open_games[claim_id] -= 1
    if outcome == CHALLENGER_WON:
        self.convicted[claim_id] = True
    return claim_id


@internal
def _charge(game_id: bytes32, turn: Turn):
    charged: clock.Clock = clock.charge(
        turn.clock, self._challenger_moves(turn.phase), block.timestamp
    )
    self.records[game_id].turn = clock.pack(charged) | (turn.phase << 192)


@view
@internal
def _running(game_id: bytes32) -> Turn:
    turn: Turn = self._turn(game_id)
    self._check_unresolved(turn.phase)
    assert not self.convicted[self._claim_id(game_id)], "dispute_game: claim is convicted"
    return turn


@pure
@internal
def _check_unresolved(phase: uint256):
    assert phase != UNOPENED, "dispute_game: no such game"
    assert phase != RESOLVED, "dispute_game: game is over"


@pure
@internal
def _challenger_moves(phase: uint256) -> bool:
    return phase == PICK_NODE or phase == PICK_ELEMENT or phase == PICK_CHUNK


@pure
@internal
def _reveal_phase(cursor: descent.Cursor) -> uint256:
    """
    @notice What follows a pick: more nodes, or what hangs from the leaf.
    """
    if cursor.depth_left > 0:
        return REVEAL_NODES
    return REVEAL_TILE if cursor.step_known else REVEAL_STEP


# ------------------------------------------------------------------
#                       WHAT A GAME STANDS AT
# ------------------------------------------------------------------


@internal
def _place(game_id: bytes32, cursor: descent.Cursor, node: bytes32):
    self._aim(game_id, cursor)
    self.records[game_id].node = node


@internal
def _aim(game_id: bytes32, cursor: descent.Cursor):
    self.records[game_id].cursor = descent.pack(cursor)


@view
@internal
def _check_node(game_id: bytes32, opened: bytes32):
    """
    @notice What a move opened is what the game stands at.
    """
    assert opened == self.records[game_id].node, "dispute_game: wrong opening"


@view
@internal
def _check_terms(game_id: bytes32, terms: bytes32):
    assert terms == self.records[game_id].terms, "dispute_game: wrong terms"


@view
@internal
def _check_context(
    game_id: bytes32,
    pass_: Types.ForwardPass,
    step: Types.Step,
    element: IDisputeGame.Element,
):
    """
    @notice Pass, step and element are those of the game.
    """
    self._check_terms(game_id, keccak256(abi_encode(pass_, step)))
    self._check_node(game_id, keccak256(abi_encode(element)))


@view
@internal
def _cursor(game_id: bytes32) -> descent.Cursor:
    return descent.unpack(self.records[game_id].cursor)


@view
@internal
def _turn(game_id: bytes32) -> Turn:
    word: uint256 = self.records[game_id].turn
    return Turn(phase=(word >> 192) & 255, outcome=word >> 200, clock=clock.unpack(word))


@view
@internal
def _challenger(game_id: bytes32) -> address:
    return convert(self.records[game_id].opener & (2**160 - 1), address)


@view
@internal
def _index(game_id: bytes32) -> uint256:
    return (self.records[game_id].opener >> 160) & (2**32 - 1)


@view
@internal
def _claim_id(game_id: bytes32) -> bytes32:
    return claims.claim_id(self.records[game_id].batch_id, self._index(game_id))


# ------------------------------------------------------------------
#                               VIEWS
# ------------------------------------------------------------------


@view
@internal
def _view(game_id: bytes32) -> IDisputeGame.Game:
    record: Record = self.records[game_id]
    turn: Turn = self._turn(game_id)
    cursor: descent.Cursor = descent.unpack(record.cursor)
    return IDisputeGame.Game(
        batch_id=record.batch_id,
        index=self._index(game_id),
        token_index=convert(record.opener >> 192, uint32),
        challenger=self._challenger(game_id),
        provider=record.provider,
        verifier=record.verifier,
        phase=convert(turn.phase, uint8),
        outcome=convert(turn.outcome, uint8),
        provider_left=convert(turn.clock.provider_left, uint64),
        challenger_left=convert(turn.clock.challenger_left, uint64),
        turn_started=convert(turn.clock.turn_started, uint64),
        terms=record.terms,
        trace_root=record.trace_root,
        node=record.node,
        node_index=cursor.node_index,
        depth_left=cursor.depth_left,
        leaf_count=cursor.leaf_count,
        step_known=cursor.step_known,
        step_index=cursor.step_index,
        width=cursor.width,
        elem_bytes=cursor.elem_bytes,
        chunk_count=cursor.chunk_count,
        target=cursor.target,
    )


@view
@internal
def _clocks(game_id: bytes32) -> (uint64, uint64, uint64):
    turn: Turn = self._turn(game_id)
    deadline: uint256 = 0
    if turn.phase != UNOPENED and turn.phase != RESOLVED:
        challenger_moves: bool = self._challenger_moves(turn.phase)
        deadline = clock.deadline(turn.clock, challenger_moves)
        turn.clock = clock.charge(turn.clock, challenger_moves, block.timestamp)
    return (
        convert(turn.clock.provider_left, uint64),
        convert(turn.clock.challenger_left, uint64),
        convert(deadline, uint64),
    )
