# pragma version 0.4.3
# pragma nonreentrancy on
# pragma evm-version cancun
# pragma optimize codesize
"""
@title The dispute game: one challenge against one claim
@license AGPL-3.0-only
@notice A claim says: this job's output is these tokens. A challenger names the first token
        that it rejects and puts down a bond. The provider commits to the trace of the pass
        that made the token, one Merkle root over the outputs of all steps, and from then on
        only opens what it has committed to: nodes of the trace, the step that the
        challenger picks, nodes of its output, one tile. The challenger points, never states
        a result of its own; following the first difference from its own recomputation, it
        ends at an element that does not follow from its inputs, all of them right. The
        provider opens those, and the step verifier recomputes the one element.
        Right: the provider gets the challenger's bond. Wrong: the claim is convicted, its
        provider slashed, and the challenger gets its bond back and the reward.
        Whoever does not move in time loses the game. Any number of games may run against
        one claim, by anyone, without regard to each other; a lost one settles nothing
        about the claim.
        contracts/README.md has the state diagram and the table of moves.
@custom:kill Nothing stops a game, no role exists, no parameter changes.
"""

from ..interfaces import IBurnableERC20
from ..interfaces import IDisputeGame
from ..interfaces import ISettlement
from ..interfaces import IStepVerifier
from ..interfaces import Types
from ..modules import claims
from ..modules import clock
from ..modules import descent
from ..modules import game_state
from ..modules import merkle
from ..modules import tensor

implements: IDisputeGame
initializes: game_state


# ------------------------------------------------------------------
#                             IMMUTABLES
# ------------------------------------------------------------------

settlement: public(immutable(address))
bond_token: public(immutable(address))
challenger_bond: public(immutable(uint256))


# ------------------------------------------------------------------
#                            CONSTRUCTOR
# ------------------------------------------------------------------


@deploy
def __init__(
    settlement_: address,
    bond_token_: address,
    challenger_bond_: uint256,
    clock_seconds_: uint64,
    extension_seconds_: uint64,
):
    """
    @param settlement_ Settlement; it names this game by `set_game`.
    @param bond_token_ A plain ERC-20: no fee on transfer, no hooks.
    @param challenger_bond_ What a lost game costs its challenger and pays the provider. More
           than what answering costs: then false challenges feed the provider.
    @param clock_seconds_ Total time of each side: 10 s to 30 days.
    @param extension_seconds_ Least time of a turn: 1 s up to `clock_seconds_`.
    """
    assert settlement_.is_contract, "dispute_game: settlement is not a contract"
    assert bond_token_.is_contract, "dispute_game: token is not a contract"
    assert 0 < challenger_bond_, "dispute_game: no bond"
    game_state.__init__(clock_seconds_, extension_seconds_)
    settlement = settlement_
    bond_token = bond_token_
    challenger_bond = challenger_bond_


# ------------------------------------------------------------------
#                               OPENING
# ------------------------------------------------------------------


@external
def open(
    batch_id: bytes32,
    index: uint256,
    receipt: Types.Receipt,
    proof: DynArray[bytes32, 32],
    job: Types.Job,
    model: Types.Model,
    token_index: uint32,
    salt: bytes32,
) -> bytes32:
    """
    @notice Challenge output token `token_index` of a claim: the first one the caller rejects.
    """
    claim: ISettlement.Disputed = staticcall ISettlement(settlement).disputed(
        batch_id, index, receipt, proof, job, model, token_index
    )
    claim_id: bytes32 = claims.claim_id(batch_id, index)
    game_id: bytes32 = self._game_id(claim_id, token_index, msg.sender, salt)
    game_state._begin(game_id, claim_id, batch_id, index, token_index, claim)
    assert extcall IBurnableERC20(bond_token).transferFrom(msg.sender, self, challenger_bond), (
        "dispute_game: transfer failed"
    )
    log IDisputeGame.GameOpened(
        game_id=game_id,
        claim_id=claim_id,
        challenger=msg.sender,
        provider=claim.provider,
        batch_id=batch_id,
        index=index,
        token_index=token_index,
        job_id=receipt.job_id,
        verifier=claim.verifier,
    )
    return game_id


