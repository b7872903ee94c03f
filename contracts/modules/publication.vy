# pragma version 0.4.3
"""
@title Tokens in the open: a stretch of a salted list, checked against the list's root
@license AGPL-3.0-only
@notice A list is shown in subtrees of 256 tokens, so that a prompt of any length fits several
        transactions. The salts come from the job's salt, as offchain/assay/core/hashes.py has
        it; whoever publishes tokens has no use for it any more.
"""

from . import merkle

SALT_TAG: constant(bytes1) = 0x06
PIECE: constant(uint256) = 256
PIECE_DEPTH: constant(uint256) = 8


@internal
@pure
def size_of(count: uint256, first: uint256) -> uint256:
    """
    @notice How many tokens the piece of a list that begins at `first` has.
    """
    return min(PIECE, count - first)


@internal
@pure
def opens(
    count: uint256,
    root: bytes32,
    side: uint256,
    first: uint256,
    tokens: DynArray[uint32, PIECE],
    job_salt: bytes32,
    path: DynArray[bytes32, 32],
) -> bool:
    """
    @notice Whether `tokens` are those from `first`, a multiple of 256, on in the list of `count`.
    """
    depth: uint256 = merkle.depth_of(count)
    height: uint256 = min(depth, PIECE_DEPTH)
    if len(tokens) != self.size_of(count, first) or len(path) != depth - height:
        return False
    top: bytes32 = self._subtree(self._leaves(side, first, tokens, job_salt), height)
    top = merkle.climb(top, first >> PIECE_DEPTH, path, 0, len(path))
    return merkle.token_root(convert(count, uint32), top) == root


@internal
@pure
def _leaves(
    side: uint256, first: uint256, tokens: DynArray[uint32, PIECE], job_salt: bytes32
) -> bytes32[PIECE]:
    leaves: bytes32[PIECE] = empty(bytes32[PIECE])
    for i: uint256 in range(len(tokens), bound=PIECE):
        place: bytes5 = convert(convert((side << 32) | (first + i), uint40), bytes5)
        salt: bytes32 = sha256(concat(SALT_TAG, job_salt, place))
        leaves[i] = merkle.token_leaf(salt, tokens[i])
    return leaves


@internal
@pure
def _subtree(leaves: bytes32[PIECE], height: uint256) -> bytes32:
    nodes: bytes32[PIECE] = leaves
    width: uint256 = 1 << height
    for _: uint256 in range(height, bound=PIECE_DEPTH):
        width = width >> 1
        for i: uint256 in range(width, bound=PIECE):
            nodes[i] = merkle.node(nodes[2 * i], nodes[2 * i + 1])
    return nodes[0]
