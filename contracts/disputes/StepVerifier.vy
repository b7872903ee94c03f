# pragma version 0.4.3
# pragma nonreentrancy on
# pragma evm-version cancun
# pragma optimize gas
"""
@title StepVerifier: recomputes one element of one step of a model's program
@license AGPL-3.0-only
@notice Inference is exact integer arithmetic, and every step's output lies in the provider's
        own Merkle tree. So any wrong trace contains an element that does not follow from its
        own committed inputs, and this contract is where that shows: given the tiles that the
        element reads, each proven to lie where the step's definition says, it computes the
        element and compares.

        Where things lie is `modules/opcodes.vy`, that they lie there `modules/opened.vy`,
        what chunks add up to `modules/chunks.vy`; what follows from the values is asked of
        StepArithmetic. Openings come in
        the order in which the operands are listed there; operands in the same tile of the same
        tensor share one opening:

        EMBED      table tile, and the row's token
        NORM       x, e, rinv, gain
        QUANT      x, e
        ROPE       x, x half a head away (if in another tile), row of the table
        SCORES     q, eq, k, ek; nothing where masked
        EXP2       s, m
        TRANSPOSE  v
        ADD        x, y
        SILU_GATE  gate, up
        LAST       x
        BIAS       x, bias
        SPLIT      x
        CENTER     x, mean
        GELU       x
        SOFTCAP    x
        GELU_GATE  gate, up
                   combine      chunk
        EXPONENT   -            x
        RMS        e            x, e
        LINEAR     e, scale     a, W
        ROWMAX     -            s
        MEAN       -            x
        SUM        -            p
        ATTEND     sum of p     p, vT
                   one chunk, as an element: combine, then chunk, e of RMS once
        SAMPLE     logits of the claimed token and of the rival, then, unless greedy, the
                   noise of both

        The verifier is total: for any bytes it answers True or False or reverts with a reason
        ("step_verifier: ..."); it never loops over more than the calldata holds. A revert is
        the mover's failure: it has sent something that is no opening of that place.
@custom:kill Nothing stops it and nobody owns it: no state, no roles, no upgrade; what it calls is
             fixed at deployment and like it. A claim names its verifier when it is posted; a
             corrected one serves later claims only.
"""

from ..interfaces import IStepArithmetic
from ..interfaces import IStepVerifier
from ..interfaces import Types
from ..modules import chunks
from ..modules import opcodes
from ..modules import opened
from ..modules import sampling
from ..modules import step_arithmetic

implements: IStepVerifier

# ------------------------------------------------------------------
#                            CONSTANTS
# ------------------------------------------------------------------

MAX_OPENINGS: constant(uint256) = 6
MAX_OPERANDS: constant(uint256) = opcodes.MAX_OPERANDS

ARITHMETIC: immutable(IStepArithmetic)


# ------------------------------------------------------------------
#                           CONSTRUCTOR
# ------------------------------------------------------------------


@deploy
def __init__(arithmetic: IStepArithmetic):
    """
    @param arithmetic StepArithmetic, which gives the values; for good.
    """
    assert arithmetic.address.is_contract, "step_verifier: arithmetic"
    ARITHMETIC = arithmetic


@external
@view
def arithmetic() -> IStepArithmetic:
    """
    @notice The contract that gives the values of steps.
    """
    return ARITHMETIC


# ------------------------------------------------------------------
#                             SHAPES
# ------------------------------------------------------------------


@external
@view
def shape(step: Types.Step, positions: uint32) -> (uint32, uint32, uint8):
    """
    @notice See IStepVerifier.
    """
    rows: uint256 = 0
    width: uint256 = 0
    rows, width = opcodes.shape(step, positions)
    assert rows <= convert(max_value(uint32), uint256), "step_verifier: rows"
    return convert(rows, uint32), convert(width, uint32), step.elem_bytes


@external
@view
def chunk_count(step: Types.Step, positions: uint32) -> uint256:
    """
    @notice See IStepVerifier.
    """
    return opcodes.chunk_count(step, positions)


# ------------------------------------------------------------------
#                          VERIFICATION
# ------------------------------------------------------------------

# Each function below reads its operands in the same loop. It stands in each because the
# openings, up to 4 KB apiece, are best left where they are: passed on as a list they would be
# copied, and memory is paid for by the square of its size.


