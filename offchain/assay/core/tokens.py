"""Salted commitments to a list of token ids (a prompt or an output)."""

from __future__ import annotations

from collections.abc import Sequence

from assay.core.hashes import token_leaves, token_root, token_salts
from assay.core.merkle import MerkleTree
from assay.core.types import ZERO_HASH, Hash, TokenOpening


class TokenList:
    """A committed token list.

    Args:
        tokens: the ids; may be empty.
        job_salt: 32 secret bytes that whoever holds the prompt also holds.
        side: `hashes.PROMPT_SIDE` or `hashes.OUTPUT_SIDE`.
    """

    def __init__(self, tokens: Sequence[int], job_salt: bytes, side: int) -> None:
        self.tokens = tuple(tokens)
        self._salts = token_salts(job_salt, side, len(self.tokens))
        leaves = token_leaves(self._salts, self.tokens)
        self._tree = MerkleTree(leaves) if leaves else None

    @property
    def root(self) -> Hash:
        return token_root(len(self.tokens), self._tree.root if self._tree else ZERO_HASH)

    def open(self, index: int) -> TokenOpening:
        if self._tree is None or not 0 <= index < len(self.tokens):
            raise IndexError(f"token {index} of a list of {len(self.tokens)}")
        return TokenOpening(self.tokens[index], self._salts[index], self._tree.path(index))
