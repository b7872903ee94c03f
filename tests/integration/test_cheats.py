"""Every other way to cheat, and one to be silent, ends in conviction on Anvil."""

from __future__ import annotations

import copy

import pytest

from assay.challenger.audit import audit, check_data
from assay.challenger.solver import FixedTarget
from assay.challenger.truths import make_truth
from assay.core.hashes import job_id
from assay.core.merkle import MerkleTree
from assay.core.types import SamplingParams
from assay.core.wire import ClaimData
from assay.provider.cheat import Honest, SwappedWeight, WrongPrompt
from assay.trace.commitment import CommittedTensor
from assay.trace.pass_trace import PassTrace
from tests.integration.arena import Arena, Played, greedy, right_output, warm, wrong_at
from tests.integration.conftest import Shipped

PROMPT = "The function returns"


@pytest.fixture
def prompt(shipped: Shipped) -> list[int]:
    return shipped.tokenizer.encode(PROMPT)


def challenge(arena: Arena, shipped: Shipped, claim: ClaimData, cheat: Honest | None) -> Played:
    """What the challenger's service does: check the data, find the fault, play the game."""
    root = arena.network.settlement.batch(claim.batch_id).root
    settlement = arena.network.settlement.address
    digest = job_id(claim.job, arena.network.chain_id, settlement)
    check_data(claim, root, claim.job.provider, digest)
    finding = audit(claim, arena.header, shipped.engine)
    assert finding is not None
    before = claim.output[: finding.token_index]
    trace = cheat.trace(arena.commitment, claim.prompt, before) if cheat else None
    return arena.play(claim, finding.token_index, trace)


@pytest.mark.parametrize("params", [greedy(4), warm(4)], ids=["greedy", "sampled"])
@pytest.mark.parametrize("index", [0, 3])
def test_a_wrong_token_over_a_right_trace(
    arena: Arena, shipped: Shipped, prompt: list[int], params: SamplingParams, index: int
) -> None:
    right = right_output(shipped.engine, prompt, params)
    lie = wrong_at(right, index, arena.header.vocab_size)
    (claim,) = arena.post(arena.draft(prompt, lie, params))
    played = challenge(arena, shipped, claim, Honest())
    assert played.convicted
    assert played.moves == ["Answer", "ChallengeSample", "ProveSample"]
    assert played.view.record.token_index == index


@pytest.mark.parametrize("params", [greedy(2), warm(2)], ids=["greedy", "sampled"])
def test_a_false_rival_loses(
    arena: Arena, shipped: Shipped, prompt: list[int], params: SamplingParams
) -> None:
    right = right_output(shipped.engine, prompt, params)
    (claim,) = arena.post(arena.draft(prompt, right, params))
    rival = (right[1] + 700) % arena.header.vocab_size
    played = arena.play(claim, 1, guide=FixedTarget(rival_token=rival))
    assert played.view.outcome.name == "PROVIDER_WON"


def test_a_wrong_prompt_token(arena: Arena, shipped: Shipped, prompt: list[int]) -> None:
    cheat, params = WrongPrompt(index=2), greedy(4)
    output = right_output(shipped.engine, cheat.prompt(prompt, arena.header.vocab_size), params)
    (claim,) = arena.post(arena.draft(prompt, output, params))
    played = challenge(arena, shipped, claim, cheat)
    assert played.convicted
    assert played.place[:2] == (0, 2)
    assert played.moves[-1] == "ProveElement"


@pytest.mark.parametrize("tensor", ["layer.0.q.weight", "layer.1.down.weight", "head.weight"])
def test_a_swapped_weight_row(
    arena: Arena, shipped: Shipped, prompt: list[int], tensor: str
) -> None:
    cheat, params = SwappedWeight(tensor), greedy(3)
    right = right_output(shipped.engine, prompt, params)
    lie = wrong_at(right, 1, arena.header.vocab_size)
    (claim,) = arena.post(arena.draft(prompt, lie, params))
    played = challenge(arena, shipped, claim, cheat)
    assert played.convicted
    name = "logits" if tensor.startswith("head") else tensor.removesuffix(".weight")
    assert played.place[0] == arena.commitment.program.step_named(name)
    assert played.moves[-1] == ("ProveChunk" if "down" in tensor else "ProveElement")


def test_a_silent_provider(arena: Arena, shipped: Shipped, prompt: list[int]) -> None:
    params = greedy(3)
    lie = wrong_at(right_output(shipped.engine, prompt, params), 0, arena.header.vocab_size)
    (claim,) = arena.post(arena.draft(prompt, lie, params))
    played = arena.play(claim, 0, silent=True)
    assert played.convicted
    assert played.moves == ["silence, timeout"]


def test_a_truncated_output(arena: Arena, shipped: Shipped, prompt: list[int]) -> None:
    params = greedy(5)
    output = right_output(shipped.engine, prompt, params)[:3]
    (claim,) = arena.post(arena.draft(prompt, output, params))
    played = challenge(arena, shipped, claim, None)
    assert played.convicted
    assert played.moves == ["Answer refused: claim: output is cut short, timeout"]


