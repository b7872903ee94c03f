"""What an audit finds in a claim, and what it takes for no evidence at all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from assay.challenger.audit import Finding, audit, check_data, check_form, check_prompt
from assay.core.errors import InputError, ProofError
from assay.core.hashes import OUTPUT_SIDE, PROMPT_SIDE, receipt_leaf
from assay.core.merkle import MerkleTree
from assay.core.tokens import TokenList
from assay.core.types import Job, Model, Receipt, SamplingParams
from assay.core.wire import ClaimData

SALT = bytes([5]) * 32
JOB_ID = bytes([1]) * 32
PROVIDER = "0x" + "22" * 20
EOS = 9
MODEL = Model(1, *([bytes(32)] * 5), 10, 10, 2, 100, 16, 14, 1, (EOS,))


class Oracle:
    """Takes a fixed output for the truth."""

    def __init__(self, *truth: int) -> None:
        self._truth = truth

    def first_wrong_token(
        self, prompt: list[int], output: list[int], params: SamplingParams
    ) -> int | None:
        pairs = zip(output, self._truth, strict=False)
        return next((i for i, (a, b) in enumerate(pairs) if a != b), None)


def claim(
    *output: int, prompt: tuple[int, ...] = (1, 2), count: int | None = None, limit: int = 4
) -> tuple[ClaimData, bytes]:
    """The claim's data and its batch's root."""
    job = Job(
        bytes(32), "0x" + "11" * 20, PROVIDER, TokenList(prompt, SALT, PROMPT_SIDE).root,
        len(prompt), limit, 0, bytes(32), 1, 1, 9, 99, 0, bytes(32),
    )  # fmt: skip
    root = TokenList(output, SALT, OUTPUT_SIDE).root
    receipt = Receipt(JOB_ID, root, len(output) if count is None else count, 1)
    tree = MerkleTree([bytes(32), receipt_leaf(receipt), bytes(32)])
    data = ClaimData(bytes(32), 1, job, b"", receipt, tree.path(1), prompt, output, SALT)
    return data, tree.root


def found(*output: int, truth: tuple[int, ...] = (5, 6, 7, 8), **options: int) -> int | None:
    finding = audit(claim(*output, **options)[0], MODEL, Oracle(*truth))  # type: ignore[arg-type]
    return finding.token_index if finding else None


def test_a_right_claim_has_nothing_wrong() -> None:
    assert found(5, 6, 7, 8) is None
    assert found(5, EOS, truth=(5, EOS)) is None


@pytest.mark.parametrize("place", range(4))
def test_the_first_wrong_token(place: int) -> None:
    output = [5, 6, 7, 8]
    output[place:] = [1] * (4 - place)
    assert found(*output) == place


@pytest.mark.parametrize(
    ("output", "options", "place"),
    [
        ((5, 6, 7), {}, 2),  # ends early, without an end-of-text token
        ((5, EOS, 7, 8), {}, 2),  # goes on after the end
        ((5, 6, 7, 8), {"limit": 3}, 3),  # more than was asked for
        ((5, 6, 7, 8), {"count": 5}, 0),  # another count than committed
        ((5, 6, 7, 8), {"count": 3}, 0),
        ((5, 6, 100, 8), {}, 2),  # outside the vocabulary
    ],
)
def test_malformed_outputs(output: tuple[int, ...], options: dict[str, int], place: int) -> None:
    finding = check_form(claim(*output, **options)[0], MODEL)  # type: ignore[arg-type]
    assert finding is not None
    assert finding.token_index == place


def test_a_wrong_token_before_the_malformed_place_comes_first() -> None:
    assert found(5, 1, 7) == 1


def test_a_malformed_place_before_the_wrong_token_comes_first() -> None:
    assert found(5, EOS, 7, 1, truth=(5, EOS, 7, 8)) == 2


def test_a_context_that_is_too_short() -> None:
    data, _ = claim(5, 6, 7, prompt=tuple(range(1, 15)), limit=4)
    assert check_form(data, MODEL) == Finding(2, "more tokens than the job or the context allows")


def test_data_that_fits_the_chain() -> None:
    data, root = claim(5, 6)
    check_data(data, root, PROVIDER, JOB_ID)


@pytest.mark.parametrize(
    "change",
    [
        {"index": 0},
        {"prompt": (1, 3)},
        {"salt": bytes(32)},
        {"receipt": Receipt(JOB_ID, bytes(32), 2, 1)},
    ],
)
def test_made_up_data_is_no_evidence(change: dict[str, object]) -> None:
    data, root = claim(5, 6)
    with pytest.raises(ProofError):
        check_data(replace(data, **change), root, PROVIDER, JOB_ID)  # type: ignore[arg-type]


@pytest.mark.parametrize("output", [(5, 7), (5,), (5, 6, EOS), (-5, 6)])
def test_made_up_tokens_are_no_evidence(output: tuple[int, ...]) -> None:
    data, _ = claim(5, 6)
    with pytest.raises((ProofError, InputError)):
        audit(replace(data, output=output), MODEL, Oracle(5, 6))


def test_another_job_or_provider_is_no_evidence() -> None:
    data, root = claim(5, 6)
    with pytest.raises(ProofError):
        check_data(data, root, PROVIDER, bytes(32))
    with pytest.raises(ProofError):
        check_data(data, root, "0x" + "33" * 20, JOB_ID)


@pytest.mark.parametrize("prompt", [(), (1, 100)])
def test_a_prompt_that_nobody_can_read(prompt: tuple[int, ...]) -> None:
    data, _ = claim(5, 6, prompt=prompt)
    with pytest.raises(ProofError):
        check_prompt(data, MODEL)