# ------------------------------------------------------------------
#                       DOWN THE STEPS OF THE TRACE
# ------------------------------------------------------------------


@external
def answer(
    game_id: bytes32,
    pass_: Types.ForwardPass,
    ending: ISettlement.Ending,
    children: DynArray[bytes32, 64],
    token: Types.TokenOpening,
    previous: Types.TokenOpening,
):
    """
    @notice Provider: commit to the trace of the pass, and show that the claim's output is
            well-formed around t. A malformed claim cannot be answered.
    """
    game_state._enter(game_id, game_state.ANSWER)
    game_state._check_terms(game_id, keccak256(abi_encode(pass_, ending)))
    # Reverts with its reason where the output is malformed.
    assert staticcall ISettlement(settlement).check_output(pass_, ending, token, previous)
    cursor: descent.Cursor = descent.at_steps_root(convert(pass_.n_steps, uint256))
    trace_root: bytes32 = self._join(cursor, children)
    game_state.records[game_id].terms = keccak256(abi_encode(pass_))
    game_state.records[game_id].trace_root = trace_root
    game_state._place(game_id, cursor, trace_root)
    game_state._leave(game_id, game_state.PICK_NODE)
    log IDisputeGame.Answered(
        game_id=game_id,
        pass_=pass_,
        trace_root=trace_root,
        token=token.token,
        children=children,
    )


@external
def pick_node(game_id: bytes32, child: uint256, node: bytes32, path: DynArray[bytes32, 6]):
    """
    @notice Challenger: go down to one of the nodes shown last.
    @dev The path leads to the node that the children were shown for, so that they need not
         be stored, and a pick replayed after a reorganisation fits no other children.
    """
    cursor: descent.Cursor = game_state._enter(game_id, game_state.PICK_NODE)
    height: uint256 = descent.next_height(cursor.depth_left)
    assert len(path) == height, "dispute_game: wrong path length"
    cursor = descent.below(cursor, child)
    assert child < 1 << height and descent.holds_leaf(cursor), "dispute_game: no such node"
    shown_for: bytes32 = merkle.climb(node, child, path, 0, height)
    game_state._check_node(game_id, shown_for, "dispute_game: node was not shown")
    game_state._place(game_id, cursor, node)
    game_state._leave(game_id, game_state._reveal_phase(cursor))
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
    game_id: bytes32, pass_: Types.ForwardPass, trace_root: bytes32, rival: uint32
):
    """
    @notice Challenger: accept the trace and claim that `rival` beats the claimed token.
    """
    cursor: descent.Cursor = game_state._enter(game_id, game_state.PICK_NODE)
    assert not cursor.step_known, "dispute_game: a step is picked"
    game_state._check_terms(game_id, keccak256(abi_encode(pass_)))
    assert trace_root == game_state.records[game_id].trace_root, "dispute_game: other trace"
    assert rival < pass_.vocab_size, "dispute_game: no such token"
    cursor.target = convert(rival, uint256)
    game_state._aim(game_id, cursor)
    game_state._leave(game_id, game_state.PROVE_SAMPLE)
    log IDisputeGame.SampleChallenged(game_id=game_id, rival=rival)


