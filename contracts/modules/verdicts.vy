# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title The verdicts of a game: the step verifier recomputes one element, partial or choice
@license AGPL-3.0-only
@notice The element that the walk ended at, piece by piece if its reduction is long. Exported by
        DisputeGame, which has the story.
@dev Pass, step and element come again as calldata and are compared with the hashes that the
     game stands at: cheaper than to store them.
"""

from ..interfaces import IDisputeGame
from ..interfaces import IStepVerifier
from ..interfaces import Types
from . import descent
from . import game_state
from . import stakes

uses: game_state
uses: stakes


# ------------------------------------------------------------------
#                              PROOFS
# ------------------------------------------------------------------


@external
def prove_element(
    game_id: bytes32,
    pass_: Types.ForwardPass,
    step: Types.Step,
    element: IDisputeGame.Element,
    openings: DynArray[Types.Opening, 6],
    token: Types.TokenOpening,
):
    """
    @notice Provider: open the inputs of the element (at most one chunk). Ends the game.
    """
    cursor: descent.Cursor = game_state._enter(game_id, game_state.PROVE_ELEMENT)
    game_state._check_context(game_id, pass_, step, element)
    assert cursor.chunk_count <= 1, "dispute_game: reveal partials"
    right: bool = staticcall IStepVerifier(game_state.records[game_id].verifier).verify_element(
        step,
        pass_,
        game_state.records[game_id].trace_root,
        element.row,
        element.column,
        element.value,
        openings,
        token,
    )
    self._judge(game_id, right, "element is right", "element is wrong")


@external
def reveal_partials(
    game_id: bytes32,
    pass_: Types.ForwardPass,
    step: Types.Step,
    element: IDisputeGame.Element,
    openings: DynArray[Types.Opening, 6],
):
    """
    @notice Provider: the partials of the element's reduction (more than one chunk), and the
            row's scalars that join them. Ends the game if they do not give the value.
    """
    cursor: descent.Cursor = game_state._enter(game_id, game_state.PROVE_ELEMENT)
    picked: IDisputeGame.Element = element
    picked.partials = []
    game_state._check_context(game_id, pass_, step, picked)
    assert cursor.chunk_count > 1, "dispute_game: prove the element"
    assert len(element.partials) == cursor.chunk_count, "dispute_game: partials missing"
    joins: bool = staticcall IStepVerifier(game_state.records[game_id].verifier).verify_combine(
        step,
        pass_,
        game_state.records[game_id].trace_root,
        element.row,
        element.column,
        element.value,
        element.partials,
        openings,
    )
    log IDisputeGame.PartialsRevealed(game_id=game_id, partials=element.partials)
    if joins:
        game_state.records[game_id].node = keccak256(abi_encode(element))
        game_state._leave(game_id, game_state.PICK_CHUNK)
    else:
        stakes._convict(game_id, "partials do not give the element")


@external
def pick_chunk(game_id: bytes32, chunk: uint256, node: bytes32):
    """
    @notice Challenger: name the wrong partial.
    """
    cursor: descent.Cursor = game_state._enter(game_id, game_state.PICK_CHUNK)
    game_state._check_node(game_id, node)
    assert chunk < cursor.chunk_count, "dispute_game: no such chunk"
    cursor.target = chunk
    game_state._aim(game_id, cursor)
    game_state._leave(game_id, game_state.PROVE_CHUNK)
    log IDisputeGame.ChunkPicked(game_id=game_id, chunk=chunk)


@external
def prove_chunk(
    game_id: bytes32,
    pass_: Types.ForwardPass,
    step: Types.Step,
    element: IDisputeGame.Element,
    openings: DynArray[Types.Opening, 6],
):
    """
    @notice Provider: open the operands of the picked chunk. Ends the game.
    """
    chunk: uint256 = game_state._enter(game_id, game_state.PROVE_CHUNK).target
    game_state._check_context(game_id, pass_, step, element)
    right: bool = staticcall IStepVerifier(game_state.records[game_id].verifier).verify_chunk(
        step,
        pass_,
        game_state.records[game_id].trace_root,
        element.row,
        element.column,
        chunk,
        convert(element.partials[chunk], int256),
        openings,
    )
    self._judge(game_id, right, "partial is right", "partial is wrong")


@external
def prove_sample(
    game_id: bytes32,
    pass_: Types.ForwardPass,
    claimed: Types.TokenOpening,
    openings: DynArray[Types.Opening, 4],
):
    """
    @notice Provider: the claimed token stands against the rival. Ends the game.
    """
    rival: uint256 = game_state._enter(game_id, game_state.PROVE_SAMPLE).target
    game_state._check_terms(game_id, keccak256(abi_encode(pass_)))
    stands: bool = staticcall IStepVerifier(game_state.records[game_id].verifier).verify_sample(
        pass_, game_state.records[game_id].trace_root, claimed, convert(rival, uint32), openings
    )
    self._judge(game_id, stands, "token stands", "token is beaten")


@internal
def _judge(game_id: bytes32, right: bool, acquittal: String[64], conviction: String[64]):
    if right:
        stakes._acquit(game_id, acquittal)
    else:
        stakes._convict(game_id, conviction)
