# pragma version 0.4.3
"""
@title The way down a committed tree
@license AGPL-3.0-only
@notice A game goes down two trees: the steps of the trace, then the tiles of one step's
        output. In each round the provider shows all nodes some levels below the current one
        and the challenger picks one. Where the walk stands is a `Cursor`; every position in
        a game is computed from it, none is taken from a caller.
@dev SAFETY (all unsafe operations): every number here fits its lane of the packed cursor, 56
     bits at most, so no sum and no product of two overflows; what is subtracted is argued
     beside it. A child that a caller names is checked before its sum is used.
"""

from . import merkle

# ------------------------------------------------------------------
#                             CONSTANTS
# ------------------------------------------------------------------

# Most levels that one reveal covers: 64 nodes are 2 KiB of calldata.
MAX_HEIGHT: constant(uint256) = 6
MAX_CHILDREN: constant(uint256) = 64

# Elements of a tile.
TILE: constant(uint256) = 512

# Most partials that a reduction may have, and the size of each.
MAX_CHUNKS: constant(uint256) = 256
PARTIAL_BYTES: constant(uint256) = 8


# Widths in bits as packed: 32, 1, 8, 56, 56, 32, 8, 16, 32. A tree has at most 2**32 rows
# of 2**23 tiles. `node_index` counts the nodes of one level from the left; `depth_left`
# levels hang below the current node; `target` is a rival token.
struct Cursor:
    step_index: uint256
    step_known: bool
    depth_left: uint256
    node_index: uint256
    leaf_count: uint256
    width: uint256
    elem_bytes: uint256
    chunk_count: uint256
    target: uint256


# ------------------------------------------------------------------
#                              REVEALS
# ------------------------------------------------------------------


@internal
@pure
def next_height(depth_left: uint256) -> uint256:
    """
    @notice Levels that the next reveal covers: the fewest rounds, near-equal, the longer
            first. 0 at a leaf.
    @dev Beyond the first check there is at least one level, so at least one round.
    """
    if depth_left == 0:
        return 0
    rounds: uint256 = unsafe_div(unsafe_add(depth_left, MAX_HEIGHT - 1), MAX_HEIGHT)
    return unsafe_div(unsafe_sub(unsafe_add(depth_left, rounds), 1), rounds)


@internal
@pure
def join(cursor: Cursor, children: DynArray[bytes32, MAX_CHILDREN]) -> bytes32:
    """
    @notice The node at the cursor, from all nodes one reveal below it.
    @dev Parents overwrite the row from the left: parent i is written after children 2i and
         2i + 1 are read, and 2i >= i.
    """
    assert self._is_row(cursor, children), "dispute_game: malformed row"
    row: DynArray[bytes32, MAX_CHILDREN] = children
    width: uint256 = len(children) >> 1
    for _: uint256 in range(MAX_HEIGHT):
        if width == 0:
            break
        for i: uint256 in range(width, bound=32):
            row[i] = merkle.node(row[unsafe_mul(i, 2)], row[unsafe_add(unsafe_mul(i, 2), 1)])
        width = width >> 1
    return row[0]


@internal
@pure
def _is_row(cursor: Cursor, children: DynArray[bytes32, MAX_CHILDREN]) -> bool:
    """
    @notice Whether the children are as many as a reveal shows, and those beyond the last
            leaf what padding must be: roots of trees of zero leaves.
    @dev With junk allowed in the padding, it would explain a wrong parent of right children,
         and leave an honest challenger, who cannot pick padding, without a move.
         The cursor's node holds a leaf: all nodes picked do, and both roots do. So some child
         is real, and `real`, counted over the whole level, is beyond the row's first.
    """
    height: uint256 = self.next_height(cursor.depth_left)
    if len(children) != 1 << height:
        return False
    below: uint256 = unsafe_sub(cursor.depth_left, height)
    real: uint256 = unsafe_sub(unsafe_add(cursor.leaf_count, 1 << below), 1) >> below
    real = min(unsafe_sub(real, cursor.node_index << height), len(children))
    padding: bytes32 = empty(bytes32)
    for _: uint256 in range(below, bound=64):
        padding = merkle.node(padding, padding)
    for i: uint256 in range(real, len(children), bound=MAX_CHILDREN):
        if children[i] != padding:
            return False
    return True


# ------------------------------------------------------------------
#                               PICKS
# ------------------------------------------------------------------