@external
def reveal_nodes(game_id: bytes32, children: DynArray[bytes32, 64]):
    """
    @notice Provider: all nodes `next_height` levels below the picked one.
    """
    cursor: descent.Cursor = game_state._enter(game_id, game_state.REVEAL_NODES)
    above: bytes32 = self._join(cursor, children)
    game_state._check_node(game_id, above, "dispute_game: not below the node")
    game_state._leave(game_id, game_state.PICK_NODE)
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
    index: uint256 = game_state._enter(game_id, game_state.REVEAL_STEP).node_index
    game_state._check_terms(game_id, keccak256(abi_encode(pass_)))
    self._check_program(pass_, step, index, program_path)
    verifier: IStepVerifier = IStepVerifier(game_state.records[game_id].verifier)
    rows: uint32 = 0
    width: uint32 = 0
    elem_bytes: uint8 = 0
    rows, width, elem_bytes = staticcall verifier.shape(step, pass_.positions)
    chunk_count: uint256 = staticcall verifier.chunk_count(step, pass_.positions)
    assert chunk_count <= descent.MAX_CHUNKS, "dispute_game: too many chunks"

    cursor: descent.Cursor = descent.at_tiles_root(index, rows, width, elem_bytes, chunk_count)
    root: bytes32 = self._join(cursor, children)
    output: bytes32 = merkle.tensor_commitment(rows, width, elem_bytes, root)
    game_state._check_node(game_id, output, "dispute_game: other output")
    game_state.records[game_id].terms = keccak256(abi_encode(pass_, step))
    game_state._place(game_id, cursor, root)
    game_state._leave(
        game_id, game_state.REVEAL_TILE if cursor.depth_left == 0 else game_state.PICK_NODE
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
def reveal_tile(game_id: bytes32, data: Bytes[2048]):
    """
    @notice Provider: the elements of the picked tile, big-endian.
    """
    cursor: descent.Cursor = game_state._enter(game_id, game_state.REVEAL_TILE)
    assert len(data) == descent.tile_elements(cursor) * cursor.elem_bytes, (
        "dispute_game: wrong tile length"
    )
    game_state._check_node(game_id, merkle.tile_leaf(data), "dispute_game: wrong tile")
    game_state._leave(game_id, game_state.PICK_ELEMENT)
    log IDisputeGame.TileRevealed(
        game_id=game_id,
        row=descent.row(cursor),
        first_column=descent.first_column(cursor),
        data=data,
    )


@external
def pick_element(game_id: bytes32, element: uint256, data: Bytes[2048]):
    """
    @notice Challenger: name the wrong element of the tile.
    @dev The tile comes again: cheaper than to store it, and at the challenger's expense.
    """
    cursor: descent.Cursor = game_state._enter(game_id, game_state.PICK_ELEMENT)
    assert element < descent.tile_elements(cursor), "dispute_game: no such element"
    game_state._check_node(game_id, merkle.tile_leaf(data), "dispute_game: wrong tile")
    picked: IDisputeGame.Element = IDisputeGame.Element(
        row=descent.row(cursor),
        column=descent.first_column(cursor) + element,
        value=tensor.element(data, cursor.elem_bytes, element),
        partials=[],
    )
    game_state.records[game_id].node = keccak256(abi_encode(picked))
    game_state._leave(game_id, game_state.PROVE_ELEMENT)
    log IDisputeGame.ElementPicked(
        game_id=game_id, row=picked.row, column=picked.column, value=picked.value
    )


# ------------------------------------------------------------------
#                              VERDICTS
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
        self._convict(game_id, "partials do not give the element")


@external
def pick_chunk(game_id: bytes32, chunk: uint256, node: bytes32):
    """
    @notice Challenger: name the wrong partial.
    """
    cursor: descent.Cursor = game_state._enter(game_id, game_state.PICK_CHUNK)
    game_state._check_node(game_id, node, "dispute_game: other partials")
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


# ------------------------------------------------------------------
#                       ENDS WITHOUT A PROOF
# ------------------------------------------------------------------


@external
def timeout(game_id: bytes32):
    """
    @notice Anyone: end a game whose side to move has run out of time.
    """
    if game_state._expire(game_id):
        self._acquit(game_id, "challenger ran out of time")
    else:
        self._convict(game_id, "provider ran out of time")


@external
def close(game_id: bytes32):
    """
    @notice Anyone: end a game whose claim another game has convicted; the challenger gets its
            bond back.
    """
    game_state._check_unresolved(game_state._turn(game_id).phase)
    assert game_state.convicted[game_state._claim_id(game_id)], (
        "dispute_game: not convicted"
    )
    challenger: address = game_state._challenger(game_id)
    claim_id: bytes32 = game_state._end(game_id, game_state.CLOSED)
    self._return_bond(challenger)
    log IDisputeGame.GameClosed(game_id=game_id, claim_id=claim_id, challenger=challenger)


@internal
def _judge(game_id: bytes32, right: bool, acquittal: String[64], conviction: String[64]):
    if right:
        self._acquit(game_id, acquittal)
    else:
        self._convict(game_id, conviction)


@internal
def _acquit(game_id: bytes32, reason: String[64]):
    """
    @notice The challenger's bond goes to the provider. The claim is as open as before.
    """
    provider: address = game_state.records[game_id].provider
    claim_id: bytes32 = game_state._end(game_id, game_state.PROVIDER_WON)
    self._return_bond(provider)
    self._log_end(game_id, claim_id, provider, game_state.PROVIDER_WON, reason)


@internal
def _convict(game_id: bytes32, reason: String[64]):
    """
    @notice The claim dies; the challenger gets its bond back, and the reward.
    """
    challenger: address = game_state._challenger(game_id)
    claim_id: bytes32 = game_state._end(game_id, game_state.CHALLENGER_WON)
    self._return_bond(challenger)
    extcall ISettlement(settlement).convict(
        game_state.records[game_id].batch_id, game_state._index(game_id), challenger
    )
    self._log_end(game_id, claim_id, challenger, game_state.CHALLENGER_WON, reason)


@internal
def _return_bond(beneficiary: address):
    assert extcall IBurnableERC20(bond_token).transfer(beneficiary, challenger_bond), (
        "dispute_game: transfer failed"
    )


@internal
def _log_end(
    game_id: bytes32, claim_id: bytes32, winner: address, outcome: uint256, reason: String[64]
):
    log IDisputeGame.GameResolved(
        game_id=game_id,
        claim_id=claim_id,
        winner=winner,
        outcome=convert(outcome, uint8),
        reason=reason,
    )


# ------------------------------------------------------------------
#                               VIEWS
# ------------------------------------------------------------------


@view
@external
def game(game_id: bytes32) -> IDisputeGame.Game:
    """
    @notice The whole state of a game.
    """
    return game_state._view(game_id)


@view
@external
def clocks(game_id: bytes32) -> (uint64, uint64, uint64):
    """
    @notice Seconds left to provider and challenger as of now, and the last second in which
            the side to move may move (0 once resolved).
    """
    return game_state._clocks(game_id)


@view
@external
def game_id(claim_id: bytes32, token_index: uint32, challenger: address, salt: bytes32) -> bytes32:
    return self._game_id(claim_id, token_index, challenger, salt)


@view
@external
def open_games(claim_id: bytes32) -> uint256:
    return game_state.open_games[claim_id]


@view
@external
def convicted(claim_id: bytes32) -> bool:
    return game_state.convicted[claim_id]


@pure
@external
def next_height(depth_left: uint256) -> uint256:
    """
    @notice Levels that the next reveal covers when `depth_left` remain.
    """
    return descent.next_height(depth_left)


@view
@external
def longest_game_seconds() -> uint256:
    """
    @notice No game lasts longer, provided that someone calls `timeout`.
    """
    return clock.longest(
        game_state.CLOCK_SECONDS, game_state.EXTENSION_SECONDS, game_state.MAX_TURNS
    )


@view
@external
def clock_seconds() -> uint64:
    return convert(game_state.CLOCK_SECONDS, uint64)


@view
@external
def extension_seconds() -> uint64:
    return convert(game_state.EXTENSION_SECONDS, uint64)


# ------------------------------------------------------------------
#                              INTERNAL
# ------------------------------------------------------------------


@view
@internal
def _game_id(
    claim_id: bytes32, token_index: uint32, challenger: address, salt: bytes32
) -> bytes32:
    """
    @dev Content only: after a reorganisation a replayed move meets the same game or none.
    """
    return keccak256(abi_encode(chain.id, self, claim_id, token_index, challenger, salt))


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


@pure
@internal
def _join(cursor: descent.Cursor, children: DynArray[bytes32, 64]) -> bytes32:
    """
    @notice The node at the cursor, from all nodes one reveal below it.
    """
    assert len(children) == 1 << descent.next_height(cursor.depth_left), (
        "dispute_game: wrong node count"
    )
    return descent.join(children)
