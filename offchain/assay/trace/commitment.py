"""Merkle commitments to tensors and to a whole model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from hashlib import sha256

from assay.core.errors import ModelError
from assay.core.hashes import (
    TAG_TILE,
    list_root,
    model_root,
    program_root,
    step_leaf,
    tensor_commitment,
)
from assay.core.merkle import MerkleTree
from assay.core.types import SPEC_VERSION, TABLE_BASE, TILE, Hash, Model, Opening
from assay.exact.encoder import EMBEDDING_FRACTION, EncoderModel
from assay.exact.model import ExactModel
from assay.trace.builder import Integers, Program, Tensor
from assay.trace.encoder_program import build_encoder_program
from assay.trace.program import build_program


def tiles_per_row(width: int) -> int:
    return -(-width // TILE)


class CommittedTensor:
    """A two-dimensional integer tensor under a tree of its tiles.

    Args:
        values: (rows, width), any signed dtype; every value fits `elem_bytes` bytes.
    """

    def __init__(self, values: Integers, elem_bytes: int) -> None:
        self.values = values
        self.rows, self.width = values.shape
        self.elem_bytes = elem_bytes

    @cached_property
    def tree(self) -> MerkleTree:
        raw = self.values.astype(f">i{self.elem_bytes}").tobytes()
        row_bytes = self.width * self.elem_bytes
        tile_bytes = TILE * self.elem_bytes
        return MerkleTree(
            [
                sha256(
                    TAG_TILE + raw[base + start : base + min(start + tile_bytes, row_bytes)]
                ).digest()
                for base in range(0, self.rows * row_bytes, row_bytes)
                for start in range(0, row_bytes, tile_bytes)
            ]
        )

    @cached_property
    def commitment(self) -> Hash:
        return tensor_commitment(self.rows, self.width, self.elem_bytes, self.tree.root)

    def leaf_index(self, row: int, column: int) -> int:
        return row * tiles_per_row(self.width) + column // TILE

    def tile(self, row: int, column: int) -> bytes:
        """The leaf's data: the tile of `row` that holds `column`."""
        start = column // TILE * TILE
        return self.values[row, start : start + TILE].astype(f">i{self.elem_bytes}").tobytes()

    def open(self, row: int, column: int, outer_path: Sequence[bytes]) -> Opening:
        """The tile with its path, continued by the tensor's own path in the outer tree."""
        if not (0 <= row < self.rows and 0 <= column < self.width):
            raise IndexError(f"({row}, {column}) of a tensor of shape ({self.rows}, {self.width})")
        inner = self.tree.path(self.leaf_index(row, column))
        return Opening(
            self.rows, self.width, self.elem_bytes, self.tile(row, column), (*inner, *outer_path)
        )


class TensorList:
    """Weights or tables: tensors under one root."""

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        self.tensors = [CommittedTensor(t.values, t.elem_bytes) for t in tensors]
        self.tree = MerkleTree([t.commitment for t in self.tensors])

    @property
    def root(self) -> Hash:
        return list_root(len(self.tensors), self.tree.root)

    def open(self, index: int, row: int, column: int) -> Opening:
        return self.tensors[index].open(row, column, self.tree.path(index))


class ProgramCommitment:
    """A program's steps and tensors under their roots."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.weights = TensorList(program.weights)
        self.tables = TensorList(program.tables)
        self.steps_tree = MerkleTree([step_leaf(step) for step in program.steps])

    def step_path(self, index: int) -> tuple[Hash, ...]:
        """Path of a step's descriptor in the program tree."""
        return self.steps_tree.path(index)

    def open_tensor(self, tensor_id: int, row: int, column: int) -> Opening:
        """A tile of a weight or table, by the id that steps use."""
        if tensor_id >= TABLE_BASE:
            return self.tables.open(tensor_id - TABLE_BASE, row, column)
        return self.weights.open(tensor_id, row, column)


class Commitment(ProgramCommitment):
    """A model's program and tensors under its `model_root`: a decoder's or an encoder's."""

    model: ExactModel | EncoderModel

    @property
    def header(self) -> Model:
        """What is registered of it."""
        raise NotImplementedError

    @cached_property
    def model_root(self) -> Hash:
        return model_root(self.header)

    def _header(self, logit_fraction: int, eos_tokens: tuple[int, ...]) -> Model:
        return Model(
            spec_version=SPEC_VERSION,
            program_root=program_root(len(self.program.steps), self.steps_tree.root),
            weights_root=self.weights.root,
            tables_root=self.tables.root,
            tokenizer_hash=self.model.tokenizer_hash,
            config_hash=self.model.config_hash,
            n_steps=len(self.program.steps),
            n_weights=len(self.program.weights),
            n_tables=len(self.program.tables),
            vocab_size=self.model.shape.vocab,
            context_length=self.model.shape.context,
            logit_fraction=logit_fraction,
            gumbel_table=self.program.gumbel_table,
            eos_tokens=eos_tokens,
        )


class ModelCommitment(Commitment):
    """A decoder's."""

    model: ExactModel

    def __init__(self, model: ExactModel) -> None:
        super().__init__(build_program(model))
        self.model = model

    @cached_property
    def header(self) -> Model:
        return self._header(self.model.logit_fraction, self.model.shape.eos_tokens)


class EncoderCommitment(Commitment):
    """An encoder's."""

    model: EncoderModel

    def __init__(self, model: EncoderModel) -> None:
        super().__init__(build_encoder_program(model))
        self.model = model

    @cached_property
    def header(self) -> Model:
        return self._header(EMBEDDING_FRACTION, ())


def commit(model: ExactModel | EncoderModel) -> Commitment:
    """The commitment to a model of either kind."""
    if isinstance(model, EncoderModel):
        return EncoderCommitment(model)
    return ModelCommitment(model)


def known(commitments: Mapping[bytes, Commitment], root: bytes) -> Commitment:
    """The commitment of a model root; ModelError for a model that is not loaded."""
    found = commitments.get(root)
    if found is None:
        raise ModelError(
            f"model 0x{root.hex()} is not loaded; set ASSAY_MODEL_PATH or ASSAY_ENCODER_PATH to "
            "its checkpoint while games about it run"
        )
    return found


def named_program(model: ExactModel | EncoderModel) -> tuple[Hash, list[str]]:
    """The program root of a model, without its weights', and what its steps are called."""
    program = (
        build_encoder_program(model) if isinstance(model, EncoderModel) else build_program(model)
    )
    tree = MerkleTree([step_leaf(step) for step in program.steps])
    return program_root(len(program.steps), tree.root), program.names
