"""Merkle trees against their definition, and what must not verify."""

from __future__ import annotations

from hashlib import sha256

import pytest

from assay.core.hashes import OUTPUT_SIDE, PROMPT_SIDE, node, tile_leaf, token_leaf, token_root
from assay.core.merkle import (
    MerkleTree,
    depth_of,
    next_height,
    root_from_path,
    row_path,
    subtree_root,
)
from assay.core.tokens import TokenList
from assay.core.types import ZERO_HASH


def leaves(count: int) -> list[bytes]:
    return [sha256(bytes([i])).digest() for i in range(count)]


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 33, 100])
def test_root_is_that_of_the_padded_tree(count: int) -> None:
    tree = MerkleTree(leaves(count))
    padded = leaves(count) + [ZERO_HASH] * (2 ** depth_of(count) - count)
    assert tree.root == subtree_root(padded)
    for index, leaf in enumerate(leaves(count)):
        assert root_from_path(leaf, index, tree.path(index)) == tree.root


def test_a_path_fits_one_place_only() -> None:
    tree = MerkleTree(leaves(20))
    for index in range(20):
        others = [root_from_path(leaves(20)[3], index, tree.path(3))]
        assert (others[0] == tree.root) == (index == 3)


@pytest.mark.parametrize("count", [1, 2, 7, 20])
def test_a_row_path_has_what_no_leaf_of_the_row_gives(count: int) -> None:
    """Every stretch of every tree: its nodes with those of the path make the root, none is left."""
    tree = MerkleTree(leaves(count))
    for first in range(count):
        for last in range(first, count):
            path = list(row_path(first, last, tree.path(first), tree.path(last)))
            row, low = leaves(count)[first : last + 1], first
            for _ in range(tree.depth):
                row = [path.pop(0), *row] if low & 1 else row
                row = [*row, path.pop(0)] if len(row) & 1 else row
                row = [node(row[i], row[i + 1]) for i in range(0, len(row), 2)]
                low >>= 1
            assert (row, path) == ([tree.root], [])


def test_children_hash_up_to_their_node() -> None:
    tree = MerkleTree(leaves(37))
    for level, index, height in ((0, 0, 3), (3, 4, 3), (2, 3, 4), (0, 0, 6)):
        assert subtree_root(tree.children(level, index, height)) == tree.at(level, index)


def test_leaf_and_node_tags_differ() -> None:
    left, right = leaves(2)
    assert node(left, right) != tile_leaf(left + right)


@pytest.mark.parametrize(
    ("depth", "heights"),
    [(0, []), (1, [1]), (6, [6]), (7, [4, 3]), (18, [6, 6, 6]), (13, [5, 4, 4])],
)
def test_heights_of_a_descent(depth: int, heights: list[int]) -> None:
    taken = []
    while depth:
        taken.append(next_height(depth))
        depth -= taken[-1]
    assert taken == heights


def test_token_lists_bind_count_side_and_salt() -> None:
    tokens = [5, 6, 7]
    prompt = TokenList(tokens, b"s" * 32, PROMPT_SIDE)
    opening = prompt.open(1)
    leaf = token_leaf(opening.salt, opening.token)
    assert token_root(3, root_from_path(leaf, 1, opening.path)) == prompt.root
    assert token_root(4, root_from_path(leaf, 1, opening.path)) != prompt.root
    assert prompt.root != TokenList(tokens, b"s" * 32, OUTPUT_SIDE).root
    assert prompt.root != TokenList(tokens, b"t" * 32, PROMPT_SIDE).root
    assert TokenList([], b"s" * 32, PROMPT_SIDE).root == token_root(0, ZERO_HASH)


def test_out_of_range_is_refused() -> None:
    tree = MerkleTree(leaves(5))
    with pytest.raises(IndexError, match="leaf 5 of a tree of 5"):
        tree.path(5)
    with pytest.raises(IndexError, match="level 4"):
        tree.at(4, 0)
    with pytest.raises(ValueError, match="power of two"):
        subtree_root(leaves(3))
    with pytest.raises(IndexError, match="token 3"):
        TokenList([1, 2, 3], bytes(32), PROMPT_SIDE).open(3)


@pytest.mark.parametrize("count", [1, 2, 5, 8, 33])
def test_changed_is_the_tree_of_the_changed_leaves(count: int) -> None:
    leaves = [bytes([i]) * 32 for i in range(count)]
    tree = MerkleTree(leaves)
    for index in range(count):
        other = tree.changed(index, b"\xee" * 32)
        expected = MerkleTree([*leaves[:index], b"\xee" * 32, *leaves[index + 1 :]])
        assert (other.root, other.path(index)) == (expected.root, expected.path(index))
        assert all(other.path(i) == expected.path(i) for i in range(count))
    assert tree.root == MerkleTree(leaves).root