@internal
@pure
def below(cursor: Cursor, child: uint256) -> Cursor:
    """
    @notice The cursor at one of the nodes shown: `child` of them to its left.
    """
    height: uint256 = self.next_height(cursor.depth_left)
    lower: Cursor = cursor
    lower.node_index = unsafe_add(cursor.node_index << height, child)
    lower.depth_left = unsafe_sub(cursor.depth_left, height)
    return lower


@internal
@pure
def holds_leaf(cursor: Cursor) -> bool:
    """
    @notice Whether any real leaf hangs below the cursor's node; else it is padding.
    """
    return (cursor.node_index << cursor.depth_left) < cursor.leaf_count


# ------------------------------------------------------------------
#                               PLACES
# ------------------------------------------------------------------


@internal
@pure
def at_steps_root(n_steps: uint256) -> Cursor:
    return Cursor(
        step_index=0,
        step_known=False,
        depth_left=merkle.depth_of(n_steps),
        node_index=0,
        leaf_count=n_steps,
        width=0,
        elem_bytes=0,
        chunk_count=0,
        target=0,
    )


@internal
@pure
def at_tiles_root(
    step_index: uint256, rows: uint32, width: uint32, elem_bytes: uint8, chunk_count: uint256
) -> Cursor:
    """
    @notice The root of the tile tree of a step's output: row by row, tile by tile.
    """
    leaf_count: uint256 = unsafe_mul(
        convert(rows, uint256), self.tiles_per_row(convert(width, uint256))
    )
    return Cursor(
        step_index=step_index,
        step_known=True,
        depth_left=merkle.depth_of(leaf_count),
        node_index=0,
        leaf_count=leaf_count,
        width=convert(width, uint256),
        elem_bytes=convert(elem_bytes, uint256),
        chunk_count=chunk_count,
        target=0,
    )


@internal
@pure
def tiles_per_row(width: uint256) -> uint256:
    return unsafe_div(unsafe_add(width, TILE - 1), TILE)


@internal
@pure
def row(cursor: Cursor) -> uint256:
    """
    @notice Row of the tile at the cursor.
    """
    return cursor.node_index // self.tiles_per_row(cursor.width)


@internal
@pure
def first_column(cursor: Cursor) -> uint256:
    return unsafe_mul(cursor.node_index % self.tiles_per_row(cursor.width), TILE)


@internal
@pure
def tile_elements(cursor: Cursor) -> uint256:
    """
    @notice Elements of the tile at the cursor; a row's last tile may be short.
    @dev A tile begins within its row: the difference is positive.
    """
    return min(TILE, unsafe_sub(cursor.width, self.first_column(cursor)))


@internal
@pure
def partials_bytes(cursor: Cursor) -> uint256:
    """
    @notice Bytes in which the partials of an element are stated; none of a single chunk.
    """
    if cursor.chunk_count < 2:
        return 0
    return unsafe_mul(cursor.chunk_count, PARTIAL_BYTES)


# ------------------------------------------------------------------
#                          ONE STORAGE WORD
# ------------------------------------------------------------------


@internal
@pure
def pack(cursor: Cursor) -> uint256:
    # INVARIANT: every field fits its lane. Indices stay below counts, `depth_left` below
    # 56; step_index, width and target are uint32 and elem_bytes uint8 where they enter;
    # chunk_count is checked against MAX_CHUNKS there.
    word: uint256 = cursor.step_index | (cursor.depth_left << 33) | (cursor.node_index << 41)
    word = word | (cursor.leaf_count << 97) | (cursor.width << 153) | (cursor.elem_bytes << 185)
    word = word | (cursor.chunk_count << 193) | (cursor.target << 209)
    if cursor.step_known:
        word = word | (1 << 32)
    return word


@internal
@pure
def unpack(word: uint256) -> Cursor:
    return Cursor(
        step_index=word & (2**32 - 1),
        step_known=(word >> 32) & 1 == 1,
        depth_left=(word >> 33) & (2**8 - 1),
        node_index=(word >> 41) & (2**56 - 1),
        leaf_count=(word >> 97) & (2**56 - 1),
        width=(word >> 153) & (2**32 - 1),
        elem_bytes=(word >> 185) & (2**8 - 1),
        chunk_count=(word >> 193) & (2**16 - 1),
        target=(word >> 209) & (2**32 - 1),
    )
