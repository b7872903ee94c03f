"""What a game stands at: the record that each move brings along, and what it says.

The contract keeps the record's hash alone; the record itself is in the event `Standing` that every
move leaves. `IDisputeGame.Record` says how it is packed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import NamedTuple

from eth_abi.abi import encode

from assay.core.game import CHALLENGER_PHASES, Phase
from assay.core.hashes import keccak

_ABI = "(bytes32,uint256,address,address,uint256,bytes32,bytes32,bytes32,uint256)"


@dataclass(frozen=True)
class Record:
    """`IDisputeGame.Record`, field by field."""

    batch_id: bytes
    opener: int
    provider: str
    verifier: str
    turn: int
    terms: bytes
    trace_root: bytes
    node: bytes
    cursor: int

    def abi(self) -> tuple[object, ...]:
        return astuple(self)

    @property
    def hash(self) -> bytes:
        """What the contract keeps of it."""
        return keccak(encode([_ABI], [self.abi()]))


@dataclass(frozen=True)
class Standing:
    """A game at one of its records: what every move is addressed to."""

    game_id: bytes
    record: Record

    def abi(self) -> tuple[object, ...]:
        return (self.game_id, self.record.abi())


@dataclass(frozen=True)
class GameRecord:
    """A record taken apart.

    Attributes:
        provider_left, challenger_left: seconds, as of turn_started (Unix time).
        node: the hash that the next move must open; node_index counts nodes of its level from
            the left, depth_left levels hang below it, leaf_count leaves below its tree's root.
        step_known: the walk has left the steps tree; step_index, width, elem_bytes and
            chunk_count are of the step's output.
        bonds: how many challenger bonds it was opened with.
        target: the rival token at PROVE_SAMPLE.
    """

    batch_id: bytes
    index: int
    token_index: int
    challenger: str
    bonds: int
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

    @classmethod
    def of(cls, record: Record, challenger: str) -> GameRecord:
        """`challenger`: its address in the caller's spelling, as events give it."""
        turn = _lanes(record.turn, (64, 64, 64, 8, 8))
        provider_left, challenger_left, turn_started, phase, outcome = turn
        _, index, token_index, bonds = _lanes(record.opener, (160, 32, 32, 32))
        cursor = _lanes(record.cursor, (32, 1, 8, 56, 56, 32, 8, 16, 32))
        step_index, step_known, depth_left, node_index, leaf_count, *output = cursor
        width, elem_bytes, chunk_count, target = output
        return cls(
            batch_id=record.batch_id,
            index=index,
            token_index=token_index,
            challenger=challenger,
            bonds=bonds,
            provider=record.provider,
            verifier=record.verifier,
            phase=phase,
            outcome=outcome,
            provider_left=provider_left,
            challenger_left=challenger_left,
            turn_started=turn_started,
            terms=record.terms,
            trace_root=record.trace_root,
            node=record.node,
            node_index=node_index,
            depth_left=depth_left,
            leaf_count=leaf_count,
            step_known=bool(step_known),
            step_index=step_index,
            width=width,
            elem_bytes=elem_bytes,
            chunk_count=chunk_count,
            target=target,
        )

    def clocks(self, now: int) -> Clocks:
        """What is left at Unix time `now`, charged to the side to move."""
        if self.phase == Phase.RESOLVED:
            return Clocks(self.provider_left, self.challenger_left, 0)
        used = now - self.turn_started
        if self.phase in CHALLENGER_PHASES:
            deadline = self.turn_started + self.challenger_left
            return Clocks(self.provider_left, max(self.challenger_left - used, 0), deadline)
        deadline = self.turn_started + self.provider_left
        return Clocks(max(self.provider_left - used, 0), self.challenger_left, deadline)

    @property
    def deadline(self) -> int:
        """The last second of the side to move; 0 once resolved."""
        return self.clocks(self.turn_started).deadline


class Clocks(NamedTuple):
    """Seconds left to each side, and the last second of the side to move (0: resolved)."""

    provider_left: int
    challenger_left: int
    deadline: int


def _lanes(word: int, widths: Sequence[int]) -> list[int]:
    """A word's fields, the lowest first, of so many bits each."""
    found = []
    for bits in widths:
        found.append(word & ((1 << bits) - 1))
        word >>= bits
    return found