@external
@view
def verify_element(
    step: Types.Step,
    pass_: Types.ForwardPass,
    trace_root: bytes32,
    row: uint256,
    column: uint256,
    element: int256,
    openings: DynArray[Types.Opening, MAX_OPENINGS],
    token: Types.TokenOpening,
) -> bool:
    """
    @notice See IStepVerifier.
    """
    count: uint256 = self._checked_chunks(step, pass_.positions, row, column)
    assert count <= 1, "step_verifier: many chunks"
    masked: bool = opcodes.is_masked(step, row, column)
    table_row: uint256 = 0
    if step.opcode == opcodes.EMBED:
        table_row = self._row_token(token, pass_, row)
    places: DynArray[opcodes.Operand, MAX_OPERANDS] = []
    if count == 1:
        places = opcodes.single_chunk_operands(step, row, column)
    elif not masked:
        places = opcodes.element_operands(step, pass_.positions, row, column, table_row)
    sources: uint256[MAX_OPERANDS] = opcodes.sources(places, len(openings))
    values: int256[MAX_OPERANDS] = empty(int256[MAX_OPERANDS])
    used: uint256 = 0
    for i: uint256 in range(len(places), bound=MAX_OPERANDS):
        source: uint256 = sources[i]
        values[i] = opened.read(
            openings[source], places[i], step, pass_, trace_root, source == used
        )
        used = max(used, source + 1)

    if masked:
        return element == step_arithmetic.MASKED
    if count == 0 and step.opcode != opcodes.SCORES:
        return element == staticcall ARITHMETIC.element(step, column, values)
    tiles: uint256[2] = opcodes.chunk_places(step.opcode, len(places))
    x: uint256 = sources[tiles[0]]
    y: uint256 = sources[tiles[1]]
    chunks.check_tiles(
        step,
        pass_.positions,
        openings[x].width,
        openings[x].elem_bytes,
        openings[y].width,
        openings[y].elem_bytes,
    )
    total: int256 = chunks.partial(step.opcode, openings[x].data, openings[y].data, values[0])
    return element == staticcall ARITHMETIC.joined(step, total, values)


@external
@view
def verify_combine(
    step: Types.Step,
    pass_: Types.ForwardPass,
    trace_root: bytes32,
    row: uint256,
    column: uint256,
    element: int256,
    partials: Bytes[2048],
    openings: DynArray[Types.Opening, MAX_OPENINGS],
) -> bool:
    """
    @notice See IStepVerifier.
    """
    count: uint256 = self._checked_chunks(step, pass_.positions, row, column)
    # INVARIANT: a partial is as wide as PARTIAL_BYTES, so there are `count` of them.
    assert count != 0 and len(partials) == unsafe_mul(count, step_arithmetic.PARTIAL_BYTES), (
        "step_verifier: partials"
    )
    places: DynArray[opcodes.Operand, MAX_OPERANDS] = opcodes.join_operands(step, row, column)
    sources: uint256[MAX_OPERANDS] = opcodes.sources(places, len(openings))
    values: int256[MAX_OPERANDS] = empty(int256[MAX_OPERANDS])
    used: uint256 = 0
    for i: uint256 in range(len(places), bound=MAX_OPERANDS):
        source: uint256 = sources[i]
        values[i] = opened.read(
            openings[source], places[i], step, pass_, trace_root, source == used
        )
        used = max(used, source + 1)
    total: int256 = step_arithmetic.gather(step.opcode, partials)
    return element == staticcall ARITHMETIC.joined(step, total, values)


@external
@view
def verify_chunk(
    step: Types.Step,
    pass_: Types.ForwardPass,
    trace_root: bytes32,
    row: uint256,
    column: uint256,
    chunk: uint256,
    partial: int256,
    openings: DynArray[Types.Opening, MAX_OPENINGS],
) -> bool:
    """
    @notice See IStepVerifier.
    """
    count: uint256 = self._checked_chunks(step, pass_.positions, row, column)
    assert chunk < count, "step_verifier: chunk"
    places: DynArray[opcodes.Operand, MAX_OPERANDS] = opcodes.chunk_operands(
        step, row, column, chunk
    )
    last: uint256 = len(places) - 1
    assert len(openings) == len(places), "step_verifier: openings"
    e: int256 = 0
    for i: uint256 in range(len(places), bound=MAX_OPERANDS):
        e = opened.read(openings[i], places[i], step, pass_, trace_root, True)
    chunks.check_tiles(
        step,
        pass_.positions,
        openings[0].width,
        openings[0].elem_bytes,
        openings[last].width,
        openings[last].elem_bytes,
    )
    return partial == chunks.partial(step.opcode, openings[0].data, openings[last].data, e)


