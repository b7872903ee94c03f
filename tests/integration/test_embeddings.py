"""Embeddings on Anvil: an honest one is paid by its prompt, any other convicts in a whole game, and
no challenge takes an honest one from its provider.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from assay.chain.games import Games
from assay.chain.settlement import ClaimStatus
from assay.challenger.audit import audit_embedding, check_data
from assay.challenger.solver import FixedTarget
from assay.challenger.truths import make_truth
from assay.core.errors import ContractReverted
from assay.core.game import ChallengeSample, Phase
from assay.core.hashes import OUTPUT_SIDE, job_id
from assay.core.tokens import TokenList
from assay.core.types import ENCODER_OPS, Op, SamplingParams
from assay.core.wire import ClaimData
from assay.engine.encoder import Encoder
from assay.provider.cheat import Honest, make_cheat
from assay.provider.responder import next_move
from tests.integration.arena import PRICE, Arena, Played
from tests.support.models import random_encoder

ONE = SamplingParams(1)
PROMPT: tuple[int, ...] = tuple(np.random.default_rng(3).integers(0, 900, 9).tolist())
PROVIDER = "honest provider"


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder.ready(random_encoder())


def claim_of(arena: Arena, encoder: Encoder, cheat: Honest | None = None) -> ClaimData:
    """A posted claim, as the provider's worker makes it."""
    cheat = cheat or Honest()
    computed = encoder.embed(cheat.prompt(PROMPT, arena.header.vocab_size)).tolist()
    row = cheat.embedding(arena.commitment, PROMPT, computed)
    draft = arena.draft(PROMPT, row, ONE)
    (claim,) = arena.post(replace(draft, receipt=cheat.receipt(draft.receipt)))
    return claim


def challenge(arena: Arena, encoder: Encoder, claim: ClaimData, cheat: Honest) -> Played:
    """What the challenger's service does: check the data, find the fault, play the game."""
    root = arena.network.settlement.batch(claim.batch_id).root
    digest = job_id(claim.job, arena.network.chain_id, arena.network.settlement.address)
    check_data(claim, root, claim.job.provider, digest)
    finding = audit_embedding(claim, arena.header, encoder)
    assert finding is not None
    assert finding.token_index == 0
    return arena.play(claim, 0, cheat.trace(arena.commitment, PROMPT, ()))


