"""Client of the dispute game: its moves one by one.

`chain.games` reads a game's whole state, events included, and plays typed moves with this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from assay.chain.contract import ContractClient
from assay.chain.record import Standing
from assay.chain.sender import Mined
from assay.core.game import Ending
from assay.core.partials import packed
from assay.core.types import Job, Model, Opening, Pass, Receipt, Step, TokenOpening


class Outcome(IntEnum):
    """How a game ended (`IDisputeGame`)."""

    NONE = 0
    PROVIDER_WON = 1
    CHALLENGER_WON = 2
    CLOSED = 3


@dataclass(frozen=True)
class Element:
    """The disputed element: its place, its value in the tile, its partials as the challenger
    states them (int64, one a chunk; none of at most one chunk)."""

    row: int
    column: int
    value: int
    partials: tuple[int, ...]

    def abi(self) -> tuple[object, ...]:
        return (self.row, self.column, self.value, packed(self.partials))


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
        game: Standing,
        pass_: Pass,
        ending: Ending,
        children: Sequence[bytes],
        token: TokenOpening,
        previous: TokenOpening,
    ) -> Mined:
        return self.write(
            "answer",
            *game.abi(),
            pass_.abi(),
            ending.abi(),
            list(children),
            token.abi(),
            previous.abi(),
        )

    def pick_node(self, game: Standing, child: int, node: bytes, path: Sequence[bytes]) -> Mined:
        return self.write("pick_node", *game.abi(), child, node, list(path))

    def challenge_sample(self, game: Standing, pass_: Pass, rival: int) -> Mined:
        return self.write("challenge_sample", *game.abi(), pass_.abi(), rival)

    def reveal_nodes(self, game: Standing, children: Sequence[bytes]) -> Mined:
        return self.write("reveal_nodes", *game.abi(), list(children))

    def reveal_step(
        self,
        game: Standing,
        pass_: Pass,
        step: Step,
        program_path: Sequence[bytes],
        children: Sequence[bytes],
    ) -> Mined:
        return self.write(
            "reveal_step", *game.abi(), pass_.abi(), step.abi(), list(program_path), list(children)
        )

    def reveal_tile(self, game: Standing, data: bytes) -> Mined:
        return self.write("reveal_tile", *game.abi(), data)

    def pick_element(
        self, game: Standing, element: int, data: bytes, partials: Sequence[int]
    ) -> Mined:
        return self.write("pick_element", *game.abi(), element, data, packed(partials))

    def prove_element(
        self,
        game: Standing,
        pass_: Pass,
        step: Step,
        element: Element,
        openings: Sequence[Opening],
        token: TokenOpening,
    ) -> Mined:
        place = (*game.abi(), pass_.abi(), step.abi(), element.abi())
        return self.write("prove_element", *place, _abi(openings), token.abi())

    def prove_combine(
        self,
        game: Standing,
        pass_: Pass,
        step: Step,
        element: Element,
        openings: Sequence[Opening],
    ) -> Mined:
        place = (*game.abi(), pass_.abi(), step.abi(), element.abi())
        return self.write("prove_combine", *place, _abi(openings))

    def prove_chunk(
        self,
        game: Standing,
        pass_: Pass,
        step: Step,
        element: Element,
        chunk: int,
        openings: Sequence[Opening],
    ) -> Mined:
        place = (*game.abi(), pass_.abi(), step.abi(), element.abi())
        return self.write("prove_chunk", *place, chunk, _abi(openings))

    def prove_sample(
        self, game: Standing, pass_: Pass, claimed: TokenOpening, openings: Sequence[Opening]
    ) -> Mined:
        return self.write("prove_sample", *game.abi(), pass_.abi(), claimed.abi(), _abi(openings))

    def timeout(self, game: Standing) -> Mined:
        return self.write("timeout", *game.abi())

    def close(self, game: Standing) -> Mined:
        return self.write("close", *game.abi())

    def standing(self, game_id: bytes, block: int | None = None) -> bytes:
        """Hash of the record that a game stands at; zero for no game."""
        return bytes(self.read("standing", game_id, block=block))

    def game_id(self, claim_id: bytes, token_index: int, challenger: str, salt: bytes) -> bytes:
        return bytes(self.read("game_id", claim_id, token_index, challenger, salt))

    def open_games(self, claim_id: bytes) -> int:
        return int(self.read("open_games", claim_id))

    def convicted(self, claim_id: bytes, block: int | None = None) -> bool:
        return bool(self.read("convicted", claim_id, block=block))

    def challenger_bond(self) -> int:
        """Units of the bond token; a game costs several where its provider has many to answer."""
        return int(self.read("challenger_bond"))

    def bond_against(self, provider: str) -> int:
        """Units of the bond token that opening a game against a provider costs now."""
        return int(self.read("bond_against", provider))

    def clock_seconds(self) -> int:
        return int(self.read("clock_seconds"))

    def longest_game_seconds(self) -> int:
        return int(self.read("longest_game_seconds"))


def _abi(openings: Sequence[Opening]) -> list[Any]:
    return [opening.abi() for opening in openings]
