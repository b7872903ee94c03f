# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title The walk of a game: down the steps of the trace, then down the output of one step
@license AGPL-3.0-only
@notice The provider shows nodes, the challenger picks one, until a single element is left. The
        moves here decide nothing; they are exported by DisputeGame, which has their story.
"""

from ..interfaces import IDisputeGame
from ..interfaces import IStepVerifier
from ..interfaces import Types
from . import claims
from . import descent
from . import game_state
from . import merkle
from . import tensor

uses: game_state


# ------------------------------------------------------------------
#                   DOWN THE STEPS OF THE TRACE
# ------------------------------------------------------------------


@external
def pick_node(
    game_id: bytes32,
    given: IDisputeGame.Record,
    child: uint256,
    node: bytes32,
    path: DynArray[bytes32, 6],
):
    """
    @notice Challenger: go down to one of the nodes shown last.
    @dev The path leads to the node that the children were shown for, so that they need not
         be stored, and a pick replayed after a reorganisation fits no other children.
    """
    record: IDisputeGame.Record = game_state._enter(game_id, given, game_state.PICK_NODE)
    cursor: descent.Cursor = descent.unpack(record.cursor)
    height: uint256 = descent.next_height(cursor.depth_left)
    assert len(path) == height, "dispute_game: wrong path length"
    cursor = descent.below(cursor, child)
    assert child < 1 << height and descent.holds_leaf(cursor), "dispute_game: no such node"
    shown_for: bytes32 = merkle.climb(node, child, path, 0, height)
    game_state._check_node(record, shown_for)
    record.cursor = descent.pack(cursor)
    record.node = node
    game_state._leave(game_id, record, game_state._reveal_phase(cursor))
    log IDisputeGame.NodePicked(
        game_id=game_id,
        in_steps=not cursor.step_known,
        child=child,
        node=node,
        node_index=cursor.node_index,
        depth_left=cursor.depth_left,
    )


@external
def challenge_sample(
    game_id: bytes32, given: IDisputeGame.Record, pass_: Types.ForwardPass, rival: uint32
):
    """
    @notice Challenger: accept the trace and claim that `rival` beats the claimed token.
    """
    record: IDisputeGame.Record = game_state._enter(game_id, given, game_state.PICK_NODE)
    cursor: descent.Cursor = descent.unpack(record.cursor)
    assert not cursor.step_known, "dispute_game: a step is picked"
    game_state._check_terms(record, keccak256(abi_encode(pass_)))
    # INVARIANT: no rival of an embedding: its provider could open no claimed token.
    assert rival < pass_.vocab_size and not claims.embeds(pass_.gumbel_table), (
        "dispute_game: no such token"
    )
    cursor.target = convert(rival, uint256)
    record.cursor = descent.pack(cursor)
    game_state._leave(game_id, record, game_state.PROVE_SAMPLE)
    log IDisputeGame.SampleChallenged(game_id=game_id, rival=rival)


@external
def reveal_nodes(game_id: bytes32, given: IDisputeGame.Record, children: DynArray[bytes32, 64]):
    """
    @notice Provider: all nodes `next_height` levels below the picked one.
    """
    record: IDisputeGame.Record = game_state._enter(game_id, given, game_state.REVEAL_NODES)
    cursor: descent.Cursor = descent.unpack(record.cursor)
    above: bytes32 = descent.join(cursor, children)
    game_state._check_node(record, above)
    game_state._leave(game_id, record, game_state.PICK_NODE)
    log IDisputeGame.NodesRevealed(
        game_id=game_id,
        in_steps=not cursor.step_known,
        node_index=cursor.node_index,
        depth_left=cursor.depth_left,
        children=children,
    )


# ------------------------------------------------------------------
#                     DOWN THE OUTPUT OF ONE STEP
# ------------------------------------------------------------------


@external
def reveal_step(
    game_id: bytes32,
    given: IDisputeGame.Record,
    pass_: Types.ForwardPass,
    step: Types.Step,
    program_path: DynArray[bytes32, 32],
    children: DynArray[bytes32, 64],
):
    """
    @notice Provider: the picked step, and the first nodes of its output's tile tree.
    @dev The picked leaf binds the output's shape and its tile tree; both are computed here
         (the step gives the shape, the children the root) and must hash to it.
    """
    record: IDisputeGame.Record = game_state._enter(game_id, given, game_state.REVEAL_STEP)
    index: uint256 = descent.unpack(record.cursor).node_index
    game_state._check_terms(record, keccak256(abi_encode(pass_)))
    self._check_program(pass_, step, index, program_path)
    verifier: IStepVerifier = IStepVerifier(record.verifier)
    rows: uint32 = 0
    width: uint32 = 0
    elem_bytes: uint8 = 0
    rows, width, elem_bytes = staticcall verifier.shape(step, pass_.positions)
    chunk_count: uint256 = staticcall verifier.chunk_count(step, pass_.positions)
    assert chunk_count <= descent.MAX_CHUNKS, "dispute_game: too many chunks"

    cursor: descent.Cursor = descent.at_tiles_root(index, rows, width, elem_bytes, chunk_count)
    root: bytes32 = descent.join(cursor, children)
    output: bytes32 = merkle.tensor_commitment(rows, width, elem_bytes, root)
    game_state._check_node(record, output)
    record.terms = keccak256(abi_encode(pass_, step))
    record.cursor = descent.pack(cursor)
    record.node = root
    game_state._leave(
        game_id,
        record,
        game_state.REVEAL_TILE if cursor.depth_left == 0 else game_state.PICK_NODE
    )
    log IDisputeGame.StepRevealed(
        game_id=game_id,
        step_index=index,
        step=step,
        rows=rows,
        width=width,
        elem_bytes=elem_bytes,
        chunk_count=chunk_count,
        children=children,
    )


@external
def reveal_tile(game_id: bytes32, given: IDisputeGame.Record, data: Bytes[2048]):
    """
    @notice Provider: the elements of the picked tile, big-endian.
    """
    record: IDisputeGame.Record = game_state._enter(game_id, given, game_state.REVEAL_TILE)
    cursor: descent.Cursor = descent.unpack(record.cursor)
    assert len(data) == descent.tile_elements(cursor) * cursor.elem_bytes, (
        "dispute_game: wrong tile length"
    )
    game_state._check_node(record, merkle.tile_leaf(data))
    game_state._leave(game_id, record, game_state.PICK_ELEMENT)
    log IDisputeGame.TileRevealed(
        game_id=game_id,
        row=descent.row(cursor),
        first_column=descent.first_column(cursor),
        data=data,
    )


@external
def pick_element(
    game_id: bytes32,
    given: IDisputeGame.Record,
    element: uint256,
    data: Bytes[2048],
    partials: Bytes[2048],
):
    """
    @notice Challenger: name the wrong element of the tile; where its reduction has more than
            one chunk, state what each chunk's partial is.
    @dev The tile comes again: cheaper than to store it, and at the challenger's expense.
         An honest challenger agrees with all inputs of the step, so it has the partials.
    """
    record: IDisputeGame.Record = game_state._enter(game_id, given, game_state.PICK_ELEMENT)
    cursor: descent.Cursor = descent.unpack(record.cursor)
    assert element < descent.tile_elements(cursor), "dispute_game: no such element"
    game_state._check_node(record, merkle.tile_leaf(data))
    assert len(partials) == descent.partials_bytes(cursor), "dispute_game: wrong partials"
    picked: IDisputeGame.Element = IDisputeGame.Element(
        row=descent.row(cursor),
        column=descent.first_column(cursor) + element,
        value=tensor.element(data, cursor.elem_bytes, element),
        partials=partials,
    )
    record.node = keccak256(abi_encode(picked))
    game_state._leave(game_id, record, game_state.PROVE_ELEMENT)
    log IDisputeGame.ElementPicked(
        game_id=game_id,
        row=picked.row,
        column=picked.column,
        value=picked.value,
        partials=partials,
    )


@pure
@internal
def _check_program(
    pass_: Types.ForwardPass, step: Types.Step, index: uint256, path: DynArray[bytes32, 32]
):
    """
    @notice The step is step `index` of the model's program.
    """
    depth: uint256 = merkle.depth_of(convert(pass_.n_steps, uint256))
    assert len(path) == depth, "dispute_game: wrong path length"
    root: bytes32 = merkle.climb(merkle.step_leaf(abi_encode(step)), index, path, 0, depth)
    assert merkle.program_root(pass_.n_steps, root) == pass_.program_root, (
        "dispute_game: other step"
    )