def test_an_honest_embedding_is_paid_by_its_prompt(encoder_arena: Arena, encoder: Encoder) -> None:
    arena, network = encoder_arena, encoder_arena.network
    claim = claim_of(arena, encoder)
    assert audit_embedding(claim, arena.header, encoder) is None
    assert claim.receipt.price == len(PROMPT) * PRICE // 10**6
    earned = network.ledger.earnings_of(arena.address(PROVIDER))
    arena.pass_time(network.settlement.challenge_until(claim.batch_id))
    arena.networks[PROVIDER].settlement.finalise(
        claim.batch_id, claim.index, claim.receipt, claim.proof, claim.job, claim.signature
    )
    fee = -(-claim.receipt.price * network.ledger.fee_bps() // 10_000)
    paid = network.ledger.earnings_of(arena.address(PROVIDER)) - earned
    assert paid == claim.receipt.price - fee
    assert network.settlement.status(claim.batch_id, claim.index) is ClaimStatus.FINALISED


@pytest.mark.parametrize(
    "step",
    [*sorted(op.name for op in ENCODER_OPS), "pool.attend", "layer.1.down_fine", "unit.output"],
)
def test_one_unit_in_one_element_convicts(
    encoder_arena: Arena, encoder: Encoder, step: str
) -> None:
    """An embedding that follows from a trace with one wrong element, which the game ends at."""
    arena = encoder_arena
    bonded = arena.network.providers.bonded(arena.address(PROVIDER))
    cheat = make_cheat({"kind": "tamper", "step": step, "column": 0, "delta": 2**9})
    played = challenge(arena, encoder, claim_of(arena, encoder, cheat), cheat)
    assert played.convicted, (played.moves, played.view.reason)
    assert not any("timeout" in move for move in played.moves)
    assert played.moves[-1] in ("ProveElement", "ProveCombine")
    slash = arena.network.settlement.slash_per_claim()
    assert arena.network.providers.bonded(arena.address(PROVIDER)) == bonded - slash
    names = arena.commitment.program.names
    ended = played.place[0]
    assert ended is not None
    assert step in (names[ended], Op(arena.commitment.program.steps[ended].opcode).name)


def test_another_prompts_embedding_convicts(encoder_arena: Arena, encoder: Encoder) -> None:
    cheat = make_cheat({"kind": "wrong_prompt", "index": 4})
    played = challenge(encoder_arena, encoder, claim_of(encoder_arena, encoder, cheat), cheat)
    assert played.convicted
    assert played.place[:2] == (0, 4)


@pytest.mark.parametrize(
    "description", [{"kind": "wrong_element", "column": 5}, {"kind": "wrong_root"}]
)
def test_an_output_that_no_trace_has_cannot_be_answered(
    encoder_arena: Arena, encoder: Encoder, description: dict[str, Any]
) -> None:
    cheat = make_cheat(description)
    played = challenge(encoder_arena, encoder, claim_of(encoder_arena, encoder, cheat), cheat)
    assert played.convicted
    assert played.moves == ["Answer refused: claim: embedding does not open, timeout"]


def test_tokens_in_place_of_an_embedding_convict(encoder_arena: Arena, encoder: Encoder) -> None:
    arena = encoder_arena
    draft = arena.draft(PROMPT, encoder.embed(PROMPT).tolist(), ONE)
    root = TokenList((1,), draft.salt, OUTPUT_SIDE).root
    (claim,) = arena.post(replace(draft, receipt=replace(draft.receipt, output_root=root)))
    assert challenge(arena, encoder, claim, Honest()).convicted


def test_two_embeddings_convict(encoder_arena: Arena, encoder: Encoder) -> None:
    arena = encoder_arena
    draft = arena.draft(PROMPT, encoder.embed(PROMPT).tolist(), SamplingParams(2), count=2)
    (claim,) = arena.post(draft)
    played = challenge(arena, encoder, claim, Honest())
    assert played.convicted
    assert "wrong output length" in played.moves[0]


@pytest.mark.parametrize("step", ["unit.output", "pool.attend", "layer.0.attn_norm.mean", "embed"])
def test_a_false_challenge_loses(encoder_arena: Arena, encoder: Encoder, step: str) -> None:
    arena = encoder_arena
    claim = claim_of(arena, encoder)
    bonded = arena.network.providers.bonded(arena.address(PROVIDER))
    number = arena.commitment.program.step_named(step)
    played = arena.play(claim, 0, guide=FixedTarget(number, 0, 7 if "mean" not in step else 0))
    assert played.view.outcome.name == "PROVIDER_WON", (played.moves, played.view.reason)
    assert arena.network.providers.bonded(arena.address(PROVIDER)) == bonded


def test_there_is_no_rival_of_an_embedding(encoder_arena: Arena, encoder: Encoder) -> None:
    """The move against a token would leave the provider nothing to prove."""
    arena = encoder_arena
    claim = claim_of(arena, encoder)
    game = arena.open(claim, 0)
    provider, challenger = (Games(arena.networks[role]) for role in (PROVIDER, "challenger"))
    view = provider.view(game)
    move = next_move(view.state, arena.defence(claim, 0))
    assert move is not None
    provider.play(view, move)
    view = challenger.view(game)
    assert view.state.phase is Phase.PICK_NODE
    with pytest.raises(ContractReverted, match="no such token"):
        challenger.play(view, ChallengeSample(0))
    honest = make_truth(arena.commitment, claim, 0)
    assert (honest.child(view.state), honest.rival(view.state)) == (None, None)
