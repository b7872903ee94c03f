# pragma version 0.4.3
"""
@title State of all games: what each stands at, whose turn it is, what its clock says
@license AGPL-3.0-only
@notice Every move of a game enters here and leaves here. Entering checks that the game runs,
        that the caller's side is to move, with this kind of move, in time, and charges the
        clock; leaving begins the next turn. Between the two the move compares what it was
        given with what the game stands at.

        Of all that a game stands at only the hash is kept: each move brings the record along
        and says in an event what the next one has to bring. Calldata of nine words is
        cheaper than reading and writing as many, and a move fits no other state than the one
        that it was made for.
        INVARIANT: records are made here alone, from checked parts, and hashed whole. So a
        record whose hash is a game's standing is the one that its last move left.
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
PROVE_SAMPLE: constant(uint256) = 8
RESOLVED: constant(uint256) = 9

UNDECIDED: constant(uint256) = 0
PROVIDER_WON: constant(uint256) = 1
CHALLENGER_WON: constant(uint256) = 2
CLOSED: constant(uint256) = 3

# Bit of a claim's word.
CONVICTED: constant(uint256) = 2**255

MIN_CLOCK_SECONDS: constant(uint256) = 10
MAX_CLOCK_SECONDS: constant(uint256) = 30 * 86_400

# Most turns of one side. The provider has more: the steps tree (at most 32 levels) takes 6
# reveals, the answer being the first, the tile tree (at most 55) 10, reveal_step being the
# first; then reveal_tile, and one proof.
MAX_TURNS: constant(uint256) = 6 + 10 + 2


# ------------------------------------------------------------------
#                             IMMUTABLES
# ------------------------------------------------------------------

CLOCK_SECONDS: immutable(uint256)
EXTENSION_SECONDS: immutable(uint256)


# ------------------------------------------------------------------
#                              STORAGE
# ------------------------------------------------------------------


# `turn` taken apart.
struct Turn:
    phase: uint256
    outcome: uint256
    clock: clock.Clock


# Hash of the record that a game stands at; for ever, so that no game opens twice.
standing: HashMap[bytes32, bytes32]

# By claim id: how many games are unresolved, and `CONVICTED` once one has convicted the claim.
claims_in_play: HashMap[bytes32, uint256]


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
    bonds: uint256,
):
    """
    @notice A new game of the caller's; the provider's turn.
    """
    in_play: uint256 = self.claims_in_play[claim_id]
    self._check_open(claim_id)
    assert self.standing[game_id] == empty(bytes32), "dispute_game: game exists"
    # INVARIANT: index < batch.count < 2**32; fewer than 2**32 bonds, as nobody opens 2**37 games.
    opener: uint256 = convert(msg.sender, uint256) | (index << 160) | (bonds << 224)
    self._stand(
        game_id,
        IDisputeGame.Record(
            batch_id=batch_id,
            opener=opener | (convert(token_index, uint256) << 192),
            provider=claim.provider,
            verifier=claim.verifier,
            turn=clock.pack(clock.start(CLOCK_SECONDS, block.timestamp)) | (ANSWER << 192),
            terms=claim.terms,
            trace_root=empty(bytes32),
            node=empty(bytes32),
            cursor=0,
        ),
    )
    self.claims_in_play[claim_id] = in_play + 1


@internal
@view
def _enter(
    game_id: bytes32, given: IDisputeGame.Record, phase: uint256
) -> IDisputeGame.Record:
    """
    @notice Check that the caller may make a move of this phase now; charge its clock.
    @return The record, charged.
    """
    turn: Turn = self._running(game_id, given)
    assert turn.phase == phase, "dispute_game: not this move"
    challenger_moves: bool = self._challenger_moves(phase)
    mover: address = given.provider
    if challenger_moves:
        mover = self._challenger(given)
    assert msg.sender == mover, "dispute_game: not your turn"
    assert block.timestamp <= clock.deadline(turn.clock, challenger_moves), (
        "dispute_game: clock expired"
    )
    return self._charged(given, turn)


@internal
def _leave(game_id: bytes32, left: IDisputeGame.Record, phase: uint256):
    """
    @notice Begin the turn of whoever moves in `phase`.
    """
    record: IDisputeGame.Record = left
    record.turn = (
        clock.pack(
            clock.begin_turn(
                clock.unpack(left.turn), self._challenger_moves(phase), EXTENSION_SECONDS
            )
        )
        | (phase << 192)
    )
    self._stand(game_id, record)


@internal
@view
def _expire(game_id: bytes32, given: IDisputeGame.Record) -> (bool, IDisputeGame.Record):
    """
    @notice Check that the side to move has run out of time; take what it had left.
    @return Whether that is the challenger; the record, charged.
    """
    turn: Turn = self._running(game_id, given)
    challenger_moves: bool = self._challenger_moves(turn.phase)
    assert block.timestamp > clock.deadline(turn.clock, challenger_moves), (
        "dispute_game: clock is running"
    )
    return challenger_moves, self._charged(given, turn)


@internal
def _end(game_id: bytes32, last: IDisputeGame.Record, outcome: uint256) -> bytes32:
    """
    @notice The game is over. The clock stays as it was charged last.
    @return The claim's id.
    """
    claim_id: bytes32 = self._claim_id(last)
    record: IDisputeGame.Record = last
    record.turn = (last.turn & (2**192 - 1)) | (RESOLVED << 192) | (outcome << 200)
    self._stand(game_id, record)
    in_play: uint256 = self.claims_in_play[claim_id] - 1
    if outcome == CHALLENGER_WON:
        in_play = in_play | CONVICTED
    self.claims_in_play[claim_id] = in_play
    return claim_id


@internal
def _stand(game_id: bytes32, record: IDisputeGame.Record):
    self.standing[game_id] = keccak256(abi_encode(record))
    log IDisputeGame.Standing(game_id=game_id, record=record)


@internal
@view
def _charged(given: IDisputeGame.Record, turn: Turn) -> IDisputeGame.Record:
    record: IDisputeGame.Record = given
    charged: clock.Clock = clock.charge(
        turn.clock, self._challenger_moves(turn.phase), block.timestamp
    )
    record.turn = clock.pack(charged) | (turn.phase << 192)
    return record


@view
@internal
def _running(game_id: bytes32, given: IDisputeGame.Record) -> Turn:
    turn: Turn = self._unresolved(game_id, given)
    self._check_open(self._claim_id(given))
    return turn


@view
@internal
def _check_open(claim_id: bytes32):
    assert not self._convicted(claim_id), "dispute_game: claim is convicted"


@view
@internal
def _unresolved(game_id: bytes32, given: IDisputeGame.Record) -> Turn:
    """
    @notice Check that the game stands at this record, and is not over.
    """
    standing: bytes32 = self.standing[game_id]
    assert standing != empty(bytes32), "dispute_game: no such game"
    assert keccak256(abi_encode(given)) == standing, "dispute_game: other record"
    turn: Turn = self._turn(given)
    assert turn.phase != RESOLVED, "dispute_game: game is over"
    return turn


@view
@internal
def _convicted(claim_id: bytes32) -> bool:
    return self.claims_in_play[claim_id] & CONVICTED != 0


@pure
@internal
def _challenger_moves(phase: uint256) -> bool:
    return phase == PICK_NODE or phase == PICK_ELEMENT


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


@pure
@internal
def _check_node(record: IDisputeGame.Record, opened: bytes32):
    """
    @notice What a move opened is what the game stands at.
    """
    assert opened == record.node, "dispute_game: wrong opening"


@pure
@internal
def _check_terms(record: IDisputeGame.Record, terms: bytes32):
    assert terms == record.terms, "dispute_game: wrong terms"


@pure
@internal
def _check_context(
    record: IDisputeGame.Record,
    pass_: Types.ForwardPass,
    step: Types.Step,
    element: IDisputeGame.Element,
):
    """
    @notice Pass, step and element are those of the game.
    """
    self._check_terms(record, keccak256(abi_encode(pass_, step)))
    self._check_node(record, keccak256(abi_encode(element)))


@pure
@internal
def _turn(record: IDisputeGame.Record) -> Turn:
    word: uint256 = record.turn
    return Turn(phase=(word >> 192) & 255, outcome=word >> 200, clock=clock.unpack(word))


@pure
@internal
def _challenger(record: IDisputeGame.Record) -> address:
    return convert(record.opener & (2**160 - 1), address)


@pure
@internal
def _index(record: IDisputeGame.Record) -> uint256:
    return (record.opener >> 160) & (2**32 - 1)


@pure
@internal
def _bonds(record: IDisputeGame.Record) -> uint256:
    """
    @notice How many challenger bonds the game was opened with.
    """
    return record.opener >> 224


@pure
@internal
def _claim_id(record: IDisputeGame.Record) -> bytes32:
    return claims.claim_id(record.batch_id, self._index(record))
