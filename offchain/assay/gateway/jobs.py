"""From a checked request to a signed job."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass

from eth_account.signers.local import LocalAccount

from assay.core.errors import InputError
from assay.core.hashes import PROMPT_SIDE, job_id
from assay.core.signing import sign_job
from assay.core.tokens import TokenList
from assay.core.types import Job, Model
from assay.gateway.requests import GenerationRequest
from assay.gateway.store import SignedJob
from assay.gateway.upstream import Offer

PUBLIC_DATA = 0


@dataclass(frozen=True)
class JobSigner:
    """Signs as the consumer.

    Attributes:
        job_seconds: how long a provider has to post the claim.
        default_max_tokens: output limit of requests that give none.
    """

    account: LocalAccount
    chain_id: int
    settlement: str
    job_seconds: int
    default_max_tokens: int

    def sign(
        self,
        request: GenerationRequest,
        prompt: Sequence[int],
        model: Model,
        offer: Offer,
        chain_now: int,
    ) -> SignedJob:
        """A job for one provider, at its prices, with a fresh salt and nonce."""
        limit = output_limit(request.max_tokens, len(prompt), model, self.default_max_tokens)
        salt = secrets.token_bytes(32)
        draft = Job(
            model_root=offer.model_root,
            consumer=str(self.account.address),
            provider=offer.address,
            prompt_root=TokenList(prompt, salt, PROMPT_SIDE).root,
            prompt_tokens=len(prompt),
            max_output_tokens=limit,
            inv_temperature=request.inv_temperature,
            seed=request.seed if request.seed is not None else secrets.token_bytes(32),
            price_input=offer.price_input,
            price_output=offer.price_output,
            max_price=full_price(len(prompt), limit, offer),
            deadline=max(int(time.time()), chain_now) + self.job_seconds,
            data_mode=PUBLIC_DATA,
            nonce=secrets.token_bytes(32),
        )
        return SignedJob(
            job_id=job_id(draft, self.chain_id, self.settlement),
            model=request.model,
            job=draft,
            signature=sign_job(self.account, draft, self.chain_id, self.settlement),
            salt=salt,
            prompt=tuple(prompt),
            provider_url=offer.url,
            created=time.time(),
        )


def output_limit(asked: int | None, prompt_tokens: int, model: Model, default: int) -> int:
    """How many tokens to ask for; InputError if prompt and output do not fit the context."""
    room = model.context_length - prompt_tokens
    if room < 1 or (asked is not None and asked > room):
        wish = f" plus {asked} for the completion" if asked is not None else ""
        raise InputError(
            f"This model's maximum context length is {model.context_length} tokens; the prompt "
            f"has {prompt_tokens}{wish}. Shorten the prompt or lower max_tokens.",
            code="context_length_exceeded",
            param="max_tokens" if room >= 1 else "prompt",
        )
    return min(default, room) if asked is None else asked


def full_price(prompt_tokens: int, output_tokens: int, offer: Offer) -> int:
    """Micro-USD if every token that is asked for comes, rounded up."""
    total = prompt_tokens * offer.price_input + output_tokens * offer.price_output
    return -(-total // 1_000_000)
