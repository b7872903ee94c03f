"""Who asks, and the refusals that concern who asks."""

from __future__ import annotations

from dataclasses import dataclass

from assay.core.errors import InputError


@dataclass(frozen=True)
class Caller:
    """Who pays for a request.

    Attributes:
        address: the network address, for limits of callers without a key.
        owner: the account that pays; None: the gateway's own, as in open mode.
        key_id: the API key that was shown; None without one.
        key_hash: of its text, so that a text that was rotated away is refused; None for work that
            goes on after its request, as batches do.
    """

    address: str
    owner: str | None = None
    key_id: str | None = None
    key_hash: bytes | None = None


class RateLimited(InputError):
    """More than a minute allows; `retry_after` is in seconds."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message, code="rate_limit_exceeded", status=429, kind="rate_limit_error")
        self.retry_after = retry_after


def invalid_key(why: str) -> InputError:
    return InputError(
        f"{why}; sign in at /v1/auth/challenge and make a key at /v1/keys",
        code="invalid_api_key",
        status=401,
        kind="authentication_error",
    )


class PaymentRequired(InputError):
    """Neither a key nor a payment came with the request. `wanted`: micro-USD, as far as known."""

    def __init__(self) -> None:
        super().__init__(
            "give an API key of this gateway as Authorization: Bearer sk-assay-…, or pay by x402 "
            "as this answer's `accepts` says",
            code="payment_required",
            status=402,
            kind="authentication_error",
        )
        self.wanted = 0


class AccountExhausted(InputError):
    """The owner's channel and prepaid dollars together do not pay for the job.

    `wanted`: micro-USD that the job may cost.
    """

    def __init__(self, owner: str, wanted: int, left: int) -> None:
        super().__init__(
            f"{owner} has {left} micro-USD left, the request may cost {wanted}: raise the channel "
            "to this gateway, pay by x402, or lower max_tokens",
            code="account_exhausted",
            status=402,
            kind="insufficient_quota",
        )
        self.wanted = wanted


def key_exhausted(cap: int, left: int, wanted: int) -> InputError:
    return InputError(
        f"the key's daily cap of {cap} micro-USD leaves {max(left, 0)}, the request may cost "
        f"{wanted}: use another key, raise the cap, or wait for 00:00 UTC",
        code="key_exhausted",
        status=402,
        kind="insufficient_quota",
    )
