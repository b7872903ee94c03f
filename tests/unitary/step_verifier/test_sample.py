"""The sampled token against a rival: scores, noise, ties, and what may be opened."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import boa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.core.hashes import OUTPUT_SIDE
from assay.core.merkle import MerkleTree
from assay.core.tokens import TokenList
from assay.core.types import Opening, Pass
from assay.exact.sampling import (
    gumbel_table,
    noise_key,
    noise_slot,
    noise_uniform,
    score_row,
)
from assay.trace import witness
from assay.trace.builder import Program, Tensor
from assay.trace.commitment import CommittedTensor, ModelCommitment, TensorList
from assay.trace.pass_trace import PassTrace
from tests.unitary.step_verifier.draws import spread

VOCAB = 1100
FRACTION = 14
TABLE = gumbel_table()
CLAIMED_INDEX = 2


class Draw:
    """Logits, a seed, a temperature, and a claimed token at output index 2."""

    def __init__(self, logits: np.ndarray, claimed: int, inverse: int, seed: bytes) -> None:
        commitment = object.__new__(ModelCommitment)
        listed = [Tensor("filler", np.zeros((1, 1), int), 4), Tensor("gumbel", TABLE, 4)]
        commitment.program = Program(tables=listed, gumbel_table=1)
        commitment.tables = TensorList(listed)
        trace = object.__new__(PassTrace)
        trace.commitment = commitment
        trace.tensors = [CommittedTensor(np.zeros((1, 1), int), 4)] * 2
        trace.tensors.append(CommittedTensor(logits[None], 4))
        trace.steps_tree = MerkleTree([tensor.commitment for tensor in trace.tensors])
        self.trace, self.claimed, self.inverse, self.seed = trace, claimed, inverse, seed
        self.output = TokenList([3, 4, claimed, 5], bytes(32), OUTPUT_SIDE)
        self.pass_ = Pass(
            n_steps=3, n_weights=1, n_tables=2, weights_root=bytes(32),
            tables_root=commitment.tables.root, program_root=bytes(32), positions=9,
            prompt_root=bytes(32), prompt_tokens=7, output_root=self.output.root,
            output_tokens=4, token_index=CLAIMED_INDEX, seed=seed, inv_temperature=inverse,
            vocab_size=VOCAB, logit_fraction=FRACTION, gumbel_table=1,
        )  # fmt: skip
        self.scores = score_row(logits, inverse, FRACTION, seed, CLAIMED_INDEX, TABLE)

    def openings(self, rival: int) -> list[Opening]:
        return witness.sample(
            self.trace, self.claimed, rival, self.seed, CLAIMED_INDEX, self.inverse
        )

    def stands(
        self, verifier: Any, rival: int, openings: list[Opening] | None = None, **changes: Any
    ) -> bool:
        given = self.openings(rival) if openings is None else openings
        return bool(
            verifier.verify_sample(
                replace(self.pass_, **changes).abi(),
                self.trace.root,
                self.output.open(CLAIMED_INDEX).abi(),
                rival,
                [opening.abi() for opening in given],
            )
        )

    def expected(self, rival: int) -> bool:
        own, other = int(self.scores[self.claimed]), int(self.scores[rival])
        return own > other or (own == other and self.claimed <= rival)


def random_draw(seed: int, inverse: int) -> Draw:
    """The claimed token is the right one."""
    rng = np.random.default_rng(seed)
    logits = rng.integers(-(2**17), 2**17, VOCAB)
    key = rng.bytes(32)
    scores = score_row(logits, inverse, FRACTION, key, CLAIMED_INDEX, TABLE)
    return Draw(logits, int(scores.argmax()), inverse, key)


@pytest.mark.parametrize("inverse", [0, 65536, 3277, 1310720])
def test_default_behavior(verifier: Any, inverse: int) -> None:
    """The argmax stands against everyone; against it, nobody does."""
    draw = random_draw(inverse, inverse)
    others = [t for t in (0, 1, 511, 512, 1023, 1024, VOCAB - 1) if t != draw.claimed]
    for rival in (*others, draw.claimed):
        assert draw.stands(verifier, rival)
    logits = draw.trace.tensors[-1].values[0]
    for claimed in others[:3]:
        wrong = Draw(logits, claimed, inverse, draw.seed)
        assert not wrong.stands(verifier, draw.claimed)


@settings(max_examples=20)
@given(
    seed=st.integers(0, 2**32 - 1),
    rival=st.integers(0, VOCAB - 1),
    inverse=st.integers(0, 1310720) | st.just(65536),
)
def test_agrees_with_the_scores(verifier: Any, seed: int, rival: int, inverse: int) -> None:
    rng = np.random.default_rng(seed)
    logits = spread(rng, 32, VOCAB)
    draw = Draw(logits, int(rng.integers(VOCAB)), inverse, rng.bytes(32))
    assert draw.stands(verifier, rival) == draw.expected(rival)


@pytest.mark.parametrize(("gap", "stands"), [(-1, False), (0, True), (1, True)])
def test_one_unit_and_ties(verifier: Any, gap: int, stands: bool) -> None:
    """Greedy, the claimed token below the rival: a tie is the lower id's."""
    logits = np.zeros(VOCAB, dtype=np.int64)
    logits[40] = gap
    assert Draw(logits, 40, 0, bytes(32)).stands(verifier, 700) is stands
    logits[700], logits[40] = gap, 0
    assert Draw(logits, 700, 0, bytes(32)).stands(verifier, 40) is (gap > 0)


