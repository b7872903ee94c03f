# pragma version 0.4.3
"""
@title Chunks of reductions: what their tiles must be, and what they add up to
@license AGPL-3.0-only
@notice A reduction is cut into chunks of at most 512 terms, each the tiles of one or two rows.
"""

from . import opcodes
from . import tensor
from ..interfaces import Types


@internal
@pure
def check_tiles(
    step: Types.Step,
    positions: uint32,
    x_width: uint32,
    x_bytes: uint8,
    y_width: uint32,
    y_bytes: uint8,
):
    """
    @notice Revert unless the tiles of a chunk, `x` and where the opcode has one `y`, are of
            rows as wide as the reduction (at most one tile, for SCORES) and of the opcode's
            element sizes.
    """
    opcode: uint8 = step.opcode
    width: uint256 = convert(x_width, uint256)
    right: bool = width <= opcodes.TILE
    if opcode != opcodes.SCORES:
        right = width == opcodes.reduction_width(step, positions)
    if opcode == opcodes.SUM:
        right = right and x_bytes == 2
    elif opcode == opcodes.LINEAR:
        right = right and x_bytes in [1, 2] and y_bytes == 1 and y_width == x_width
    elif opcode == opcodes.ATTEND or opcode == opcodes.SCORES:
        right = right and x_bytes == 2 and y_bytes == 2 and y_width == x_width
    else:
        right = right and x_bytes == 4
    assert right, "step_verifier: rows"


@internal
@pure
def partial(opcode: uint8, x: Bytes[2048], y: Bytes[2048], e: int256) -> int256:
    """
    @notice The partial of the chunk whose tiles are open, the whole row for SCORES.
    @param y The second tile of LINEAR, ATTEND and SCORES; not read by the others.
    @param e The row's exponent; read by RMS only.
    """
    if opcode == opcodes.LINEAR:
        # INVARIANT: as many elements, so as many bytes only where both are of one.
        return tensor.dot_8(x, y) if len(x) == len(y) else tensor.dot(x, y, 8)
    if opcode == opcodes.ATTEND or opcode == opcodes.SCORES:
        return tensor.dot(x, y, 16)
    if opcode == opcodes.SUM:
        return tensor.sum_16(x)
    if opcode == opcodes.RMS:
        return tensor.square_sum_32(x, e)
    if opcode == opcodes.EXPONENT:
        return tensor.abs_max_32(x)
    if opcode == opcodes.MEAN:
        return tensor.sum_32(x)
    # INVARIANT: ROWMAX, the only other opcode with chunks.
    return tensor.max_32(x)
