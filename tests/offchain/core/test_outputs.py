"""What a receipt says of an output, by the kind of its model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from assay.core.errors import InputError
from assay.core.hashes import OUTPUT_SIDE, embedding_root
from assay.core.outputs import output_count, output_root, row_commitment
from assay.core.tokens import TokenList
from assay.core.types import NONE, Model
from assay.trace.commitment import CommittedTensor

SALT = bytes([4]) * 32
DECODER = Model(1, *([bytes(32)] * 5), 10, 10, 2, 100, 16, 14, 1, (0,))
ENCODER = replace(DECODER, gumbel_table=NONE, eos_tokens=())
ROW = (-(2**31), 0, 2**31 - 1)


@pytest.mark.parametrize("width", [1, 48, 512, 513, 1600])
def test_a_row_is_committed_to_as_a_step_s_output(width: int) -> None:
    row = np.random.default_rng(width).integers(-(2**31), 2**31, (1, width))
    assert row_commitment(row[0].tolist()) == CommittedTensor(row, 4).commitment


def test_an_embedding_is_one_output_under_its_prompts_first_salt() -> None:
    first = TokenList((7, 8), SALT, side=0).open(0)
    assert output_root(ENCODER, ROW, SALT) == embedding_root(first.salt, row_commitment(ROW))
    assert output_root(ENCODER, ROW, bytes(32)) != output_root(ENCODER, ROW, SALT)
    assert (output_count(ENCODER, ROW), output_count(DECODER, ROW)) == (1, 3)


def test_tokens_are_a_list() -> None:
    assert output_root(DECODER, (1, 2), SALT) == TokenList((1, 2), SALT, OUTPUT_SIDE).root
    assert output_root(DECODER, (), SALT) == TokenList((), SALT, OUTPUT_SIDE).root


@pytest.mark.parametrize(
    ("model", "output", "message"),
    [
        (ENCODER, (), "the embedding is empty"),
        (ENCODER, (1, 2**31), r"output\[1\] is 2147483648; it must be -2147483648 to 2147483647"),
        (ENCODER, (-(2**31) - 1,), r"output\[0\]"),
        (DECODER, (1, -1), r"output\[1\] is -1; it must be 0 to 4294967295"),
        (DECODER, (2**32,), r"output\[0\]"),
    ],
)
def test_revert_no_output_of_this_kind(model: Model, output: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        output_root(model, output, SALT)
