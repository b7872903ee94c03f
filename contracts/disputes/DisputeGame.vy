# pragma version 0.4.3
# pragma nonreentrancy on
# pragma evm-version cancun
# pragma optimize codesize
"""
@title The dispute game: one challenge against one claim
@license AGPL-3.0-only
@notice A claim says: this job's output is these tokens, or this embedding. A challenger names
        the first token that it rejects (an embedding counts as token 0) and puts down a bond.
        The provider commits to the trace of the pass that made the token, one Merkle root over
        the outputs of all steps, and from then on only opens what it has committed to: nodes of
        the trace, the step that the challenger picks, nodes of its output, one tile. The
        challenger points; following the first difference from its own recomputation, it ends at
        an element that does not follow from its inputs, all of them right. The provider opens
        those, and the step verifier recomputes the one element; of a long reduction the
        challenger has stated the parts, and one of them, or what they give, is recomputed.
        Right: the provider gets the challenger's bond. Wrong: the claim is convicted, its
        provider slashed, and the challenger gets its bond back and the reward.
        Whoever does not move in time loses the game. Any number of games may run against
        one claim, by anyone, without regard to each other; a lost one settles nothing
        about the claim.
        contracts/README.md has the state diagram and the table of moves.
@custom:kill Nothing stops a game, no role exists, no parameter changes.
"""

from ..interfaces import IDisputeGame
from ..interfaces import ISettlement
from ..interfaces import Types
from ..modules import claims
from ..modules import clock
from ..modules import descent
from ..modules import game_state
from ..modules import stakes
from ..modules import verdicts
from ..modules import walk

implements: IDisputeGame
initializes: game_state
initializes: stakes[game_state := game_state]
initializes: walk[game_state := game_state]
initializes: verdicts[game_state := game_state, stakes := stakes]

# All moves between the opening and the end; nothing is withheld.
exports: (
    walk.pick_node,
    walk.challenge_sample,
    walk.reveal_nodes,
    walk.reveal_step,
    walk.reveal_tile,
    walk.pick_element,
    verdicts.prove_element,
    verdicts.prove_combine,
    verdicts.prove_chunk,
    verdicts.prove_sample,
)


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
    game_state.__init__(clock_seconds_, extension_seconds_)
    stakes.__init__(settlement_, bond_token_, challenger_bond_)


# ------------------------------------------------------------------
#                        OPENING AND ANSWER
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
    claim: ISettlement.Disputed = staticcall ISettlement(stakes.SETTLEMENT).disputed(
        batch_id, index, receipt, proof, job, model, token_index
    )
    claim_id: bytes32 = claims.claim_id(batch_id, index)
    game_id: bytes32 = self._game_id(claim_id, token_index, msg.sender, salt)
    bonds: uint256 = stakes._bonds(claim.provider)
    game_state._begin(game_id, claim_id, batch_id, index, token_index, claim, bonds)
    stakes._take_bonds(claim.provider, bonds)
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


@external
def answer(
    game_id: bytes32,
    given: IDisputeGame.Record,
    pass_: Types.ForwardPass,
    ending: ISettlement.Ending,
    children: DynArray[bytes32, 64],
    token: Types.TokenOpening,
    previous: Types.TokenOpening,
):
    """
    @notice Provider: commit to the trace of the pass, and show that the claim's output is
            well-formed around t, or that its embedding is the trace's last step's. A malformed
            claim cannot be answered.
    """
    record: IDisputeGame.Record = game_state._enter(game_id, given, game_state.ANSWER)
    game_state._check_terms(record, keccak256(abi_encode(pass_, ending)))
    cursor: descent.Cursor = descent.at_steps_root(convert(pass_.n_steps, uint256))
    trace_root: bytes32 = descent.join(cursor, children)
    # Reverts with its reason where the output is malformed.
    assert staticcall ISettlement(stakes.SETTLEMENT).check_output(
        pass_, ending, trace_root, token, previous
    )
    record.terms = keccak256(abi_encode(pass_))
    record.trace_root = trace_root
    record.cursor = descent.pack(cursor)
    record.node = trace_root
    game_state._leave(game_id, record, game_state.PICK_NODE)
    log IDisputeGame.Answered(
        game_id=game_id,
        pass_=pass_,
        trace_root=trace_root,
        token=token.token,
        children=children,
    )


# ------------------------------------------------------------------
#                       ENDS WITHOUT A PROOF
# ------------------------------------------------------------------


@external
def timeout(game_id: bytes32, given: IDisputeGame.Record):
    """
    @notice Anyone: end a game whose side to move has run out of time.
    """
    challenger_is_late: bool = False
    record: IDisputeGame.Record = given
    challenger_is_late, record = game_state._expire(game_id, given)
    if challenger_is_late:
        stakes._acquit(game_id, record, "challenger ran out of time")
    else:
        stakes._convict(game_id, record, "provider ran out of time")


@external
def close(game_id: bytes32, given: IDisputeGame.Record):
    """
    @notice Anyone: end a game whose claim another game has convicted; the challenger gets its
            bond back.
    """
    game_state._unresolved(game_id, given)
    assert game_state._convicted(game_state._claim_id(given)), "dispute_game: not convicted"
    stakes._close(game_id, given)


# ------------------------------------------------------------------
#                               VIEWS
# ------------------------------------------------------------------


@view
@external
def standing(game_id: bytes32) -> bytes32:
    """
    @notice keccak256(abi_encode(Record)) of what a game stands at; zero for no game.
    """
    return game_state.standing[game_id]


@view
@external
def game_id(claim_id: bytes32, token_index: uint32, challenger: address, salt: bytes32) -> bytes32:
    return self._game_id(claim_id, token_index, challenger, salt)


@view
@external
def settlement() -> address:
    return stakes.SETTLEMENT


@view
@external
def bond_token() -> address:
    return stakes.BOND_TOKEN


@view
@external
def challenger_bond() -> uint256:
    return stakes.CHALLENGER_BOND


@view
@external
def bond_against(provider: address) -> uint256:
    """
    @notice What opening a game against a provider costs now.
    """
    return stakes._bonds(provider) * stakes.CHALLENGER_BOND


@view
@external
def open_games(claim_id: bytes32) -> uint256:
    return game_state.claims_in_play[claim_id] & (game_state.CONVICTED - 1)


@view
@external
def convicted(claim_id: bytes32) -> bool:
    return game_state._convicted(claim_id)


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
