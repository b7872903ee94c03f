"""An opening proves one place only: whatever is changed about it, the verifier refuses it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any

import boa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.core.hashes import node, tensor_commitment, tile_leaf
from assay.core.merkle import root_from_path
from assay.core.types import NONE, TABLE_BASE, TILE, Op, Opening
from assay.trace import witness
from tests.unitary.step_verifier.single_step import (
    DISPUTED,
    FILLER,
    N_STEPS,
    SingleStep,
    single_step,
)

WIDTH = 2 * TILE + 76
ROWS = 5
ROW, COLUMN = 3, TILE + 9
"""The place under test: in the middle tile of a row."""


@pytest.fixture(scope="module")
def add() -> SingleStep:
    """x + y over rows of three tiles."""
    rng = np.random.default_rng(1)
    x, y = rng.integers(-(2**30), 2**30, (2, ROWS, WIDTH))
    return single_step(Op.ADD, (1, True, WIDTH, 4), [x, y], positions=ROWS)


@pytest.fixture(scope="module")
def norm() -> SingleStep:
    """A step that also reads a weight."""
    rng = np.random.default_rng(2)
    x, gain = rng.integers(-(2**20), 2**20, (ROWS, WIDTH)), rng.integers(0, 2**30, (1, WIDTH))
    scalars = [np.full((ROWS, 1), 3), np.full((ROWS, 1), 2**20)]
    return single_step(Op.NORM, (1, True, WIDTH, 4), [x, *scalars], (28,), [gain], ROWS)


def value_of(world: SingleStep, row: int, column: int) -> int:
    x, y = (world.trace.tensors[i].values for i in world.step.inputs)
    return int(x[row, column] + y[row, column])


def refused(world: SingleStep, verifier: Any, openings: list[Opening], reason: str) -> None:
    with boa.reverts(f"step_verifier: {reason}"):
        world.element(verifier, ROW, COLUMN, value_of(world, ROW, COLUMN), openings)


def test_default_behavior(verifier: Any, add: SingleStep) -> None:
    for row, column in ((0, 0), (ROW, COLUMN), (ROWS - 1, WIDTH - 1), (2, TILE - 1), (2, TILE)):
        assert add.element(verifier, row, column, value_of(add, row, column))
        assert not add.element(verifier, row, column, value_of(add, row, column) + 1)


CHANGES: dict[str, tuple[Callable[[Opening], Opening], str]] = {
    "one byte short": (lambda o: replace(o, data=o.data[:-1]), "data length"),
    "one element short": (lambda o: replace(o, data=o.data[:-4]), "data length"),
    "no data": (lambda o: replace(o, data=b""), "data length"),
    "first byte dropped, one appended": (lambda o: replace(o, data=o.data[1:] + b"\0"), "root"),
    "elements reversed": (lambda o: replace(o, data=o.data[::-1]), "root"),
    "path empty": (lambda o: replace(o, path=()), "path length"),
    "path short": (lambda o: replace(o, path=o.path[:-1]), "path length"),
    "path long": (lambda o: replace(o, path=(*o.path, bytes(32))), "path length"),
    "path reversed": (lambda o: replace(o, path=o.path[::-1]), "root"),
    "a row less": (lambda o: replace(o, rows=o.rows - 1), "root"),
    "a row more, which is a level more": (lambda o: replace(o, rows=o.rows + 1), "path length"),
    "too few rows": (lambda o: replace(o, rows=ROW), "position"),
    "no rows": (lambda o: replace(o, rows=0), "position"),
    "wider, same tiles": (lambda o: replace(o, width=o.width + 1), "root"),
    "wider, more tiles": (lambda o: replace(o, width=o.width + TILE), "path length"),
    "narrower": (lambda o: replace(o, width=COLUMN), "position"),
    "width so that the tile ends sooner": (lambda o: replace(o, width=COLUMN + 1), "data length"),
    "no width": (lambda o: replace(o, width=0), "position"),
    "smaller elements": (lambda o: replace(o, elem_bytes=2), "data length"),
    "no element bytes": (lambda o: replace(o, elem_bytes=0), "elem bytes"),
    "three element bytes": (lambda o: replace(o, elem_bytes=3), "elem bytes"),
    "element bytes at the type's end": (lambda o: replace(o, elem_bytes=255), "elem bytes"),
    "shape at the type's end": (lambda o: replace(o, rows=NONE, width=NONE), "path length"),
    "rows and width exchanged": (lambda o: replace(o, rows=o.width, width=o.rows), "position"),
}


@pytest.mark.parametrize("change", list(CHANGES))
def test_revert_on_changed_opening(verifier: Any, add: SingleStep, change: str) -> None:
    alter, reason = CHANGES[change]
    x, y = add.openings(ROW, COLUMN)
    refused(add, verifier, [alter(x), y], reason)
    refused(add, verifier, [x, alter(y)], reason)


def test_revert_on_another_place(verifier: Any, add: SingleStep) -> None:
    """Splices: the tile of another row, tile, input or step."""
    _, y = add.openings(ROW, COLUMN)
    others = [
        add.openings(ROW - 1, COLUMN)[0],
        add.openings(ROW, 0)[0],
        y,
        add.trace.open(DISPUTED - 2, ROW, COLUMN - TILE),
    ]
    for other in others:
        refused(add, verifier, [other, y], "root")
    refused(add, verifier, [add.openings(ROW, WIDTH - 1)[0], y], "data length")
    filler = add.trace.open(0, 1, 1)
    refused(add, verifier, [filler, y], "position")


def test_revert_on_number_of_openings(verifier: Any, add: SingleStep) -> None:
    x, y = add.openings(ROW, COLUMN)
    for openings in ([], [x], [x, y, y], [x, y, y, y, y, y]):
        refused(add, verifier, openings, "openings")
    refused(add, verifier, [y, x], "root")


@settings(max_examples=20)
@given(where=st.integers(0, 2**30), bit=st.integers(0, 7), second=st.booleans())
def test_revert_on_flipped_bit(
    verifier: Any, add: SingleStep, where: int, bit: int, second: bool
) -> None:
    """One bit anywhere in the data or the path."""
    openings = add.openings(ROW, COLUMN)
    opening = openings[second]
    raw = bytearray(opening.data + b"".join(opening.path))
    raw[where % len(raw)] ^= 1 << bit
    size = len(opening.data)
    path = [bytes(raw[i : i + 32]) for i in range(size, len(raw), 32)]
    openings[second] = replace(opening, data=bytes(raw[:size]), path=tuple(path))
    refused(add, verifier, openings, "root")


def test_revert_on_inner_node_as_leaf(verifier: Any) -> None:
    """Second preimage: a tile whose bytes are two child hashes is no node, and the reverse."""
    values = np.arange(4 * 16).reshape(4, 16)
    world = single_step(Op.ADD, (1, True, 16, 4), [values, values], positions=4)
    tree = world.trace.tensors[DISPUTED - 2].tree
    children = tree.nodes(2, 0, 2)
    x, y = world.openings(0, 0)
    assert tile_leaf(b"".join(children)) != node(*children)
    claimed = replace(x, rows=2, data=b"".join(children), path=x.path[1:])
    with boa.reverts("step_verifier: root"):
        world.element(verifier, 0, 0, 0, [claimed, y])


def test_revert_on_wrong_tag(verifier: Any) -> None:
    """A tree whose leaves, or whose header, carry another kind's tag leads to another root."""
    values = np.arange(16).reshape(1, 16)
    world = single_step(Op.ADD, (1, True, 16, 4), [values, values], positions=1)
    x, y = world.openings(0, 0)
    index = DISPUTED - 2
    header = x.rows.to_bytes(4, "big") + x.width.to_bytes(4, "big") + bytes([x.elem_bytes])
    for leaf_tag, tensor_tag in ((b"\x01", b"\x02"), (b"", b"\x02"), (b"\x00", b"\x09")):
        leaf = sha256(leaf_tag + x.data).digest()
        commitment = sha256(tensor_tag + header + leaf).digest()
        root = root_from_path(commitment, index, x.path)
        with boa.reverts("step_verifier: root"):
            verifier.verify_element(
                world.step.abi(), world.pass_.abi(), root, 0, 0, 0, [x.abi(), y.abi()],
                world.token(0).abi(),
            )  # fmt: skip
    honest = root_from_path(
        tensor_commitment(x.rows, x.width, x.elem_bytes, tile_leaf(x.data)), index, x.path
    )
    assert honest == world.trace.root


