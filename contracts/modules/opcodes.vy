# pragma version 0.4.3
"""
@title Opcodes of a program's steps, the shapes of their outputs, the tiles that they read
@license AGPL-3.0-only
@notice The table of the protocol's geography: from an output position (row, column) to the
        position of each operand. Nothing here touches a value; offchain/assay/trace/witness.py
        is the same table in Python, offchain/assay/exact/ops.py defines the values.

        N is the number of positions of the pass, H the heads, KV the key/value heads, hd the
        head dimension. Row `pos * H + h` of a per-head tensor belongs to position `pos` and
        head `h`; head h reads the key/value head h // (H / KV).

        A reduction over more than one chunk of 512 terms is proven in two parts: the partials
        join into the element (`join_operands`), each partial follows from one chunk
        (`chunk_operands`). Everything else is proven in one piece (`element_operands`).
"""

from ..interfaces import Types

# ------------------------------------------------------------------
#                            CONSTANTS
# ------------------------------------------------------------------

TILE: constant(uint256) = 512

# A tensor id from here on names the tables tree.
TABLE_BASE: constant(uint32) = 2**24

EMBED: constant(uint8) = 1
EXPONENT: constant(uint8) = 2
RMS: constant(uint8) = 3
NORM: constant(uint8) = 4
QUANT: constant(uint8) = 5
LINEAR: constant(uint8) = 6
ROPE: constant(uint8) = 7
SCORES: constant(uint8) = 8
ROWMAX: constant(uint8) = 9
EXP2: constant(uint8) = 10
SUM: constant(uint8) = 11
TRANSPOSE: constant(uint8) = 12
ATTEND: constant(uint8) = 13
ADD: constant(uint8) = 14
SILU_GATE: constant(uint8) = 15
LAST: constant(uint8) = 16
BIAS: constant(uint8) = 17
SPLIT: constant(uint8) = 18
MEAN: constant(uint8) = 19
CENTER: constant(uint8) = 20
GELU: constant(uint8) = 21
SOFTCAP: constant(uint8) = 22
GELU_GATE: constant(uint8) = 23

# Where an operand comes from: an input of the step, or a tensor from TENSOR_SLOT on.
TENSOR_SLOT: constant(uint256) = 4
TENSOR_0: constant(uint256) = 4
TENSOR_1: constant(uint256) = 5

MAX_OPERANDS: constant(uint256) = 6

struct Operand:
    slot: uint256
    row: uint256
    column: uint256


# ------------------------------------------------------------------
#                              SHAPES
# ------------------------------------------------------------------


@internal
@pure
def shape(step: Types.Step, positions: uint32) -> (uint256, uint256):
    """
    @notice Rows and width of a step's output.
    """
    rows: uint256 = convert(step.rows, uint256)
    if step.per_position:
        rows *= convert(positions, uint256)
    width: uint256 = convert(step.width, uint256)
    return rows, width if width != 0 else convert(positions, uint256)


@internal
@pure
def reduction_width(step: Types.Step, positions: uint32) -> uint256:
    """
    @notice Terms of the reduction behind one element; 0 for steps that are none.
    """
    width: int64 = 0
    if step.opcode in [LINEAR, EXPONENT, MEAN]:
        width = step.params[0]
    elif step.opcode == RMS:
        width = step.params[1]
    elif step.opcode == ROWMAX or step.opcode == SUM or step.opcode == ATTEND:
        return convert(positions, uint256)
    else:
        return 0
    assert width > 0, "step_verifier: width"
    return convert(width, uint256)


@internal
@pure
def chunk_count(step: Types.Step, positions: uint32) -> uint256:
    return unsafe_add(self.reduction_width(step, positions), TILE - 1) // TILE


