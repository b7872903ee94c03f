"""What the demo says the contract recomputed, for each way in which a game ends at an element."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from assay.chain.anvil import Anvil
from assay.chain.games import Games
from assay.chain.parameters import DEMO
from assay.core.types import Op, SamplingParams
from assay.demo.recompute import recomputation
from assay.demo.result import Recomputation
from assay.engine.engine import Engine
from assay.engine.importer import SHIPPED_MODEL, import_checkpoint
from assay.trace.commitment import ModelCommitment
from assay.trace.execute import Tamper
from scripts.bench.arena import Arena, Lie

SLOW = replace(DEMO, window_seconds=1_200)
"""Rules with time for a recomputation on any machine."""
PROMPT = tuple(range(5, 25))
PARAMS = SamplingParams(4)
WRONG = 2
ROW, COLUMN = len(PROMPT) + WRONG - 1, 100


@pytest.fixture(scope="module")
def commitment() -> ModelCommitment:
    return ModelCommitment(import_checkpoint(SHIPPED_MODEL))


@pytest.fixture(scope="module")
def engine(commitment: ModelCommitment) -> Engine:
    return Engine(commitment.model, threads=1)


@pytest.fixture(scope="module")
def arena(commitment: ModelCommitment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    with Anvil() as anvil:
        yield Arena(anvil, commitment, tmp_path_factory.mktemp("arena"), SLOW)


@pytest.fixture
def lie(commitment: ModelCommitment, engine: Engine) -> Lie:
    """A wrong token over an honest trace."""
    output = list(engine.generate(list(PROMPT), PARAMS))
    output[WRONG] = (output[WRONG] + 1) % commitment.header.vocab_size
    return Lie(PROMPT, tuple(output), PARAMS, WRONG, None)


def recomputed(arena: Arena, engine: Engine, lie: Lie) -> tuple[str, Recomputation | None]:
    """Play, and describe the end of the game before the chain is put back."""
    found: list[Recomputation | None] = []

    def look(game_id: bytes) -> None:
        view = Games(arena.network).view(game_id)
        tokens = [*lie.prompt, *lie.output[: lie.token_index]]
        found.append(recomputation(arena.network, view, arena.commitment, tokens))

    played = arena.play(lie, engine, look)
    assert played.outcome == "challenger_won"
    return str(played.moves[-1]["move"]), found[0]


@pytest.mark.parametrize(
    ("step", "last_move", "what"),
    [
        ("layer.2.gate", "prove_element", "element"),
        ("layer.2.down", "prove_combine", "element, of 2 partials"),
    ],
)
def test_contract_rejects_the_claim_and_accepts_the_truth(
    arena: Arena, engine: Engine, lie: Lie, step: str, last_move: str, what: str
) -> None:
    number = arena.commitment.program.step_named(step)
    tampered = replace(lie, tamper=Tamper(number, ROW, COLUMN, 1))
    move, element = recomputed(arena, engine, tampered)
    assert move == last_move
    assert element is not None
    assert (element.opcode, element.step_name, element.what) == (Op.LINEAR.name, step, what)
    assert (element.row, element.column) == (ROW, COLUMN)
    assert element.claimed != element.recomputed
    assert element.claimed_holds is False
    assert element.recomputed_holds is True


def test_game_about_the_token_alone_has_no_element(arena: Arena, engine: Engine, lie: Lie) -> None:
    move, element = recomputed(arena, engine, lie)
    assert move == "prove_sample"
    assert element is None
