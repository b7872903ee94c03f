"""Whole games at the shapes of 8B and 70B models: every transaction is sent, none is extrapolated.

What is played: the full program (its length decides how deep the steps tree is), outputs, inputs
and weights of the disputed step at full size, and all positions. What is not: the pass as a whole.
`wide_trace` says what stands for the rest of it, which a game commits to and never opens.
"""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from assay.chain.anvil import HARDFORK, Anvil
from assay.challenger.solver import FixedTarget, Guide, Truth
from assay.core.hashes import OUTPUT_SIDE, PROMPT_SIDE
from assay.core.tokens import TokenList
from assay.core.types import SamplingParams
from assay.core.wire import ClaimData
from assay.exact import sampling
from assay.exact.model import DecoderShape
from assay.provider.responder import Defence
from assay.trace import witness
from scripts.bench.arena import Arena, Played
from scripts.bench.conditions import stderr
from scripts.bench.wide_model import LLAMA_8B, LLAMA_70B, WideCommitment
from scripts.bench.wide_trace import WideTrace

PARAMS = SamplingParams(3, inv_temperature=65_536, seed=bytes(range(32)))
WRONG = 2  # the output token that is wrong, of three
LONG = 8_192
SHORT = 2_048


ABOUT = (
    "Every transaction is sent to Anvil. The program is the whole model's, so the steps tree is as "
    "deep as it would be; the disputed step lies in the middle layer; its inputs, weights and "
    "output are random integers of full size, its disputed element is what the reference makes of "
    "them. Outputs of other steps are random hashes, as a game never opens them: the pass as a "
    "whole is not computed, so seconds are those of committing to the step's tensors and of "
    "choosing moves."
)


@dataclass(frozen=True)
class Contest:
    """One game: where the lie is, or with `misstated` the challenger's.

    `step` is a name in the program's middle layer, or "logits" for a wrong token over a right
    trace.
    """

    step: str
    positions: int = SHORT
    misstated: bool = False

    @property
    def title(self) -> str:
        end = ", a misstated partial" if self.misstated else ""
        return f"{self.step}, {self.positions:,} positions{end}"


CONTESTS = (
    Contest("gate"),
    Contest("down"),
    Contest("down", misstated=True),
    Contest("mlp_norm.output"),
    Contest("silu_gate"),
    Contest("scores"),
    Contest("attend"),
    Contest("logits"),
)
LONG_CONTESTS = tuple(
    Contest(name, LONG, misstated)
    for name in ("rowmax", "sum", "attend")
    for misstated in (False, True)
)
SHAPES = {
    "8B": (LLAMA_8B, (*CONTESTS, *LONG_CONTESTS)),
    "70B": (LLAMA_70B, CONTESTS),
}


def play_all() -> list[dict[str, Any]]:
    """Every contest of every shape, each shape on a chain of its own."""
    found = []
    for name, (shape, contests) in SHAPES.items():
        stderr.print(f"{name}: drawing weights …")
        commitment = WideCommitment(shape, _known(shape))
        with tempfile.TemporaryDirectory() as folder, Anvil(hardfork=HARDFORK) as anvil:
            arena = Arena(anvil, commitment, Path(folder))
            for contest in contests:
                stderr.print(f"playing at {name}: {contest.title} …")
                found.append({"shape": name, **_game(arena, commitment, contest)})
                gc.collect()
    return found


def _layer(shape: DecoderShape) -> str:
    return f"layer.{shape.layers // 2}."


def _known(shape: DecoderShape) -> Iterator[str]:
    """The weights that the contests open."""
    for name in ("gate", "down"):
        yield from (f"{_layer(shape)}{name}.{part}" for part in ("weight", "scale"))
    yield f"{_layer(shape)}mlp_norm.gain"


def _game(arena: Arena, commitment: WideCommitment, contest: Contest) -> dict[str, Any]:
    snapshot = arena.anvil.rpc("evm_snapshot")
    played, truth, defence, guide, data = _prepared(arena, commitment, contest)
    arena.contest(played, data, defence, guide)
    arena.anvil.rpc("evm_revert", snapshot)
    if played.outcome != ("provider_won" if contest.misstated else "challenger_won"):
        raise AssertionError(f"{contest.title}: {played.outcome}, {played.reason}")
    return {
        "scenario": contest.title,
        "steps": commitment.header.n_steps,
        "positions": truth.positions,
        **played.document(),
    }


def _prepared(
    arena: Arena, commitment: WideCommitment, contest: Contest
) -> tuple[Played, WideTrace, Defence, Guide, ClaimData]:
    """Both sides' traces, and the claim."""
    played = Played("", "")
    tokens = tuple(np.random.default_rng(3).integers(1, 128_000, contest.positions).tolist())
    prompt, before = tokens[:-WRONG], tokens[-WRONG:]
    truth, place = _truth(commitment, contest, tokens, played)
    token = (
        sampling.sample(
            truth.tensor(len(commitment.program.steps) - 1).values[0].astype(np.int64),
            PARAMS.inv_temperature,
            commitment.model.logit_fraction,
            PARAMS.seed,
            WRONG,
            commitment.model.gumbel,
        )
        if contest.step == "logits"
        else 0
    )
    claimed = (token + 1) % commitment.header.vocab_size
    data = arena.claim(prompt, (*before, claimed), PARAMS)
    false = truth
    if contest.step != "logits" and not contest.misstated:
        false = truth.with_lie(*place)
    guide: Guide = Truth(truth, token, claimed)
    if contest.misstated:
        partials = witness.partials(truth, *place)
        guide = FixedTarget(*place, stated=(*partials[:-1], partials[-1] + 1))
    defence = Defence(
        job=data.job,
        receipt=data.receipt,
        prompt=TokenList(prompt, data.salt, PROMPT_SIDE),
        output=TokenList(data.output, data.salt, OUTPUT_SIDE),
        token_index=WRONG,
        trace=false,
    )
    return played, truth, defence, guide, data


def _truth(
    commitment: WideCommitment, contest: Contest, tokens: tuple[int, ...], played: Played
) -> tuple[WideTrace, tuple[int, int, int]]:
    """The right trace, and (step, row, column) of the disputed element."""
    program = commitment.program
    if contest.step == "logits":
        step = len(program.steps) - 1
        return WideTrace(commitment, tokens, step, None), (step, 0, 0)
    step = program.step_named(_layer(commitment.model.shape) + contest.step)
    rows, width = program.steps[step].shape(len(tokens))
    row, column = rows - 1, width // 2
    trace = played.timed(
        "challenger",
        "commit to the step's tensors",
        lambda: WideTrace(commitment, tokens, step, (row, column)),
    )
    return trace, (step, row, column)
