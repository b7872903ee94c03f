"""The dispute game as both players see it: its phases, its state, the moves.

A game walks from the root of the provider's trace down to one step (the steps tree), down that
step's output to one tile (the tiles tree), and ends at one element of it. No I/O here: `chain`
reads a `GameState` from the contract and its events, the challenger's `solver` and the provider's
`responder` turn it into a move, `chain` sends the move.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum

from assay.core.merkle import depth_of, next_height
from assay.core.types import TILE, Job, Model, Opening, Pass, Step, TokenOpening


class Player(Enum):
    PROVIDER = "provider"
    CHALLENGER = "challenger"


class Phase(IntEnum):
    """What the game waits for, and from whom."""

    ANSWER = 1  # provider: the trace root, as nodes below it, and token t
    PICK_NODE = 2  # challenger: one of the revealed nodes (or, in the steps tree, a rival token)
    REVEAL_NODES = 3  # provider: nodes below the picked one
    REVEAL_STEP = 4  # provider: the picked step, its program path, nodes of its output
    REVEAL_TILE = 5  # provider: the elements of the picked tile
    PICK_ELEMENT = 6  # challenger: one element of the tile, and the partials of its reduction
    PROVE_ELEMENT = 7  # provider: the element's inputs; of a long reduction, see `Prove…` below
    PROVE_SAMPLE = 8  # provider: the logits of the claimed token and of the rival
    RESOLVED = 9


CHALLENGER_PHASES = frozenset((Phase.PICK_NODE, Phase.PICK_ELEMENT))


@dataclass(frozen=True)
class GameState:
    """One game at one block.

    Attributes:
        positions: N of the disputed pass; token_index: t.
        steps: number of steps of the program.
        step: the picked step, once the walk has left the steps tree.
        shape: (rows, width, elem_bytes) of that step's output.
        level, index: the current node, counted below the root of the current tree.
        children: nodes that the provider revealed and that await a pick; else empty.
        tile: data of the picked tile, once revealed.
        column: the picked element's column; its row follows from `index`.
        partials: of the element's reduction as the challenger states them; empty if it has at
            most one chunk.
        rival: the token that challenges the sample.
        deadline: Unix time until which the side to move must move.
        claim_dead: another game has convicted the claim.
    """

    phase: Phase
    positions: int
    token_index: int
    steps: int
    step: int | None = None
    shape: tuple[int, int, int] | None = None
    level: int = 0
    index: int = 0
    children: tuple[bytes, ...] = ()
    tile: bytes = b""
    column: int | None = None
    partials: tuple[int, ...] = ()
    rival: int | None = None
    deadline: int = 0
    claim_dead: bool = False

    @property
    def turn(self) -> Player | None:
        if self.phase is Phase.RESOLVED:
            return None
        return Player.CHALLENGER if self.phase in CHALLENGER_PHASES else Player.PROVIDER

    @property
    def in_steps_tree(self) -> bool:
        return self.step is None

    @property
    def leaves(self) -> int:
        """Real leaves of the current tree: steps, or tiles of the step's output."""
        return self.steps if self.shape is None else self.shape[0] * tiles_per_row(self.shape[1])

    @property
    def depth(self) -> int:
        """Levels of the current tree."""
        return depth_of(self.leaves)

    @property
    def height(self) -> int:
        """Levels that the next reveal covers (or that the children shown now cover)."""
        return next_height(self.depth - self.level)

    @property
    def row(self) -> int:
        """Row of the picked tile."""
        assert self.shape is not None, "a tile is picked only after its step is known"
        return self.index // tiles_per_row(self.shape[1])

    @property
    def first_column(self) -> int:
        """Column of the picked tile's first element."""
        assert self.shape is not None, "a tile is picked only after its step is known"
        return self.index % tiles_per_row(self.shape[1]) * TILE


def tile_elements(state: GameState) -> tuple[int, ...]:
    """The integers of the revealed tile."""
    assert state.shape is not None, "a tile belongs to a step"
    size = state.shape[2]
    return tuple(
        int.from_bytes(state.tile[i : i + size], "big", signed=True)
        for i in range(0, len(state.tile), size)
    )


def tiles_per_row(width: int) -> int:
    return -(-width // TILE)


# Moves of the challenger.


@dataclass(frozen=True)
class PickNode:
    """Go down to this child of the nodes shown."""

    child: int


@dataclass(frozen=True)
class PickElement:
    """Name the wrong element, counted within the tile, and state the partials of its reduction.

    `partials`: of each chunk, an int64; none for at most one chunk.
    """

    element: int
    partials: tuple[int, ...] = ()


@dataclass(frozen=True)
class ChallengeSample:
    """Claim that `rival` scores higher than the claimed token."""

    rival: int


@dataclass(frozen=True)
class Timeout:
    """The other side's clock has run out."""


@dataclass(frozen=True)
class Close:
    """The claim died in another game: take the bond back."""


ChallengerMove = PickNode | PickElement | ChallengeSample | Timeout | Close


# Moves of the provider.


@dataclass(frozen=True)
class Ending:
    """How an output may end: after `max_tokens` tokens, or earlier with one of `eos_tokens`.

    Prompt and output together fill at most the model's context. An embedding takes no position.
    """

    max_tokens: int
    eos_tokens: tuple[int, ...]

    @classmethod
    def of(cls, model: Model, job: Job) -> Ending:
        room = max(model.context_length - job.prompt_tokens, 0)
        if model.embeds:
            room = int(job.prompt_tokens <= model.context_length)
        return cls(min(job.max_output_tokens, room), model.eos_tokens)

    def abi(self) -> tuple[object, ...]:
        return (self.max_tokens, list(self.eos_tokens))


@dataclass(frozen=True)
class Answer:
    """The trace root by its descendants, and the disputed token with the one before it.

    For an embedding: `token` is the prompt's first, `previous` holds the last step's leaf of the
    trace as its salt, and the leaf's siblings as its path.
    """

    pass_: Pass
    ending: Ending
    children: tuple[bytes, ...]
    token: TokenOpening
    previous: TokenOpening


@dataclass(frozen=True)
class RevealNodes:
    children: tuple[bytes, ...]


@dataclass(frozen=True)
class RevealStep:
    """The picked step under the program root, and the nodes below its output's tile root.

    An output of a single tile has one node, the tile's own hash.
    """

    step: Step
    program_path: tuple[bytes, ...]
    children: tuple[bytes, ...]


@dataclass(frozen=True)
class RevealTile:
    data: bytes


@dataclass(frozen=True)
class ProveElement:
    openings: tuple[Opening, ...]
    token: TokenOpening


@dataclass(frozen=True)
class ProveCombine:
    """The stated partials do give the element; the scalars that join them."""

    openings: tuple[Opening, ...]


@dataclass(frozen=True)
class ProveChunk:
    """The stated partial of one chunk is wrong; its operands."""

    chunk: int
    openings: tuple[Opening, ...]


@dataclass(frozen=True)
class ProveSample:
    token: TokenOpening
    openings: tuple[Opening, ...]


ProviderMove = (
    Answer
    | RevealNodes
    | RevealStep
    | RevealTile
    | ProveElement
    | ProveCombine
    | ProveChunk
    | ProveSample
)
