"""Which element of which input is read: every opcode inside a whole model's trace.

Two chunks of context, grouped heads, partners across tiles: the trace's own openings prove its own
values, and its values only at their own place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import boa
import numpy as np
import pytest

from assay.core.hashes import OUTPUT_SIDE, PROMPT_SIDE
from assay.core.partials import packed
from assay.core.tokens import TokenList
from assay.core.types import EMPTY_TOKEN, Op, Opening, Pass, Step, TokenOpening
from assay.trace import witness
from assay.trace.commitment import ModelCommitment
from assay.trace.pass_trace import PassTrace
from tests.support.models import FULL, FULL_OPS, random_model

POSITIONS = 530
PROMPT = 300
SALT = bytes(range(32))


@dataclass
class Claim:
    trace: PassTrace
    pass_: Pass
    prompt: TokenList
    output: TokenList

    def token(self, row: int) -> TokenOpening:
        return self.prompt.open(row) if row < PROMPT else self.output.open(row - PROMPT)


@pytest.fixture(scope="module")
def claim() -> Claim:
    """The pass for output token 230 over a prompt of 300 tokens."""
    commitment = ModelCommitment(random_model(FULL))
    vocab = commitment.header.vocab_size
    tokens = [int(t) for t in np.random.default_rng(5).integers(0, vocab, POSITIONS)]
    prompt = TokenList(tokens[:PROMPT], SALT, PROMPT_SIDE)
    output = TokenList([*tokens[PROMPT:], 7, 9], SALT, OUTPUT_SIDE)
    model = commitment.header
    pass_ = Pass(
        n_steps=model.n_steps,
        n_weights=model.n_weights,
        n_tables=model.n_tables,
        weights_root=model.weights_root,
        tables_root=model.tables_root,
        program_root=model.program_root,
        positions=POSITIONS,
        prompt_root=prompt.root,
        prompt_tokens=PROMPT,
        output_root=output.root,
        output_tokens=len(output.tokens),
        token_index=POSITIONS - PROMPT,
        seed=bytes(range(32)),
        inv_temperature=0,
        vocab_size=vocab,
        logit_fraction=model.logit_fraction,
        gumbel_table=model.gumbel_table,
    )
    return Claim(PassTrace(commitment, tokens), pass_, prompt, output)


def first_step(claim: Claim, op: Op) -> int:
    return next(i for i, s in enumerate(claim.trace.commitment.program.steps) if s.opcode == op)


def corners(step: Step) -> list[tuple[int, int]]:
    """First and last element, one between, one past the first tile where there is one."""
    rows, width = step.shape(POSITIONS)
    row = rows * 2 // 3
    between = (row, width * 5 // 9 if step.opcode != Op.SCORES else row // 4 // 2)
    return [(0, 0), (rows - 1, width - 1), between]


def verify(
    verifier: Any, claim: Claim, index: int, row: int, column: int, value: int,
    openings: list[Opening] | None = None, **pass_changes: Any,
) -> bool:  # fmt: skip
    """Whole verification of one element, in one piece or all its pieces."""
    trace, step = claim.trace, claim.trace.commitment.program.steps[index]
    head = (step.abi(), replace(claim.pass_, **pass_changes).abi(), trace.root, row, column)
    if witness.chunk_count(step, POSITIONS) <= 1:
        given = witness.element(trace, index, row, column) if openings is None else openings
        token = claim.token(row) if step.opcode == Op.EMBED else EMPTY_TOKEN
        return bool(verifier.verify_element(*head, value, [o.abi() for o in given], token.abi()))
    partials = witness.partials(trace, index, row, column)
    scalars = [o.abi() for o in witness.combine(trace, index, row, column)]
    if not verifier.verify_combine(*head, value, packed(partials), scalars):
        return False
    return all(
        verifier.verify_chunk(
            *head, number, partial,
            [o.abi() for o in witness.chunk(trace, index, row, column, number)],
        )
        for number, partial in enumerate(partials)
    )  # fmt: skip


@pytest.mark.parametrize("op", FULL_OPS, ids=lambda op: op.name)
def test_default_behavior(verifier: Any, claim: Claim, op: Op) -> None:
    index = first_step(claim, op)
    step = claim.trace.commitment.program.steps[index]
    rows, width = step.shape(POSITIONS)
    assert verifier.shape(step.abi(), POSITIONS) == (rows, width, step.elem_bytes)
    assert verifier.chunk_count(step.abi(), POSITIONS) == witness.chunk_count(step, POSITIONS)
    for row, column in corners(step):
        value = int(claim.trace.tensor(index).values[row, column])
        assert verify(verifier, claim, index, row, column, value)
        assert not verify(verifier, claim, index, row, column, value - 1)


@pytest.mark.parametrize(
    "op", sorted({*FULL_OPS} - {Op.ROWMAX, Op.SUM, Op.ATTEND}), ids=lambda op: op.name
)
def test_revert_elsewhere(verifier: Any, claim: Claim, op: Op) -> None:
    """The openings of one element prove nothing about one in the next row."""
    index = first_step(claim, op)
    step = claim.trace.commitment.program.steps[index]
    rows, width = step.shape(POSITIONS)
    row, column = rows // 2, min(max(width - 2, 0), rows // 8)
    openings = witness.element(claim.trace, index, row, column)
    if op == Op.EMBED:
        row = next(r for r in range(row, rows) if claim.trace.tokens[r] != claim.trace.tokens[row])
    elif op in (Op.TRANSPOSE, Op.LAST):
        openings = [claim.trace.open(step.inputs[0], 0, 0)]  # of the first position
    elif op == Op.LINEAR:
        column += 1
    else:
        row += step.params[0] if op in (Op.ROPE, Op.SPLIT) else 1
    with boa.reverts("step_verifier: root"):
        verify(verifier, claim, index, row, column, 0, openings)


@pytest.mark.parametrize(
    ("row", "column"), [(POSITIONS, 0), (2**32, 0), (2**256 - 1, 0), (0, 64), (0, 2**256 - 1)]
)
def test_revert_outside_the_output(verifier: Any, claim: Claim, row: int, column: int) -> None:
    index = first_step(claim, Op.ADD)
    openings = witness.element(claim.trace, index, 0, 0)
    with boa.reverts("step_verifier: element"):
        verify(verifier, claim, index, row, column, 0, openings)


def test_masked_score_needs_no_opening(verifier: Any, claim: Claim) -> None:
    index, heads = first_step(claim, Op.SCORES), 4
    row = 10 * heads + 3
    assert verify(verifier, claim, index, row, 11, -(2**31), [])
    assert not verify(verifier, claim, index, row, 11, 0, [])
    openings = witness.element(claim.trace, index, row, 10)
    with boa.reverts("step_verifier: openings"):
        verify(verifier, claim, index, row, 11, -(2**31), openings)
    with boa.reverts("step_verifier: openings"):
        verify(verifier, claim, index, row, 10, -(2**31), [])


def test_a_score_before_the_window_needs_no_opening(verifier: Any, claim: Claim) -> None:
    index, heads, window = first_step(claim, Op.SCORES), 4, FULL.windows[0]
    row, last = 100 * heads + 3, 100 - window
    assert verify(verifier, claim, index, row, last, -(2**31), [])
    assert not verify(verifier, claim, index, row, last, 0, [])
    with boa.reverts("step_verifier: openings"):
        verify(
            verifier,
            claim,
            index,
            row,
            last,
            -(2**31),
            witness.element(claim.trace, index, row, last + 1),
        )
    with boa.reverts("step_verifier: openings"):
        verify(verifier, claim, index, row, last + 1, -(2**31), [])
    value = int(claim.trace.tensor(index).values[row, last + 1])
    assert value != -(2**31) and verify(verifier, claim, index, row, last + 1, value)


def test_single_chunk_by_parts(verifier: Any, claim: Claim) -> None:
    """A reduction of one chunk may be proven in two parts as well, with the same verdict."""
    trace, index = claim.trace, first_step(claim, Op.LINEAR)
    step = trace.commitment.program.steps[index]
    value = int(trace.tensor(index).values[5, 6])
    partial = witness.partials(trace, index, 5, 6)[0]
    head = (step.abi(), claim.pass_.abi(), trace.root, 5, 6)
    scalars = [o.abi() for o in witness.combine(trace, index, 5, 6)]
    tiles = [o.abi() for o in witness.chunk(trace, index, 5, 6, 0)]
    assert verifier.verify_combine(*head, value, packed([partial]), scalars)
    assert verifier.verify_chunk(*head, 0, partial, tiles)
    assert not verifier.verify_chunk(*head, 0, partial + 1, tiles)


def test_revert_on_wrong_part(verifier: Any, claim: Claim) -> None:
    """Each function refuses the steps that are not its own."""
    trace, add, rowsum = claim.trace, first_step(claim, Op.ADD), first_step(claim, Op.SUM)
    steps = trace.commitment.program.steps
    place = (claim.pass_.abi(), trace.root, 1, 0)
    opening = trace.open(steps[rowsum].inputs[0], 1, 0).abi()
    with boa.reverts("step_verifier: many chunks"):
        verifier.verify_element(steps[rowsum].abi(), *place, 0, [opening], EMPTY_TOKEN.abi())
    with boa.reverts("step_verifier: partials"):
        verifier.verify_combine(steps[add].abi(), *place, 0, b"", [])
    with boa.reverts("step_verifier: chunk"):
        verifier.verify_chunk(steps[add].abi(), *place, 0, 0, [opening])
    two = packed([1, 2])
    for partials in (b"", packed([1]), packed([1, 2, 3]), bytes(2048), two[:-1], two + b"\x00"):
        with boa.reverts("step_verifier: partials"):
            verifier.verify_combine(steps[rowsum].abi(), *place, 0, partials, [])


class TestTokens:
    """EMBED reads the row's token from the lists that the claim is about."""

    def element(
        self, verifier: Any, claim: Claim, row: int, token: TokenOpening, **changes: Any
    ) -> bool:
        trace = claim.trace
        index = first_step(claim, Op.EMBED)
        value = int(trace.tensor(index).values[row, 2])
        openings = [o.abi() for o in witness.element(trace, index, row, 2)]
        step, pass_ = trace.commitment.program.steps[index], replace(claim.pass_, **changes)
        return bool(
            verifier.verify_element(
                step.abi(), pass_.abi(), trace.root, row, 2, value, openings, token.abi()
            )
        )

    @pytest.mark.parametrize("row", [0, PROMPT - 1, PROMPT, POSITIONS - 1])
    def test_default_behavior(self, verifier: Any, claim: Claim, row: int) -> None:
        assert self.element(verifier, claim, row, claim.token(row))

    def test_revert_on_another_token(self, verifier: Any, claim: Claim) -> None:
        token = claim.token(4)
        changed: list[TokenOpening] = [
            replace(token, token=token.token ^ 1),
            replace(token, salt=bytes(32)),
            replace(token, path=token.path[::-1]),
            claim.token(5),
        ]
        for opening in changed:
            with boa.reverts("step_verifier: token root"):
                self.element(verifier, claim, 4, opening)

    def test_revert_on_path_length(self, verifier: Any, claim: Claim) -> None:
        token = claim.token(4)
        for path in ((), token.path[:-1], (*token.path, bytes(32))):
            with boa.reverts("step_verifier: token path"):
                self.element(verifier, claim, 4, replace(token, path=path))

    def test_revert_on_counts(self, verifier: Any, claim: Claim) -> None:
        """The roots bind the counts: a token cannot change sides, or lie past the end."""
        token = claim.token(4)
        with boa.reverts("step_verifier: token root"):
            self.element(verifier, claim, 4, token, prompt_tokens=PROMPT - 1)
        with boa.reverts("step_verifier: token path"):
            self.element(verifier, claim, 4, token, prompt_tokens=4, output_tokens=0)
        with boa.reverts("step_verifier: token path"):
            self.element(verifier, claim, 4, token, prompt_tokens=0, output_tokens=4)

    def test_revert_on_token_past_the_table(self, verifier: Any, claim: Claim) -> None:
        beyond = TokenList([2**32 - 1], SALT, PROMPT_SIDE)
        changes = {"prompt_root": beyond.root, "prompt_tokens": 1}
        with boa.reverts("step_verifier: position"):
            self.element(verifier, claim, 0, beyond.open(0), **changes)
