"""The specification's "When a claim is right"."""

from __future__ import annotations

from dataclasses import dataclass

from assay_verifier import hashes
from assay_verifier.claim import Claim, check_data, payment_faults
from assay_verifier.model import Model
from assay_verifier.sampling import token_of


@dataclass(frozen=True)
class Verdict:
    """`reason` and `token`, the output token to challenge, are None of a right claim.

    `unchecked`: what the file gave nothing to check with. `unpaid`: why the claim would not be
    paid, right or wrong.
    """

    reason: str | None
    token: int | None
    unchecked: tuple[str, ...]
    unpaid: tuple[str, ...]

    @property
    def right(self) -> bool:
        return self.reason is None


def judge(claim: Claim, model: Model) -> Verdict:
    """The verdict on a claim.

    Raises:
        VerifierError: there is none, see `errors`.
    """
    unchecked = check_data(claim, model)
    wrong = wrong_embedding(claim, model) if model.embeds else wrong_token(claim, model)
    token, reason = wrong or (None, None)
    return Verdict(reason, token, tuple(unchecked), tuple(payment_faults(claim)))


def wrong_token(claim: Claim, model: Model) -> tuple[int, str] | None:
    """The first output token that should not be there, and why; None if all is right."""
    misplaced = malformed(claim, model)
    sound = claim.output if misplaced is None else claim.output[: misplaced[0]]
    different = first_different(claim, model, sound) if sound else None
    return different or misplaced


def malformed(claim: Claim, model: Model) -> tuple[int, str] | None:
    """Rules 6 to 8: what is wrong whatever the model computes."""
    job, output = claim.job, claim.output
    limit = min(job.max_output_tokens, model.context_length - job.prompt_tokens)
    if job.prompt_tokens != len(claim.prompt):
        return 0, f"the prompt has {len(claim.prompt)} tokens, the job says {job.prompt_tokens}"
    if claim.receipt.output_tokens != len(output):
        return 0, f"there are {len(output)} tokens, the receipt says {claim.receipt.output_tokens}"
    if not output:
        return 0, "there is no output"
    for index, token in enumerate(output):
        if index >= limit:
            return max(limit, 0), f"more than the {limit} tokens that job and context allow"
        if token >= model.vocab_size:
            return index, "a token outside the vocabulary"
        if index and output[index - 1] in model.eos_tokens:
            return index, "a token after the end of the text"
    if len(output) < limit and output[-1] not in model.eos_tokens:
        return len(output) - 1, "the output is cut short"
    return None


def first_different(claim: Claim, model: Model, output: tuple[int, ...]) -> tuple[int, str] | None:
    """Rule 9, for the first tokens of the output, at least one."""
    job, noise = claim.job, model.program.tables[model.gumbel_table].ints()
    tokens = [*claim.prompt, *output[:-1]]
    for index, logits in enumerate(model.program.rows_after(tokens, len(claim.prompt))):
        right = token_of(logits, job.inv_temperature, model.logit_fraction, job.seed, index, noise)
        if right != output[index]:
            return index, f"the token is {output[index]}, not {right}"
    return None


def wrong_embedding(claim: Claim, model: Model) -> tuple[int, str] | None:
    """Rules 6 and 10."""
    job, receipt, count = claim.job, claim.receipt, len(claim.prompt)
    if job.prompt_tokens != count:
        return 0, f"the prompt has {count} tokens, the job says {job.prompt_tokens}"
    if receipt.output_tokens != 1 or job.max_output_tokens < 1:
        return 0, "the output is not one embedding, or none was asked for"
    if count > model.context_length:
        return 0, f"the prompt of {count} tokens is longer than {model.context_length}"
    row = next(model.program.rows_after(claim.prompt, count))
    if hashes.embedding(row[None], claim.salt) != receipt.output_root:
        return 0, "another embedding"
    return None
