"""Binary Merkle trees, padded with the zero hash to a power of two.

Padding leaves are no opening of anything: whoever verifies checks the index against the count.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy

from assay.core.hashes import node, nodes
from assay.core.types import REVEAL_HEIGHT, ZERO_HASH, Hash


def depth_of(count: int) -> int:
    """Levels between the root and `count` leaves: ceil(log2(count)), 0 for a single leaf."""
    return max(count - 1, 0).bit_length()


def next_height(depth: int) -> int:
    """How many levels the next move reveals when `depth` remain: near-equal, at most 6."""
    rounds = -(-depth // REVEAL_HEIGHT)
    return -(-depth // rounds) if rounds else 0


_ZERO_NODES: list[Hash] = [ZERO_HASH]


def _zero_node(height: int) -> Hash:
    while len(_ZERO_NODES) <= height:
        _ZERO_NODES.append(node(_ZERO_NODES[-1], _ZERO_NODES[-1]))
    return _ZERO_NODES[height]


class MerkleTree:
    """A tree held level by level, leaves first, without its padding.

    Args:
        leaves: their hashes, at least one.
    """

    def __init__(self, leaves: Sequence[bytes]) -> None:
        if not leaves:
            raise ValueError("a Merkle tree needs at least one leaf")
        self.count = len(leaves)
        self.depth = depth_of(self.count)
        self._levels: list[list[Hash]] = [[Hash(leaf) for leaf in leaves]]
        for height in range(self.depth):
            below = self._levels[-1]
            if len(below) % 2:
                below = [*below, _zero_node(height)]
            self._levels.append(nodes(below))

    @property
    def root(self) -> Hash:
        return self._levels[-1][0]

    def at(self, level: int, index: int) -> Hash:
        """The node `level` levels below the root; padding included."""
        height = self.depth - level
        if level < 0 or height < 0 or not 0 <= index < 1 << level:
            raise IndexError(
                f"no node at level {level}, index {index} of a depth-{self.depth} tree"
            )
        row = self._levels[height]
        return row[index] if index < len(row) else _zero_node(height)

    def nodes(self, level: int, start: int, count: int) -> list[Hash]:
        return [self.at(level, start + i) for i in range(count)]

    def children(self, level: int, index: int, height: int) -> list[Hash]:
        """The 2**height descendants, `height` levels below node (level, index)."""
        return self.nodes(level + height, index << height, 1 << height)

    def path(self, index: int) -> tuple[Hash, ...]:
        """Siblings from leaf `index` up to the root."""
        if not 0 <= index < self.count:
            raise IndexError(f"leaf {index} of a tree of {self.count}")
        return tuple(self.at(self.depth - h, (index >> h) ^ 1) for h in range(self.depth))

    def changed(self, index: int, leaf: bytes) -> MerkleTree:
        """The tree with another leaf `index`; it costs a copy of the rows, and a path of hashes."""
        path = self.path(index)
        other = copy(self)
        other._levels = [list(row) for row in self._levels]
        current = Hash(leaf)
        for height, sibling in enumerate(path):
            other._levels[height][index] = current
            pair = (sibling, current) if index & 1 else (current, sibling)
            current, index = node(*pair), index >> 1
        other._levels[-1][0] = current
        return other


def root_from_path(leaf: bytes, index: int, path: Sequence[bytes]) -> Hash:
    """The root that `leaf` at `index` leads to along `path`."""
    current = Hash(leaf)
    for sibling in path:
        current = node(sibling, current) if index & 1 else node(current, sibling)
        index >>= 1
    return current


def rows(indices: Sequence[int], most: int) -> Iterator[range]:
    """Ascending indices in rows of neighbours, `most` of them at most."""
    start = 0
    for end in range(1, len(indices) + 1):
        neighbours = end < len(indices) and indices[end] == indices[end - 1] + 1
        if not neighbours or end - start == most:
            yield range(indices[start], indices[end - 1] + 1)
            start = end


def row_path(
    first: int, last: int, path_of_first: Sequence[bytes], path_of_last: Sequence[bytes]
) -> tuple[Hash, ...]:
    """One proof of all leaves from `first` to `last`, from the paths of these two.

    The nodes beside theirs, from the leaves up, left before right, where those are siblings.
    """
    path = []
    for left, right in zip(path_of_first, path_of_last, strict=True):
        if first & 1:
            path.append(Hash(left))
        if not last & 1:
            path.append(Hash(right))
        first, last = first >> 1, last >> 1
    return tuple(path)


def subtree_root(children: Sequence[bytes]) -> Hash:
    """The node above a full row of 2**h descendants."""
    if not children or len(children) & (len(children) - 1):
        raise ValueError(f"{len(children)} nodes are no full row; expected a power of two")
    row = [Hash(child) for child in children]
    while len(row) > 1:
        row = [node(row[i], row[i + 1]) for i in range(0, len(row), 2)]
    return row[0]
