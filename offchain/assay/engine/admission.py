"""What the engine accepts: each refusal names the value and the limit."""

from __future__ import annotations

from collections.abc import Sequence

from assay.core.errors import InputError
from assay.core.types import SamplingParams
from assay.exact.model import DecoderShape

MIN_INV_TEMPERATURE = 1 << 14
"""T = 4 in Q16."""
MAX_INV_TEMPERATURE = 20 << 16
"""T = 0.05 in Q16."""
SEED_BYTES = 32


def check_request(shape: DecoderShape, prompt: Sequence[int], params: SamplingParams) -> None:
    """Raise InputError unless the engine can serve this request to its end."""
    check_tokens(shape, prompt)
    if params.max_tokens < 1:
        raise InputError(
            f"max_tokens is {params.max_tokens}; it must be at least 1",
            code="invalid_max_tokens",
            param="max_tokens",
        )
    if len(prompt) + params.max_tokens > shape.context:
        raise InputError(
            f"{len(prompt)} prompt tokens and up to {params.max_tokens} output tokens exceed the "
            f"context of {shape.context}; shorten the prompt or ask for fewer tokens",
            code="context_length_exceeded",
            param="prompt",
        )
    check_sampling(params)


def check_tokens(shape: DecoderShape, tokens: Sequence[int]) -> None:
    """A non-empty list of the vocabulary's ids that fits the context."""
    if not tokens:
        raise InputError(
            "the prompt is empty; give at least one token", code="empty_prompt", param="prompt"
        )
    for index, token in enumerate(tokens):
        if not 0 <= token < shape.vocab:
            raise InputError(
                f"token {token} at position {index} is outside the vocabulary 0..{shape.vocab - 1}",
                code="unknown_token",
                param="prompt",
            )
    if len(tokens) > shape.context:
        raise InputError(
            f"{len(tokens)} tokens exceed the context of {shape.context}; shorten the prompt",
            code="context_length_exceeded",
            param="prompt",
        )


def check_sampling(params: SamplingParams) -> None:
    """Temperature 0 or 0.05 to 4, and a seed of 32 bytes."""
    inverse = params.inv_temperature
    if inverse and not MIN_INV_TEMPERATURE <= inverse <= MAX_INV_TEMPERATURE:
        raise InputError(
            f"inv_temperature is {inverse}; it must be 0 (greedy) or {MIN_INV_TEMPERATURE} to "
            f"{MAX_INV_TEMPERATURE} (temperature 4 to 0.05)",
            code="temperature",
            param="temperature",
        )
    if len(params.seed) != SEED_BYTES:
        raise InputError(
            f"the seed has {len(params.seed)} bytes; it must have {SEED_BYTES}",
            code="invalid_seed",
            param="seed",
        )
