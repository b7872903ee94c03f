"""One committed step, its inputs and its model's tensors: the smallest world to verify in.

Built with the project's own trees and witnesses, so that a test of the verifier is also one of
what providers send it. The step stands in the middle of a trace of other tensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.core.hashes import OUTPUT_SIDE, PROMPT_SIDE
from assay.core.merkle import MerkleTree
from assay.core.partials import packed
from assay.core.tokens import TokenList
from assay.core.types import EMPTY_TOKEN, TABLE_BASE, Op, Opening, Pass, Step, TokenOpening
from assay.trace import witness
from assay.trace.builder import Program, Tensor
from assay.trace.commitment import CommittedTensor, ModelCommitment, TensorList
from assay.trace.pass_trace import PassTrace

INPUT_BYTES: dict[Op, tuple[int, ...]] = {
    Op.EMBED: (),
    Op.EXPONENT: (4,),
    Op.RMS: (4, 1),
    Op.NORM: (4, 1, 4),
    Op.QUANT: (4, 1),
    Op.LINEAR: (2, 1),
    Op.ROPE: (4,),
    Op.SCORES: (2, 1, 2, 1),
    Op.ROWMAX: (4,),
    Op.EXP2: (4, 4),
    Op.SUM: (2,),
    Op.TRANSPOSE: (4,),
    Op.ATTEND: (2, 2, 8),
    Op.ADD: (4, 4),
    Op.SILU_GATE: (4, 4),
    Op.LAST: (4,),
    Op.BIAS: (4,),
    Op.SPLIT: (4,),
    Op.MEAN: (4,),
    Op.CENTER: (4, 4),
    Op.GELU: (4,),
    Op.SOFTCAP: (4,),
    Op.GELU_GATE: (4, 4),
}
TENSOR_BYTES: dict[Op, tuple[int, ...]] = {
    Op.EMBED: (2,),
    Op.NORM: (4,),
    Op.LINEAR: (1, 4),
    Op.ROPE: (2,),
    Op.BIAS: (4,),
}
DISPUTED = 6
"""Index of the disputed step; its inputs are the steps right before it."""
N_STEPS = 9
FILLER = np.arange(6).reshape(2, 3)

Matrix = np.ndarray[Any, Any]


@dataclass
class SingleStep:
    """A pass whose step `DISPUTED` is the one under test."""

    trace: PassTrace
    pass_: Pass
    prompt: TokenList
    output: TokenList

    @property
    def step(self) -> Step:
        return self.trace.commitment.program.steps[DISPUTED]

    def openings(self, row: int, column: int) -> list[Opening]:
        return witness.element(self.trace, DISPUTED, row, column)

    def token(self, row: int) -> TokenOpening:
        """What EMBED needs for one row."""
        if self.step.opcode != Op.EMBED:
            return EMPTY_TOKEN
        return self.prompt.open(row)

    def element(
        self,
        verifier: Any,
        row: int,
        column: int,
        value: int,
        openings: Sequence[Opening] | None = None,
    ) -> bool:
        """`verify_element` at (row, column), by default with the honest openings."""
        given = self.openings(row, column) if openings is None else openings
        return bool(
            verifier.verify_element(
                self.step.abi(),
                self.pass_.abi(),
                self.trace.root,
                row,
                column,
                value,
                [opening.abi() for opening in given],
                self.token(row).abi(),
            )
        )

    def combine(
        self,
        verifier: Any,
        row: int,
        column: int,
        value: int,
        partials: Sequence[int] | None = None,
        openings: Sequence[Opening] | None = None,
    ) -> bool:
        """`verify_combine` at (row, column), by default with the honest partials."""
        if partials is None:
            partials = witness.partials(self.trace, DISPUTED, row, column)
        if openings is None:
            openings = witness.combine(self.trace, DISPUTED, row, column)
        return bool(
            verifier.verify_combine(
                self.step.abi(),
                self.pass_.abi(),
                self.trace.root,
                row,
                column,
                value,
                packed(partials),
                [opening.abi() for opening in openings],
            )
        )

    def chunk(
        self,
        verifier: Any,
        row: int,
        column: int,
        number: int,
        partial: int,
        openings: Sequence[Opening] | None = None,
    ) -> bool:
        """`verify_chunk` of one chunk behind (row, column)."""
        if openings is None:
            openings = witness.chunk(self.trace, DISPUTED, row, column, number)
        return bool(
            verifier.verify_chunk(
                self.step.abi(),
                self.pass_.abi(),
                self.trace.root,
                row,
                column,
                number,
                partial,
                [opening.abi() for opening in openings],
            )
        )


def single_step(
    op: Op,
    shape: tuple[int, bool, int, int],
    inputs: Sequence[Matrix],
    params: Sequence[int] = (),
    tensors: Sequence[Matrix] = (),
    positions: int = 1,
    tokens: Sequence[int] = (),
    input_bytes: Sequence[int] | None = None,
) -> SingleStep:
    """Commit to a step's inputs and tensors.

    Args:
        shape: the step's (rows, per_position, width, elem_bytes).
        tokens: of all positions, all of the prompt.
        input_bytes: element sizes of the inputs, if not those that the opcode asks for.
    """
    first = DISPUTED - len(inputs)
    # A rotation table is shared by all layers, so it lies among the tables; the rest are weights.
    base = TABLE_BASE if op == Op.ROPE else 0
    step = Step(
        int(op),
        *shape,
        inputs=tuple(range(first, DISPUTED)),
        tensors=tuple(base + 1 + slot for slot in range(len(tensors))),
        params=tuple(params),
    )
    filler = Tensor("filler", FILLER, 4)
    listed = [filler] + [
        Tensor(str(slot), tensor, size)
        for slot, (tensor, size) in enumerate(zip(tensors, TENSOR_BYTES.get(op, ()), strict=True))
    ]
    commitment = object.__new__(ModelCommitment)
    commitment.program = Program(
        steps=[Step(0, 2, False, 3, 4)] * DISPUTED + [step],
        weights=[filler] if base else listed,
        tables=listed if base else [filler],
    )
    commitment.weights = TensorList(commitment.program.weights)
    commitment.tables = TensorList(commitment.program.tables)
    trace = object.__new__(PassTrace)
    trace.commitment, trace.tokens, trace.positions = commitment, tuple(tokens), positions
    committed = [
        CommittedTensor(values, size)
        for values, size in zip(inputs, input_bytes or INPUT_BYTES[op], strict=True)
    ]
    fillers = [CommittedTensor(FILLER + i, 4) for i in range(N_STEPS)]
    trace.tensors = [*fillers[:first], *committed, *fillers[DISPUTED:]]
    trace.steps_tree = MerkleTree([tensor.commitment for tensor in trace.tensors])
    return _in_pass(trace)


def _in_pass(trace: PassTrace) -> SingleStep:
    """The pass behind the first output token."""
    salt = bytes(range(32))
    prompt = TokenList(trace.tokens, salt, PROMPT_SIDE)
    output = TokenList([1], salt, OUTPUT_SIDE)
    pass_ = Pass(
        n_steps=N_STEPS,
        n_weights=len(trace.commitment.weights.tensors),
        n_tables=len(trace.commitment.tables.tensors),
        weights_root=trace.commitment.weights.root,
        tables_root=trace.commitment.tables.root,
        program_root=bytes(32),
        positions=trace.positions,
        prompt_root=prompt.root,
        prompt_tokens=len(prompt.tokens),
        output_root=output.root,
        output_tokens=len(output.tokens),
        token_index=0,
        seed=bytes(32),
        inv_temperature=0,
        vocab_size=1000,
        logit_fraction=14,
        gumbel_table=0,
    )
    return SingleStep(trace, pass_, prompt, output)


def of_case(case: dict[str, Any]) -> SingleStep:
    """The world of a golden vector."""
    return single_step(
        Op[case["op"]],
        (case["rows"], case["per_position"], case["width"], case["elem_bytes"]),
        [np.array(x, dtype=np.int64) for x in case["inputs"]],
        case["params"],
        [np.array(t, dtype=np.int64) for t in case["tensors"]],
        case["positions"],
        case["tokens"],
        case.get("input_bytes"),
    )
