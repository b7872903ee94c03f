"""Openings for the step verifier: of another row, input or shape, an inner node as a tile, garbage.

The world is one ADD of two committed inputs; an attack succeeds where the verifier calls a value
right that does not follow from them, or ends in a way that leaves a mover without an answer.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import boa
import numpy as np
import pytest
from boa import BoaError

from assay.core.types import Op, Opening
from tests.attacks.arena import Defect, without
from tests.support.evm import deployer
from tests.unitary.step_verifier.single_step import SingleStep, single_step

VERIFIER, OPENED = "disputes/StepVerifier", "modules/opened"
ROWS, WIDTH = 4, 16
GAS_LIMIT = 1_000_000

UNBOUND_ROOT = Defect(
    VERIFIER, '        assert node == leaf.root, "step_verifier: root"\n', "", OPENED
)
ANY_ROW = Defect(
    VERIFIER,
    "        place: uint256 = unsafe_add(unsafe_mul(operand.row, tiles), tile)\n",
    "        place: uint256 = tile\n",
    OPENED,
)
ANY_INPUT = Defect(
    VERIFIER,
    "        place = convert(leaf.index, uint256)\n",
    "        place = convert(step.inputs[0], uint256)\n",
    OPENED,
)
UNBOUND_SHAPE = Defect(
    VERIFIER,
    "            opening.rows, opening.width, opening.elem_bytes, node\n",
    f"            {ROWS}, {WIDTH}, 4, node\n",
    OPENED,
)
TILE_IS_NODE = Defect(
    VERIFIER,
    "TILE_TAG: constant(bytes1) = 0x00\n",
    "TILE_TAG: constant(bytes1) = 0x01\n",
    "modules/merkle",
)
ANY_LENGTH = Defect(
    VERIFIER,
    '        assert len(opening.path) == depth, "step_verifier: path length"\n',
    "",
    OPENED,
)


@cache
def world() -> SingleStep:
    rng = np.random.default_rng(5)
    inputs = [rng.integers(-(2**20), 2**20, (ROWS, WIDTH)) for _ in range(2)]
    return single_step(Op.ADD, (1, True, WIDTH, 4), inputs, positions=ROWS)


def value(place: tuple[int, int], other: tuple[int, int] | None = None) -> int:
    """The sum of both inputs; of the first at `place` and the second at `other` if given."""
    x, y = (tensor.values for tensor in world().trace.tensors[4:6])
    return int(x[place]) + int(y[other or place])


def holds(verifier: Any, row: int, column: int, claimed: int, openings: list[Opening]) -> bool:
    """Whether the verifier calls the value right."""
    try:
        return world().element(verifier, row, column, claimed, openings)
    except BoaError:
        return False


def other_row(verifier: Any) -> bool:
    """Row 0 is opened for row 1."""
    return holds(verifier, 1, 3, value((0, 3)), world().openings(0, 3))


def other_input(verifier: Any) -> bool:
    """The first input is opened for the second."""
    opening = world().openings(1, 3)[0]
    x = int(world().trace.tensors[4].values[1, 3])
    return holds(verifier, 1, 3, 2 * x, [opening, opening])


def made_up(verifier: Any) -> bool:
    """Both inputs are zero, says the provider."""
    zero = [replace(opening, data=bytes(4 * WIDTH)) for opening in world().openings(1, 3)]
    return holds(verifier, 1, 3, 0, zero)


def shifted(verifier: Any) -> bool:
    """The same bytes, read as twice as many elements of half the size."""
    narrow = [replace(o, width=2 * WIDTH, elem_bytes=2) for o in world().openings(1, 3)]
    halves = [int.from_bytes(o.data[6:8], "big", signed=True) for o in narrow]
    return holds(verifier, 1, 3, sum(halves), narrow)


def inner_node(verifier: Any) -> bool:
    """Two hashes of the tree, 64 bytes, read as a tile of sixteen elements."""
    forged, total = [], 0
    for opening, tensor in zip(world().openings(0, 3), world().trace.tensors[4:6], strict=True):
        data = b"".join(tensor.tree.children(1, 0, 1))
        forged.append(replace(opening, rows=2, data=data, path=opening.path[1:]))
        total += int.from_bytes(data[12:16], "big", signed=True)
    return holds(verifier, 0, 3, total, forged)


ATTACKS = [
    pytest.param(made_up, (UNBOUND_ROOT,), id="made-up data"),
    pytest.param(other_row, (ANY_ROW,), id="another row"),
    pytest.param(other_input, (ANY_INPUT,), id="another input"),
    pytest.param(shifted, (UNBOUND_SHAPE,), id="another shape"),
    pytest.param(inner_node, (UNBOUND_SHAPE, TILE_IS_NODE), id="an inner node"),
]


@pytest.mark.parametrize(("attack", "defects"), ATTACKS)
def test_no_other_opening(attack: Callable[[Any], bool], defects: tuple[Defect, ...]) -> None:
    """It fails on the contract, and succeeds where the defence is missing."""
    with boa.env.anchor():
        assert holds(sound(), 1, 3, value((1, 3)), world().openings(1, 3))
        assert not attack(sound())
        assert attack(defective(*defects))


def test_a_tag_alone_stops_an_inner_node() -> None:
    """Even a verifier that took any shape would not take a node for a tile."""
    with boa.env.anchor():
        assert not inner_node(defective(UNBOUND_SHAPE))


def unclean(verifier: Any, draws: int = 120) -> list[str]:
    """Ends that are neither a verdict nor a refusal with a reason, over bytes changed at random."""
    rng = random.Random(11)
    found = []
    for _ in range(draws):
        row, column, openings = _garbled(rng)
        arguments = [world().step.abi(), world().pass_.abi(), world().trace.root, row, column, 7]
        opened = [opening.abi() for opening in openings]
        token = world().token(0).abi()
        try:
            verifier.verify_element(*arguments, opened, token, gas=GAS_LIMIT)
        except BoaError as error:
            if "step_verifier: " not in str(error):
                found.append(str(error))
    return found


def _garbled(rng: random.Random) -> tuple[int, int, list[Opening]]:
    """Honest openings with one field replaced by nonsense that the ABI still accepts."""
    row, column = rng.randrange(ROWS), rng.randrange(WIDTH)
    openings = world().openings(row, column)
    numbers = [0, 1, 2, 3, 17, 255, 2**31, 2**32 - 1]
    change: dict[str, Any] = rng.choice(
        [
            {"rows": rng.choice(numbers)},
            {"width": rng.choice(numbers)},
            {"elem_bytes": rng.choice([0, 1, 2, 3, 8, 255])},
            {"data": rng.randbytes(rng.randrange(2048))},
            {"path": tuple(rng.randbytes(32) for _ in range(rng.randrange(64)))},
        ]
    )
    openings[0] = replace(openings[0], **change)
    return row, column, openings


def test_any_bytes_end_cleanly() -> None:
    with boa.env.anchor():
        assert unclean(sound()) == []


def test_any_bytes_bite() -> None:
    """Without the check of its length a short path ends in a panic that names no reason."""
    with boa.env.anchor():
        assert unclean(defective(ANY_LENGTH))


def sound() -> Any:
    return deployer(VERIFIER)(deployer("disputes/StepArithmetic")())


def defective(*defects: Defect) -> Any:
    return without(*defects)(deployer("disputes/StepArithmetic")())
