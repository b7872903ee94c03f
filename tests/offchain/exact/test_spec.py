"""The numbers, names and orders in SPEC.md are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from assay.core import hashes, types
from assay.core.hashes import JOB_FIELDS
from assay.core.types import Op
from assay.core.wire import RECEIPT_FIELDS
from assay.exact import encoder, fixed, ops, sampling

TEXT = (Path(encoder.__file__).parent / "SPEC.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in TEXT.splitlines()
    if line.startswith("|")
]
PLAIN = TEXT.replace("−", "-")


def test_opcodes() -> None:
    listed = {int(row[0]): row[1] for row in ROWS if row[0].isdigit()}
    assert listed == {op.value: op.name for op in Op}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MASKED", fixed.MASKED),
        ("PEAK", ops.EXP_PEAK),
        ("PEAK", fixed.DIGIT_MAX),
        ("LOG2E", ops.LOG2E_Q30),
        ("HALF_LOG2E", ops.HALF_LOG2E_Q30),
        ("LN2", ops.LN2_Q16),
        ("GELU_P", ops.GELU_P),
        ("TANH_LINEAR", ops.GELU_TANH_LINEAR),
        ("TANH_CUBIC", ops.GELU_TANH_CUBIC),
        ("MEAN_SQUARE_MAX", ops.MEAN_SQUARE_MAX),
    ],
)
def test_constants(name: str, value: int) -> None:
    (row,) = [row for row in ROWS if row[0] == name]
    for term in row[1].replace("−", "-").replace("·", "*").replace("^", "**").split(" = "):
        assert eval(term) == value


def numbers_in(pattern: str) -> list[int]:
    """The integers in the only place of the text that the pattern finds."""
    (found,) = re.findall(pattern, PLAIN)
    return [int(number) for number in re.findall(r"-?\d+", found)]


def test_polynomials() -> None:
    first, *rest = fixed.POW2NEG[::-1]
    assert numbers_in(r"Horner's rule: v = (-?\d+);") == [first]
    assert numbers_in(r"then for c in ([-\d, ]+), in this order") == rest
    first, *rest = ops.GELU_TAIL[::-1]
    assert numbers_in(r"v    = (\d+);") == [first]
    assert numbers_in(r"v    = \d+; for c in ([-\d, ]+):") == rest


def test_sampling() -> None:
    constants = [int(found, 16) for found in re.findall(r"0x[0-9A-F]{16}", TEXT)]
    assert constants == [sampling._GOLDEN, sampling._MIX1, sampling._MIX2]
    assert f"({sampling.GUMBEL_ROWS}, {sampling.GUMBEL_COLUMNS}) 4" in TEXT


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("tile", hashes.TAG_TILE),
        ("node", hashes.TAG_NODE),
        ("tensor", hashes.TAG_TENSOR),
        ("token", hashes.TAG_TOKEN),
        ("token list", hashes.TAG_TOKENS),
        ("salt", hashes.TAG_SALT),
        ("step", hashes.TAG_STEP),
        ("program", hashes.TAG_PROGRAM),
        ("list", hashes.TAG_LIST),
        ("receipt", hashes.TAG_RECEIPT),
        ("embedding", hashes.TAG_EMBEDDING),
    ],
)
def test_tags(name: str, tag: bytes) -> None:
    rows = [row for row in ROWS if row[0] == name and row[1].startswith("sha(")]
    assert [row[1][4:6] for row in rows] == [tag.hex()]


def test_structs() -> None:
    for fields in (JOB_FIELDS, RECEIPT_FIELDS):
        assert ", ".join(f"{name} {kind}" for name, kind in fields) in TEXT
    (step,) = re.findall(r"abi\(step\): `([^`]+)`", TEXT)
    assert f"({','.join(field.split()[1] for field in step.split(', '))})" == types.Step.ABI
    header = TEXT[TEXT.index("The header of a model") : TEXT.index("model root = keccak")]
    kinds: list[str] = []
    names: list[str] = []
    for line in re.findall(r"^\| `.*", header, re.MULTILINE):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        fields = re.findall(r"`(\w+)`", cells[0])
        names += fields
        kinds += [cells[1]] * len(fields)
    assert f"({','.join(kinds)})" == types.Model.ABI
    assert names == list(types.Model.__dataclass_fields__)
    assert f"up to {types.TILE} elements" in TEXT