@settings(max_examples=12)
@given(seed=st.binary(min_size=32, max_size=32), index=st.integers(0, 2**32 - 1))
def test_noise_places(probe: Any, seed: bytes, index: int) -> None:
    tokens = [0, 1, 2**32 - 2, 2**32 - 1, *range(5, 128_000, 509)][:256]
    key = noise_key(seed, index)
    expected = [list(noise_slot(noise_uniform(key, token))) for token in tokens]
    assert [list(place) for place in probe.noise_places(seed, index, tokens)] == expected


def test_noise_slots(probe: Any) -> None:
    """Both ends of every row of the table, and 32 zero bits."""
    edges = {0, *(2**n + d for n in range(33) for d in (-1, 0, 1))}
    uniforms = sorted(u for u in edges if 0 <= u < 2**32)
    expected = [list(noise_slot(uniform)) for uniform in uniforms]
    assert [list(place) for place in probe.noise_slots(uniforms)] == expected


def test_revert_on_another_claim(verifier: Any) -> None:
    draw = random_draw(1, 65536)
    with boa.reverts("step_verifier: token root"):
        draw.stands(verifier, 0, token_index=CLAIMED_INDEX - 1)
    with boa.reverts("step_verifier: token root"):
        draw.stands(verifier, 0, output_tokens=3)
    with boa.reverts("step_verifier: token path"):
        draw.stands(verifier, 0, token_index=4)


def test_revert_on_vocabulary(verifier: Any) -> None:
    draw = random_draw(2, 0)
    for rival in (VOCAB, 2**32 - 1):
        with boa.reverts("step_verifier: vocabulary"):
            draw.stands(verifier, rival, draw.openings(0))
    with boa.reverts("step_verifier: vocabulary"):
        draw.stands(verifier, 0, vocab_size=draw.claimed)


def test_revert_on_openings(verifier: Any) -> None:
    """Logits and noise cannot be exchanged, doubled, left out or taken from elsewhere."""
    draw = random_draw(3, 65536)
    rival = (draw.claimed + 600) % VOCAB
    openings = draw.openings(rival)
    assert len(openings) == 4
    for wrong in ([], openings[:3], openings[:2]):
        with boa.reverts("step_verifier: openings"):
            draw.stands(verifier, rival, wrong)
    reversed_logits = [openings[1], openings[0], *openings[2:]]
    reversed_noise = [*openings[:2], openings[3], openings[2]]
    for wrong in (reversed_noise, [*openings[:3], openings[2]]):
        with boa.reverts("step_verifier: root"):
            draw.stands(verifier, rival, wrong)
    with boa.reverts():
        draw.stands(verifier, rival, reversed_logits)
    with boa.reverts("step_verifier: openings"):
        draw.stands(verifier, rival, openings, inv_temperature=0)


def test_the_seed_decides_the_noise(verifier: Any) -> None:
    draw = random_draw(4, 65536)
    rival = (draw.claimed + 1) % VOCAB
    with boa.reverts():
        draw.stands(verifier, rival, seed=bytes(32))


def test_revert_on_tables(verifier: Any) -> None:
    draw = random_draw(5, 65536)
    with boa.reverts("step_verifier: position"):
        draw.stands(verifier, 0, gumbel_table=2)
    with boa.reverts("step_verifier: root"):
        draw.stands(verifier, 0, gumbel_table=0)
    with boa.reverts("step_verifier: position"):
        draw.stands(verifier, 0, n_steps=0)
    with boa.reverts():
        draw.stands(verifier, 0, gumbel_table=2**32 - 1)