def test_padding_opens_nothing(verifier: Any) -> None:
    """The trace has 9 steps under 16 leaves: index 9 has a path, and is no step."""
    values = np.arange(16).reshape(1, 16)
    world = single_step(Op.LAST, (1, False, 16, 4), [values], positions=1)
    step = replace(world.step, inputs=(N_STEPS,))
    opening = world.openings(0, 0)[0]
    for unknown in (step, replace(step, inputs=()), replace(step, inputs=(TABLE_BASE,))):
        with boa.reverts("step_verifier: position"):
            verifier.verify_element(
                unknown.abi(), world.pass_.abi(), world.trace.root, 0, 0, 0, [opening.abi()],
                world.token(0).abi(),
            )  # fmt: skip


def test_revert_on_another_trace(verifier: Any, add: SingleStep) -> None:
    openings = [o.abi() for o in add.openings(ROW, COLUMN)]
    with boa.reverts("step_verifier: root"):
        verifier.verify_element(
            add.step.abi(), add.pass_.abi(), bytes(32), ROW, COLUMN, 0, openings,
            add.token(0).abi(),
        )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"weights_root": bytes(32)}, "root"),
        ({"n_weights": 3}, "path length"),
        ({"n_weights": 1}, "position"),
        ({"n_weights": 0}, "position"),
        ({"n_steps": 8}, "path length"),
        ({"n_steps": 10}, None),
        ({"n_steps": 0}, "position"),
    ],
    ids=str,
)
def test_counts_and_roots_of_the_pass(
    verifier: Any, norm: SingleStep, change: dict[str, Any], reason: str | None
) -> None:
    """The weights root binds its count. The trace's count is the program's, fixed by the game."""
    world = replace(norm, pass_=replace(norm.pass_, **change))
    if reason is None:
        assert not world.element(verifier, ROW, COLUMN, 2**40)
    else:
        with boa.reverts(f"step_verifier: {reason}"):
            world.element(verifier, ROW, COLUMN, 2**40)


