# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title The verdicts of a game: the step verifier recomputes one element, partial or choice
@license AGPL-3.0-only
@notice The element that the walk ended at. Exported by DisputeGame, which has the story.

        A reduction of more than one chunk is too long for one proof. So the challenger, who
        has recomputed it, states the partial of each chunk as it picks the element, and the
        provider answers with one proof of its choice: `prove_combine`, the partials do give
        the element, or `prove_chunk`, this one is not what its operands give.
        A right element can always be proven: if all partials are right, they give it; if
        not, any wrong one is the provider's to name. A wrong element with right partials can
        not: they do not give it, and each is what its operands give. What is stated says no
        more than that, so a challenger gains nothing by stating anything else: there is one
        partial for each chunk, in order, of 64 bits like those of honest operands. Where
        false ones cannot even be joined the verifier reverts, which costs the provider one
        of its two proofs and leaves it the other.
@dev Pass, step and element come again as calldata and are compared with the hashes that the
     game stands at: cheaper than to store them.
     INVARIANT: `pick_element` has taken a partial for each of several chunks, none otherwise.
"""

from ..interfaces import IDisputeGame
from ..interfaces import IStepVerifier
from ..interfaces import Types
from . import descent
from . import game_state
from . import stakes
from . import tensor

uses: game_state
uses: stakes


# ------------------------------------------------------------------
#                              PROOFS
# ------------------------------------------------------------------


@external
def prove_element(
    game_id: bytes32,
    given: IDisputeGame.Record,
    pass_: Types.ForwardPass,
    step: Types.Step,
    element: IDisputeGame.Element,
    openings: DynArray[Types.Opening, 6],
    token: Types.TokenOpening,
):
    """
    @notice Provider: open the inputs of the element (at most one chunk). Ends the game.
    """
    record: IDisputeGame.Record = game_state._enter(game_id, given, game_state.PROVE_ELEMENT)
    game_state._check_context(record, pass_, step, element)
    assert len(element.partials) == 0, "dispute_game: many chunks"
    right: bool = staticcall IStepVerifier(record.verifier).verify_element(
        step,
        pass_,
        record.trace_root,
        element.row,
        element.column,
        element.value,
        openings,
        token,
    )
    self._judge(game_id, record, right, "element is right", "element is wrong")


@external
def prove_combine(
    game_id: bytes32,
    given: IDisputeGame.Record,
    pass_: Types.ForwardPass,
    step: Types.Step,
    element: IDisputeGame.Element,
    openings: DynArray[Types.Opening, 6],
):
    """
    @notice Provider: the stated partials do give the element. Ends the game.
    """
    record: IDisputeGame.Record = game_state._enter(game_id, given, game_state.PROVE_ELEMENT)
    game_state._check_context(record, pass_, step, element)
    assert len(element.partials) > 0, "dispute_game: prove the element"
    joins: bool = staticcall IStepVerifier(record.verifier).verify_combine(
        step,
        pass_,
        record.trace_root,
        element.row,
        element.column,
        element.value,
        element.partials,
        openings,
    )
    self._judge(
        game_id, record, joins, "partials give the element", "partials do not give the element"
    )


@external
def prove_chunk(
    game_id: bytes32,
    given: IDisputeGame.Record,
    pass_: Types.ForwardPass,
    step: Types.Step,
    element: IDisputeGame.Element,
    chunk: uint256,
    openings: DynArray[Types.Opening, 6],
):
    """
    @notice Provider: one stated partial is wrong. Ends the game.
    """
    record: IDisputeGame.Record = game_state._enter(game_id, given, game_state.PROVE_ELEMENT)
    game_state._check_context(record, pass_, step, element)
    assert chunk < len(element.partials) // descent.PARTIAL_BYTES, "dispute_game: no such chunk"
    as_stated: bool = staticcall IStepVerifier(record.verifier).verify_chunk(
        step,
        pass_,
        record.trace_root,
        element.row,
        element.column,
        chunk,
        tensor.element(element.partials, descent.PARTIAL_BYTES, chunk),
        openings,
    )
    self._judge(game_id, record, not as_stated, "a partial is misstated", "partial is as stated")


@external
def prove_sample(
    game_id: bytes32,
    given: IDisputeGame.Record,
    pass_: Types.ForwardPass,
    claimed: Types.TokenOpening,
    openings: DynArray[Types.Opening, 4],
):
    """
    @notice Provider: the claimed token stands against the rival. Ends the game.
    """
    record: IDisputeGame.Record = game_state._enter(game_id, given, game_state.PROVE_SAMPLE)
    rival: uint256 = descent.unpack(record.cursor).target
    game_state._check_terms(record, keccak256(abi_encode(pass_)))
    stands: bool = staticcall IStepVerifier(record.verifier).verify_sample(
        pass_, record.trace_root, claimed, convert(rival, uint32), openings
    )
    self._judge(game_id, record, stands, "token stands", "token is beaten")


@internal
def _judge(
    game_id: bytes32,
    record: IDisputeGame.Record,
    right: bool,
    acquittal: String[64],
    conviction: String[64],
):
    if right:
        stakes._acquit(game_id, record, acquittal)
    else:
        stakes._convict(game_id, record, conviction)
