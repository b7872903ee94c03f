"""The Merkle trace of one pass: every step's output under one root."""

from __future__ import annotations

from collections.abc import Sequence

from assay.core.merkle import MerkleTree
from assay.core.types import Hash, Opening
from assay.trace.commitment import Commitment, CommittedTensor
from assay.trace.execute import Tamper, execute


class PassTrace:
    """The trace of the pass over `tokens`, which decides the token that follows them, or is
    their embedding.

    Args:
        commitment: the model's.
        tokens: prompt and earlier output tokens, the pass's positions; at least one.
        tamper: a deliberate error, for cheating providers in tests and demos.
    """

    def __init__(
        self, commitment: Commitment, tokens: Sequence[int], tamper: Tamper | None = None
    ) -> None:
        if not tokens:
            raise ValueError("a pass needs at least one token")
        self.commitment = commitment
        self.tokens = tuple(tokens)
        self.positions = len(self.tokens)
        program = commitment.program
        outputs = execute(program, self.tokens, tamper)
        self.tensors = [
            CommittedTensor(values, step.elem_bytes)
            for values, step in zip(outputs, program.steps, strict=True)
        ]
        self.steps_tree = MerkleTree([tensor.commitment for tensor in self.tensors])

    @property
    def root(self) -> Hash:
        return self.steps_tree.root

    @property
    def witness(self) -> Hash:
        """What an audit of a claim asks for: the last step's leaf, of an embedding the root.

        The embedding itself comes with the claim, so its leaf would prove no work.
        """
        if self.commitment.header.embeds:
            return self.root
        return self.tensors[-1].commitment

    def tensor(self, step: int) -> CommittedTensor:
        return self.tensors[step]

    def open(self, step: int, row: int, column: int) -> Opening:
        """A tile of a step's output under the trace root."""
        return self.tensors[step].open(row, column, self.steps_tree.path(step))