def test_weights_and_tables_are_apart(verifier: Any, norm: SingleStep) -> None:
    """The same id in the other list is another tensor."""
    step = replace(norm.step, tensors=(TABLE_BASE + 1,))
    openings = [o.abi() for o in norm.openings(ROW, COLUMN)]
    with boa.reverts("step_verifier: position"):
        verifier.verify_element(
            step.abi(), norm.pass_.abi(), norm.trace.root, ROW, COLUMN, 0, openings,
            norm.token(0).abi(),
        )  # fmt: skip


def test_chunk_of_another_number(verifier: Any) -> None:
    rng = np.random.default_rng(3)
    a, w = rng.integers(-9, 9, (2, 2 * TILE)), rng.integers(-9, 9, (3, 2 * TILE))
    scale = np.array([[2**15, 10]] * 3)
    world = single_step(
        Op.LINEAR, (1, True, 3, 4), [a, np.zeros((2, 1), int)], (2 * TILE,), [w, scale], 2
    )
    partials = witness.partials(world.trace, DISPUTED, 1, 2)
    first = witness.chunk(world.trace, DISPUTED, 1, 2, 0)
    second = witness.chunk(world.trace, DISPUTED, 1, 2, 1)
    assert world.chunk(verifier, 1, 2, 1, partials[1], second)
    for mixed in (first, [first[0], second[1]], [second[0], first[1]]):
        with boa.reverts("step_verifier: root"):
            world.chunk(verifier, 1, 2, 1, partials[1], mixed)
    another_row = witness.chunk(world.trace, DISPUTED, 1, 1, 1)
    with boa.reverts("step_verifier: root"):
        world.chunk(verifier, 1, 2, 1, partials[1], another_row)
    with boa.reverts("step_verifier: chunk"):
        world.chunk(verifier, 1, 2, 2, 0, second)


