"""What a receipt says of an output: tokens, or an embedding; the model's header tells which.

An embedding is the only row of its program's last step: int32 elements with the header's
`logit_fraction` fraction bits. It counts as one output token, so that a job pays for it by its
prompt's tokens alone where the price of output is zero.
"""

from __future__ import annotations

from collections.abc import Sequence

from assay.core.errors import InputError
from assay.core.hashes import (
    OUTPUT_SIDE,
    PROMPT_SIDE,
    embedding_root,
    tensor_commitment,
    tile_leaf,
    token_salt,
)
from assay.core.merkle import MerkleTree
from assay.core.tokens import TokenList
from assay.core.types import TILE, Hash, Model

ELEMENT_BYTES = 4


def output_root(model: Model, output: Sequence[int], job_salt: bytes) -> Hash:
    """`Receipt.output_root`.

    Raises:
        InputError: no output of this kind: an element outside its range, an empty embedding.
    """
    if not model.embeds:
        _check_range(output, 0, 2**32 - 1)
        return TokenList(output, job_salt, OUTPUT_SIDE).root
    return embedding_root(token_salt(job_salt, PROMPT_SIDE, 0), row_commitment(output))


def output_count(model: Model, output: Sequence[int]) -> int:
    """`Receipt.output_tokens`."""
    return 1 if model.embeds else len(output)


def row_commitment(row: Sequence[int]) -> Hash:
    """The leaf of a trace for a step whose output is this row of int32."""
    _check_range(row, -(2**31), 2**31 - 1)
    if not row:
        raise InputError("the embedding is empty; it has at least one element", code="malformed")
    data = b"".join(value.to_bytes(ELEMENT_BYTES, "big", signed=True) for value in row)
    size = TILE * ELEMENT_BYTES
    tiles = [tile_leaf(data[start : start + size]) for start in range(0, len(data), size)]
    return tensor_commitment(1, len(row), ELEMENT_BYTES, MerkleTree(tiles).root)


def _check_range(values: Sequence[int], least: int, most: int) -> None:
    for index, value in enumerate(values):
        if not least <= value <= most:
            raise InputError(
                f"output[{index}] is {value}; it must be {least} to {most}", code="malformed"
            )
