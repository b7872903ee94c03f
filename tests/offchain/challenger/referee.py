"""The game's rules in Python: what DisputeGame.vy enforces, over traces held in memory.

The verdict runs the step on the *provider's own* committed inputs, as the contract does.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from assay.challenger import solver
from assay.core import game
from assay.core.game import GameState, Phase, Player
from assay.core.hashes import step_leaf, tensor_commitment, tile_leaf
from assay.core.merkle import MerkleTree, root_from_path, subtree_root
from assay.core.types import ZERO_HASH, Op, Opening, Step, TokenOpening
from assay.exact import sampling
from assay.provider import responder
from assay.provider.responder import Defence
from assay.trace import witness
from assay.trace.commitment import CommittedTensor, ModelCommitment
from assay.trace.execute import _OPS
from assay.trace.pass_trace import PassTrace

CLOCK_SECONDS = 600


class Refused(Exception):
    """The contract would revert; the message is the reason."""


@dataclass
class Played:
    winner: Player
    moves: list[str]
    final: GameState


class Referee:
    """One game. `state` is what both players read; `winner` is set by the verdict."""

    def __init__(self, commitment: ModelCommitment, defence: Defence) -> None:
        self._commitment = commitment
        self._defence = defence
        self._nodes: dict[tuple[int, int], bytes] = {}
        self._tile_root: bytes = b""
        self.now = 1_000_000
        self.winner: Player | None = None
        self.state = GameState(
            phase=Phase.ANSWER,
            positions=defence.job.prompt_tokens + defence.token_index,
            token_index=defence.token_index,
            steps=len(commitment.program.steps),
            deadline=self.now + CLOCK_SECONDS,
        )

    def apply(self, move: object) -> None:
        """Make one move, or raise `Refused` with nothing changed."""
        if self.winner is not None:
            raise Refused("game: resolved")
        handler = getattr(self, "_" + type(move).__name__)
        handler(move)
        self.now += 1

    def _expect(self, *phases: Phase) -> None:
        if self.state.phase not in phases:
            raise Refused(f"game: not in {phases}")

    def _Timeout(self, move: game.Timeout) -> None:
        if self.now <= self.state.deadline:
            raise Refused("game: clock still runs")
        turn = self.state.turn
        self._end(Player.CHALLENGER if turn is Player.PROVIDER else Player.PROVIDER)

    def _Answer(self, move: game.Answer) -> None:
        self._expect(Phase.ANSWER)
        claim = self._defence
        expected = game.Pass.of(
            self._commitment.header, claim.job, claim.receipt, claim.token_index
        )
        if (move.pass_, move.ending) != (
            expected,
            game.Ending.of(self._commitment.header, claim.job),
        ):
            raise Refused("game: another pass")
        self._check_token(move.token, claim.token_index)
        self._check_padding(self.state, move.children)
        self.trace_root = subtree_root(move.children)
        self.state = replace(self.state, phase=Phase.PICK_NODE, children=move.children)

    def _check_token(self, opening: TokenOpening, index: int) -> None:
        if opening != self._defence.output.open(index):
            raise Refused("game: token")

    def _PickNode(self, move: game.PickNode) -> None:
        self._expect(Phase.PICK_NODE)
        state = self.state
        level, index = state.level + state.height, (state.index << state.height) + move.child
        if move.child not in range(len(state.children)) or self._is_padding(level, index):
            raise Refused("game: no such child")
        self._picked = state.children[move.child]
        phase = Phase.REVEAL_NODES
        if level == state.depth:
            phase = Phase.REVEAL_STEP if state.in_steps_tree else Phase.REVEAL_TILE
        self.state = replace(state, phase=phase, level=level, index=index, children=())

    def _is_padding(self, level: int, index: int) -> bool:
        return index << (self.state.depth - level) >= self.state.leaves

    def _check_padding(self, state: GameState, children: tuple[bytes, ...]) -> None:
        """Children without a real leaf are what padding must be, so that no difference hides
        there which a challenger would follow and could not explain."""
        below = state.depth - state.level - state.height
        padding = MerkleTree([ZERO_HASH] * (1 << below)).root
        first = state.index << state.height
        for place, child in enumerate(children):
            if (first + place) << below >= state.leaves and child != padding:
                raise Refused("game: junk in the padding")

    def _RevealNodes(self, move: game.RevealNodes) -> None:
        self._expect(Phase.REVEAL_NODES)
        self._check_padding(self.state, move.children)
        self._check_subtree(move.children, self._picked)
        self.state = replace(self.state, phase=Phase.PICK_NODE, children=move.children)

    def _check_subtree(self, children: tuple[bytes, ...], root: bytes) -> None:
        if len(children) != 1 << self.state.height or subtree_root(children) != root:
            raise Refused("game: nodes do not hash to the picked one")

    def _RevealStep(self, move: game.RevealStep) -> None:
        self._expect(Phase.REVEAL_STEP)
        step, index = move.step, self.state.index
        if (
            root_from_path(step_leaf(step), index, move.program_path)
            != self._commitment.steps_tree.root
        ):
            raise Refused("game: not this step of the program")
        rows, width = step.shape(self.state.positions)
        if (
            tensor_commitment(rows, width, step.elem_bytes, subtree_root(move.children))
            != self._picked
        ):
            raise Refused("game: nodes are not below the picked tensor")
        entered = replace(
            self.state,
            phase=Phase.PICK_NODE,
            step=index,
            shape=(rows, width, step.elem_bytes),
            level=0,
            index=0,
            children=move.children,
        )
        self._check_padding(entered, move.children)
        self.state = entered

    def _RevealTile(self, move: game.RevealTile) -> None:
        self._expect(Phase.REVEAL_TILE)
        assert self.state.shape is not None
        _, width, size = self.state.shape
        if len(move.data) != min(512, width - self.state.first_column) * size:
            raise Refused("game: tile length")
        if tile_leaf(move.data) != self._picked:
            raise Refused("game: not the picked tile")
        self.state = replace(self.state, phase=Phase.PICK_ELEMENT, tile=move.data)

    def _PickElement(self, move: game.PickElement) -> None:
        self._expect(Phase.PICK_ELEMENT)
        tile = game.tile_elements(self.state)
        if not 0 <= move.element < len(tile):
            raise Refused("game: no such element")
        chunks = witness.chunk_count(self._step(), self.state.positions)
        if len(move.partials) != (chunks if chunks > 1 else 0):
            raise Refused("game: number of partials")
        self._value = tile[move.element]
        self.state = replace(
            self.state,
            phase=Phase.PROVE_ELEMENT,
            column=self.state.first_column + move.element,
            partials=move.partials,
        )

    def _ProveElement(self, move: game.ProveElement) -> None:
        self._expect(Phase.PROVE_ELEMENT)
        step = self._step()
        if witness.chunk_count(step, self.state.positions) > 1:
            raise Refused("game: many chunks")
        self._check_openings(move.openings)
        if step.opcode == Op.EMBED:
            if move.token != self._defence.row_token(self.state.row):
                raise Refused("verifier: token")
            self._verdict(self._embedding(move.token.token))
        else:
            self._verdict(self._recomputed())

    def _embedding(self, token: int) -> int:
        step = self._step()
        table = self._commitment.program.tensor(step.tensors[0]).values
        return int(table[token, self.state.column]) << step.params[0]

    def _ProveCombine(self, move: game.ProveCombine) -> None:
        """Sums (LINEAR, ATTEND) give the element whichever way they are cut, so here the sum of
        the stated partials is looked at."""
        self._expect(Phase.PROVE_ELEMENT)
        self._check_chunks()
        self._check_openings(move.openings)
        right = sum(self.state.partials) == sum(self._honest_partials())
        joins = right and self._value == self._recomputed()
        self._end(Player.PROVIDER if joins else Player.CHALLENGER)

    def _ProveChunk(self, move: game.ProveChunk) -> None:
        self._expect(Phase.PROVE_ELEMENT)
        self._check_chunks()
        if not 0 <= move.chunk < len(self.state.partials):
            raise Refused("game: no such chunk")
        self._check_openings(move.openings)
        as_stated = self.state.partials[move.chunk] == self._honest_partials()[move.chunk]
        self._end(Player.CHALLENGER if as_stated else Player.PROVIDER)

    def _check_chunks(self) -> None:
        if witness.chunk_count(self._step(), self.state.positions) < 2:
            raise Refused("game: prove the element")

    def _honest_partials(self) -> list[int]:
        s = self.state
        assert s.step is not None and s.column is not None
        trace = with_program(self._defence.trace, self._commitment)
        return witness.partials(trace, s.step, s.row, s.column)

    def _ChallengeSample(self, move: game.ChallengeSample) -> None:
        self._expect(Phase.PICK_NODE)
        if not self.state.in_steps_tree:
            raise Refused("game: too late for a sample challenge")
        self.state = replace(self.state, phase=Phase.PROVE_SAMPLE, rival=move.rival, children=())

    def _ProveSample(self, move: game.ProveSample) -> None:
        self._expect(Phase.PROVE_SAMPLE)
        self._check_token(move.token, self.state.token_index)
        self._check_openings(move.openings)
        job, model, t = self._defence.job, self._commitment.model, self.state.token_index
        logits = self._defence.trace.tensors[-1].values[0].astype(np.int64)
        scores = sampling.score_row(
            logits, job.inv_temperature, model.logit_fraction, job.seed, t, model.gumbel
        )
        claimed, rival = move.token.token, self.state.rival
        stands = (scores[claimed], -claimed) >= (scores[rival], -rival)
        self._end(Player.PROVIDER if stands else Player.CHALLENGER)

    def _check_openings(self, openings: tuple[Opening, ...]) -> None:
        """Every opening is a tile of the provider's trace or of the model, with its true path."""
        honest = self._commitment
        trees = [
            (self._defence.trace.tensors, self.trace_root),
            (honest.weights.tensors, honest.weights.tree.root),
            (honest.tables.tensors, honest.tables.tree.root),
        ]
        for opening in openings:
            if not any(_leads_to(opening, tensors, root) for tensors, root in trees):
                raise Refused("verifier: an opening leads to no committed root")

    def _step(self) -> Step:
        assert self.state.step is not None
        return self._commitment.program.steps[self.state.step]

    def _recomputed(self) -> int:
        """The element from the provider's committed inputs and the honest weights."""
        step, trace = self._step(), self._defence.trace
        inputs = [trace.tensors[i].values.astype(np.int64) for i in step.inputs]
        tensors = [self._commitment.program.tensor(i).values.astype(np.int64) for i in step.tensors]
        ids = np.asarray(trace.tokens, dtype=np.int64)
        return int(
            _OPS[Op(step.opcode)](step, inputs, tensors, ids)[self.state.row, self.state.column]
        )

    def _verdict(self, right: int) -> None:
        self._end(Player.PROVIDER if self._value == right else Player.CHALLENGER)

    def _end(self, winner: Player) -> None:
        self.winner = winner
        self.state = replace(self.state, phase=Phase.RESOLVED)


