"""From a checked request to a signed job."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from eth_account.signers.local import LocalAccount

from assay.core.errors import InputError
from assay.core.hashes import PROMPT_SIDE, job_id
from assay.core.signing import sign_job_id
from assay.core.tokens import TokenList
from assay.core.types import PUBLIC_DATA, Job, Model
from assay.gateway.requests import GenerationRequest
from assay.gateway.store import SignedJob
from assay.gateway.upstream import Offer

NONCES_A_WORD = 256


class Nonces:
    """Fresh nonces: 256 in a row for one provider differ in the last byte alone.

    The settlement marks those in one word, so that paying them one after another is cheap. The
    rest is random: nothing has to be remembered. Safe to share between threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next: dict[str, int] = {}

    def next(self, provider: str) -> bytes:
        """32 bytes that no other job for this provider has."""
        with self._lock:
            number = self._next.get(provider, 0)
            if number % NONCES_A_WORD == 0:
                number = secrets.randbits(248) * NONCES_A_WORD
            self._next[provider] = number + 1
        return number.to_bytes(32, "big")


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
    nonces: Nonces = field(default_factory=Nonces)

    def sign(
        self,
        request: GenerationRequest,
        prompt: Sequence[int],
        model: Model,
        offer: Offer,
        now: int,
    ) -> SignedJob:
        """A job for one provider, at its prices, with a fresh salt and nonce, due `job_seconds`
        after `now`."""
        limit = output_limit(request.max_tokens, len(prompt), model, self.default_max_tokens)
        price_output = 0 if model.embeds else offer.price_output
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
            price_output=price_output,
            max_price=full_price(len(prompt), limit, offer.price_input, price_output),
            deadline=now + self.job_seconds,
            data_mode=PUBLIC_DATA,
            nonce=self.nonces.next(offer.address),
        )
        digest = job_id(draft, self.chain_id, self.settlement)
        return SignedJob(
            job_id=digest,
            model=request.model,
            job=draft,
            signature=sign_job_id(self.account, digest),
            salt=salt,
            prompt=tuple(prompt),
            provider_url=offer.url,
            created=time.time(),
            discount_bps=offer.batch_discount_bps if request.can_wait else None,
        )


def output_limit(asked: int | None, prompt_tokens: int, model: Model, default: int) -> int:
    """How many tokens to ask for; InputError if prompt and output do not fit the context. An
    embedding is one output that takes no position."""
    if model.embeds:
        check_input(prompt_tokens, model)
        return 1
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


def check_input(tokens: int, model: Model) -> None:
    """InputError unless a text to embed has a token and fits the context."""
    if tokens > model.context_length:
        raise InputError(
            f"This model's maximum context length is {model.context_length} tokens; the input has "
            f"{tokens}. Shorten the input.",
            code="context_length_exceeded",
            param="input",
        )
    if tokens == 0:
        raise InputError(
            "input has no token that the model knows; give at least one",
            code="empty_prompt",
            param="input",
        )


def full_price(prompt_tokens: int, output_tokens: int, price_input: int, price_output: int) -> int:
    """Micro-USD if every token that is asked for comes, rounded up."""
    total = prompt_tokens * price_input + output_tokens * price_output
    return -(-total // 1_000_000)