def test_revert_on_operand_past_the_row(verifier: Any) -> None:
    """A second operand read from the first one's tile must be in the row as well."""
    a, e, w = np.ones((1, 8), int), np.zeros((1, 1), int), np.ones((3, 8), int)
    mantissas = np.full((3, 1), 2**15)
    linear = single_step(Op.LINEAR, (1, True, 3, 4), [a, e], (8,), [w, mantissas])
    with boa.reverts("step_verifier: position"):
        linear.element(verifier, 0, 1, 0)
    cosines = np.ones((1, 4), int)
    rope = single_step(Op.ROPE, (1, True, 8, 4), [a], (1,), [cosines])
    with boa.reverts("step_verifier: position"):
        rope.element(verifier, 0, 1, 0)
    short = single_step(Op.ROPE, (1, True, 16, 4), [a], (1,), [np.ones((1, 16), int)])
    with boa.reverts("step_verifier: position"):
        short.element(verifier, 0, 1, 0, [short.trace.open(5, 0, 1), short.openings(0, 1)[-1]])


@pytest.mark.parametrize(
    ("op", "widths", "sizes", "declared"),
    [
        (Op.EXPONENT, (40,), (4,), 41),
        (Op.EXPONENT, (40,), (2,), 40),
        (Op.RMS, (40, 1), (4, 1), 39),
        (Op.RMS, (40, 1), (8, 1), 40),
        (Op.ROWMAX, (40,), (4,), 39),
        (Op.ROWMAX, (40,), (2,), 40),
        (Op.SUM, (40,), (2,), 41),
        (Op.SUM, (40,), (4,), 40),
        (Op.ATTEND, (40, 40, 1), (2, 2, 8), 41),
        (Op.ATTEND, (40, 41, 1), (2, 2, 8), 40),
        (Op.ATTEND, (40, 40, 1), (2, 4, 8), 40),
        (Op.ATTEND, (40, 40, 1), (4, 2, 8), 40),
        (Op.SCORES, (16, 1, 17, 1), (2, 1, 2, 1), 1),
        (Op.SCORES, (16, 1, 16, 1), (4, 1, 2, 1), 1),
        (Op.SCORES, (16, 1, 16, 1), (2, 1, 1, 1), 1),
        (Op.SCORES, (513, 1, 513, 1), (2, 1, 2, 1), 1),
    ],
)
def test_revert_on_rows_of_another_kind(
    verifier: Any, op: Op, widths: tuple[int, ...], sizes: tuple[int, ...], declared: int
) -> None:
    """A reduction's tiles are as wide as the step says, and of the element size it computes on."""
    inputs = [np.ones((1, width), int) for width in widths]
    params = {
        Op.EXPONENT: (declared,),
        Op.RMS: (0, declared),
        Op.SCORES: (1, 1, 1, 1),
        Op.ATTEND: (1, 1),
    }.get(op, ())
    width = 0 if op == Op.SCORES else 1
    world = single_step(
        op, (1, False, width, 4), inputs, params, positions=declared, input_bytes=sizes
    )
    with boa.reverts("step_verifier: rows"):
        world.element(verifier, 0, 0, 1)


def test_revert_on_weights_of_another_kind(verifier: Any) -> None:
    a, e, scale = np.ones((1, 8), int), np.zeros((1, 1), int), np.ones((1, 2), int)
    for in_width, w in ((9, np.ones((1, 8), int)), (8, np.ones((1, 9), int))):
        world = single_step(Op.LINEAR, (1, True, 1, 4), [a, e], (in_width,), [w, scale])
        with boa.reverts("step_verifier: rows"):
            world.element(verifier, 0, 0, 1)


@pytest.mark.parametrize("size", [4, 8])
def test_revert_on_inputs_of_another_size(verifier: Any, size: int) -> None:
    """A linear layer reads rows of one digit or two."""
    a, e, w, scale = (np.ones(shape, int) for shape in ((1, 8), (1, 1), (1, 8), (1, 2)))
    shape, tensors = (1, True, 1, 4), [w, scale]
    for good in (1, 2):
        world = single_step(Op.LINEAR, shape, [a, e], (8,), tensors, input_bytes=(good, 1))
        assert world.element(verifier, 0, 0, 8)
    world = single_step(Op.LINEAR, shape, [a, e], (8,), tensors, input_bytes=(size, 1))
    with boa.reverts("step_verifier: rows"):
        world.element(verifier, 0, 0, 8)


