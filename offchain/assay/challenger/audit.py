"""Is a claim right? Pure: the claim's data, the batch's root and an engine are arguments.

Checks in the order of their cost: does the data belong to the claim, is the output well-formed,
is every token the one that the model yields. Of an embedding the receipt says all: prompt, job and
model leave one right output root, whatever the provider shows as its output.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from assay.core.errors import ProofError
from assay.core.hashes import PROMPT_SIDE, receipt_leaf
from assay.core.merkle import root_from_path
from assay.core.outputs import output_root
from assay.core.tokens import TokenList
from assay.core.types import Model, SamplingParams
from assay.core.wire import ClaimData


class Recomputer(Protocol):
    """The part of `engine.Engine` that auditing needs."""

    def first_wrong_token(
        self, prompt: list[int], output: list[int], params: SamplingParams
    ) -> int | None: ...


class Embedder(Protocol):
    """The part of `engine.Encoder` that auditing needs."""

    def embed(self, tokens: Sequence[int]) -> NDArray[np.int64]: ...


WRONG_TOKEN, WRONG_EMBEDDING = "wrong token", "wrong embedding"
COMPUTED = (WRONG_TOKEN, WRONG_EMBEDDING)
"""Reasons that rest on a computation; the others can be read off the data."""


@dataclass(frozen=True)
class Finding:
    """Why and where a claim is wrong: `token_index` is the token to challenge (0: an embedding)."""

    token_index: int
    reason: str


def check_data(data: ClaimData, batch_root: bytes, provider: str, job_id: bytes) -> None:
    """Raise `ProofError` unless receipt, job and prompt are what was committed on chain.

    `job_id` is the digest of `data.job`. Data that fails proves nothing against the claim, since
    whoever served it may have made it up.
    """
    receipt, job = data.receipt, data.job
    if root_from_path(receipt_leaf(receipt), data.index, data.proof) != batch_root:
        raise ProofError("the receipt is not in the batch at this index")
    if receipt.job_id != job_id:
        raise ProofError("the job is not the receipt's")
    if job.provider != provider:
        raise ProofError(f"the job is for {job.provider}, the batch is {provider}'s")
    if TokenList(data.prompt, data.salt, PROMPT_SIDE).root != job.prompt_root:
        raise ProofError("the prompt is not the job's")


def check_prompt(data: ClaimData, model: Model) -> None:
    """Raise `ProofError` for a prompt that no model can read: its consumer paid for nonsense."""
    outside = [token for token in data.prompt if token >= model.vocab_size]
    if outside or not data.prompt:
        raise ProofError(f"no prompt, or token {outside[:1]} is outside the vocabulary")


def audit_embedding(data: ClaimData, model: Model, encoder: Embedder) -> Finding | None:
    """What is wrong with an embedding whose data `check_data` accepted; None if it is right."""
    job, receipt = data.job, data.receipt
    if job.prompt_tokens != len(data.prompt):
        return Finding(0, "the prompt has another number of tokens than the job")
    if receipt.output_tokens != 1 or job.max_output_tokens < 1:
        return Finding(0, "the output is not one embedding, or none was asked for")
    if len(data.prompt) > model.context_length:
        return Finding(0, "the prompt is longer than the context")
    right = output_root(model, encoder.embed(data.prompt).tolist(), data.salt)
    return None if receipt.output_root == right else Finding(0, WRONG_EMBEDDING)


def audit(data: ClaimData, model: Model, engine: Recomputer) -> Finding | None:
    """The first thing wrong with tokens whose data `check_data` accepted; None if they are right.

    Raises:
        ProofError: the tokens are not the receipt's.
    """
    if output_root(model, data.output, data.salt) != data.receipt.output_root:
        raise ProofError("the output is not the receipt's")
    malformed = check_form(data, model)
    if malformed is not None and malformed.token_index >= len(data.output):
        return malformed
    sound = data.output if malformed is None else data.output[: malformed.token_index]
    wrong = _first_wrong(data, sound, engine)
    if wrong is not None:
        return Finding(wrong, WRONG_TOKEN)
    return malformed


def check_form(data: ClaimData, model: Model) -> Finding | None:
    """What the provider could not answer: the place of the first fault in the output's form.

    The same rules as the contract's: 1 to `limit` tokens of the vocabulary, none after an
    end-of-text token, and fewer than `limit` only if the last one is such a token.
    """
    output, count = data.output, data.receipt.output_tokens
    if data.job.prompt_tokens != len(data.prompt):
        return Finding(0, "the prompt has another number of tokens than the job")
    if count != len(output):
        return Finding(0, "the output has another number of tokens than the receipt")
    if count == 0:
        return Finding(0, "no output")
    limit = min(data.job.max_output_tokens, model.context_length - len(data.prompt))
    if count > limit:
        return Finding(max(limit, 0), "more tokens than the job or the context allows")
    return _misplaced(output, model, limit)


def _misplaced(output: Sequence[int], model: Model, limit: int) -> Finding | None:
    for index, token in enumerate(output):
        if token >= model.vocab_size:
            return Finding(index, "a token outside the vocabulary")
        if index and output[index - 1] in model.eos_tokens:
            return Finding(index, "a token after the end of the text")
    if output and len(output) < limit and output[-1] not in model.eos_tokens:
        return Finding(len(output) - 1, "the output ends too early")
    return None


def _first_wrong(data: ClaimData, output: Sequence[int], engine: Recomputer) -> int | None:
    if not output:
        return None
    job = data.job
    params = SamplingParams(job.max_output_tokens, job.inv_temperature, job.seed)
    return engine.first_wrong_token(list(data.prompt), list(output), params)
