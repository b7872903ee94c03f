"""The second verifier gives the golden vectors, and the reference's values of fresh ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from assay.exact import sampling
from assay_verifier.arithmetic import Ints
from assay_verifier.opcodes import Op, output
from assay_verifier.sampling import places, scores, token_of
from assay_verifier.steps import Step
from assay_verifier.wellformed import BYTES, check_shapes, check_step
from tests.support import vectors


def given(case: dict[str, Any]) -> list[list[int]]:
    """The verifier's output of a case, whose step is well-formed."""
    op = Op[case["op"]]
    step = Step(
        op=op,
        rows=case["rows"],
        per_position=case["per_position"],
        width=case["width"],
        elem_bytes=case["elem_bytes"],
        inputs=tuple(range(len(case["inputs"]))),
        tensors=tuple(range(len(case["tensors"]))),
        params=(*case["params"], *[0] * (6 - len(case["params"]))),
        name="case",
    )
    inputs = [np.array(x, dtype=np.int64) for x in case["inputs"]]
    tensors = [np.array(t, dtype=np.int64) for t in case["tensors"]]
    check_step(step, case.get("input_bytes", BYTES[op][0]), BYTES[op][1])
    shapes = [[x.shape for x in arrays] for arrays in (inputs, tensors)]
    check_shapes(step, case["positions"], *shapes)
    tokens = np.array(case["tokens"], dtype=np.int64)
    result = output(op, step.params, inputs, tensors, tokens)
    assert result.shape == step.shape(case["positions"])
    return result.tolist()


def test_opcodes_are_those_of_the_vectors() -> None:
    files = {path.stem.upper() for path in vectors.FOLDER.glob("*.json")}
    assert {op.name for op in Op} == files


@pytest.mark.parametrize("op", vectors.Op, ids=lambda op: op.name)
def test_golden_vectors(op: vectors.Op) -> None:
    cases = vectors.load(op)
    assert cases and Op[op.name] == op
    for case in cases:
        assert given(case) == case["output"], case["params"]


@pytest.mark.parametrize("op", vectors.Op, ids=lambda op: op.name)
@pytest.mark.parametrize("seed", [3, 4])
def test_fresh_vectors(op: vectors.Op, seed: int) -> None:
    for case in vectors.Writer(seed).cases(op):
        assert given(case) == case["output"], case["params"]


@pytest.fixture(scope="module")
def table() -> Ints:
    return sampling.gumbel_table().astype(np.int64)


@pytest.mark.parametrize("inv_temperature", [0, 1 << 14, 1 << 16, 20 << 16])
def test_tokens_are_drawn_as_the_reference_does(table: Ints, inv_temperature: int) -> None:
    rng = np.random.default_rng(inv_temperature)
    drawn = set()
    for index in range(40):
        logits = rng.integers(-(2**31), 2**31, 300) >> rng.integers(0, 31, 300)
        seed = rng.bytes(32)
        arguments = (inv_temperature, 16, seed, index, table)
        own = scores(logits, *arguments)
        assert own.tolist() == sampling.score_row(logits, *arguments).tolist()
        token = token_of(logits, *arguments)
        assert token == sampling.sample(logits, *arguments)
        drawn.add(token)
    assert len(drawn) > 20


def test_places_of_the_noise() -> None:
    """At both ends, where no draw of a test comes."""
    edges = {2**k + d for k in range(33) for d in (-2, -1, 0, 1)}
    u = np.array(sorted(one for one in edges if 0 <= one < 2**32))
    assert list(zip(*places(u), strict=True)) == [sampling.noise_slot(int(one)) for one in u]


def test_temperatures_of_64_bits(table: Ints) -> None:
    """As the contract takes them: the largest logit wins by far, and ties are the noise's."""
    logits = np.array([5, 2**31 - 1, -(2**31), 2**31 - 1, 2**31 - 2])
    drawn = {token_of(logits, 2**64 - 1, 3, bytes([n]) * 32, 0, table) for n in range(16)}
    assert drawn == {1, 3}


def test_ties_go_to_the_lowest_id() -> None:
    table = np.zeros((128, 128), dtype=np.int64)
    logits = np.array([1, 7, 7, 2])
    assert token_of(logits, 0, 16, bytes(32), 0, table) == 1
    assert token_of(logits, 1 << 16, 16, bytes(32), 0, table) == 1
