"""A toy trace, and both sides of a game over it, move by move.

Moves are built from the game's record on chain and the trace alone, as a client would; a test
changes one argument of a move and sees what the contract says.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import boa
from eth_abi.abi import encode

from assay.chain.record import GameRecord, Record
from assay.core.hashes import (
    embedding_root,
    keccak,
    model_root,
    tensor_commitment,
    tile_leaf,
)
from assay.core.merkle import MerkleTree, depth_of, next_height
from assay.core.partials import packed
from assay.core.types import EMPTY_TOKEN, NONE, TILE, Pass, TokenOpening
from tests.support.market import STEPS, STEPS_TREE, Claim, Market, reverts, toy_model

ANSWER, PICK_NODE, REVEAL_NODES, REVEAL_STEP, REVEAL_TILE, PICK_ELEMENT = 1, 2, 3, 4, 5, 6
PROVE_ELEMENT, PROVE_SAMPLE, RESOLVED = 7, 8, 9
PROVIDER_WON, CHALLENGER_WON, CLOSED = 1, 2, 3
CHALLENGER_PHASES = (PICK_NODE, PICK_ELEMENT)
MOVES = {
    ANSWER: ("answer",),
    PICK_NODE: ("pick_node", "challenge_sample"),
    REVEAL_NODES: ("reveal_nodes",),
    REVEAL_STEP: ("reveal_step",),
    REVEAL_TILE: ("reveal_tile",),
    PICK_ELEMENT: ("pick_element",),
    PROVE_ELEMENT: ("prove_element", "prove_combine", "prove_chunk"),
    PROVE_SAMPLE: ("prove_sample",),
}

OPENING = (1, 1, 1, b"\x01", [])
"""What the toy verifier takes for a well-formed opening."""
ELEMENT_ABI = "(uint256,uint256,int256,bytes)"

Place = tuple[int, int, int]
"""(step, row, column)."""


class ToyTrace:
    """The committed outputs of all toy steps in a pass.

    Args:
        positions: N.
        lies: what to add to the element at a place.
    """

    def __init__(self, positions: int, lies: dict[Place, int] | None = None) -> None:
        self.positions = positions
        self.lies = lies or {}
        self._trees: dict[int, MerkleTree] = {}
        lying = {place[0] for place in self.lies}
        leaves = []
        for step in range(len(STEPS)):
            leaves.append(self._honest_leaf(step) if step not in lying else self.commitment(step))
        self.steps_tree = MerkleTree(leaves)

    @property
    def root(self) -> bytes:
        return self.steps_tree.root

    def shape(self, step: int) -> tuple[int, int]:
        return STEPS[step].shape(self.positions)

    def chunks(self, step: int) -> int:
        return STEPS[step].params[1] if STEPS[step].opcode == 2 else 0

    def partials(self, place: Place) -> list[int]:
        step, row, column = place
        return [STEPS[step].params[0] + row + column + chunk for chunk in range(self.chunks(step))]

    def element(self, place: Place) -> int:
        step, row, column = place
        value = STEPS[step].params[0] + 1000 * row + column
        if self.chunks(step):
            value = sum(self.partials(place))
        return value + self.lies.get(place, 0)

    def tile(self, step: int, row: int, first_column: int) -> bytes:
        size = STEPS[step].elem_bytes
        width = self.shape(step)[1]
        columns = range(first_column, min(first_column + TILE, width))
        values = (self.element((step, row, column)) for column in columns)
        return b"".join(value.to_bytes(size, "big", signed=True) for value in values)

    def tiles(self, step: int) -> MerkleTree:
        if step not in self._trees:
            rows, width = self.shape(step)
            leaves = [
                tile_leaf(self.tile(step, row, first))
                for row in range(rows)
                for first in range(0, width, TILE)
            ]
            self._trees[step] = MerkleTree(leaves)
        return self._trees[step]

    def commitment(self, step: int) -> bytes:
        rows, width = self.shape(step)
        return tensor_commitment(rows, width, STEPS[step].elem_bytes, self.tiles(step).root)

    def _honest_leaf(self, step: int) -> bytes:
        """Equal steps have equal outputs: committed once per shape and number of positions."""
        key = (self.positions, STEPS[step])
        if key not in _HONEST:
            _HONEST[key] = self.commitment(step)
        return _HONEST[key]


_HONEST: dict[Any, bytes] = {}


@dataclass(repr=False)
class ToyGame:
    """One open game, with the provider's trace and the claim that it is about."""

    market: Market
    claim: Claim
    trace: ToyTrace
    token_index: int
    challenger: str
    game_id: bytes
    standing: tuple[Any, ...]

    @property
    def contract(self) -> Any:
        return self.market.game

    @property
    def record(self) -> GameRecord:
        return GameRecord.of(Record(*self.standing), self.challenger)

    def note(self) -> None:
        """Read where the transaction just made has left the game."""
        self.standing = left_at(self.contract, self.game_id) or self.standing

    @property
    def phase(self) -> int:
        return int(self.record.phase)

    @property
    def terms(self) -> Pass:
        return Pass.of(self.claim.model, self.claim.job, self.claim.receipt, self.token_index)

    @property
    def ending(self) -> tuple[Any, ...]:
        room = max(self.claim.model.context_length - self.claim.job.prompt_tokens, 0)
        if self.claim.model.embeds:
            room = int(self.claim.job.prompt_tokens <= self.claim.model.context_length)
        limit = min(self.claim.job.max_output_tokens, room)
        return (limit, list(self.claim.model.eos_tokens))

    # What the sides say, as arguments after the game id.

    def answer_arguments(self) -> list[Any]:
        tree = self.trace.steps_tree
        return [
            self.terms.abi(),
            self.ending,
            tree.children(0, 0, next_height(tree.depth)),
            *(opening.abi() for opening in self._output_openings()),
        ]

    def _output_openings(self) -> tuple[TokenOpening, TokenOpening]:
        """`token` and `previous` of an answer."""
        if self.claim.model.embeds:
            tree, last = self.trace.steps_tree, len(STEPS) - 1
            leaf = TokenOpening(0, tree.at(tree.depth, last), tree.path(last))
            return self.claim.prompt.open(0), leaf
        previous = EMPTY_TOKEN
        if self.token_index > 0:
            previous = self.claim.output.open(self.token_index - 1)
        return self.claim.output.open(self.token_index), previous

    def pick_arguments(self, child: int) -> list[Any]:
        """Go down to `child` of the nodes shown last."""
        tree, level, index, height = self._shown()
        node = tree.at(level + height, (index << height) + child)
        path = [
            tree.at(level + height - up, (((index << height) + child) >> up) ^ 1)
            for up in range(height)
        ]
        return [child, node, path]

    def reveal_arguments(self) -> list[Any]:
        tree, level, index, height = self._shown()
        return [tree.children(level, index, height)]

    def step_arguments(self) -> list[Any]:
        step = self.record.node_index
        tiles = self.trace.tiles(step)
        return [
            self.terms.abi(),
            STEPS[step].abi(),
            STEPS_TREE.path(step),
            tiles.children(0, 0, next_height(tiles.depth)),
        ]

    def tile_arguments(self) -> list[Any]:
        row, first = self._tile()
        return [self.trace.tile(self.record.step_index, row, first)]

    def partials(self, column: int, misstated: int | None = None) -> list[int]:
        """What the challenger states about an element of the picked tile: nothing of a single
        chunk; the truth, but that the partial of chunk `misstated` is one too large."""
        partials = self.trace.partials((self.record.step_index, self._tile()[0], column))
        if misstated is not None and len(partials) > 1:
            partials[misstated] += 1
        return partials if len(partials) > 1 else []

    def element_arguments(self, column: int, misstated: int | None = None) -> list[Any]:
        partials = packed(self.partials(column, misstated))
        return [column % TILE, *self.tile_arguments(), partials]

    def element(self, column: int, misstated: int | None = None) -> tuple[Any, ...]:
        """`IDisputeGame.Element` in the picked tile."""
        place = (self.record.step_index, self._tile()[0], column)
        partials = packed(self.partials(column, misstated))
        return (place[1], column, self.trace.element(place), partials)

    def proof_arguments(self, column: int, misstated: int | None = None) -> list[Any]:
        step = STEPS[self.record.step_index].abi()
        return [self.terms.abi(), step, self.element(column, misstated), [OPENING]]

    def chunk_arguments(self, column: int, chunk: int, misstated: int | None = None) -> list[Any]:
        """Of `prove_chunk`, naming a chunk; what is misstated may be another one, or none."""
        terms, step, element, openings = self.proof_arguments(column, misstated)
        return [terms, step, element, chunk, openings]

    def node_of(self, element: tuple[Any, ...]) -> bytes:
        """What the game stands at when it stands at an element."""
        return keccak(encode([ELEMENT_ABI], [element]))

    def sample_arguments(self) -> list[Any]:
        claimed = self.claim.output.open(self.token_index)
        return [self.terms.abi(), claimed.abi(), [OPENING]]

    def any_arguments(self, name: str) -> list[Any]:
        """Arguments of the right types for a move that is not due."""
        terms, step, element = self.terms.abi(), STEPS[0].abi(), (0, 0, 0, b"")
        return {
            "answer": [terms, self.ending, [], EMPTY_TOKEN.abi(), EMPTY_TOKEN.abi()],
            "pick_node": [0, bytes(32), []],
            "challenge_sample": [terms, 0],
            "reveal_nodes": [[]],
            "reveal_step": [terms, step, [], []],
            "reveal_tile": [b""],
            "pick_element": [0, b"", b""],
            "prove_element": [terms, step, element, [], EMPTY_TOKEN.abi()],
            "prove_combine": [terms, step, element, []],
            "prove_chunk": [terms, step, element, 0, []],
            "prove_sample": [terms, EMPTY_TOKEN.abi(), []],
        }[name]

    # Moves.

    def move(self, name: str, *arguments: Any, sender: str | None = None) -> None:
        if sender is None:
            challengers = self.phase in CHALLENGER_PHASES
            sender = self.challenger if challengers else self.market.provider
        getattr(self.contract, name)(self.game_id, self.standing, *arguments, sender=sender)
        self.note()

    def timeout(self, sender: str | None = None) -> None:
        self.move("timeout", sender=sender or self.market.stranger)

    def close(self, sender: str | None = None) -> None:
        self.move("close", sender=sender or self.market.stranger)

    def refuses(self, reason: str, name: str, *arguments: Any, sender: str | None = None) -> None:
        """The move reverts with this reason and changes nothing."""
        before, bond = self.record, self.market.bond_token.balanceOf(self.contract.address)
        with reverts(reason):
            self.move(name, *arguments, sender=sender)
        assert self.record == before
        assert self.market.bond_token.balanceOf(self.contract.address) == bond

    def answer(self) -> ToyGame:
        self.move("answer", *self.answer_arguments())
        return self

    def advance(self, target: Place, misstated: int | None = None) -> None:
        """One move of whoever has it, towards `target`; the challenger misstates that partial,
        and the provider names it."""
        match self.phase:
            case 1:
                self.answer()
            case 2:
                self.move("pick_node", *self.pick_arguments(self.child_towards(target)))
            case 3:
                self.move("reveal_nodes", *self.reveal_arguments())
            case 4:
                self.move("reveal_step", *self.step_arguments())
            case 5:
                self.move("reveal_tile", *self.tile_arguments())
            case 6:
                self.move("pick_element", *self.element_arguments(target[2], misstated))
            case 7 if self.record.chunk_count > 1 and misstated is not None:
                arguments = self.chunk_arguments(target[2], misstated, misstated)
                self.move("prove_chunk", *arguments)
            case 7 if self.record.chunk_count > 1:
                self.move("prove_combine", *self.proof_arguments(target[2]))
            case 7:
                arguments = self.proof_arguments(target[2])
                self.move("prove_element", *arguments, EMPTY_TOKEN.abi())
            case 8:
                self.move("prove_sample", *self.sample_arguments())

    def play(self, target: Place, until: int = RESOLVED, misstated: int | None = None) -> ToyGame:
        """Both sides play towards `target` until the game stands at phase `until`."""
        for _ in range(40):
            if self.phase == until:
                return self
            self.advance(target, misstated)
        raise AssertionError(f"phase {until} not reached; the game stands at {self.phase}")

    # Where the game stands.

    def _shown(self) -> tuple[MerkleTree, int, int, int]:
        """Tree, level, index of the current node, and the height of the reveal below it."""
        record = self.record
        tree = self.trace.steps_tree
        if record.step_known:
            tree = self.trace.tiles(record.step_index)
        level = depth_of(record.leaf_count) - record.depth_left
        return tree, level, record.node_index, next_height(record.depth_left)

    def _tile(self) -> tuple[int, int]:
        """Row and first column of the picked tile."""
        tiles = -(-self.record.width // TILE)
        row, tile = divmod(self.record.node_index, tiles)
        return row, tile * TILE

    def child_towards(self, target: Place) -> int:
        """Which of the nodes shown leads to the target (any number, if none does)."""
        record = self.record
        leaf = target[0]
        if record.step_known:
            leaf = target[1] * -(-record.width // TILE) + target[2] // TILE
        below = record.depth_left - next_height(record.depth_left)
        return (leaf >> below) - (record.node_index << next_height(record.depth_left))

    def is_real(self, child: int) -> bool:
        """Whether the child was shown and has a real leaf below it."""
        record = self.record
        height = next_height(record.depth_left)
        first = ((record.node_index << height) + child) << (record.depth_left - height)
        return 0 <= child < 1 << height and first < record.leaf_count

    def column_towards(self, target: Place) -> int:
        """The target's column if the picked tile has it, else the tile's first."""
        first = self._tile()[1]
        elements = len(self.tile_arguments()[0]) // self.record.elem_bytes
        return target[2] if first <= target[2] < first + elements else first


def open_game(
    market: Market,
    claim: Claim,
    trace: ToyTrace | None = None,
    token_index: int = 1,
    challenger: str | None = None,
    salt: bytes = b"\x00" * 32,
) -> ToyGame:
    """Fund a challenger and open its game; an honest trace unless one is given."""
    price = market.game.bond_against(claim.job.provider)
    challenger = market.fund_challenger(challenger, price)
    trace = trace or ToyTrace(claim.job.prompt_tokens + token_index)
    arguments = claim.opening(token_index, salt)
    game_id = bytes(market.game.open(*arguments, sender=challenger))
    standing = left_at(market.game, game_id)
    assert standing is not None, "an opening leaves a record"
    return ToyGame(market, claim, trace, token_index, challenger, game_id, standing)


def left_at(contract: Any, game_id: bytes) -> tuple[Any, ...] | None:
    """The record that the last transaction has left a game at; None if it was not about it."""
    left = [log for log in contract.get_logs() if type(log).__name__ == "Standing"]
    mine = [log.record for log in left if bytes(log.game_id) == game_id]
    return tuple(mine[-1]) if mine else None


def embedding_claim(market: Market, trace: ToyTrace, step: int = -1, **changes: Any) -> Claim:
    """A posted claim whose embedding is the output of a step of the trace, the last by default;
    its job asks for one output, by the prompt's tokens alone, unless changed."""
    model = toy_model(gumbel_table=NONE, eos_tokens=())
    if not market.models.registered_at(model_root(model)):
        market.models.register(model.abi())
    job = {"max_output_tokens": 1, "price_output": 0, **changes}
    receipt = job.pop("receipt", {})
    stated = market.claim(tokens=(0,), model=model, receipt=receipt, **job)
    if "output_root" not in receipt:
        leaf = trace.commitment(step % len(STEPS))
        root = embedding_root(stated.prompt.open(0).salt, leaf)
        stated.receipt = replace(stated.receipt, output_root=root)
    market.post(stated)
    return stated


def convict(market: Market, claim: Claim) -> ToyGame:
    """A claim is convicted by a game of its own challenger, who follows a lie to its end."""
    lie = (0, 0, 1)
    trace = ToyTrace(claim.job.prompt_tokens + 1, {lie: 1})
    opener = market.fund_challenger(boa.env.generate_address("opener"))
    return open_game(market, claim, trace, challenger=opener).play(lie)
