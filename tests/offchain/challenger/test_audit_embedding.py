"""What an audit finds in an embedding: its receipt alone tells, whatever is shown as its output."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from assay.challenger.audit import audit_embedding, check_data
from assay.core.hashes import PROMPT_SIDE, embedding_root, keccak, receipt_leaf
from assay.core.merkle import MerkleTree
from assay.core.outputs import output_root, row_commitment
from assay.core.tokens import TokenList
from assay.core.types import NONE, Job, Model, Receipt
from assay.core.wire import ClaimData

SALT = bytes([5]) * 32
JOB_ID = bytes([1]) * 32
PROVIDER = "0x" + "22" * 20
MODEL = Model(1, *([bytes(32)] * 5), 10, 10, 1, 100, 3, 24, NONE, ())
ROW = (5, -6, 7)


class Oracle:
    """Takes a fixed row for the truth."""

    def embed(self, tokens: object) -> NDArray[np.int64]:
        return np.array(ROW)


def claim(
    root: bytes, count: int = 1, limit: int = 1, prompt: tuple[int, ...] = (1, 2)
) -> ClaimData:
    job = Job(
        bytes(32), "0x" + "11" * 20, PROVIDER, TokenList(prompt, SALT, PROMPT_SIDE).root,
        len(prompt), limit, 0, bytes(32), 1, 0, 9, 99, 0, bytes(32),
    )  # fmt: skip
    receipt = Receipt(JOB_ID, root, count, 1)
    proof = MerkleTree([bytes(32), receipt_leaf(receipt)]).path(1)
    return ClaimData(bytes(32), 1, job, b"", receipt, proof, prompt, ROW, SALT)


def reason(data: ClaimData) -> str | None:
    finding = audit_embedding(data, MODEL, Oracle())
    assert finding is None or finding.token_index == 0
    return finding.reason if finding else None


RIGHT = output_root(MODEL, ROW, SALT)


@pytest.mark.parametrize("shown", [ROW, (), (1, 2, 3), (5, -6, 8)])
def test_what_is_shown_changes_nothing(shown: tuple[int, ...]) -> None:
    data = replace(claim(RIGHT), output=shown)
    tree = MerkleTree([bytes(32), receipt_leaf(data.receipt)])
    check_data(data, tree.root, PROVIDER, JOB_ID)
    assert reason(data) is None
    assert reason(replace(claim(keccak(RIGHT)), output=shown)) == "wrong embedding"


@pytest.mark.parametrize(
    "root",
    [
        output_root(MODEL, (5, -6, 8), SALT),
        output_root(MODEL, ROW[:2], SALT),
        output_root(MODEL, ROW, bytes(32)),
        embedding_root(bytes(32), row_commitment(ROW)),
        TokenList((5,), SALT, 1).root,
    ],
)
def test_a_wrong_root(root: bytes) -> None:
    assert reason(claim(root)) == "wrong embedding"


def test_a_prompt_may_fill_the_context() -> None:
    assert reason(claim(RIGHT, prompt=(1, 2, 3))) is None
    assert reason(claim(RIGHT, prompt=(1, 2, 3, 4))) == "the prompt is longer than the context"


@pytest.mark.parametrize(("count", "limit"), [(0, 1), (2, 2), (1, 0)])
def test_another_number_of_outputs(count: int, limit: int) -> None:
    assert reason(claim(RIGHT, count, limit)) == (
        "the output is not one embedding, or none was asked for"
    )


def test_more_outputs_asked_for_than_given_is_no_lie() -> None:
    assert reason(claim(RIGHT, limit=5)) is None


def test_another_number_of_prompt_tokens() -> None:
    data = claim(RIGHT)
    told = replace(data, job=replace(data.job, prompt_tokens=3))
    assert reason(told) == "the prompt has another number of tokens than the job"
