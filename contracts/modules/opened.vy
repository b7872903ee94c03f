# pragma version 0.4.3
"""
@title Openings: tiles and tokens proven to lie where the protocol says
@license AGPL-3.0-only
@notice An opening carries data, a header and siblings; it says nothing of where it lies. The
        place comes from the step's definition, the roots from the game, and both decide how
        each sibling is hashed and how many there must be. So an opening of one place fits no
        other, whether another row, tile, tensor, tree or length.
"""

from . import merkle
from . import opcodes
from . import tensor
from ..interfaces import Types


# A tree of tensors, and one of its leaves.
struct Leaf:
    index: uint32
    count: uint32
    root: bytes32
    is_list: bool


# ------------------------------------------------------------------
#                              TENSORS
# ------------------------------------------------------------------


@internal
@pure
def read(
    opening: Types.Opening,
    operand: opcodes.Operand,
    step: Types.Step,
    pass_: Types.ForwardPass,
    trace_root: bytes32,
    is_new: bool,
) -> int256:
    """
    @notice The operand's value, from the opening of the tile that holds it.
    @param is_new Whether this opening has yet to be proven.
    @dev One function, though a long one: an opening passed on is an opening copied.
    """
    leaf: Leaf = self._leaf(operand.slot, step, pass_, trace_root)
    rows: uint256 = convert(opening.rows, uint256)
    width: uint256 = convert(opening.width, uint256)
    elem_bytes: uint256 = convert(opening.elem_bytes, uint256)
    # INVARIANT: the operand exists. Padding leaves are beyond the counts; the second operand of
    # a tile may be beyond the row's end even where the first is not.
    assert (
        leaf.index < leaf.count and operand.row < rows and operand.column < width
    ), "step_verifier: position"

    if is_new:
        assert elem_bytes in [1, 2, 4, 8], "step_verifier: elem bytes"

        # SAFETY (unsafe operations): rows and width are below 2**32 and at least 1, the column
        # is below the width, so nothing here exceeds 2**56 or goes under 0.
        tile: uint256 = operand.column // opcodes.TILE
        elements: uint256 = min(
            opcodes.TILE, unsafe_sub(width, unsafe_mul(tile, opcodes.TILE))
        )
        assert len(opening.data) == unsafe_mul(
            elements, elem_bytes
        ), "step_verifier: data length"

        # INVARIANT: the path has one sibling per level of both trees. Were it shorter or
        # longer, an inner node could be passed off as a leaf.
        tiles: uint256 = unsafe_add(width, opcodes.TILE - 1) // opcodes.TILE
        inner: uint256 = merkle.depth_of(unsafe_mul(rows, tiles))
        depth: uint256 = unsafe_add(inner, merkle.depth_of(convert(leaf.count, uint256)))
        assert len(opening.path) == depth, "step_verifier: path length"

        node: bytes32 = merkle.tile_leaf(opening.data)
        place: uint256 = unsafe_add(unsafe_mul(operand.row, tiles), tile)
        node = merkle.climb(node, place, opening.path, 0, inner)
        node = merkle.tensor_commitment(
            opening.rows, opening.width, opening.elem_bytes, node
        )
        place = convert(leaf.index, uint256)
        node = merkle.climb(node, place, opening.path, inner, depth)
        if leaf.is_list:
            node = merkle.list_root(leaf.count, node)
        assert node == leaf.root, "step_verifier: root"

    return tensor.element(opening.data, elem_bytes, operand.column % opcodes.TILE)


@internal
@pure
def _leaf(
    slot: uint256, step: Types.Step, pass_: Types.ForwardPass, trace_root: bytes32
) -> Leaf:
    """
    @notice Where a step's input or tensor stands: in the trace, among weights or tables.
    """
    if slot < opcodes.TENSOR_SLOT:
        return Leaf(
            index=step.inputs[slot], count=pass_.n_steps, root=trace_root, is_list=False
        )
    id: uint32 = step.tensors[slot - opcodes.TENSOR_SLOT]
    if id < opcodes.TABLE_BASE:
        return Leaf(
            index=id, count=pass_.n_weights, root=pass_.weights_root, is_list=True
        )
    return Leaf(
        index=id - opcodes.TABLE_BASE,
        count=pass_.n_tables,
        root=pass_.tables_root,
        is_list=True,
    )


# ------------------------------------------------------------------
#                               TOKENS
# ------------------------------------------------------------------


@internal
@pure
def bind_token(opening: Types.TokenOpening, index: uint256, count: uint32, list_root: bytes32):
    """
    @notice Revert unless `opening` is token number `index` of a list of `count`.
    """
    depth: uint256 = merkle.depth_of(convert(count, uint256))
    assert index < convert(count, uint256) and len(
        opening.path
    ) == depth, "step_verifier: token path"
    root: bytes32 = merkle.climb(
        merkle.token_leaf(opening.salt, opening.token), index, opening.path, 0, depth
    )
    assert list_root == merkle.token_root(count, root), "step_verifier: token root"
