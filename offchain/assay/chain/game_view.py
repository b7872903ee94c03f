"""Reads one game at one block: the record that it stands at plus what its moves left in events.

Hashes alone are stored on chain; revealed nodes, tiles and elements are in the events, so that
anybody can follow a game, take over a side after a restart, or report it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from assay.chain.dispute import Element, Outcome
from assay.chain.events import BLOCKS_PER_CALL, Event, EventDecoder
from assay.chain.network import Network
from assay.chain.node import node_errors, url_of
from assay.chain.record import GameRecord, Record, Standing
from assay.core.errors import ChainError, InputError
from assay.core.game import GameState, Phase, tiles_per_row
from assay.core.merkle import depth_of
from assay.core.partials import unpacked
from assay.core.types import TILE, Pass, Step

SHOWS_CHILDREN = ("Answered", "NodesRevealed", "StepRevealed")

READS = 3

T = TypeVar("T")


class _Torn(ChainError):
    """A move landed between the reading of the record and that of the events."""


@dataclass(frozen=True)
class GameView:
    """Everything about a game.

    `standing` is what its next move is addressed to, `record` the same taken apart, `state` what
    the players' rules look at, `events` the game's own in order, but for what it stands at.
    `pass_`, `step`, `element` are None until answered, revealed, picked.
    """

    game_id: bytes
    claim_id: bytes
    job_id: bytes
    standing: Standing
    record: GameRecord
    state: GameState
    pass_: Pass | None
    step: Step | None
    element: Element | None
    events: tuple[Event, ...]

    @property
    def outcome(self) -> Outcome:
        return Outcome(self.record.outcome)

    @property
    def reason(self) -> str:
        """Why the game ended, in the contract's words; "" while it runs."""
        resolved = self.last("GameResolved")
        return str(resolved.args["reason"]) if resolved else ""

    def last(self, *names: str) -> Event | None:
        """The newest event of these names."""
        return next((event for event in reversed(self.events) if event.name in names), None)


def read_game(network: Network, game_id: bytes, since: int | None = None) -> GameView:
    """The game at the newest block. `since`: a block that its opening is likely not before.

    Raises:
        InputError: there is no such game.
        ChainError: its events are not those of its record, however often they are read.
    """
    for _ in range(READS - 1):
        with suppress(_Torn):
            return _read(network, game_id, since)
    return _read(network, game_id, since)


def _read(network: Network, game_id: bytes, since: int | None) -> GameView:
    with node_errors(url_of(network.web3)):
        block = network.web3.eth.block_number
    hashed = network.game.standing(game_id, block)
    if not any(hashed):
        raise InputError(
            f"no game 0x{game_id.hex()} at block {block}; check the id and the deployment",
            code="unknown_game",
            status=404,
        )
    beginning = network.deployment.block
    found = _events(network, game_id, beginning if since is None else since, block)
    if not any(event.name == "GameOpened" for event in found):
        # A reorganisation moved the opening to before `since`.
        found = _events(network, game_id, beginning, block)
    standing = _standing(game_id, found, hashed)
    events = [event for event in found if event.name != "Standing"]
    opened = events[0].args
    record = GameRecord.of(standing.record, opened["challenger"])
    step_event = _last(events, "StepRevealed")
    element = _element(events)
    answered = _last(events, "Answered")
    pass_ = as_struct(Pass, answered.args["pass_"]) if answered else None
    return GameView(
        game_id=game_id,
        claim_id=bytes(opened["claim_id"]),
        job_id=bytes(opened["job_id"]),
        standing=standing,
        record=record,
        state=_state(network, block, record, pass_, element, events),
        pass_=pass_,
        step=as_struct(Step, step_event.args["step"]) if step_event else None,
        element=element,
        events=tuple(events),
    )


def as_struct(kind: type[T], value: object) -> T:
    """A decoded ABI struct (tuple or mapping, in field order) as its dataclass."""
    fields = value.values() if isinstance(value, Mapping) else cast(Sequence[Any], value)
    return kind(*(tuple(item) if isinstance(item, list | tuple) else item for item in fields))


def _state(
    network: Network,
    block: int,
    record: GameRecord,
    pass_: Pass | None,
    element: Element | None,
    events: Sequence[Event],
) -> GameState:
    shape = _shape(events)
    phase = Phase(record.phase)
    tile = _last(events, "TileRevealed")
    rival = _last(events, "SampleChallenged")
    index = record.node_index
    if element is not None and shape is not None:
        index = element.row * tiles_per_row(shape[1]) + element.column // TILE
    return GameState(
        phase=phase,
        positions=pass_.positions if pass_ else 0,
        token_index=record.token_index,
        steps=pass_.n_steps if pass_ else 0,
        step=record.step_index if record.step_known else None,
        shape=shape,
        level=depth_of(record.leaf_count) - record.depth_left,
        index=index,
        children=_children(events) if phase is Phase.PICK_NODE else (),
        tile=bytes(tile.args["data"]) if tile else b"",
        column=element.column if element else None,
        partials=element.partials if element else (),
        rival=int(rival.args["rival"]) if rival else None,
        deadline=record.deadline,
        claim_dead=network.game.convicted(_claim_id(events), block),
    )


def _standing(game_id: bytes, events: Sequence[Event], hashed: bytes) -> Standing:
    """The record that the last move left; `_Torn` if it is not the one of this hash."""
    left = _last(events, "Standing") if _last(events, "GameOpened") else None
    record = as_struct(Record, left.args["record"]) if left else None
    if record is None or record.hash != hashed:
        raise _Torn(
            f"game 0x{game_id.hex()} stands at another record than its events say: the chain was "
            "reorganised meanwhile, or the node lacks logs; read the game again"
        )
    return Standing(game_id, record)


def _events(network: Network, game_id: bytes, start: int, block: int) -> list[Event]:
    """The game's own events from `start` to `block`, read in pieces that endpoints accept."""
    source = next(s for s in network.sources() if s.name == "DisputeGame")
    decoder = EventDecoder(network.web3, [source])
    found: list[Event] = []
    for first in range(start, block + 1, BLOCKS_PER_CALL):
        wanted = {
            "fromBlock": first,
            "toBlock": min(first + BLOCKS_PER_CALL - 1, block),
            "address": source.address,
            "topics": [None, "0x" + game_id.hex()],
        }
        with node_errors(url_of(network.web3)):
            logs = network.web3.eth.get_logs(cast(Any, wanted))
        found += [event for event in map(decoder.decode, logs) if event is not None]
    return found


def _shape(events: Sequence[Event]) -> tuple[int, int, int] | None:
    revealed = _last(events, "StepRevealed")
    if revealed is None:
        return None
    args = revealed.args
    return int(args["rows"]), int(args["width"]), int(args["elem_bytes"])


def _element(events: Sequence[Event]) -> Element | None:
    picked = _last(events, "ElementPicked")
    if picked is None:
        return None
    args = picked.args
    partials = unpacked(bytes(args["partials"]))
    return Element(int(args["row"]), int(args["column"]), int(args["value"]), partials)


def _children(events: Sequence[Event]) -> tuple[bytes, ...]:
    shown = _last(events, *SHOWS_CHILDREN)
    return tuple(bytes(child) for child in shown.args["children"]) if shown else ()


def _claim_id(events: Sequence[Event]) -> bytes:
    return bytes(events[0].args["claim_id"])


def _last(events: Sequence[Event], *names: str) -> Event | None:
    return next((event for event in reversed(events) if event.name in names), None)