def with_program(trace: PassTrace, commitment: ModelCommitment) -> PassTrace:
    """The same committed values, read with the weights of `commitment`."""
    honest = copy.copy(trace)
    honest.commitment = commitment
    return honest


def _leads_to(opening: Opening, tensors: Sequence[CommittedTensor], root: bytes) -> bool:
    leaf = tile_leaf(opening.data)
    shape = (opening.rows, opening.width, opening.elem_bytes)
    for place, tensor in enumerate(tensors):
        if (tensor.rows, tensor.width, tensor.elem_bytes) != shape:
            continue
        depth = tensor.tree.depth
        inner, outer = opening.path[:depth], opening.path[depth:]
        for index in range(tensor.tree.count):
            if tensor.tree.at(depth, index) != leaf:
                continue
            found = tensor_commitment(*shape, root_from_path(leaf, index, inner))
            if root_from_path(found, place, outer) == root:
                return True
    return False


def play(referee: Referee, guide: solver.Guide, defence: Defence, silent: bool = False) -> Played:
    """Both sides to the end; a side that has no move loses by its clock."""
    moves: list[str] = []
    while referee.winner is None:
        move: object = solver.next_move(referee.state, guide, referee.now)
        if move is None and not silent:
            with suppress(IndexError):  # there is nothing there to open
                move = responder.next_move(referee.state, defence)
        if move is None:
            referee.now = referee.state.deadline + 1
            move = solver.next_move(referee.state, guide, referee.now) or game.Timeout()
        try:
            referee.apply(move)
        except Refused:
            referee.now = referee.state.deadline + 1
            referee.apply(game.Timeout())
            move = game.Timeout()
        moves.append(type(move).__name__)
    return Played(referee.winner, moves, referee.state)
