"""The provider's next move in a game, from the game's state and its own trace. No I/O.

The responder is blind to whether its trace is right: it opens what it committed to. An honest
provider wins with it, a cheating one loses with it.
"""

from __future__ import annotations

from dataclasses import dataclass

from assay.core.game import (
    Answer,
    Ending,
    GameState,
    Phase,
    ProveChunk,
    ProveCombine,
    ProveElement,
    ProveSample,
    ProviderMove,
    RevealNodes,
    RevealStep,
    RevealTile,
)
from assay.core.merkle import depth_of, next_height
from assay.core.tokens import TokenList
from assay.core.types import EMPTY_TOKEN, Job, Op, Opening, Pass, Receipt, TokenOpening
from assay.trace import witness
from assay.trace.commitment import CommittedTensor
from assay.trace.pass_trace import PassTrace


@dataclass(frozen=True)
class Defence:
    """Everything that defends output token `token_index` of a claim, or its embedding.

    `prompt` and `output` are the committed token lists, `trace` the pass before that token. An
    embedding is no list: its `output` is None, its trace the pass over the prompt.
    """

    job: Job
    receipt: Receipt
    prompt: TokenList
    output: TokenList | None
    token_index: int
    trace: PassTrace

    def token(self) -> TokenOpening:
        return self.output.open(self.token_index) if self.output else self.prompt.open(0)

    def previous(self) -> TokenOpening:
        if self.output is None:
            tree = self.trace.steps_tree
            last = tree.count - 1
            return TokenOpening(0, tree.at(tree.depth, last), tree.path(last))
        return self.output.open(self.token_index - 1) if self.token_index else EMPTY_TOKEN

    def row_token(self, row: int) -> TokenOpening:
        """Opening of the token that position `row` of the pass reads."""
        count = len(self.prompt.tokens)
        if self.output is None or row < count:
            return self.prompt.open(row)
        return self.output.open(row - count)


def next_move(state: GameState, defence: Defence) -> ProviderMove | None:
    """The move that the game waits for; None when it is not the provider's turn."""
    match state.phase:
        case Phase.ANSWER:
            return _answer(defence)
        case Phase.REVEAL_NODES:
            return _reveal_nodes(state, defence)
        case Phase.REVEAL_STEP:
            return _reveal_step(state, defence)
        case Phase.REVEAL_TILE:
            return RevealTile(_tensor(state, defence).tile(state.row, state.first_column))
        case Phase.PROVE_ELEMENT:
            return _prove_element(state, defence)
        case Phase.PROVE_SAMPLE:
            return _prove_sample(state, defence)
    return None


def _answer(defence: Defence) -> Answer:
    trace = defence.trace
    tree = trace.steps_tree
    header = trace.commitment.header
    return Answer(
        pass_=Pass.of(header, defence.job, defence.receipt, defence.token_index),
        ending=Ending.of(header, defence.job),
        children=tuple(tree.children(0, 0, next_height(tree.depth))),
        token=defence.token(),
        previous=defence.previous(),
    )


def _reveal_nodes(state: GameState, defence: Defence) -> RevealNodes:
    trace = defence.trace
    tree = trace.steps_tree if state.in_steps_tree else _tensor(state, defence).tree
    return RevealNodes(tuple(tree.children(state.level, state.index, state.height)))


def _reveal_step(state: GameState, defence: Defence) -> RevealStep:
    """The picked leaf of the steps tree is step `state.index`."""
    trace, index = defence.trace, state.index
    tensor = trace.tensor(index)
    height = next_height(depth_of(tensor.tree.count))
    return RevealStep(
        step=trace.commitment.program.steps[index],
        program_path=trace.commitment.step_path(index),
        children=tuple(tensor.tree.children(0, 0, height)),
    )


def _prove_element(state: GameState, defence: Defence) -> ProveElement | ProveCombine | ProveChunk:
    trace = defence.trace
    index, row, column = _element(state)
    step = trace.commitment.program.steps[index]
    if witness.chunk_count(step, trace.positions) > 1:
        return _prove_reduction(state, defence)
    if step.opcode == Op.EMBED:
        return _prove_embedding(defence, index, row, column)
    return ProveElement(tuple(witness.element(trace, index, row, column)), EMPTY_TOKEN)


def _prove_embedding(defence: Defence, index: int, row: int, column: int) -> ProveElement:
    """The table row of the *committed* token: no other opening is well-formed."""
    token = defence.row_token(row)
    step = defence.trace.commitment.program.steps[index]
    table: Opening = defence.trace.commitment.open_tensor(step.tensors[0], token.token, column)
    return ProveElement((table,), token)


def _prove_reduction(state: GameState, defence: Defence) -> ProveCombine | ProveChunk:
    """The first partial that the challenger has misstated; if there is none, they all join."""
    trace, place = defence.trace, _element(state)
    own = witness.partials(trace, *place)
    for number, (stated, partial) in enumerate(zip(state.partials, own, strict=True)):
        if stated != partial:
            return ProveChunk(number, tuple(witness.chunk(trace, *place, number)))
    return ProveCombine(tuple(witness.combine(trace, *place)))


def _prove_sample(state: GameState, defence: Defence) -> ProveSample:
    assert state.rival is not None, "this phase begins when a rival is named"
    claimed = defence.token()
    openings = witness.sample(
        defence.trace,
        claimed.token,
        state.rival,
        defence.job.seed,
        defence.token_index,
        defence.job.inv_temperature,
    )
    return ProveSample(claimed, tuple(openings))


def _tensor(state: GameState, defence: Defence) -> CommittedTensor:
    assert state.step is not None, "tiles are revealed after their step"
    return defence.trace.tensor(state.step)


def _element(state: GameState) -> tuple[int, int, int]:
    """(step, row, column) of the disputed element."""
    assert state.step is not None and state.column is not None, "an element has been picked"
    return state.step, state.row, state.column
