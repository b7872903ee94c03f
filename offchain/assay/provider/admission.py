"""Which jobs a provider takes. Pure: facts about chain and model are arguments.

Every refusal is an `InputError` whose code a gateway can act on; nothing has been stored or
computed when it is raised.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assay.core.errors import InputError
from assay.core.hashes import PROMPT_SIDE
from assay.core.tokens import TokenList
from assay.core.types import AUDITOR_DATA, PRIVATE_DATA, PUBLIC_DATA, Job, Model

MAX_INV_TEMPERATURE = 1_310_720
"""1/0.05 in Q16."""
MIN_INV_TEMPERATURE = 16_384
"""1/4 in Q16."""
DEADLINE_MARGIN_SECONDS = 5


@dataclass(frozen=True)
class Terms:
    """What this provider serves, and for how much (micro-USD per million tokens)."""

    address: str
    model_root: bytes
    model: Model
    price_input: int
    price_output: int


@dataclass(frozen=True)
class Standing:
    """The chain's view when a job arrives, in token units of their tokens.

    `signer_valid`: the consumer signed; `funds`: what the ledger has of it for a claim posted
    today; `unpaid`: what its open claims will take of that; `free_bond` and `slash_per_claim`:
    what this provider can still promise.
    """

    now: int
    signer_valid: bool
    funds: int
    unpaid: int
    free_bond: int
    slash_per_claim: int


def check_job(job: Job, prompt: Sequence[int], salt: bytes, terms: Terms) -> None:
    """Checks that need no chain."""
    _check_place(job, terms)
    _check_prompt(job, prompt, salt, terms.model)
    _check_sampling(job)
    _check_price(job, terms)


def check_standing(job: Job, standing: Standing) -> None:
    """Checks against the chain."""
    if not standing.signer_valid:
        raise _refuse("bad_signature", f"the signature is not {job.consumer}'s", "signature", 401)
    if job.deadline < standing.now + DEADLINE_MARGIN_SECONDS:
        raise _refuse(
            "deadline",
            f"deadline {job.deadline} is over or within {DEADLINE_MARGIN_SECONDS} s; it is "
            f"{standing.now} here: sign a later one, or try another provider",
            "job.deadline",
            503,
        )
    need = standing.unpaid + job.price(job.max_output_tokens)
    if standing.funds < need:
        raise _refuse(
            "insufficient_funds",
            f"{job.consumer} has {standing.funds} micro-USD in the ledger and needs {need} with "
            "its open claims; deposit first",
            "job.consumer",
            402,
        )
    if standing.free_bond < standing.slash_per_claim:
        raise _refuse(
            "provider_bond",
            f"the free bond {standing.free_bond} is below the slash of one claim "
            f"({standing.slash_per_claim}); try another provider",
            None,
            503,
        )


def _check_place(job: Job, terms: Terms) -> None:
    if job.provider != terms.address:
        raise _refuse(
            "wrong_provider", f"the job is for {job.provider}, this is {terms.address}",
            "job.provider",
        )  # fmt: skip
    if job.model_root != terms.model_root:
        raise _refuse(
            "model_not_found",
            f"model 0x{job.model_root.hex()} is not served; 0x{terms.model_root.hex()} is",
            "job.model_root",
            404,
        )
    if job.data_mode not in (PUBLIC_DATA, AUDITOR_DATA, PRIVATE_DATA):
        raise _refuse(
            "data_mode",
            f"data mode {job.data_mode}; 0 (public), 1 (auditors) or 2 (private)",
            "job.data_mode",
        )


def _check_prompt(job: Job, prompt: Sequence[int], salt: bytes, model: Model) -> None:
    if not prompt or job.prompt_tokens != len(prompt):
        raise _refuse(
            "prompt_tokens", f"{len(prompt)} tokens given, {job.prompt_tokens} signed", "tokens"
        )
    for index, token in enumerate(prompt):
        if token >= model.vocab_size:
            raise _refuse(
                "unknown_token",
                f"token {token} at {index}; the vocabulary ends at {model.vocab_size - 1}",
                f"tokens[{index}]",
            )
    if TokenList(prompt, salt, PROMPT_SIDE).root != job.prompt_root:
        raise _refuse("prompt_root", "tokens and salt do not give the signed root", "tokens")
    _check_room(job, len(prompt), model)


def _check_room(job: Job, prompt_tokens: int, model: Model) -> None:
    limit = model.context_length
    if model.embeds:
        if prompt_tokens > limit:
            raise _refuse(
                "context_length_exceeded",
                f"{prompt_tokens} prompt tokens; the context holds {limit}",
                "tokens",
            )
        if job.max_output_tokens != 1:
            raise _refuse(
                "max_output_tokens",
                f"max_output_tokens is {job.max_output_tokens}; an embedding is one output: sign 1",
                "job.max_output_tokens",
            )
        return
    if job.max_output_tokens < 1 or prompt_tokens + job.max_output_tokens > limit:
        raise _refuse(
            "context_length_exceeded",
            f"{prompt_tokens} prompt tokens and up to {job.max_output_tokens} output tokens; the "
            f"context holds {limit}, and at least one is for output",
            "job.max_output_tokens",
        )


def _check_sampling(job: Job) -> None:
    inverse = job.inv_temperature
    if inverse and not MIN_INV_TEMPERATURE <= inverse <= MAX_INV_TEMPERATURE:
        raise _refuse(
            "temperature",
            f"inv_temperature {inverse}; 0, or {MIN_INV_TEMPERATURE} to {MAX_INV_TEMPERATURE}",
            "job.inv_temperature",
        )


def _check_price(job: Job, terms: Terms) -> None:
    for name, offered, asked in (
        ("price_input", job.price_input, terms.price_input),
        ("price_output", job.price_output, terms.price_output),
    ):
        if offered < asked:
            raise _refuse("price", f"{name} {offered} is below {asked}", f"job.{name}", 402)
    full = job.price(job.max_output_tokens)
    if job.max_price < full:
        raise _refuse(
            "max_price", f"max_price {job.max_price} is below the full price {full}",
            "job.max_price", 402,
        )  # fmt: skip


def _refuse(code: str, message: str, param: str | None, status: int = 400) -> InputError:
    return InputError(message, code=code, status=status, param=param)
