"""Any bytes give a verdict or a clean revert, at a price that the calldata bounds."""

from __future__ import annotations

from typing import Any

import boa
import numpy as np
from boa import BoaError
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.core.partials import packed
from assay.core.types import NONE, TABLE_BASE, TILE, Op
from assay.trace import witness
from tests.unitary.step_verifier.single_step import DISPUTED, single_step

GAS_LIMIT = 1_000_000

u8, u32 = st.integers(0, 255), st.integers(0, 2**32 - 1)
small = st.integers(0, 9) | st.sampled_from([TILE, 2**16, NONE, TABLE_BASE, TABLE_BASE + 1])
ids = small | u32
i64 = st.integers(-(2**63), 2**63 - 1) | st.integers(-70, 70)
words = st.integers(0, 2**256 - 1) | st.integers(0, 9)
hashes = st.binary(min_size=32, max_size=32)
steps = st.tuples(
    st.integers(0, max(Op)) | u8,
    small,
    st.booleans(),
    small,
    u8,
    st.lists(ids, min_size=4, max_size=4),
    st.lists(ids, min_size=2, max_size=2),
    st.lists(i64, min_size=6, max_size=6),
)
passes = st.tuples(
    small, small, small, hashes, hashes, hashes, small, hashes, small,
    hashes, small, small, hashes, st.integers(0, 2**64 - 1), u32, u8, ids,
)  # fmt: skip
openings = st.lists(
    st.tuples(
        small, small, st.sampled_from([0, 1, 2, 3, 4, 8, 255]), st.binary(max_size=2048),
        st.lists(hashes, max_size=4),
    ),
    max_size=4,
)  # fmt: skip
tokens = st.tuples(u32, hashes, st.lists(hashes, max_size=4))
elements = st.integers(-(2**255), 2**255 - 1)
partials = st.lists(i64, max_size=5).map(packed) | st.binary(max_size=2048)


def verdict(call: Any, *arguments: Any) -> None:
    """A verdict is fine, a revert too, running out of gas is not."""
    try:
        assert call(*arguments, gas=GAS_LIMIT) in (True, False)
    except BoaError as error:
        assert "OutOfGas" not in repr(error)


@settings(max_examples=60)
@given(st.tuples(steps, passes, hashes, words, words, elements, openings, tokens))
def test_element(verifier: Any, arguments: Any) -> None:
    verdict(verifier.verify_element, *arguments)


@settings(max_examples=40)
@given(st.tuples(steps, passes, hashes, words, words, elements, partials, openings))
def test_combine(verifier: Any, arguments: Any) -> None:
    verdict(verifier.verify_combine, *arguments)


@settings(max_examples=40)
@given(st.tuples(steps, passes, hashes, words, words, words, elements, openings))
def test_chunk(verifier: Any, arguments: Any) -> None:
    verdict(verifier.verify_chunk, *arguments)


@settings(max_examples=40)
@given(st.tuples(passes, hashes, tokens, u32, openings))
def test_sample(verifier: Any, arguments: Any) -> None:
    verdict(verifier.verify_sample, *arguments)


@settings(max_examples=60)
@given(steps, u32 | small)
def test_shape_and_chunks(verifier: Any, step: Any, positions: int) -> None:
    for call in (verifier.shape, verifier.chunk_count):
        try:
            call(step, positions, gas=GAS_LIMIT)
        except BoaError as error:
            assert "step_verifier: " in str(error)


@settings(max_examples=40)
@given(data=st.data())
def test_openings_of_anything(verifier: Any, data: Any) -> None:
    """Well-placed openings of tensors that hold nonsense: still exact or refused, and bounded."""
    op = data.draw(st.sampled_from(list(Op)))
    seed = data.draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    params = data.draw(st.lists(i64, min_size=6, max_size=6))
    width = data.draw(st.sampled_from([1, 2, 40, TILE]))
    matrix = rng.integers(-(2**63), 2**63, (4, width))
    world = single_step(Op.ADD, (1, True, width, 4), [matrix >> 32] * 2, positions=4)
    step = (int(op), 1, True, width, 4, *world.step.abi()[5:7], params)
    given_openings = [o.abi() for o in world.openings(1, 0)]
    verdict(
        verifier.verify_element, step, world.pass_.abi(), world.trace.root, 1, 0, 0,
        given_openings, world.token(1).abi(),
    )  # fmt: skip


def test_widest_tiles_of_extremes(verifier: Any) -> None:
    """A lying provider's worst tiles, every element saturating, cost less than the limit."""
    row = np.full((1, TILE), -(2**31))
    wrong_e = np.full((1, 1), -128)
    world = single_step(Op.RMS, (1, True, 1, 4), [row, wrong_e], (1, TILE))
    openings = [o.abi() for o in witness.chunk(world.trace, DISPUTED, 0, 0, 0)]
    partial = TILE * 2**30
    assert verifier.verify_chunk(
        world.step.abi(), world.pass_.abi(), world.trace.root, 0, 0, 0, partial, openings,
        gas=150_000,
    )  # fmt: skip


def test_revert_on_negative_sum_of_squares(verifier: Any) -> None:
    """No chunk can have this partial; a combine of it is refused, not computed."""
    row, e = np.ones((1, 2 * TILE), int), np.zeros((1, 1), int)
    world = single_step(Op.RMS, (1, True, 1, 4), [row, e], (0, 2 * TILE))
    with boa.reverts("step_verifier: negative"):
        world.combine(verifier, 0, 0, 1, [-1, 0])
