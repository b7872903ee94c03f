"""Client of the dispute game: its moves one by one, and its record as the contract holds it.

`chain.games` reads a game's whole state, events included, and plays typed moves with this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from assay.chain.contract import ContractClient
from assay.chain.sender import Mined
from assay.core.game import Ending
from assay.core.types import Job, Model, Opening, Pass, Receipt, Step, TokenOpening


class Outcome(IntEnum):
    """How a game ended (`IDisputeGame`)."""

    NONE = 0
    PROVIDER_WON = 1
    CHALLENGER_WON = 2
    CLOSED = 3


@dataclass(frozen=True)
class GameRecord:
    """`IDisputeGame.Game`, field by field."""

    batch_id: bytes
    index: int
    token_index: int
    challenger: str
    provider: str
    verifier: str
    phase: int
    outcome: int
    provider_left: int
    challenger_left: int
    turn_started: int
    terms: bytes
    trace_root: bytes
    node: bytes
    node_index: int
    depth_left: int
    leaf_count: int
    step_known: bool
    step_index: int
    width: int
    elem_bytes: int
    chunk_count: int
    target: int


@dataclass(frozen=True)
class Element:
    """The disputed element: its place, its value in the tile, its partials once revealed."""

    row: int
    column: int
    value: int
    partials: tuple[int, ...]

    def abi(self) -> tuple[object, ...]:
        return (self.row, self.column, self.value, list(self.partials))


@dataclass(frozen=True)
class Clocks:
    """Seconds left to each side, and the last second of the side to move (0: resolved)."""

    provider_left: int
    challenger_left: int
    deadline: int


class DisputeGame(ContractClient):
    """The moves of both sides; `chain.games` knows which is due."""

    def open(
        self,
        batch_id: bytes,
        index: int,
        receipt: Receipt,
        proof: Sequence[bytes],
        job: Job,
        model: Model,
        token_index: int,
        salt: bytes,
    ) -> Mined:
        """Challenge an output token; approve the challenger's bond first."""
        claim = (batch_id, index, receipt.abi(), list(proof), job.abi(), model.abi())
        return self.write("open", *claim, token_index, salt)

    def answer(
        self,
        game_id: bytes,
        pass_: Pass,
        ending: Ending,
        children: Sequence[bytes],
        token: TokenOpening,
        previous: TokenOpening,
    ) -> Mined:
        return self.write(
            "answer",
            game_id,
            pass_.abi(),
            ending.abi(),
            list(children),
            token.abi(),
            previous.abi(),
        )

    def pick_node(self, game_id: bytes, child: int, node: bytes, path: Sequence[bytes]) -> Mined:
        return self.write("pick_node", game_id, child, node, list(path))

    def challenge_sample(self, game_id: bytes, pass_: Pass, trace_root: bytes, rival: int) -> Mined:
        return self.write("challenge_sample", game_id, pass_.abi(), trace_root, rival)

    def reveal_nodes(self, game_id: bytes, children: Sequence[bytes]) -> Mined:
        return self.write("reveal_nodes", game_id, list(children))

    def reveal_step(
        self,
        game_id: bytes,
        pass_: Pass,
        step: Step,
        program_path: Sequence[bytes],
        children: Sequence[bytes],
    ) -> Mined:
        return self.write(
            "reveal_step", game_id, pass_.abi(), step.abi(), list(program_path), list(children)
        )

    def reveal_tile(self, game_id: bytes, data: bytes) -> Mined:
        return self.write("reveal_tile", game_id, data)

    def pick_element(self, game_id: bytes, element: int, data: bytes) -> Mined:
        return self.write("pick_element", game_id, element, data)

    def prove_element(
        self,
        game_id: bytes,
        pass_: Pass,
        step: Step,
        element: Element,
        openings: Sequence[Opening],
        token: TokenOpening,
    ) -> Mined:
        place = (game_id, pass_.abi(), step.abi(), element.abi())
        return self.write("prove_element", *place, _abi(openings), token.abi())

    def reveal_partials(
        self,
        game_id: bytes,
        pass_: Pass,
        step: Step,
        element: Element,
        openings: Sequence[Opening],
    ) -> Mined:
        place = (game_id, pass_.abi(), step.abi(), element.abi())
        return self.write("reveal_partials", *place, _abi(openings))

    def pick_chunk(self, game_id: bytes, chunk: int, node: bytes) -> Mined:
        return self.write("pick_chunk", game_id, chunk, node)

    def prove_chunk(
        self,
        game_id: bytes,
        pass_: Pass,
        step: Step,
        element: Element,
        openings: Sequence[Opening],
    ) -> Mined:
        place = (game_id, pass_.abi(), step.abi(), element.abi())
        return self.write("prove_chunk", *place, _abi(openings))

    def prove_sample(
        self, game_id: bytes, pass_: Pass, claimed: TokenOpening, openings: Sequence[Opening]
    ) -> Mined:
        return self.write("prove_sample", game_id, pass_.abi(), claimed.abi(), _abi(openings))

    def timeout(self, game_id: bytes) -> Mined:
        return self.write("timeout", game_id)

    def close(self, game_id: bytes) -> Mined:
        return self.write("close", game_id)

    def game(self, game_id: bytes, block: int | None = None) -> GameRecord:
        return GameRecord(*self.read("game", game_id, block=block))

    def clocks(self, game_id: bytes, block: int | None = None) -> Clocks:
        return Clocks(*self.read("clocks", game_id, block=block))

    def game_id(self, claim_id: bytes, token_index: int, challenger: str, salt: bytes) -> bytes:
        return bytes(self.read("game_id", claim_id, token_index, challenger, salt))

    def open_games(self, claim_id: bytes) -> int:
        return int(self.read("open_games", claim_id))

    def convicted(self, claim_id: bytes, block: int | None = None) -> bool:
        return bool(self.read("convicted", claim_id, block=block))

    def challenger_bond(self) -> int:
        """Units of the bond token."""
        return int(self.read("challenger_bond"))

    def clock_seconds(self) -> int:
        return int(self.read("clock_seconds"))

    def longest_game_seconds(self) -> int:
        return int(self.read("longest_game_seconds"))


def _abi(openings: Sequence[Opening]) -> list[Any]:
    return [opening.abi() for opening in openings]
