# pragma version 0.4.3
# pragma nonreentrancy on
# pragma evm-version cancun
"""
@title Toy verifier: arithmetic simple enough to test the dispute game by itself
@license AGPL-3.0-only
@notice Elements follow from their places alone, so a test knows the truth of any program
        without a model:
          opcode 1, elementwise:  params[0] + 1000 * row + column
          opcode 2, params[1] chunks:  partial c is params[0] + row + column + c;
                                       the element is the sum of all partials, which a
                                       negative one makes revert
        A token's score is token * 7 mod vocab_size. Every proof carries one opening, whose
        only duty is not to be empty: an empty one stands for a malformed witness.
@custom:kill Stateless.
"""

from ..interfaces import IStepVerifier
from ..interfaces import Types
from ..modules import merkle
from ..modules import tensor

implements: IStepVerifier

REDUCTION: constant(uint8) = 2


@view
@external
def shape(step: Types.Step, positions: uint32) -> (uint32, uint32, uint8):
    rows: uint32 = step.rows
    if step.per_position:
        rows = rows * positions
    return rows, positions if step.width == 0 else step.width, step.elem_bytes


@view
@external
def chunk_count(step: Types.Step, positions: uint32) -> uint256:
    return self._chunk_count(step)


@view
@external
def verify_element(
    step: Types.Step,
    pass_: Types.ForwardPass,
    trace_root: bytes32,
    row: uint256,
    column: uint256,
    element: int256,
    openings: DynArray[Types.Opening, 6],
    token: Types.TokenOpening,
) -> bool:
    self._check_openings(openings)
    place: int256 = convert(step.params[0], int256) + convert(column, int256)
    if step.opcode == REDUCTION:
        return element == place + convert(row, int256)
    return element == place + 1000 * convert(row, int256)


@view
@external
def verify_combine(
    step: Types.Step,
    pass_: Types.ForwardPass,
    trace_root: bytes32,
    row: uint256,
    column: uint256,
    element: int256,
    partials: Bytes[2048],
    openings: DynArray[Types.Opening, 6],
) -> bool:
    self._check_openings(openings)
    total: int256 = 0
    for chunk: uint256 in range(len(partials) // 8, bound=256):
        total += tensor.element(partials, 8, chunk)
    assert total >= 0, "toy_verifier: negative"
    return element == total


@view
@external
def verify_chunk(
    step: Types.Step,
    pass_: Types.ForwardPass,
    trace_root: bytes32,
    row: uint256,
    column: uint256,
    chunk: uint256,
    partial: int256,
    openings: DynArray[Types.Opening, 6],
) -> bool:
    self._check_openings(openings)
    return partial == convert(step.params[0], int256) + convert(row + column + chunk, int256)


@view
@external
def verify_sample(
    pass_: Types.ForwardPass,
    trace_root: bytes32,
    claimed: Types.TokenOpening,
    rival: uint32,
    openings: DynArray[Types.Opening, 4],
) -> bool:
    assert len(openings) == 1, "toy_verifier: openings"
    leaf: bytes32 = merkle.token_leaf(claimed.salt, claimed.token)
    index: uint256 = convert(pass_.token_index, uint256)
    root: bytes32 = merkle.climb(leaf, index, claimed.path, 0, len(claimed.path))
    assert merkle.token_root(pass_.output_tokens, root) == pass_.output_root, "toy_verifier: token"
    return rival * 7 % pass_.vocab_size <= claimed.token * 7 % pass_.vocab_size


@pure
@internal
def _chunk_count(step: Types.Step) -> uint256:
    if step.opcode == REDUCTION:
        return convert(step.params[1], uint256)
    return 0


@pure
@internal
def _check_openings(openings: DynArray[Types.Opening, 6]):
    assert len(openings) == 1 and len(openings[0].data) > 0, "toy_verifier: openings"
