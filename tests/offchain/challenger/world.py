"""A claim over the small random model, right or wrong in a chosen way."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np

from assay.core.hashes import OUTPUT_SIDE, PROMPT_SIDE
from assay.core.tokens import TokenList
from assay.core.types import Job, Op, Receipt
from assay.exact import sampling
from assay.provider.responder import Defence
from assay.trace.commitment import ModelCommitment
from assay.trace.execute import Tamper
from assay.trace.pass_trace import PassTrace
from tests.support.models import FULL, random_model

SALT = bytes([7]) * 32
SEED = bytes([9]) * 32
PROMPT = (17, 900, 4, 1050, 333)
OUTPUT_TOKENS = 2


@cache
def commitment() -> ModelCommitment:
    return ModelCommitment(random_model(FULL))


@cache
def trace(tokens: tuple[int, ...]) -> PassTrace:
    return PassTrace(commitment(), tokens)


def true_token(prompt: Sequence[int], output: Sequence[int], inv_temperature: int) -> int:
    """The token that follows prompt + output."""
    model = commitment().model
    logits = trace((*prompt, *output)).tensors[-1].values[0].astype(np.int64)
    index = len(output)
    return sampling.sample(logits, inv_temperature, model.logit_fraction, SEED, index, model.gumbel)


@cache
def true_output(inv_temperature: int) -> tuple[int, ...]:
    output: list[int] = []
    for _ in range(OUTPUT_TOKENS):
        output.append(true_token(PROMPT, output, inv_temperature))
    return tuple(output)


@dataclass
class Claim:
    """A job and what its provider says about it.

    `token_index` is the disputed token; `claimed` the output in the receipt.
    """

    inv_temperature: int = 0
    token_index: int = OUTPUT_TOKENS - 1
    wrong_token: bool = True
    claimed: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        output = list(true_output(self.inv_temperature))
        if self.wrong_token:
            output[self.token_index] = (output[self.token_index] + 1) % 1100
        self.claimed = tuple(output)

    @property
    def job(self) -> Job:
        return Job(
            model_root=commitment().model_root,
            consumer="0x" + "11" * 20,
            provider="0x" + "22" * 20,
            prompt_root=TokenList(PROMPT, SALT, PROMPT_SIDE).root,
            prompt_tokens=len(PROMPT),
            max_output_tokens=OUTPUT_TOKENS,
            inv_temperature=self.inv_temperature,
            seed=SEED,
            price_input=1,
            price_output=1,
            max_price=100,
            deadline=2**40,
            data_mode=0,
            nonce=bytes(32),
        )

    @property
    def true_trace(self) -> PassTrace:
        return trace((*PROMPT, *self.claimed[: self.token_index]))

    def defence(self, provider_trace: PassTrace | None = None) -> Defence:
        output = TokenList(self.claimed, SALT, OUTPUT_SIDE)
        receipt = Receipt(bytes(32), output.root, len(self.claimed), 1)
        return Defence(
            job=self.job,
            receipt=receipt,
            prompt=TokenList(PROMPT, SALT, PROMPT_SIDE),
            output=output,
            token_index=self.token_index,
            trace=provider_trace or self.true_trace,
        )

    def tampered(self, tamper: Tamper) -> PassTrace:
        return PassTrace(commitment(), self.true_trace.tokens, tamper)

    def with_wrong_prompt(self) -> PassTrace:
        """A trace over a prompt whose second token is not the committed one."""
        tokens = list(self.true_trace.tokens)
        tokens[1] += 1
        return PassTrace(commitment(), tokens)

    def with_swapped_weight_rows(self, name: str) -> PassTrace:
        """A trace computed with rows 0 and 1 of a weight exchanged, committed as if it were not."""
        return PassTrace(swapped_rows(commitment(), name), self.true_trace.tokens)


def swapped_rows(honest: ModelCommitment, name: str) -> ModelCommitment:
    """Computes with two rows of a weight exchanged, opens the honest ones."""
    cheat = copy.copy(honest)
    weights = list(honest.program.weights)
    place = next(i for i, tensor in enumerate(weights) if tensor.name == name)
    values = weights[place].values.copy()
    values[[0, 1]] = values[[1, 0]]
    weights[place] = replace(weights[place], values=values)
    cheat.program = replace(honest.program, weights=weights)
    return cheat


def element_of(op: Op) -> tuple[int, int, int]:
    """(step, row, column): an element in the middle of the first step of an opcode."""
    step = next(i for i, s in enumerate(commitment().program.steps) if s.opcode == op)
    positions = len(PROMPT) + OUTPUT_TOKENS - 1
    rows, width = commitment().program.steps[step].shape(positions)
    if op == Op.SCORES or op == Op.EXP2:
        return step, rows - 1, 1
    return step, rows // 2, width // 2


def longest_reduction() -> tuple[int, int, int]:
    """An element whose reduction has several chunks: the down projection."""
    step = commitment().program.step_named("layer.0.down")
    return step, 2, 5
