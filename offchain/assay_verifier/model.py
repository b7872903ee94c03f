"""The specification's "Models", and the files in which one comes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from assay_verifier import hashes
from assay_verifier.errors import Malformed
from assay_verifier.fields import Document, field, integers, member, number, parsed
from assay_verifier.hashes import keccak, sha, tree, u32, words
from assay_verifier.opcodes import Op
from assay_verifier.program import Program, Tensor
from assay_verifier.sampling import NOISE_SHAPE
from assay_verifier.steps import NONE, Step

FORMAT = "assay-model-1"
SPEC_VERSION = 1
MAX_CONTEXT = 131_072
U32 = 2**32 - 1
INT64 = 2**63 - 1
HEADER = (
    ("spec_version", "uint32"), ("program_root", "bytes32"), ("weights_root", "bytes32"),
    ("tables_root", "bytes32"), ("tokenizer_hash", "bytes32"), ("config_hash", "bytes32"),
    ("n_steps", "uint32"), ("n_weights", "uint32"), ("n_tables", "uint32"),
    ("vocab_size", "uint32"), ("context_length", "uint32"), ("logit_fraction", "uint8"),
    ("gumbel_table", "uint32"),
)  # fmt: skip
"""All fields but the end tokens, which are a list."""


@dataclass(frozen=True)
class Model:
    """A model all parts of which are what its root commits to."""

    root: bytes
    program: Program
    vocab_size: int
    context_length: int
    logit_fraction: int
    gumbel_table: int
    eos_tokens: tuple[int, ...]

    @property
    def embeds(self) -> bool:
        """Whether it gives an embedding and no tokens."""
        return self.gumbel_table == NONE


def read_model(folder: Path) -> Model:
    """The model in a folder.

    Raises:
        Malformed: it cannot be read, is not what its header commits to, or means nothing.
    """
    document = parsed(folder / "model.json")
    if document.get("format") != FORMAT:
        raise Malformed(f"{folder} has the format {document.get('format')!r}; expected {FORMAT!r}")
    header = member(document, "header", dict)
    values = {name: field(header, name, kind) for name, kind in HEADER}
    eos = integers(header, "eos_tokens", 0, U32)
    program = _program(document, folder / "tensors.bin")
    _check_parts(values, program)
    model = Model(
        root=keccak(words(0x20, *values.values(), 0x1C0, len(eos), *eos)),
        program=program,
        vocab_size=values["vocab_size"],
        context_length=values["context_length"],
        logit_fraction=values["logit_fraction"],
        gumbel_table=values["gumbel_table"],
        eos_tokens=eos,
    )
    _check_use(model)
    return model


def _check_parts(values: dict[str, Any], program: Program) -> None:
    """Raise unless program and tensors are those of the header."""
    found: dict[str, int | bytes] = {"spec_version": SPEC_VERSION}
    for number_, root, tag, leaves in (
        ("n_steps", "program_root", 8, [step.leaf() for step in program.steps]),
        ("n_weights", "weights_root", 9, _leaves(program.weights)),
        ("n_tables", "tables_root", 9, _leaves(program.tables)),
    ):
        found |= {number_: len(leaves), root: sha(tag, u32(len(leaves)), tree(leaves))}
    for name, value in found.items():
        if values[name] != value:
            raise Malformed(f"the files have another {name} than the header")


def _check_use(model: Model) -> None:
    """Raise unless tokens or an embedding follow from the last step's only row."""
    model.program.check()
    last, table = model.program.steps[-1], model.gumbel_table
    width = last.width if model.embeds else model.vocab_size
    if not 1 < model.context_length <= MAX_CONTEXT:
        raise Malformed(f"a context of {model.context_length}; expected 2 to {MAX_CONTEXT}")
    if (last.rows, last.per_position, last.width) != (1, False, width) or not width:
        raise Malformed(f"the last step is no row of {width or 'some'} elements")
    if model.embeds:
        return
    if table >= len(model.program.tables):
        raise Malformed(f"there is no table {table} of noise")
    if model.program.tables[table].values.shape != NOISE_SHAPE:
        raise Malformed(f"the noise table is not {NOISE_SHAPE}")


def _leaves(tensors: Sequence[Tensor]) -> list[bytes]:
    return [hashes.tensor(tensor.values, tensor.elem_bytes) for tensor in tensors]


def _program(document: Document, path: Path) -> Program:
    try:
        data = np.memmap(path, dtype=np.uint8, mode="r")
    except (OSError, ValueError) as error:
        raise Malformed(f"cannot read {path}: {error}") from error
    lists: list[list[Tensor]] = []
    offset = 0
    for name in ("weights", "tables"):
        lists.append([])
        for entry in member(document, name, list):
            tensor = _tensor(entry, data[offset:])
            lists[-1].append(tensor)
            offset += tensor.values.nbytes
    if offset != len(data):
        raise Malformed(f"{path} has {len(data)} bytes, its tensors have {offset}")
    return Program([_step(step) for step in member(document, "steps", list)], *lists)


def _tensor(entry: Document, data: np.ndarray[Any, np.dtype[np.uint8]]) -> Tensor:
    rows, width = number(entry, "rows", U32), number(entry, "width", U32)
    size, name = number(entry, "elem_bytes", 8), str(entry.get("name"))
    if size not in (1, 2, 4, 8) or not 0 < rows * width * size <= len(data):
        raise Malformed(f"{name}: {rows} x {width} elements of {size} bytes, {len(data)} are left")
    own = data[: rows * width * size]
    return Tensor(name, own.view(f">i{size}").reshape(rows, width), size)


def _step(entry: Document) -> Step:
    opcode = number(entry, "opcode", 255)
    if opcode not in set(Op):
        raise Malformed(f"there is no opcode {opcode} in version {SPEC_VERSION}")
    params = integers(entry, "params", -INT64 - 1, INT64)
    inputs, tensors = integers(entry, "inputs", 0, U32), integers(entry, "tensors", 0, U32)
    if len(inputs) > 4 or len(tensors) > 2 or len(params) > 6:
        raise Malformed(f"{entry.get('name')}: more than 4 inputs, 2 tensors or 6 parameters")
    return Step(
        op=Op(opcode),
        rows=number(entry, "rows", U32),
        per_position=member(entry, "per_position", bool),
        width=number(entry, "width", U32),
        elem_bytes=number(entry, "elem_bytes", 255),
        inputs=inputs,
        tensors=tensors,
        params=(*params, *[0] * (6 - len(params))),
        name=str(entry.get("name")),
    )
