# pragma version 0.4.3
"""
@title What a claim is and what it commits to
@license AGPL-3.0-only
@notice A claim is one leaf of a batch: a receipt at an index. Settlement and dispute game
        agree on it through this module.
"""

from ..interfaces import Types
from . import merkle

# The id that stands for a tensor that is absent.
ABSENT: constant(uint32) = max_value(uint32)


@internal
@pure
def claim_id(batch_id: bytes32, index: uint256) -> bytes32:
    """
    @notice Commits to chain, settlement, provider, root and count through the batch id.
    """
    return keccak256(abi_encode(batch_id, index))


@internal
@pure
def model_root(model: Types.Model) -> bytes32:
    return keccak256(abi_encode(model))


@internal
@pure
def embeds(gumbel_table: uint32) -> bool:
    """
    @notice Whether a model of this noise table draws no tokens: then its output is one embedding,
            the output of its program's last step in the pass over the prompt.
    """
    return gumbel_table == ABSENT


@internal
@pure
def is_in_batch(
    receipt: Types.Receipt,
    index: uint256,
    count: uint256,
    root: bytes32,
    proof: DynArray[bytes32, 32],
) -> bool:
    """
    @notice Whether the receipt is leaf `index` of the batch's `count` leaves.
    @dev The length check keeps an inner node from passing for a leaf.
    """
    if index >= count or len(proof) != merkle.depth_of(count):
        return False
    leaf: bytes32 = merkle.receipt_leaf(abi_encode(receipt))
    return merkle.climb(leaf, index, proof, 0, len(proof)) == root


@internal
@pure
def are_in_batch(
    leaves: DynArray[bytes32, merkle.MAX_ROW],
    first: uint256,
    count: uint256,
    root: bytes32,
    path: DynArray[bytes32, merkle.MAX_PATH],
) -> bool:
    """
    @notice Whether these receipts' leaves are those from `first` on of the batch's `count`.
    """
    if len(leaves) == 0 or first >= count or len(leaves) > count - first:
        return False
    depth: uint256 = merkle.depth_of(count)
    if len(path) != merkle.row_path_length(first, len(leaves), depth):
        return False
    return merkle.climb_row(leaves, first, depth, path) == root