def test_an_output_that_runs_past_its_end(
    arena: Arena, shipped: Shipped, prompt: list[int]
) -> None:
    eos = arena.header.eos_tokens[0]
    params = greedy(4)
    output = [*right_output(shipped.engine, prompt, params)[:1], eos, 5, 6]
    (claim,) = arena.post(arena.draft(prompt, output, params))
    played = arena.play(claim, 2)
    assert played.convicted
    assert "runs past its end" in played.moves[0]


@pytest.mark.parametrize("delta", [1, -1])
def test_a_wrong_token_count(arena: Arena, shipped: Shipped, prompt: list[int], delta: int) -> None:
    params = greedy(8)
    output = right_output(shipped.engine, prompt, greedy(4))
    (claim,) = arena.post(arena.draft(prompt, output, params, count=len(output) + delta))
    played = challenge(arena, shipped, claim, None)
    assert played.convicted
    assert "token does not open" in played.moves[0]


def test_a_count_beyond_what_was_asked_for(
    arena: Arena, shipped: Shipped, prompt: list[int]
) -> None:
    output = right_output(shipped.engine, prompt, greedy(4))
    (claim,) = arena.post(arena.draft(prompt, output, greedy(3)))
    played = challenge(arena, shipped, claim, None)
    assert played.convicted
    assert "wrong output length" in played.moves[0]


def test_a_claim_without_output(arena: Arena, shipped: Shipped, prompt: list[int]) -> None:
    (claim,) = arena.post(arena.draft(prompt, [], greedy(3)))
    finding = audit(claim, arena.header, shipped.engine)
    assert finding is not None
    played = arena.play(claim, 0, silent=True)
    assert played.convicted


class JunkPadding(PassTrace):
    """Commits to true leaves but junk beyond them: in the steps tree, or in one step's tiles."""

    def __init__(self, honest: PassTrace, step: int | None) -> None:
        self.__dict__ = dict(honest.__dict__)
        if step is None:
            self.steps_tree = junk_padded(honest.steps_tree)
            return
        tensor: CommittedTensor = copy.copy(honest.tensor(step))
        tensor.__dict__["tree"] = junk_padded(honest.tensor(step).tree)
        tensor.__dict__.pop("commitment", None)
        self.tensors = [*honest.tensors[:step], tensor, *honest.tensors[step + 1 :]]
        self.steps_tree = MerkleTree([t.commitment for t in self.tensors])


def junk_padded(tree: MerkleTree) -> MerkleTree:
    """The tree with its first padding leaf replaced; real leaves keep their count."""
    assert tree.count < 1 << tree.depth, "this tree has no padding"
    leaves = [tree.at(tree.depth, i) for i in range(tree.count)]
    padded = MerkleTree([*leaves, b"\x01" * 32])
    padded.count = tree.count
    return padded


@pytest.mark.parametrize("step", [None, 0], ids=["steps", "tiles"])
def test_junk_in_the_padding_convicts(
    arena: Arena, shipped: Shipped, prompt: list[int], step: int | None
) -> None:
    """Else a challenger would follow a difference that no real leaf explains, and be stuck."""
    params = greedy(3)
    lie = wrong_at(right_output(shipped.engine, prompt, params), 1, arena.header.vocab_size)
    (claim,) = arena.post(arena.draft(prompt, lie, params))
    honest = PassTrace(arena.commitment, [*prompt, *lie[:1]])
    played = arena.play(claim, 1, JunkPadding(honest, step))
    assert played.convicted, played.moves
    assert "refused" in played.moves[-1]


def test_a_puppet_that_loses_first_shields_nothing(
    arena: Arena, shipped: Shipped, prompt: list[int]
) -> None:
    """A false challenge against a wrong claim is lost; the true one still convicts."""
    params = greedy(3)
    lie = wrong_at(right_output(shipped.engine, prompt, params), 1, arena.header.vocab_size)
    (claim,) = arena.post(arena.draft(prompt, lie, params))
    puppet = arena.play(claim, 0, guide=FixedTarget(step=5))
    assert puppet.view.outcome.name == "PROVIDER_WON"
    assert arena.play(claim, 1).convicted


def test_games_run_side_by_side_and_the_first_conviction_ends_the_others(
    arena: Arena, shipped: Shipped, prompt: list[int]
) -> None:
    params = greedy(3)
    lie = wrong_at(right_output(shipped.engine, prompt, params), 1, arena.header.vocab_size)
    (claim,) = arena.post(arena.draft(prompt, lie, params))
    challenger = arena.address("challenger")
    purse = arena.network.bond_token.balance_of(challenger)
    first, second = arena.open(claim, 1), arena.open(claim, 1)
    truth = make_truth(arena.commitment, claim, 1)
    defence = arena.defence(claim, 1)
    assert arena.finish(first, defence, truth).convicted
    closed = arena.finish(second, defence, truth)
    assert closed.view.outcome.name == "CLOSED"
    slash, bps = arena.network.settlement.slash_per_claim(), arena.network.settlement.reward_bps()
    assert arena.network.bond_token.balance_of(challenger) == purse + slash * bps // 10_000