@external
@view
def verify_sample(
    pass_: Types.ForwardPass,
    trace_root: bytes32,
    claimed: Types.TokenOpening,
    rival: uint32,
    openings: DynArray[Types.Opening, 4],
) -> bool:
    """
    @notice See IStepVerifier.
    """
    opened.bind_token(
        claimed, convert(pass_.token_index, uint256), pass_.output_tokens, pass_.output_root
    )
    assert max(claimed.token, rival) < pass_.vocab_size, "step_verifier: vocabulary"
    places: DynArray[opcodes.Operand, MAX_OPERANDS] = [
        opcodes.Operand(slot=0, row=0, column=convert(claimed.token, uint256)),
        opcodes.Operand(slot=0, row=0, column=convert(rival, uint256)),
    ]
    if pass_.inv_temperature != 0:
        places.append(self._noise_place(pass_, claimed.token))
        places.append(self._noise_place(pass_, rival))
    step: Types.Step = self._sample_step(pass_)
    sources: uint256[MAX_OPERANDS] = opcodes.sources(places, len(openings))
    values: int256[MAX_OPERANDS] = empty(int256[MAX_OPERANDS])
    used: uint256 = 0
    for i: uint256 in range(len(places), bound=MAX_OPERANDS):
        source: uint256 = sources[i]
        values[i] = opened.read(
            openings[source], places[i], step, pass_, trace_root, source == used
        )
        used = max(used, source + 1)

    own: int256 = sampling.score(
        values[0], pass_.inv_temperature, pass_.logit_fraction, values[2]
    )
    other: int256 = sampling.score(
        values[1], pass_.inv_temperature, pass_.logit_fraction, values[3]
    )
    # Ties go to the lowest id.
    return own > other or (own == other and claimed.token <= rival)


# ------------------------------------------------------------------
#                     INTERNAL: POSITIONS AND TOKENS
# ------------------------------------------------------------------


@internal
@pure
def _checked_chunks(
    step: Types.Step, positions: uint32, row: uint256, column: uint256
) -> uint256:
    """
    @notice Number of chunks behind the element (row, column), which must exist.
    """
    rows: uint256 = 0
    width: uint256 = 0
    rows, width = opcodes.shape(step, positions)
    assert row < rows and column < width, "step_verifier: element"
    return opcodes.chunk_count(step, positions)


@internal
@pure
def _row_token(
    token: Types.TokenOpening, pass_: Types.ForwardPass, row: uint256
) -> uint256:
    """
    @notice The token at position `row` of the pass: of the prompt, then of the output.
    """
    prompt_tokens: uint256 = convert(pass_.prompt_tokens, uint256)
    if row < prompt_tokens:
        opened.bind_token(token, row, pass_.prompt_tokens, pass_.prompt_root)
    else:
        opened.bind_token(
            token, row - prompt_tokens, pass_.output_tokens, pass_.output_root
        )
    return convert(token.token, uint256)


# ------------------------------------------------------------------
#                         INTERNAL: SAMPLING
# ------------------------------------------------------------------


@internal
@pure
def _sample_step(pass_: Types.ForwardPass) -> Types.Step:
    """
    @notice Sampling as a step: it reads the last step's output and the noise table.
    """
    step: Types.Step = empty(Types.Step)
    # SAFETY: without steps this is 2**32 - 1, which no trace contains.
    step.inputs[0] = unsafe_sub(pass_.n_steps, 1)
    step.tensors[0] = opcodes.TABLE_BASE + pass_.gumbel_table
    return step


@internal
@pure
def _noise_place(pass_: Types.ForwardPass, token: uint32) -> opcodes.Operand:
    row: uint256 = 0
    column: uint256 = 0
    row, column = sampling.noise_place(pass_.seed, pass_.token_index, token)
    return opcodes.Operand(slot=opcodes.TENSOR_0, row=row, column=column)
