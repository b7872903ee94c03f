# pragma version 0.4.3
"""
@title Merkle trees of claims, programs, tensors and token lists
@license AGPL-3.0-only
@notice SHA-256 trees, binary, padded with zero hashes to a power of two. What is hashed
        starts with a one-byte tag that names its kind, so no leaf passes for a node, no
        tensor for a tile, no program for a list of weights. Lists bind their length next to
        their root. offchain/assay/core/hashes.py and merkle.py are the same in Python.
        SHA-256 rather than Keccak: a dispute hashes gigabytes off chain, where CPUs have an
        instruction for it; here it is a precompile, 450 gas a node with all around it.
@dev A padding leaf opens nothing: callers check the index against the count, as `climb`
     cannot know which leaves exist.
"""

# ------------------------------------------------------------------
#                            CONSTANTS
# ------------------------------------------------------------------

MAX_PATH: constant(uint256) = 64

# Most leaves that are proven by one path.
MAX_ROW: constant(uint256) = 16

TILE_TAG: constant(bytes1) = 0x00
NODE_TAG: constant(bytes1) = 0x01
TENSOR_TAG: constant(bytes1) = 0x02
TOKEN_TAG: constant(bytes1) = 0x04
TOKENS_TAG: constant(bytes1) = 0x05
STEP_TAG: constant(bytes1) = 0x07
PROGRAM_TAG: constant(bytes1) = 0x08
LIST_TAG: constant(bytes1) = 0x09
RECEIPT_TAG: constant(bytes1) = 0x0A
EMBEDDING_TAG: constant(bytes1) = 0x0B


# ------------------------------------------------------------------
#                              TREES
# ------------------------------------------------------------------


@internal
@pure
def depth_of(count: uint256) -> uint256:
    """
    @notice Levels between the root and `count` leaves: ceil(log2(count)), 0 for one leaf.
    """
    depth: uint256 = 0
    span: uint256 = 1
    for _: uint256 in range(MAX_PATH):
        if span >= count:
            break
        span = unsafe_add(span, span)
        depth = unsafe_add(depth, 1)
    return depth


@internal
@pure
def node(left: bytes32, right: bytes32) -> bytes32:
    return sha256(concat(NODE_TAG, left, right))


@internal
@pure
def climb(
    leaf: bytes32, index: uint256, path: DynArray[bytes32, MAX_PATH], start: uint256, end: uint256
) -> bytes32:
    """
    @notice The root that `leaf` at `index` leads to along path[start:end].
    @dev The caller has checked that `end` is within the path and that the stretch is exactly
         as long as the tree is deep; otherwise an inner node would pass for a leaf.
    """
    current: bytes32 = leaf
    place: uint256 = index
    for i: uint256 in range(start, end, bound=MAX_PATH):
        if place & 1 == 0:
            current = sha256(concat(NODE_TAG, current, path[i]))
        else:
            current = sha256(concat(NODE_TAG, path[i], current))
        place = place >> 1
    return current


@internal
@pure
def climb_row(
    leaves: DynArray[bytes32, MAX_ROW],
    first: uint256,
    depth: uint256,
    path: DynArray[bytes32, MAX_PATH],
) -> bytes32:
    """
    @notice The root that leaves side by side, from `first` on, lead to, `depth` levels above.
    @param path At each level the node left of theirs, then the one right of them, where those
           are siblings of theirs.
    @dev The caller has checked that there is a leaf, that all lie within the tree, and the
         path's length. Every node is paired with the sibling that its place says, so the root
         says of each leaf what its own path would.
    """
    row: bytes32[MAX_ROW] = empty(bytes32[MAX_ROW])
    for i: uint256 in range(len(leaves), bound=MAX_ROW):
        row[i] = leaves[i]
    size: uint256 = len(leaves)
    start: uint256 = first
    used: uint256 = 0
    for _: uint256 in range(depth, bound=MAX_PATH):
        below: uint256 = 0
        above: uint256 = 0
        if start & 1 == 1:
            row[0] = self.node(path[used], row[0])
            used += 1
            below = 1
            above = 1
        for _pair: uint256 in range(MAX_ROW // 2):
            if below + 1 >= size:
                break
            row[above] = self.node(row[below], row[below + 1])
            below += 2
            above += 1
        if below < size:
            row[above] = self.node(row[below], path[used])
            used += 1
            above += 1
        size = above
        start = start >> 1
    return row[0]


@internal
@pure
def row_path_length(first: uint256, count: uint256, depth: uint256) -> uint256:
    """
    @notice How long the path of `count` leaves side by side is; there is one at least.
    """
    low: uint256 = first
    high: uint256 = first + count - 1
    length: uint256 = 0
    for _: uint256 in range(depth, bound=MAX_PATH):
        length += (low & 1) + 1 - (high & 1)
        low = low >> 1
        high = high >> 1
    return length


# ------------------------------------------------------------------
#                     TAGGED LEAVES AND LIST ROOTS
# ------------------------------------------------------------------


@internal
@pure
def tile_leaf(data: Bytes[2048]) -> bytes32:
    """
    @notice Leaf of one tile: up to 512 elements of one row, signed and big-endian.
    """
    return sha256(concat(TILE_TAG, data))


@internal
@pure
def tensor_commitment(rows: uint32, width: uint32, elem_bytes: uint8, root: bytes32) -> bytes32:
    """
    @notice Binds a tensor's shape to the root over its tiles.
    """
    return sha256(
        concat(
            TENSOR_TAG,
            convert(rows, bytes4),
            convert(width, bytes4),
            convert(elem_bytes, bytes1),
            root,
        )
    )


@internal
@pure
def token_leaf(salt: bytes32, token: uint32) -> bytes32:
    return sha256(concat(TOKEN_TAG, salt, convert(token, bytes4)))


@internal
@pure
def token_root(count: uint32, root: bytes32) -> bytes32:
    """
    @notice Root of a token list; binds its length. An empty list has the zero Merkle root.
    """
    return sha256(concat(TOKENS_TAG, convert(count, bytes4), root))


@internal
@pure
def embedding_root(salt: bytes32, commitment: bytes32) -> bytes32:
    """
    @notice Root of an output that is an embedding.
    @param salt That of the prompt's first token: nobody without it can try guesses of the prompt.
    @param commitment `tensor_commitment` of the embedding.
    """
    return sha256(concat(EMBEDDING_TAG, salt, commitment))


@internal
@pure
def step_leaf(encoded_step: Bytes[544]) -> bytes32:
    """
    @notice Leaf of one step of a program.
    @param encoded_step abi_encode(Step), 17 words.
    """
    return sha256(concat(STEP_TAG, encoded_step))


@internal
@pure
def program_root(count: uint32, root: bytes32) -> bytes32:
    return sha256(concat(PROGRAM_TAG, convert(count, bytes4), root))


@internal
@pure
def list_root(count: uint32, root: bytes32) -> bytes32:
    """
    @notice Root of a model's weights or tables; binds how many tensors there are.
    """
    return sha256(concat(LIST_TAG, convert(count, bytes4), root))


@internal
@pure
def receipt_leaf(encoded_receipt: Bytes[128]) -> bytes32:
    """
    @notice Leaf of one receipt of a batch.
    @param encoded_receipt abi_encode(Receipt), 4 words.
    """
    return sha256(concat(RECEIPT_TAG, encoded_receipt))