@internal
@pure
def heads_of(step: Types.Step) -> (uint256, uint256):
    """
    @notice Heads, and heads per key/value head, of SCORES, ATTEND, ROPE and SPLIT.
    """
    heads: int64 = step.params[0]
    kv_heads: int64 = 1
    if step.opcode == SCORES:
        heads = step.params[2]
        kv_heads = step.params[3]
    elif step.opcode == ATTEND:
        kv_heads = step.params[1]
    assert kv_heads > 0 and heads >= kv_heads, "step_verifier: heads"
    return convert(heads, uint256), convert(heads // kv_heads, uint256)


# ------------------------------------------------------------------
#                             OPERANDS
# ------------------------------------------------------------------


@internal
@pure
def element_operands(
    step: Types.Step, positions: uint32, row: uint256, column: uint256, token: uint256
) -> DynArray[Operand, MAX_OPERANDS]:
    """
    @notice What an element of a step without reduction reads, in the order of its openings.
    """
    opcode: uint8 = step.opcode
    if opcode == ROPE:
        return self._rope_operands(step, row, column)
    if opcode == SCORES:
        return self._scores_operands(step, row, column)
    if opcode == EMBED:
        return [Operand(slot=TENSOR_0, row=token, column=column)]
    if opcode == TRANSPOSE:
        return [Operand(slot=0, row=column, column=row)]
    if opcode == LAST:
        # SAFETY: without positions this is 2**256 - 1, a row that no tensor has.
        last: uint256 = unsafe_sub(convert(positions, uint256), 1)
        return [Operand(slot=0, row=last, column=column)]
    if opcode == NORM:
        return [
            Operand(slot=0, row=row, column=column),
            Operand(slot=1, row=row, column=0),
            Operand(slot=2, row=row, column=0),
            Operand(slot=TENSOR_0, row=0, column=column),
        ]
    if opcode == BIAS:
        # One row for all, or with `params[0]` a row for each position.
        bias_row: uint256 = row if step.params[0] != 0 else 0
        return [
            Operand(slot=0, row=row, column=column),
            Operand(slot=TENSOR_0, row=bias_row, column=column),
        ]
    if opcode == GELU or opcode == SOFTCAP:
        return [Operand(slot=0, row=row, column=column)]
    if opcode == SPLIT:
        place: uint256[2] = self._head_place(step, row)
        return [Operand(slot=0, row=place[0], column=place[1] + column)]
    # The second operand is the same element of another tensor, or the row's scalar.
    second_column: uint256 = 0
    if opcode in [ADD, SILU_GATE, GELU_GATE]:
        second_column = column
    else:
        assert opcode in [QUANT, EXP2, CENTER], "step_verifier: opcode"
    return [
        Operand(slot=0, row=row, column=column),
        Operand(slot=1, row=row, column=second_column),
    ]


@internal
@pure
def _rope_operands(
    step: Types.Step, row: uint256, column: uint256
) -> DynArray[Operand, MAX_OPERANDS]:
    """
    @notice x at the element and at its partner half a head away, cosine and sine. With
            `params[1]` x has a row for each head, as the output.
    """
    head_dim: uint256 = convert(step.width, uint256)
    half: uint256 = head_dim // 2
    assert half != 0 and head_dim % 2 == 0, "step_verifier: head size"
    place: uint256[2] = self._head_place(step, row)
    position: uint256 = place[0]
    if step.params[1] != 0:
        place = [row, 0]
    return [
        Operand(slot=0, row=place[0], column=place[1] + column),
        Operand(slot=0, row=place[0], column=place[1] + (column + half) % head_dim),
        Operand(slot=TENSOR_0, row=position, column=column % half),
        Operand(slot=TENSOR_0, row=position, column=column % half + half),
    ]


@internal
@pure
def _head_place(step: Types.Step, row: uint256) -> uint256[2]:
    """
    @notice Row and first column of a head in a tensor that has a row for all of a position's.
    @param row The head's row in a tensor that has a row for each.
    """
    heads: uint256 = 0
    group: uint256 = 0
    heads, group = self.heads_of(step)
    return [row // heads, row % heads * convert(step.width, uint256)]


@internal
@pure
def _scores_operands(
    step: Types.Step, row: uint256, column: uint256
) -> DynArray[Operand, MAX_OPERANDS]:
    """
    @notice The query's row and exponent, the key's row and exponent.
    """
    heads: uint256 = 0
    group: uint256 = 0
    heads, group = self.heads_of(step)
    key_row: uint256 = column * convert(step.params[3], uint256) + row % heads // group
    return [
        Operand(slot=0, row=row, column=0),
        Operand(slot=1, row=row, column=0),
        Operand(slot=2, row=key_row, column=0),
        Operand(slot=3, row=key_row, column=0),
    ]


@internal
@pure
def is_masked(step: Types.Step, row: uint256, column: uint256) -> bool:
    """
    @notice Whether it is a score whose key comes after its query, or before the query's window
            (`params[4]` positions, itself the last; 0 for no window): no opening then. A
            negative window is the attention of an encoder, with nothing masked.
    """
    if step.opcode != SCORES:
        return False
    heads: uint256 = 0
    group: uint256 = 0
    heads, group = self.heads_of(step)
    position: uint256 = row // heads
    window: int64 = step.params[4]
    if column > position:
        return window >= 0
    return window > 0 and position - column >= convert(window, uint256)


@internal
@pure
def join_operands(
    step: Types.Step, row: uint256, column: uint256
) -> DynArray[Operand, MAX_OPERANDS]:
    """
    @notice The scalars that turn a reduction's partials into its element.
    """
    if step.opcode == RMS:
        return [Operand(slot=1, row=row, column=0)]
    if step.opcode == LINEAR:
        return [
            Operand(slot=1, row=row, column=0),
            Operand(slot=TENSOR_1, row=column, column=0),
            Operand(slot=TENSOR_1, row=column, column=1),
        ]
    if step.opcode == ATTEND:
        return [Operand(slot=2, row=self._attend_rows(step, row, column)[0], column=0)]
    return []


@internal
@pure
def chunk_places(opcode: uint8, count: uint256) -> uint256[2]:
    """
    @notice Which of an element's `count` operands are the two tiles of its only chunk (the
            same one twice, or any other second, for opcodes that read one).
    """
    if opcode == SCORES:
        return [0, 2]
    joining: uint256 = 0
    if opcode == LINEAR:
        joining = 3
    elif opcode == RMS or opcode == ATTEND:
        joining = 1
    return [joining, count - 1]


@internal
@pure
def chunk_operands(
    step: Types.Step, row: uint256, column: uint256, chunk: uint256
) -> DynArray[Operand, MAX_OPERANDS]:
    """
    @notice The tiles that chunk number `chunk` of a reduction reads.
    """
    start: uint256 = chunk * TILE
    if step.opcode == RMS:
        return [Operand(slot=0, row=row, column=start), Operand(slot=1, row=row, column=0)]
    if step.opcode == LINEAR:
        return [
            Operand(slot=0, row=row, column=start),
            Operand(slot=TENSOR_0, row=column, column=start),
        ]
    if step.opcode == ATTEND:
        rows: uint256[2] = self._attend_rows(step, row, column)
        return [
            Operand(slot=0, row=rows[0], column=start),
            Operand(slot=1, row=rows[1], column=start),
        ]
    return [Operand(slot=0, row=row, column=start)]


@internal
@pure
def single_chunk_operands(
    step: Types.Step, row: uint256, column: uint256
) -> DynArray[Operand, MAX_OPERANDS]:
    """
    @notice All that a reduction over one chunk reads.
    """
    operands: DynArray[Operand, MAX_OPERANDS] = self.join_operands(step, row, column)
    tiles: DynArray[Operand, MAX_OPERANDS] = self.chunk_operands(step, row, column, 0)
    for tile: Operand in tiles:
        operands.append(tile)
    return operands


@internal
@pure
def _attend_rows(step: Types.Step, row: uint256, column: uint256) -> uint256[2]:
    """
    @notice Rows of the numerators and of the transposed values behind an ATTEND element.
    """
    heads: uint256 = 0
    group: uint256 = 0
    heads, group = self.heads_of(step)
    head_dim: uint256 = convert(step.width, uint256) // heads
    assert head_dim != 0, "step_verifier: head size"
    head: uint256 = column // head_dim
    return [row * heads + head, head // group * head_dim + column % head_dim]


# ------------------------------------------------------------------
#                             OPENINGS
# ------------------------------------------------------------------


@internal
@pure
def sources(
    places: DynArray[Operand, MAX_OPERANDS], opening_count: uint256
) -> uint256[MAX_OPERANDS]:
    """
    @notice Which opening holds which operand. All must be used.
    @dev An operand in a tile that an earlier operand has opened is read from there; every
         other takes the next opening.
    """
    found: uint256[MAX_OPERANDS] = empty(uint256[MAX_OPERANDS])
    used: uint256 = 0
    for i: uint256 in range(len(places), bound=MAX_OPERANDS):
        found[i] = used
        for j: uint256 in range(i, bound=MAX_OPERANDS):
            if self._same_tile(places[i], places[j]):
                found[i] = found[j]
                break
        if found[i] == used:
            used += 1
    assert used == opening_count, "step_verifier: openings"
    return found


@internal
@pure
def _same_tile(a: Operand, b: Operand) -> bool:
    return a.slot == b.slot and a.row == b.row and a.column // TILE == b.column // TILE