@pytest.mark.parametrize(
    ("op", "params", "reason"),
    [
        (Op.EXPONENT, (0,), "width"),
        (Op.EXPONENT, (-1,), "width"),
        (Op.RMS, (0, -(2**63)), "width"),
        (Op.LINEAR, (0,), "width"),
        (Op.SCORES, (1, 1, 0, 0), "heads"),
        (Op.SCORES, (1, 1, 1, 2), "heads"),
        (Op.SCORES, (1, 1, 2, -1), "heads"),
        (Op.ATTEND, (0, 0), "heads"),
        (Op.ATTEND, (3, 1), "head size"),
        (Op.ROPE, (0,), "heads"),
        (Op.SPLIT, (0,), "heads"),
        (Op.SILU_GATE, (-1, 0), "fraction"),
        (Op.SILU_GATE, (65, 0), "fraction"),
        (Op.MEAN, (0,), "width"),
        (Op.GELU, (65, 0), "fraction"),
        (Op.GELU_GATE, (-1, 0), "fraction"),
        (Op.GELU_GATE, (65, 0), "fraction"),
        (Op.SOFTCAP, (0, 1, 0), "cap"),
        (Op.SOFTCAP, (1, -1, 0), "cap"),
        (Op.SOFTCAP, (1, 1, -1), "shift"),
        (Op.SOFTCAP, (1, 1, 65), "shift"),
        (Op.EXPONENT, (1, 7), "bits"),
        (Op.EXPONENT, (1, 16), "bits"),
        (Op.EXPONENT, (1, -8), "bits"),
        (Op.QUANT, (1,), "bits"),
        (Op.QUANT, (16,), "bits"),
        (Op.EMBED, (-1,), "shift"),
        (Op.EMBED, (65,), "shift"),
    ],
)
def test_revert_on_parameters(verifier: Any, op: Op, params: tuple[int, ...], reason: str) -> None:
    """A program's parameters outside what its opcode means are refused by name."""
    sizes = {Op.EXPONENT: 1, Op.RMS: 2, Op.SCORES: 4, Op.ATTEND: 3, Op.EMBED: 0}
    sizes |= {Op.SILU_GATE: 2, Op.GELU_GATE: 2, Op.QUANT: 2}
    inputs = [np.ones((1, 2 if op == Op.ROPE else 1), int)] * sizes.get(op, 1)
    if op == Op.LINEAR:
        inputs = [np.ones((1, 1), int)] * 2
    tensors = {Op.EMBED: 1, Op.LINEAR: 2, Op.ROPE: 1}.get(op, 0)
    world = single_step(
        op, (1, True, 2, 4), inputs, params, [np.ones((1, 2), int)] * tensors, tokens=[0]
    )
    opening = world.trace.commitment.weights.open(min(1, world.pass_.n_weights - 1), 0, 0)
    given = {
        Op.EMBED: [opening],
        Op.GELU: [world.trace.open(5, 0, 0)],
        Op.SOFTCAP: [world.trace.open(5, 0, 0)],
        Op.SILU_GATE: [world.trace.open(i, 0, 0) for i in (4, 5)],
        Op.GELU_GATE: [world.trace.open(i, 0, 0) for i in (4, 5)],
        Op.QUANT: [world.trace.open(i, 0, 0) for i in (4, 5)],
    }
    if reason == "bits" and op == Op.EXPONENT:
        given[op] = [world.trace.open(5, 0, 0)]
    with boa.reverts(f"step_verifier: {reason}"):
        world.element(verifier, 0, 0, 1, given.get(op, []))


def test_revert_on_odd_head(verifier: Any) -> None:
    world = single_step(Op.ROPE, (1, True, 3, 4), [np.ones((1, 3), int)], (1,), [FILLER])
    with boa.reverts("step_verifier: head size"):
        world.element(verifier, 0, 0, 1, [])


@pytest.mark.parametrize("opcode", [0, max(Op) + 1, 255])
def test_revert_on_unknown_opcode(verifier: Any, add: SingleStep, opcode: int) -> None:
    step = replace(add.step, opcode=opcode)
    openings = [o.abi() for o in add.openings(ROW, COLUMN)]
    with boa.reverts("step_verifier: opcode"):
        verifier.verify_element(
            step.abi(), add.pass_.abi(), add.trace.root, ROW, COLUMN, 0, openings,
            add.token(0).abi(),
        )  # fmt: skip
